"""Sizes of the keys that Python services use, for the sample request.

    python tests/python/key_sizes.py
"""
import json
import pickle
from pathlib import Path

from credit import DecisionRequest

SAMPLE = Path(__file__).resolve().parents[2] / "models" / "credit" / "sample.json"
KEYS = {
    "repr": lambda request: repr(request).encode(),
    "str": lambda request: str(request).encode(),
    "model_dump_json": lambda request: request.model_dump_json().encode(),
    "pickle.dumps": pickle.dumps,
}


def main() -> None:
    request = DecisionRequest(**json.loads(SAMPLE.read_text("utf-8")))
    print("| key | bytes |\n|---|---|")
    for name, key in KEYS.items():
        print(f"| `{name}` | {len(key(request))} |")


if __name__ == "__main__":
    main()
