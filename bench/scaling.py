"""What one host, two hosts, HAProxy and Redis take of a processor and of the network for each prediction.

    python3 bench/scaling.py FORETOLD [--seconds N] [--connections N] [--rounds N] [--layout L] [--store URL]

Requests per second on a machine that also runs the load say little of another one. The time of a processor and the
bytes that each process takes for a request can be added up: bench/capacity.py does. All requests are hits, of 20 000
different rows. With --store the hosts use that one, a cluster say, and Redis' share is left out. Needs redis-server, haproxy
and wrk.
"""
import argparse
import re
import statistics
import subprocess
import sys
from contextlib import ExitStack

from load import ROOT, Bodies, Seen, closed_loop
from peers import NO_NEAR_CACHE, usage

sys.path.insert(0, str(ROOT / "tests" / "fleet"))
from fleet import HaProxy, Host, Redis, Server, wait_until  # noqa: E402

# Different requests: more than a processor's caches hold, and few enough to be asked for in a moment.
ROWS = 20_000
WARM_SECONDS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("foretold")
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layout", default="string", help="of the entries in Redis")
    parser.add_argument("--store", help="the URL of a store that is there already")
    options = parser.parse_args()
    with ExitStack() as stack:
        redis = None if options.store else Redis(stack)
        url = options.store or f"{redis.url}?layout={options.layout}"
        hosts = [Host(stack, options.foretold, url, *NO_NEAR_CACHE) for _ in range(2)]
        memory = Host(stack, options.foretold, "memory:", *NO_NEAR_CACHE)
        proxies = [HaProxy(stack, hosts[:count]) for count in (1, 2)]
        for proxy, count in zip(proxies, (1, 2)):
            wait_until("the hosts are up", lambda: proxy.up() == count)
        cases = {
            "one host, in memory": (memory.port, [memory], None, None),
            "one host": (hosts[0].port, hosts[:1], None, redis),
            "one host behind HAProxy": (proxies[0].port, hosts[:1], proxies[0], redis),
            "two hosts behind HAProxy": (proxies[1].port, hosts, proxies[1], redis),
        }
        results = {name: [] for name in cases}
        # Until all rows are there.
        for port in (memory.port, hosts[0].port):
            load(port, WARM_SECONDS, options.connections)
        for _ in range(options.rounds):
            for name, case in cases.items():
                results[name].append(measure(*case, options))
    report(results, options)


def measure(port: int, hosts: list[Host], proxy: HaProxy | None, redis: Redis | None, options) -> dict:
    before = [processor_seconds(hosts), processor_seconds([proxy]), processor_seconds([redis])]
    bytes_before = [redis_bytes(redis), http_bytes(proxy)]
    seen = load(port, options.seconds, options.connections)
    after = [processor_seconds(hosts), processor_seconds([proxy]), processor_seconds([redis])]
    requests = seen.requests
    figures = [(end - begin) / requests * 1e6 for begin, end in zip(before, after)]
    return {"rate": requests / seen.seconds, "p50": seen.p50_ms, "p99": seen.p99_ms, "host": figures[0], "proxy": figures[1],
            "redis": figures[2], "redis_bytes": (redis_bytes(redis) - bytes_before[0]) / requests,
            "http_bytes": (http_bytes(proxy) - bytes_before[1]) / requests}


def processor_seconds(servers: list[Server | None]) -> float:
    return usage([server for server in servers if server is not None]).processor_seconds


def load(port: int, seconds: int, connections: int) -> Seen:
    return closed_loop(f"http://127.0.0.1:{port}/decisions", Bodies("next", of=ROWS), connections, seconds)


def redis_bytes(redis: Redis | None) -> int:
    """What Redis has read and written."""
    if redis is None:
        return 0
    command = ["redis-cli", "-p", str(redis.port), "INFO", "stats"]
    info = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return sum(int(number) for number in re.findall(r"total_net_(?:in|out)put_bytes:(\d+)", info))


def http_bytes(proxy: HaProxy | None) -> int:
    """What clients have sent and got."""
    if proxy is None:
        return 0
    front = next(line for line in proxy.statistics() if line["svname"] == "FRONTEND")
    return int(front["bin"]) + int(front["bout"])


def report(results: dict, options: argparse.Namespace) -> None:
    medians = {name: {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}
               for name, rounds in results.items()}
    print(f"{options.connections} connections, {options.rounds} rounds of {options.seconds} s each, medians; all hits:\n")
    print("| | requests/s | p50 ms | p99 ms | hosts µs | HAProxy µs | Redis µs | HTTP bytes | Redis bytes |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name, one in medians.items():
        cells = [f"{one['rate']:,.0f}", f"{one['p50']:.2f}", f"{one['p99']:.2f}"]
        cells += [f"{one[key]:.1f}" if one[key] else "–" for key in ("host", "proxy", "redis")]
        cells += [f"{one[key]:.0f}" if one[key] else "–" for key in ("http_bytes", "redis_bytes")]
        print(f"| {name} | {' | '.join(cells)} |")
    print("\nµs are the time of a processor that a request takes in all hosts, HAProxy and Redis; bytes are those of a "
          "request and its answer.")


if __name__ == "__main__":
    main()
