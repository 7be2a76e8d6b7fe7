"""Two hosts under mixed load, while what they store in goes away and comes back, for a long time.

    python3 tests/fleet/soak.py FORETOLD [--seconds 600] [--seed 1]
    python3 tests/fleet/soak.py FORETOLD --store URL --fault 'NAME|STRIKE|REPAIR' … [--second-through 'COMMAND …']

Every answer is compared with what a host without a store answers. Without --store there is a Redis, with a proxy
between it and each host; with it, faults are shell commands that the caller gives, who may
have the second host run by a command, to tell the two apart. It fails if an answer is wrong or
missing, hits are not back within 5 s of a repair, the memory at the end is more than 5 % above that after a minute,
or the number of open descriptors has changed by more than two. Needs redis-server.
"""
import argparse
import json
import random
import signal
import subprocess
import time
from contextlib import ExitStack

from fleet import NO_STORE, Client, Host, Load, Redis, answers_of, request, rows, single_questions, wait_until
from proxy import CUT_SOME, PASS, REFUSE, SILENCE, Proxy

RETURN_LIMIT_S = 5
# After so long, memory is that of a host at work.
WARM_S = 60
MEMORY_GROWTH = 0.05
FAULT_S = (2, 6)
# In a cluster a host connects to a node when it has something to ask it.
LAZY_CONNECTIONS = 2
BETWEEN_S = 2
# Short, so that there are hits, misses and writes all the time.
TTL = ("--ttl", "5")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("foretold")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", help="the URL of a store that is there already")
    parser.add_argument("--fault", action="append", default=[], help="NAME|STRIKE|REPAIR: two shell commands")
    parser.add_argument("--second-through", default="", metavar="COMMAND", help="what runs the second host")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with ExitStack() as stack:
        if options.store:
            stores = [options.store] * 2
            faults = [shell_fault(text) for text in options.fault or ["none||"]]
        else:
            stores, faults = redis_with_faults(stack, options.seed)
        questions = mixed_questions(chance)
        reference = Host(stack, options.foretold, NO_STORE, *TTL)
        right = answers_of(reference, questions)
        if answers_of(reference, questions) != right:
            raise SystemExit("the answers of a host without a store differ from time to time")
        reference.kill()
        hosts = [Host(stack, options.foretold, store, *TTL, through=through)
                 for store, through in zip(stores, ((), options.second_through.split()))]
        load = Load([host.port for host in hosts], questions)
        load.right = [right]
        load.start()
        stack.callback(load.stop)
        soak(hosts, load, faults, options.seconds, chance)


def redis_with_faults(stack: ExitStack, seed: int) -> tuple[list[str], list]:
    """The store of each host, and what happens to it: a name, what begins it and what ends it."""
    redis = Redis(stack)
    proxies = [Proxy(stack, redis.port, seed + number) for number in range(2)]

    def make(mode: int, some: list[Proxy] = proxies) -> None:
        for proxy in some:
            proxy.make(mode)

    def all_away() -> None:
        make(REFUSE)
        redis.kill()

    def all_back() -> None:
        redis.start()
        make(PASS)

    faults = [
        ("Redis killed, and started empty", redis.kill, redis.start),
        ("Redis stopped (SIGSTOP)", lambda: redis.process.send_signal(signal.SIGSTOP),
         lambda: redis.process.send_signal(signal.SIGCONT)),
        ("connections cut", lambda: make(CUT_SOME), lambda: make(PASS)),
        ("one host cut off", lambda: make(SILENCE, proxies[:1]), lambda: make(PASS)),
        ("all away", all_away, all_back),
    ]
    return [f"redis://127.0.0.1:{proxy.port}" for proxy in proxies], faults


def shell_fault(text: str) -> tuple:
    name, strike, repair = text.split("|")
    return name, lambda: subprocess.run(strike, shell=True, check=True, executable="bash"), \
        lambda: subprocess.run(repair, shell=True, check=True, executable="bash")


def mixed_questions(chance: random.Random) -> list[tuple[str, str, str | None]]:
    singles = single_questions()
    arrays = [("POST", "/probabilities", json.dumps(chance.sample(rows(), 20))) for _ in range(40)]
    all_fields = [("POST", "/predictions", json.dumps(row)) for row in chance.sample(rows(), 40)]
    mistakes = [("POST", "/decisions", request(age_in_years=age)) for age in (17, 128, 300, "x", None)]
    mistakes += [("POST", "/decisions", "{"), ("POST", "/nothing", "{}"), ("GET", "/decisions", None)]
    documents = [("GET", path, None) for path in ("/healthz", "/openapi.json", "/v2/models/credit")]
    questions = singles + arrays + all_fields + mistakes + documents
    chance.shuffle(questions)
    return questions


def soak(hosts: list[Host], load: Load, faults: list, seconds: int, chance: random.Random) -> None:
    start, warm, descriptors, worst, number = time.monotonic(), None, None, 0.0, 0
    print("| fault | times | requests | p99 ms, at worst | hits back after s, at worst |\n|---|--:|--:|--:|--:|")
    results = {name: [0, 0, 0.0, 0.0] for name, _, _ in faults}
    while time.monotonic() - start < seconds:
        name, strike, repair = faults[number % len(faults)]
        number += 1
        before = load.asked
        load.took.clear()
        strike()
        time.sleep(chance.uniform(*FAULT_S))
        repair()
        took = sorted(load.took)
        p99_ms = took[len(took) * 99 // 100] * 1000
        back = wait_until(f"hits after {name}", lambda: all(is_hit(host) for host in hosts), RETURN_LIMIT_S)
        time.sleep(BETWEEN_S)
        load.check()
        result = results[name]
        results[name] = [result[0] + 1, result[1] + load.asked - before, max(result[2], p99_ms), max(result[3], back)]
        now = [(host.memory_kib(), host.descriptors()) for host in hosts]
        if warm is None and time.monotonic() - start >= min(WARM_S, seconds / 3):
            warm, descriptors = [memory for memory, _ in now], [number for _, number in now]
    load.stop()
    load.check()
    for name, (times, asked, p99_ms, back) in results.items():
        print(f"| {name} | {times} | {asked} | {p99_ms:.1f} | {back:.1f} |")
    print(f"\n{load.asked} requests, {load.hits} hits, 0 wrong, 0 failed")
    memory, open_now = [memory for memory, _ in now], [number for _, number in now]
    print(f"memory after {min(WARM_S, seconds // 3)} s and at the end, KiB: {warm} {memory}; descriptors {descriptors} {open_now}")
    if any(end > begin * (1 + MEMORY_GROWTH) for begin, end in zip(warm, memory)):
        raise SystemExit(f"the memory has grown by more than {MEMORY_GROWTH:.0%}")
    if any(abs(end - begin) > LAZY_CONNECTIONS for begin, end in zip(descriptors, open_now)):
        raise SystemExit("the number of open descriptors has changed")


def is_hit(host: Host) -> bool:
    """Asks for a row that only this asks for: a hit means that this host writes and reads again."""
    _, _, headers = Client(host.port).ask("POST", "/decisions", request(age_in_years=99, foreign_worker="no"))
    return headers["cache-status"].startswith("foretold; hit")


if __name__ == "__main__":
    main()
