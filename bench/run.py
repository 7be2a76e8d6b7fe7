"""Foretold beside what one would take in its place: requests per second, latency, processor time and memory.

    python3 bench/run.py FORETOLD NATIVE_PEER [--peers P,…] [--workloads W,…] [--loads L,…] [--seconds N] [--rounds N]
                         [--out FOLDER]

Without --peers all that this machine has are measured, without --workloads all workloads; `--list` shows both. Loads are
connections of a closed loop (`64`), a share of what that answers (`50%`) or a rate (`2000/s`). First it checks that all
peers answer alike. Then they take turns, each started anew for each workload; the medians of the rounds are compared.
Absolute figures depend on the machine: only the ratios within one run count.

It prints tables, and writes them with charts and all figures into the folder of --out.
"""
import argparse
import itertools
import resource
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import heavy
import hit_ratio
import report
from load import ROOT, Bodies, Load, closed_loop, fill, fixed_rate, oha_command
from peers import PEERS, Build, Peer, Server, check, memory_mib, usage
from report import Figures, Results

CREDIT = ROOT / "models" / "credit"
ZIPF_ROWS = 1_000_000
# What shares of the closed loop are shares of.
USUAL = "64"


@dataclass(frozen=True)
class Workload:
    title: str
    bodies: Bodies
    loads: tuple[str, ...] = (USUAL,)
    is_heavy: bool = False
    # So many rows, the most frequent, are in the caches before.
    filled_rows: int = 0

    def takes(self, peer: Peer) -> bool:
        return (peer.takes_arrays or self.bodies.rows == 1) and (peer.has_model or not self.is_heavy)

    def takes_rates(self) -> bool:
        return self.bodies.kind in ("same", "zipf") and self.bodies.rows == 1


WORKLOADS = {
    "same": Workload("the same request", Bodies("same"), ("1", USUAL, "50%", "1000")),
    "spelt": Workload("another spelling of a known row each time", Bodies("spelt")),
    "zipf": Workload("a million rows by Zipf's law", Bodies("zipf", of=ZIPF_ROWS), (USUAL, "50%", "1000"), filled_rows=20_000),
    "unique": Workload("a new row each time", Bodies("next")),
    "array": Workload("the same array of 100 rows", Bodies("same", rows=100)),
    "array-unique": Workload("an array of 100 new rows each time", Bodies("next", rows=100)),
    "heavy": Workload("a model that takes milliseconds, a million rows by Zipf's law", Bodies("zipf", of=ZIPF_ROWS), (USUAL, "50%"),
                      is_heavy=True, filled_rows=500),
}


def main() -> None:
    options = arguments()
    peers, workloads = chosen(options)
    # A thousand connections, and those behind them.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    results = Results({name: peer.title for name, peer in peers.items()}, {name: it.title for name, it in workloads.items()},
                      {name for name, peer in peers.items() if peer.is_ours})
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        for is_heavy in sorted({workload.is_heavy for workload in workloads.values()}):
            taking = {name: peer for name, peer in peers.items() if peer.has_model or not is_heavy}
            note(f"checking that {len(taking)} peers answer alike{' with the heavy model' if is_heavy else ''}")
            check(taking, bench.build(is_heavy))
        for number, workload, peer in itertools.product(range(options.rounds), workloads, peers):
            if workloads[workload].takes(peers[peer]):
                for load, figures in bench.visit(peers[peer], workloads[workload], number).items():
                    results.add(workload, load, peer, figures)
                    note(f"round {number + 1}, {workload}, {load}: {peer} {figures.rate:,.0f}/s, {figures.front_us:.1f} µs")
        if "zipf" in workloads and "redis" in peers:
            note("measuring the near cache's hit ratio")
            results.hit_ratio = hit_ratio.measure(bench.build(is_heavy=False), ZIPF_ROWS, options.hit_ratio_seconds)
    command = " ".join(["bench/run.py", *sys.argv[3:]])
    report.write(results, f"`{command}`, {options.rounds} rounds of {options.seconds} s each, medians", Path(options.out))


