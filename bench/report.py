"""What was measured, as tables, charts and figures, and beside what is wanted."""
import html
import json
import os
import platform
import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hit_ratio import NEAR_CACHE_MIB, HitRatio

# At commit a5f9c3b, with 64 connections and the same request: requests/s as a share of the native service's in one run.
ISOLATE_BEFORE = 3_940 / 77_979
SPIN_ARTEFACT_BEFORE = 3_155 / 77_979


@dataclass(frozen=True)
class Figures:
    """Of one peer under one load in one round."""

    rate: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    # Per request: of the server that is asked, and of what is behind it.
    front_us: float
    behind_us: float
    page_faults: float
    # Of all of them.
    memory_mib: float
    # Share of the requests that got no answer, or another status than 200.
    failed: float
    is_limited: bool


@dataclass
class Results:
    """All figures, by workload, load and peer; a round after another."""

    peers: dict[str, str]  # titles
    workloads: dict[str, str]
    ours: set[str]
    rounds: dict[tuple[str, str, str], list[Figures]] = field(default_factory=dict)
    hit_ratio: HitRatio | None = None

    def add(self, workload: str, load: str, peer: str, figures: Figures) -> None:
        self.rounds.setdefault((workload, load, peer), []).append(figures)

    def median(self, metric: str, workload: str, load: str, peer: str) -> float | None:
        rounds = self.rounds.get((workload, load, peer))
        return statistics.median(getattr(it, metric) for it in rounds) if rounds else None

    def ratio(self, metric: str, of: tuple[str, str, str], to: tuple[str, str, str]) -> float | None:
        """The median of the rounds' ratios: what the machine does meanwhile is done to both."""
        if of not in self.rounds or to not in self.rounds:
            return None
        pairs = zip(self.rounds[of], self.rounds[to])
        return statistics.median(getattr(one, metric) / max(getattr(other, metric), 1e-9) for one, other in pairs)

    def tables(self) -> Iterator[tuple[str, str, list[str]]]:
        """Each workload and load, and the peers there."""
        for workload, load in dict.fromkeys((workload, load) for workload, load, _ in self.rounds):
            yield workload, load, [peer for peer in self.peers if (workload, load, peer) in self.rounds]


def write(results: Results, how: str, folder: Path) -> None:
    """Prints the tables, and writes them and the charts."""
    machine = f"{cores()} of {processor()}, {platform.system()} {platform.release()}"
    head = [f"{how}; {machine}. The load comes from the same machine.", ""]
    print("\n".join([*head, *tables(results), *targets(results)]))
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join([*head, *tables(results, with_charts=True), *targets(results)])
    (folder / "report.md").write_text(text + "\n", "utf-8")
    for workload, load, peers in results.tables():
        (folder / chart_name(workload, load)).write_text(chart(results, workload, load, peers), "utf-8")
    figures = [{"workload": workload, "load": load, "peer": peer, "rounds": [asdict(it) for it in rounds]}
               for (workload, load, peer), rounds in results.rounds.items()]
    hit_ratio = asdict(results.hit_ratio) if results.hit_ratio else None
    everything = {"how": how, "machine": machine, "figures": figures, "hit_ratio": hit_ratio}
    (folder / "figures.json").write_text(json.dumps(everything, indent=1) + "\n", "utf-8")


def tables(results: Results, with_charts: bool = False) -> Iterator[str]:
    for workload, load, peers in results.tables():
        yield f"**{heading(results, workload, load)}**\n"
        if with_charts:
            yield f"![{heading(results, workload, load)}]({chart_name(workload, load)})\n"
        yield "| | requests/s | of native | p50 ms | p99 ms | p99.9 ms | processor µs | behind it µs | page faults | MiB |"
        yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
        for peer in peers:
            key = workload, load, peer
            rounds = results.rounds[key]
            middle = {metric: results.median(metric, *key) for metric in Figures.__annotations__}
            mark = ("¹" if any(it.is_limited for it in rounds) else "") + ("²" if any(it.failed for it in rounds) else "")
            cells = [f"{middle['rate']:,.0f}{mark}{spread(rounds)}", number(results.ratio("rate", key, (workload, load, "native")))]
            cells += [f"{middle[metric]:.2f}" for metric in ("p50_ms", "p99_ms", "p999_ms")]
            cells += [number(middle["front_us"]), number(middle["behind_us"] or None)]
            cells += [number(middle[metric]) for metric in ("page_faults", "memory_mib")]
            yield f"| {results.peers[peer]} | {' | '.join(cells)} |"
        yield ""
    if any(it.is_limited for rounds in results.rounds.values() for it in rounds):
        yield "¹ The generator was at its limit, or did not reach the rate: the server could have answered more, or could not.\n"
    failed = {(results.peers[peer], heading(results, workload, load)): max(it.failed for it in rounds)
              for (workload, load, peer), rounds in results.rounds.items()}
    for (peer, where), share in failed.items():
        if share:
            yield f"² {peer}; {where}: up to {share:.1%} of the requests got no answer with 200. Those that did are counted.\n"


