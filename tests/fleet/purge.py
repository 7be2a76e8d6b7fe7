"""Two hosts, and a purge again and again under load: how long a host answers from before a purge.

    .venv/bin/python tests/fleet/purge.py FORETOLD [ROUNDS [OPTION OF A HOST…]]

In each round there are two rows that both hosts have in the cache. After the purge one is asked for at each host,
at once and before anybody else does, until the answer does not come from the cache: that may take no longer than
docs/caching.md promises. At the first host it is the same request, which the near cache answers; at the second it is
spelt anew, so that its entry is looked up. Nine of ten purges are the command of the tool alone, so that the question
follows within microseconds; the tenth is the tool itself. With `--near-cache-mib 0` behind ROUNDS there is no near cache,
and no answer from before a purge.
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
# What the near cache promises.
PROMISE_S = 1.0


def main() -> None:
    foretold, rounds, options = sys.argv[1], int((sys.argv[2:] or ["300"])[0]), sys.argv[3:]
    promise_s = 0.0 if options else PROMISE_S
    with ExitStack() as stack:
        questions = single_questions()
        right = answers_of(Host(stack, foretold, NO_STORE), questions)
        server = Redis(stack)
        hosts = [Host(stack, foretold, server.url, *options) for _ in range(2)]
        load = Load([host.port for host in hosts], questions, clients=4)
        load.right = [right]
        load.start()
        stack.callback(load.stop)
        writer = redis_py.Redis.from_url(server.url)
        asking = [Row([host.port for host in hosts], number) for number in range(len(hosts))]
        start, delays, old_for = time.monotonic(), [], []
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
            old_for += [max(0.0, row.old_until - purged) for row in asking]
            if max(old_for) > promise_s:
                raise SystemExit(f"round {number}: an answer from before the purge {max(old_for) * 1e3:.1f} ms after it")
            delays += [(row.asked - purged) * 1e6 for row in asking]
        load.stop()
        load.check()
        old = [seconds for seconds in old_for if seconds]
        print(f"{rounds} purges in {time.monotonic() - start:.0f} s under {load.asked} requests, asked for "
              f"{statistics.median(delays):.0f} µs after each (median; shortest {min(delays):.0f}): "
              f"{len(old)} of {len(old_for)} questions were answered from before the purge, "
              f"the last {max(old_for) * 1e3:.1f} ms after it")


class Row:
    """A row that only this test asks for, at one of two hosts after each purge."""

    def __init__(self, ports: list[int], number: int) -> None:
        self.number, self.clients = number, [Client(port) for port in ports]
        self.body, self.question, self.old_until, self.asked = "", "", 0.0, 0.0

    def next(self, round_number: int) -> None:
        # Rates that the load does not ask for.
        rate = 1 + (2 * round_number + self.number) % 300 / 100
        self.body = json.dumps(SAMPLE | {"installment_rate_in_percentage_of_disposable_income": rate})
        self.question = self.body + " " * self.number * (1 + round_number % 200)
        self.old_until = 0.0

    def ask(self) -> None:
        self.asked = asked = time.monotonic()
        while is_hit(self.clients[self.number], self.question):
            self.old_until, asked = asked, time.monotonic()


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
