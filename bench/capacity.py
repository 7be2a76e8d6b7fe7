"""How many hosts, proxies and shards so many predictions per second need, from what one of each takes.

    python3 bench/capacity.py [--rate 1000000] [--host-us 50] … [--seed 1]

Nothing here is measured: the figures of bench/scaling.py are added up, and for the shards, which do not share their
work evenly, a small simulation draws which rows are asked for (by Zipf's law), in which shard each lies (by its slot,
as Redis Cluster has it), and how long requests wait at the busiest shard (a queue with random arrivals).
"""
import argparse
import itertools
import math
import random

SLOTS = 16_384
# Rows that are drawn one by one; those that are rarer are spread evenly.
DRAWN_ROWS = 200_000
ARRIVALS = 300_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=1e6, help="predictions per second")
    parser.add_argument("--host-us", type=float, default=50, help="time of a processor per request, host")
    parser.add_argument("--proxy-us", type=float, default=26, help="the same, HAProxy")
    parser.add_argument("--redis-us", type=float, default=6.5, help="the same, Redis, which has one processor per shard")
    parser.add_argument("--http-bytes", type=float, default=580, help="of a request and its answer")
    parser.add_argument("--redis-bytes", type=float, default=70, help="the same between host and Redis")
    parser.add_argument("--rows", type=float, default=1e8, help="different rows within one time to live")
    parser.add_argument("--entry-bytes", type=float, default=145, help="what one takes in Redis")
    parser.add_argument("--zipf", type=float, default=1.0, help="exponent of Zipf's law: 0 is evenly")
    parser.add_argument("--cores", type=int, default=8, help="of a machine")
    parser.add_argument("--busy", type=float, default=0.6, help="share of its time that a processor may be busy")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    add_up(options)
    simulate(options)


def add_up(options: argparse.Namespace) -> None:
    def machines(micros: float) -> str:
        cores = options.rate * micros / 1e6 / options.busy
        return f"{cores:.0f} cores, {math.ceil(cores / options.cores)} machines of {options.cores}"

    http_gbit, redis_gbit = (options.rate * size * 8 / 1e9 for size in (options.http_bytes, options.redis_bytes))
    print(f"{options.rate:,.0f} predictions/s, all hits, processors {options.busy:.0%} busy; computed, not measured:\n")
    print("| | |\n|---|---|")
    print(f"| hosts | {machines(options.host_us)} |")
    print(f"| HAProxy | {machines(options.proxy_us)} |")
    print(f"| Redis, if shards were evenly busy | {math.ceil(options.rate * options.redis_us / 1e6 / options.busy)} shards |")
    print(f"| memory in Redis | {options.rows * options.entry_bytes / 1e9:.1f} GB for {options.rows:,.0f} rows, without replicas |")
    print(f"| network | {http_gbit:.1f} Gbit/s of HTTP on each side of the proxies, {redis_gbit:.2f} Gbit/s to and from Redis |")


def simulate(options: argparse.Namespace) -> None:
    chance = random.Random(options.seed)
    weights = [rank ** -options.zipf for rank in range(1, min(DRAWN_ROWS, int(options.rows)) + 1)]
    rest = rest_weight(options)
    total = sum(weights) + rest
    slots = [rest / SLOTS / total] * SLOTS
    for weight in weights:
        slots[chance.randrange(SLOTS)] += weight / total
    print(f"\nSimulated: the shards of a cluster, {options.rows:,.0f} rows by Zipf's law with exponent {options.zipf:g}; "
          f"the most frequent one is {weights[0] / total:.1%} of all requests.\n")
    print("| shards | busiest shard's share | its processor | wait there p50 µs | p99 µs |\n|--:|--:|--:|--:|--:|")
    for shards in (1, 3, 6, 12, 24, 48):
        share = max(sum(slots[begin:end]) for begin, end in itertools.pairwise(
            round(SLOTS * number / shards) for number in range(shards + 1)))
        busy = options.rate * share * options.redis_us / 1e6
        waits = wait_micros(busy, options.redis_us, chance)
        print(f"| {shards} | {share:.1%} | {busy:.0%} busy | " + " | ".join(waits) + " |")
    limit = options.busy / options.redis_us * 1e6 / (weights[0] / total)
    print(f"\nWhere it stops: one row lies in one shard, so with these rows no number of shards serves more than "
          f"{limit:,.0f} predictions/s with a shard at most {options.busy:.0%} busy.")


def rest_weight(options: argparse.Namespace) -> float:
    """Of the rows that are not drawn: the integral of Zipf's law."""
    begin, end = min(DRAWN_ROWS, options.rows) + 0.5, options.rows + 0.5
    if options.zipf == 1:
        return math.log(end / begin)
    power = 1 - options.zipf
    return (end ** power - begin ** power) / power


def wait_micros(busy: float, service: float, chance: random.Random) -> list[str]:
    """How long requests wait for a processor that is so busy."""
    if busy >= 1:
        return ["without end"] * 2
    waits, wait = [], 0.0
    for _ in range(ARRIVALS):
        waits.append(wait)
        wait = max(0.0, wait + service - chance.expovariate(busy / service))
    waits.sort()
    return [f"{waits[len(waits) * percent // 100]:.0f}" for percent in (50, 99)]


if __name__ == "__main__":
    main()
