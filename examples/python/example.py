"""Predicts the sample request of the README twice, then asks every endpoint.

    python examples/python/example.py [COMPONENT] [--redis URL]

COMPONENT is what `make library` makes, dist/credit-library.wasm unless given.
"""
import argparse
import json
from pathlib import Path

from foretold_predictor import DictStore, Predictor, RedisStore, Store

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_SECONDS = 0.025  # for each command; the model is quicker than a slow store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("component", nargs="?", default=ROOT / "dist" / "credit-library.wasm", metavar="COMPONENT")
    parser.add_argument("--redis", metavar="URL", help="keep predictions there, not in a dict")
    options = parser.parse_args()

    predictor = Predictor(options.component, redis_store(options.redis) if options.redis else DictStore())
    row = json.loads((ROOT / "models" / "credit" / "sample.json").read_text("utf-8"))
    for _ in range(2):
        prediction = predictor.predict(row)
        print(prediction.outputs, "|", prediction.cache.status)
    for endpoint in predictor.describe().endpoints:
        answer = predictor.answer(endpoint, row)
        print(endpoint, answer.value, "|", answer.cache.status)


def redis_store(url: str, timeout_seconds: float = TIMEOUT_SECONDS) -> Store:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    # Retries would make every prediction wait while the server is away.
    client = redis.Redis.from_url(
        url, socket_timeout=timeout_seconds, socket_connect_timeout=timeout_seconds, retry=Retry(NoBackoff(), 0)
    )
    return RedisStore(client)


if __name__ == "__main__":
    main()
