"""Two hosts, and a purge again and again under load: no host answers from before a purge after it.

    .venv/bin/python tests/fleet/purge.py FORETOLD [ROUNDS]

In each round there are two rows that both hosts have in the cache. After the purge one is asked for at each host,
at once and before anybody else does: the answer may not come from the cache. Nine of ten purges are the command of
the tool alone, so that the question follows within microseconds; the tenth is the tool itself.
Needs redis-server.
"""
import json
import secrets
import statistics
import string
import subprocess
import sys
import threading
import time
from contextlib import ExitStack

import redis as redis_py

from fleet import NO_STORE, SAMPLE, Client, Host, Load, Redis, answers_of, single_questions, wait_until

TAG_CHARACTERS = 6
# Every so many purges the tool does it.
TOOL_EVERY = 10


def main() -> None:
    foretold, rounds = sys.argv[1], int((sys.argv[2:] or ["300"])[0])
    with ExitStack() as stack:
        questions = single_questions()
        right = answers_of(Host(stack, foretold, NO_STORE), questions)
        server = Redis(stack)
        hosts = [Host(stack, foretold, server.url) for _ in range(2)]
        load = Load([host.port for host in hosts], questions, clients=4)
        load.right = [right]
        load.start()
        stack.callback(load.stop)
        writer = redis_py.Redis.from_url(server.url)
        asking = [Row([host.port for host in hosts], number) for number in range(len(hosts))]
        start, delays = time.monotonic(), []
        for number in range(rounds):
            for row in asking:
                row.next(number)
                wait_until("a hit at both hosts", lambda: all(is_hit(client, row.body) for client in row.clients), 30)
            if number % TOOL_EVERY == 0:
                command = [foretold, "cache", "purge", "--all", "--store", server.url]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            else:
                purge(writer)
            purged = time.monotonic()
            threads = [threading.Thread(target=row.ask) for row in asking]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            late = [row for row in asking if row.is_old]
            if late:
                raise SystemExit(f"round {number}: an answer from before the purge, "
                                 f"{[round((row.asked - purged) * 1e6) for row in late]} microseconds after it")
            delays += [(row.asked - purged) * 1e6 for row in asking]
        load.stop()
        load.check()
        print(f"{rounds} purges in {time.monotonic() - start:.0f} s under {load.asked} requests: no answer from before "
              f"a purge, asked for {statistics.median(delays):.0f} µs (median; shortest {min(delays):.0f}) after it")


class Row:
    """A row that only this test asks for, at one of two hosts after each purge."""

    def __init__(self, ports: list[int], number: int) -> None:
        self.number, self.clients = number, [Client(port) for port in ports]
        self.body, self.is_old, self.asked = "", False, 0.0

    def next(self, round_number: int) -> None:
        # Rates that the load does not ask for.
        rate = 1 + (2 * round_number + self.number) % 300 / 100
        self.body = json.dumps(SAMPLE | {"installment_rate_in_percentage_of_disposable_income": rate})

    def ask(self) -> None:
        self.asked = time.monotonic()
        self.is_old = is_hit(self.clients[self.number], self.body)


def is_hit(client: Client, body: str) -> bool:
    status, text, headers = client.ask("POST", "/decisions", body)
    if status != 200:
        raise SystemExit(f"{status} {text}")
    return headers["cache-status"].startswith("foretold; hit")


def purge(writer: redis_py.Redis) -> None:
    """What the tool sends."""
    letters = string.ascii_letters + string.digits
    tag = "".join(secrets.choice(letters) for _ in range(TAG_CHARACTERS))
    with writer.pipeline(transaction=True) as pipeline:
        pipeline.delete("foretold:generations").hset("foretold:generations", "all", tag).execute()


if __name__ == "__main__":
    main()