def chart_name(workload: str, load: str) -> str:
    return f"{workload}-{load.replace('%', '-percent').replace('/s', '-per-second')}.svg"


def spread(rounds: list[Figures]) -> str:
    """How far rounds are apart."""
    rates = [it.rate for it in rounds]
    return f" ±{(max(rates) - min(rates)) / 2 / statistics.median(rates):.0%}" if len(rates) > 1 else ""


def heading(results: Results, workload: str, load: str) -> str:
    if load.isdigit():
        how = "1 connection" if load == "1" else f"{load} connections"
    else:
        how = f"{load[:-1]} % of what each answers with 64 connections" if load.endswith("%") else f"{load[:-2]} requests/s"
    return f"{results.workloads[workload]}, {how}"


@dataclass(frozen=True)
class Target:
    what: str
    is_at_least: bool
    limit: float
    measured: float | None
    unit: str = ""

    def is_met(self) -> bool:
        return self.measured >= self.limit if self.is_at_least else self.measured <= self.limit


def wanted(results: Results) -> Iterator[Target]:
    def ratio(metric: str, of: str, to: str, workload: str = "same", load: str = "64") -> float | None:
        return results.ratio(metric, (workload, load, of), (workload, load, to))

    def times(value: float | None, factor: float) -> float | None:
        return None if value is None else value * factor

    for peer in ("memory", "redis"):
        title = results.peers.get(peer, peer)
        yield Target(f"{title}: the same request again, against native", True, 1.0, ratio("rate", peer, "native"))
        yield Target(f"{title}: the same, processor time, against native", False, 1.0, ratio("front_us", peer, "native"))
        yield Target(f"{title}: another spelling, against native", True, 0.75, ratio("rate", peer, "native", "spelt"))
        yield Target(f"{title}: against FastAPI, hit", True, 30, ratio("rate", peer, "fastapi"), "×")
        yield Target(f"{title}: p99 at half of each one's rate, against native", False, 1.5,
                     ratio("p99_ms", peer, "native", load="50%"), "×")
    yield Target("hit in Redis without near cache, against native with Redis", True, 0.9,
                 ratio("rate", "redis-no-near", "native-redis"))
    yield Target("`--isolate`, hit, against before", True, 7, times(ratio("rate", "isolate", "native"), 1 / ISOLATE_BEFORE), "×")
    yield Target("artefact for Spin in our host, against before", True, 5,
                 times(ratio("rate", "spin-artefact", "native"), 1 / SPIN_ARTEFACT_BEFORE), "×")
    for peer in ("spin", "wasmtime"):
        yield Target(f"{results.peers.get(peer, peer)}: page faults per request", False, 15,
                     results.median("page_faults", "same", "64", peer))
    alone = "memory-no-near"
    # For both, the generator makes a body for each request.
    yield Target("miss, against a hit in memory", True, 0.85,
                 results.ratio("rate", ("unique", "64", alone), ("spelt", "64", alone)))
    for what, limit, array, single in (("hits", 40, "array", "same"), ("misses", 15, "array-unique", "unique")):
        rows = times(results.ratio("rate", (array, "64", alone), (single, "64", alone)), 100)
        yield Target(f"array of 100 {what}, per row against single requests", True, limit, rows, "×")
    found = results.hit_ratio
    yield Target(f"Zipf, {NEAR_CACHE_MIB} MiB near cache: points below the best hit ratio", False, 2,
                 None if found is None else (found.best - found.measured) * 100)


