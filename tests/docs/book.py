"""The book as a whole: links and anchors, SUMMARY.md, and whether mdbook builds it."""
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FENCED = re.compile(r"^\s*(```+|~~~+).*?^\s*\1\s*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)


def check(root: Path) -> list[str]:
    docs = root / "docs"
    pages = [root / "README.md", *sorted(docs.glob("*.md"))]
    mistakes = [mistake for page in pages for mistake in broken_links(page)]
    listed = {link for link in links((docs / "SUMMARY.md").read_text("utf-8"))}
    unlisted = {page.name for page in docs.glob("*.md")} - listed - {"SUMMARY.md"}
    mistakes += [f"docs/{name} is not in SUMMARY.md" for name in sorted(unlisted)]
    return mistakes + build(docs)


def broken_links(page: Path) -> list[str]:
    mistakes = []
    for link in links(page.read_text("utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            mistakes.append(f"{page.name}: {link} leads nowhere")
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            mistakes.append(f"{page.name}: {link}: there is no such heading")
    return mistakes


def links(text: str) -> list[str]:
    return LINK.findall(re.sub(r"`[^`\n]*`", "", FENCED.sub("", text)))


def anchors(page: Path) -> set[str]:
    """As GitHub and mdBook make them of headings."""
    headings = HEADING.findall(FENCED.sub("", page.read_text("utf-8")))
    texts = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in texts}


def build(docs: Path) -> list[str]:
    program = shutil.which("mdbook", path=str(Path(sys.executable).parent)) or shutil.which("mdbook")
    if not program:
        print("mdbook is not installed, so the book was not built")
        return []
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([program, "build", str(docs), "--dest-dir", folder], capture_output=True, text=True)
    text = done.stdout + done.stderr
    wrong = done.returncode != 0 or re.search(r"\b(WARN|ERROR)\b", text)
    return [f"mdbook build docs:\n{text}"] if wrong else []
