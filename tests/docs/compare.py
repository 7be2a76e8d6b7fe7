"""Whether an output is what a page says it is; run.py says how they are compared."""
import json
import re

NUMBER = r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
FRACTION = r"-?\d+\.\d+(?:[eE][-+]?\d+)?"
TOLERANCE = 1e-4
ANY = [  # what is replaced on both sides before they are compared
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?"), "DATE"),
    (re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"), "DATE"),
    (re.compile(r"foretold:[\w-]{15}:"), "foretold:MODEL:"),
    (re.compile(rf"(?<=ttl=){NUMBER}|(?<=age: ){NUMBER}|(?<=max-age=){NUMBER}|(?<=dur=){NUMBER}"), "N"),
    (re.compile(rf"{NUMBER}(?= (?:ms|µs|s)\b)"), "N"),
]


def difference(expected: str, actual: str) -> str | None:
    """Nothing if they are the same, else a text that shows both."""
    if matches(expected, actual):
        return None
    shown = "\n".join(pretty(actual).splitlines()[:60])
    return f"expected\n{indent(expected)}\n    but it printed\n{indent(shown)}"


def matches(expected: str, actual: str) -> bool:
    try:
        return same(json.loads(expected), json.loads(actual))
    except ValueError:
        pass
    return text_matches(expected, actual) or text_matches(expected, pretty(actual))


def same(expected, actual) -> bool:
    if isinstance(expected, dict) and isinstance(actual, dict):
        return expected.keys() == actual.keys() and all(same(expected[key], actual[key]) for key in expected)
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(same, expected, actual))
    if isinstance(expected, str) and isinstance(actual, str):
        return text_matches(expected, actual)
    if isinstance(expected, float) and isinstance(actual, float):
        return near(expected, actual)
    return type(expected) is type(actual) and expected == actual


def text_matches(expected: str, actual: str) -> bool:
    expected, actual = tidy(expected), tidy(actual)
    pattern, numbers = [], []
    for part in re.split(rf"(\n ?…\Z|^ ?…\n|…|(?<![\w.-]){NUMBER}(?!\w))", expected, flags=re.MULTILINE):
        if part.startswith("\n") and part.endswith("…"):
            pattern.append(r"(?:\n[\s\S]*)?")  # any lines, or none
        elif part.endswith("…\n"):
            pattern.append(r"(?:[\s\S]*?\n)?")
        elif part == "…":
            pattern.append(r"[\s\S]*?")
        elif re.fullmatch(FRACTION, part):
            pattern.append(f"({FRACTION})")
            numbers.append(float(part))
        else:
            pattern.append(re.escape(part))
    found = re.fullmatch("".join(pattern), actual)
    return found is not None and all(near(number, float(text)) for number, text in zip(numbers, found.groups()))


def near(expected: float, actual: float) -> bool:
    return abs(expected - actual) <= TOLERANCE * max(abs(expected), 1e-9)


def tidy(text: str) -> str:
    for pattern, replacement in ANY:
        text = pattern.sub(replacement, text)
    lines = [re.sub(r"[ \t]+", " ", line).rstrip() for line in text.replace("\r", "").splitlines()]
    return "\n".join(lines).strip()


def pretty(text: str) -> str:
    """JSON with line breaks, anything else as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def indent(text: str) -> str:
    return "\n".join(f"      | {line}" for line in text.strip().splitlines())