def targets(results: Results) -> Iterator[str]:
    rows = [target for target in wanted(results) if target.measured is not None]
    if not rows:
        return
    yield "**Targets**\n"
    yield "| | wanted | measured | |\n|---|--:|--:|---|"
    for it in rows:
        sign, far = "≥" if it.is_at_least else "≤", abs(it.measured / it.limit - 1)
        yield (f"| {it.what} | {sign} {it.limit:g}{it.unit} | {number(it.measured)}{it.unit} | "
               f"{'met' if it.is_met() else f'missed by {far:.0%}'} |")
    if found := results.hit_ratio:
        yield (f"\nOf the requests by Zipf's law {found.measured:.1%} were answered near ({found.answers:.1%} by whole answers). "
               f"With {found.entry_bytes:.0f} bytes for each, {found.fitting_rows:,} entries fit, and the best hit ratio is "
               f"{found.best:.1%}.")


def number(value: float | None) -> str:
    """Two or three digits that count."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


LABEL_WIDTH, PANEL_WIDTH, NOTE_WIDTH, ROW_HEIGHT, BAR_HEIGHT, TOP, MARGIN = 270, 110, 76, 24, 14, 74, 16
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600; font-size: 15px } .head { font-weight: 600 }
.page { fill: #ffffff } .ours { fill: #0969da } .theirs { fill: #8c959f } .behind { opacity: .45 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .page { fill: #0d1117 } .ours { fill: #4493f8 } .theirs { fill: #6e7681 } }
"""
# Heads, and what bars are made of: the second part is drawn paler.
PANELS = [("requests/s", "rate", None), ("p50 and p99, ms", "p50_ms", "p99_ms"),
          ("processor µs, behind it", "front_us", "behind_us"), ("memory, MiB", "memory_mib", None)]


def chart(results: Results, workload: str, load: str, peers: list[str]) -> str:
    """Bars as SVG, readable on light and dark pages."""
    width = MARGIN * 2 + LABEL_WIDTH + len(PANELS) * (PANEL_WIDTH + NOTE_WIDTH)
    height = TOP + ROW_HEIGHT * len(peers) + MARGIN
    title = html.escape(heading(results, workload, load))
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
             f'role="img" aria-label="{title}">\n<style>{STYLE}</style>',
             f'<rect class="page" width="{width}" height="{height}" rx="6"/>',
             f'<text class="title" x="{MARGIN}" y="28">{title}</text>']
    tops = [TOP + ROW_HEIGHT * position for position in range(len(peers))]
    for top, peer in zip(tops, peers):
        parts.append(note(MARGIN + LABEL_WIDTH - 8, top, html.escape(results.peers[peer]), ' text-anchor="end"'))
    for column, (head, first, second) in enumerate(PANELS):
        left = MARGIN + LABEL_WIDTH + column * (PANEL_WIDTH + NOTE_WIDTH)
        parts.append(f'<text class="head" x="{left}" y="{TOP - 14}">{head}</text>')
        values = [[results.median(metric, workload, load, peer) for metric in (first, second) if metric] for peer in peers]
        # The end of a bar: p99 is counted from zero, time behind a server on top of its own.
        ends = [max(it) if second == "p99_ms" else sum(it) for it in values]
        scale = PANEL_WIDTH / max(*ends, 1e-9)
        for top, peer, value, end in zip(tops, peers, values, ends):
            kind = "ours" if peer in results.ours else "theirs"
            if len(value) > 1:
                parts.append(bar(left, top, end * scale, f"{kind} behind"))
            parts.append(bar(left, top, value[0] * scale, kind))
            label = " · ".join(number(it) for it in value if it)
            parts.append(note(left + max(end * scale, 1) + 5, top, label))
    return "\n".join([*parts, "</svg>\n"])


def bar(left: float, top: float, length: float, kind: str) -> str:
    return f'<rect class="{kind}" x="{left}" y="{top}" width="{max(length, 1):.1f}" height="{BAR_HEIGHT}" rx="2"/>'


def note(left: float, top: float, text: str, more: str = "") -> str:
    return f'<text x="{left:.1f}" y="{top + BAR_HEIGHT - 3}"{more}>{text}</text>'


def cores() -> str:
    count = len(os.sched_getaffinity(0))
    return f"{count} core{'s' if count != 1 else ''}"


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.machine())
