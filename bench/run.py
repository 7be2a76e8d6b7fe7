"""Requests per second of warm hits, side by side with a hand-written native service.

    python3 bench/run.py FORETOLD NATIVE_PEER [--seconds N] [--rounds N] [--connections N]

All servers run at once, one of them under load at a time, in turns; the medians of the rounds are
compared. Absolute figures depend on the machine: only the ratios within one run count.
"""
import argparse
import os
import re
import socket
import statistics
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The process that listens at each port.
PROCESSES = {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("foretold")
    parser.add_argument("native_peer")
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    with ExitStack() as stack:
        redis = free_port()
        start(stack, redis, "redis-server", "--port", str(redis), "--bind", "127.0.0.1", "--save", "",
              "--dir", stack.enter_context(tempfile.TemporaryDirectory()))
        url = f"redis://127.0.0.1:{redis}"
        native = free_port()
        start(stack, native, options.native_peer, f"127.0.0.1:{native}", url)
        memory, cached = (foretold(stack, options.foretold, store) for store in ("memory", url))
        memory_alone, cached_alone = (foretold(stack, options.foretold, store, "--near-cache-mib", "0")
                                      for store in ("memory", url))
        targets = {
            "native, no cache (/hello)": f"http://127.0.0.1:{native}/hello",
            "foretold, hit in memory": f"http://127.0.0.1:{memory}/decisions",
            "the same without the near cache": f"http://127.0.0.1:{memory_alone}/decisions",
            "native, hit in Redis": f"http://127.0.0.1:{native}/decisions",
            "foretold, hit in Redis": f"http://127.0.0.1:{cached}/decisions",
            "foretold, hit in Redis without the near cache": f"http://127.0.0.1:{cached_alone}/decisions",
        }
        results = {name: [] for name in targets}
        for target in targets.values():
            load(target, 1, options.connections)
        for _ in range(options.rounds):
            for name, target in targets.items():
                before = processor_seconds(target)
                rate, p50, p99, requests = load(target, options.seconds, options.connections)
                results[name].append((rate, p50, p99, (processor_seconds(target) - before) / requests * 1e6))
    report(results, options)


def foretold(stack: ExitStack, command: str, store: str, *more: str) -> int:
    port = free_port()
    start(stack, port, command, "serve", "models/credit", "--listen", f"127.0.0.1:{port}", "--store", store,
          "--log", "warn", *more)
    return port


def start(stack: ExitStack, port: int, *command: str) -> None:
    """Starts a server and waits until it accepts connections; stops it at the end."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    PROCESSES[port] = process.pid
    stack.callback(process.wait)
    stack.callback(process.terminate)
    for _ in range(1200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            if process.poll() is not None:
                break
            time.sleep(0.1)
    raise SystemExit(f"{command[0]} does not listen on port {port}")


def processor_seconds(target: str) -> float:
    """The time of a processor that the server at a URL has taken so far."""
    pid = PROCESSES[int(target.split(":")[2].split("/")[0])]
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def load(target: str, seconds: int, connections: int) -> tuple[float, float, float, int]:
    """Requests per second, the latency at the 50th and 99th percentile in milliseconds, and how many there were."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", "bench/sample.lua", target]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(f"failures under load at {target}:\n{output}")
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])
    return rate, percentile(output, 50), percentile(output, 99), int(re.search(r"(\d+) requests in", output)[1])


def percentile(output: str, percent: int) -> float:
    number, unit = re.search(rf"\s{percent}%\s+([\d.]+)(us|ms|s)", output).groups()
    return float(number) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit]


def report(results: dict, options: argparse.Namespace) -> None:
    print(f"{options.connections} connections, {options.rounds} rounds of {options.seconds} s each, medians:\n")
    print("| | requests/s | p50 ms | p99 ms | processor µs per request |\n|---|--:|--:|--:|--:|")
    rates = {}
    for name, rounds in results.items():
        rates[name], p50, p99, processor = (statistics.median(figure) for figure in zip(*rounds))
        print(f"| {name} | {rates[name]:,.0f} | {p50:.2f} | {p99:.2f} | {processor:.1f} |")
    native, memory, memory_alone, native_redis, redis, redis_alone = rates.values()
    print(f"\nforetold / native without a cache: memory {memory / native:.2f}, Redis {redis / native:.2f}, "
          f"memory without the near cache {memory_alone / native:.2f}\n"
          f"foretold without the near cache / native, both in Redis: {redis_alone / native_redis:.2f}")


if __name__ == "__main__":
    main()
