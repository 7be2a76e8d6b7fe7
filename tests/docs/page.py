"""A page and its fenced blocks, each with the comments before it."""
import re
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

FENCE = re.compile(r"^\s*(?P<fence>```+|~~~+)\s*(?P<language>[\w+-]*)")
COMMENT = re.compile(r"\s*<!--(.*?)-->\s*", re.DOTALL)
DIRECTIVES = {"run", "setup", "replace", "file", "expect"}


@dataclass
class Block:
    page: str
    line: int  # of the fence, from 1
    language: str
    text: str
    directives: list[tuple[str, str]] = field(default_factory=list)

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.directives if key == name]

    def get(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)


@dataclass
class Page:
    name: str
    blocks: list[Block]

    @staticmethod
    def read(path: Path, by_first_line: dict[str, list[str]]) -> "Page":
        """A page; `by_first_line` has directives for blocks that begin with these lines, each of which must be there."""
        blocks, directives = [], []
        lines = path.read_text("utf-8").splitlines()
        unused = set(by_first_line)
        at = 0
        while at < len(lines):
            line = lines[at]
            if match := FENCE.match(line):
                end = next(i for i in range(at + 1, len(lines)) if lines[i].strip() == match["fence"])
                text = textwrap.dedent("\n".join(lines[at + 1 : end])) + "\n"
                first = text.splitlines()[0] if text.strip() else ""
                unused.discard(first)
                found = directives + [directive(it, path, at) for it in by_first_line.get(first, [])]
                blocks.append(Block(path.name, at + 1, match["language"], text, found))
                directives, at = [], end + 1
            elif line.lstrip().startswith("<!--"):
                end = next(i for i in range(at, len(lines)) if "-->" in lines[i])
                comment = COMMENT.fullmatch("\n".join(lines[at : end + 1]))
                text = comment[1].strip() if comment else ""
                if re.match(r"[a-z]+(:|$)", text):  # others are for people
                    directives.append(directive(text, path, at))
                at = end + 1
            else:
                if line.strip() and directives:
                    raise SystemExit(f"{path}:{at + 1}: a comment that is not followed by a block")
                at += 1
        if unused:
            raise SystemExit(f"{path}: no block begins with {sorted(unused)}")
        return Page(path.name, blocks)


def directive(text: str, path: Path, line: int) -> tuple[str, str]:
    name, _, value = text.partition(":")
    if name not in DIRECTIVES:
        raise SystemExit(f"{path}:{line + 1}: {name!r} is none of {', '.join(sorted(DIRECTIVES))}")
    return name, value.strip()