class Bench:
    """How one peer is measured under one workload."""

    def __init__(self, options: argparse.Namespace, scratch: Path) -> None:
        self.options, self.scratch = options, scratch
        self.builds: dict[bool, Build] = {}

    def build(self, is_heavy: bool) -> Build:
        if is_heavy not in self.builds:
            folder = heavy.make(self.scratch / "heavy") if is_heavy else CREDIT
            self.builds[is_heavy] = Build(self.options.foretold, self.options.native_peer, folder, self.scratch)
        return self.builds[is_heavy]

    def visit(self, peer: Peer, workload: Workload, round_number: int) -> dict[str, Figures]:
        loads = [load for load in map(Load.read, self.options.loads or workload.loads)
                 if load.is_closed or workload.takes_rates()]
        # What is new is known afterwards.
        groups = [[load] for load in loads] if workload.bodies.new() else [loads]
        figures: dict[str, Figures] = {}
        for group in groups:
            with ExitStack() as stack:
                servers = peer.start(stack, self.build(workload.is_heavy))
                url = f"http://127.0.0.1:{servers[0].port}/decisions"
                self.warm(url, peer, workload)
                for position, load in enumerate(group):
                    usual = figures[USUAL].rate if load.share else None
                    settle(servers)
                    figures[load.name] = self.measure(servers, url, workload, load, usual, seed=100 * round_number + position)
        return figures

    def warm(self, url: str, peer: Peer, workload: Workload) -> None:
        if workload.filled_rows and peer.has_cache:
            fill(url, workload.filled_rows)
        bodies = Bodies("same", workload.bodies.rows) if workload.bodies.new() else workload.bodies
        closed_loop(url, bodies, int(USUAL), seconds=1, seed=99)

    def measure(self, servers: list[Server], url: str, workload: Workload, load: Load, usual: float | None, seed: int) -> Figures:
        front, behind = servers[:1], servers[1:]
        before = usage(front), usage(behind)
        if load.is_closed:
            seen = closed_loop(url, workload.bodies, load.connections, self.options.seconds, seed=seed, may_fail=True)
        else:
            per_second = load.per_second or load.share * usual
            seen = fixed_rate(self.options.oha, url, workload.bodies, load, per_second, self.options.seconds, seed)
        after = usage(front), usage(behind)
        if (new := workload.bodies.new()) and seen.requests > new:
            raise SystemExit(f"{seen.requests:,} requests were answered, and {new:,} are different ones; use fewer seconds")
        front_us, behind_us = ((end.processor_seconds - begin.processor_seconds) / seen.requests * 1e6
                               for begin, end in zip(before, after))
        faults = (after[0].page_faults - before[0].page_faults) / seen.requests
        return Figures(seen.requests / seen.seconds, seen.p50_ms, seen.p99_ms, seen.p999_ms, front_us, behind_us, faults,
                       memory_mib(servers), seen.failures / (seen.requests + seen.failures), seen.is_limited)


def settle(servers: list[Server]) -> None:
    """Waits until what was asked for before is done, at most some seconds."""
    for _ in range(40):
        before = usage(servers).processor_seconds
        time.sleep(0.1)
        if usage(servers).processor_seconds - before <= 0.01:
            return


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    if "--list" in sys.argv:
        for what, things in (("peers", PEERS), ("workloads", WORKLOADS)):
            print(f"{what}:", *(f"  {name:17} {thing.title}" for name, thing in things.items()), sep="\n")
        raise SystemExit
    parser.add_argument("foretold")
    parser.add_argument("native_peer", help="what bench/native is built into")
    parser.add_argument("--peers", type=names, help="separated by commas; --list shows them")
    parser.add_argument("--workloads", type=names, help="likewise")
    parser.add_argument("--loads", type=names, help="for all workloads, instead of each one's own: 1,64,1000,50%%")
    parser.add_argument("--seconds", type=int, default=2, help="of each load in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hit-ratio-seconds", type=int, default=20,
                        help="to fill the near cache with arrays, then with single rows, and to measure its hit ratio")
    parser.add_argument("--out", default="bench/results", help="folder for tables, charts and figures")
    options = parser.parse_args()
    try:
        loads = [Load.read(text) for text in options.loads or ()]
    except ValueError as error:
        parser.error(f"--loads: {error}")
    if any(load.share for load in loads) and USUAL not in options.loads[:-1]:
        parser.error(f"--loads: a share is one of what {USUAL} connections get, so they must be there before it")
    rates = loads or [Load.read(text) for workload in WORKLOADS.values() for text in workload.loads]
    options.oha = None if all(load.is_closed for load in rates) else oha_command()
    return options


def names(text: str) -> list[str]:
    return text.split(",")


def chosen(options: argparse.Namespace) -> tuple[dict[str, Peer], dict[str, Workload]]:
    for option, given, known in (("--peers", options.peers, PEERS), ("--workloads", options.workloads, WORKLOADS)):
        if unknown := set(given or ()) - set(known):
            raise SystemExit(f"{option}: {', '.join(sorted(unknown))}: expected some of {', '.join(known)}")
    for program in ("wrk", "redis-server"):
        if not shutil.which(program):
            raise SystemExit(f"{program} is missing")
    peers = {}
    for name in options.peers or PEERS:
        if lacks := PEERS[name].lacks():
            if options.peers:
                raise SystemExit(f"--peers: {name} needs {', '.join(lacks)}")
            note(f"left out: {name}, since there is no {', '.join(lacks)}")
        else:
            peers[name] = PEERS[name]
    workloads = {name: WORKLOADS[name] for name in options.workloads or WORKLOADS}
    for name, workload in workloads.items():
        if not any(map(workload.takes, peers.values())):
            raise SystemExit(f"--workloads: {name} is for none of these peers")
    return peers, workloads


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
