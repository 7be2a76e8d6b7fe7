"""Two hosts behind HAProxy are restarted, get a new model, are purged and killed, without one failed request.

    python3 tests/fleet/rollout.py FORETOLD

Clients go on asking through a real HAProxy, with the configuration of docs/scaling.md, and every answer is
compared with what the old or the new model answers, the whole time. Needs haproxy and redis-server.
"""
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from fleet import MODEL, NO_STORE, HaProxy, Host, Load, Redis, answers_of, single_questions, wait_until


def main() -> None:
    foretold = sys.argv[1]
    questions = single_questions()
    with ExitStack() as stack:
        new_model = other_model(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        old, new = (answers_of(Host(stack, foretold, NO_STORE, source=source), questions) for source in (MODEL, new_model))
        if any(old[question] == new[question] for question in questions if question[1] == "/probabilities"):
            raise SystemExit("the new model answers as the old one does: nothing would be shown")
        redis = Redis(stack)
        hosts = [Host(stack, foretold, redis.url) for _ in range(2)]
        proxy = HaProxy(stack, hosts)
        wait_until("all hosts are up", lambda: proxy.up() == len(hosts))
        load = Load([proxy.port], questions)
        load.right = [old]
        load.start()
        stack.callback(load.stop)

        def step(name: str, act) -> None:
            before, start = load.asked, time.monotonic()
            act()
            time.sleep(1)
            load.check()
            print(f"{name}: {load.asked - before} requests in {time.monotonic() - start:.1f} s, 0 failed, 0 wrong")

        step("two hosts", lambda: None)
        step("rolling restart", lambda: restart_each(hosts, proxy))
        step("purge", lambda: purge(foretold, redis))
        load.right = [old, new]
        for host in hosts:
            host.serve(new_model)
        step("roll-out of a new model", lambda: restart_each(hosts, proxy))
        # An answer that is under way may be the old model's.
        time.sleep(1)
        load.right = [new]
        step("only the new model", lambda: None)
        step("one host killed and started again", lambda: kill_one(hosts[0], proxy, len(hosts)))
        load.stop()
        load.check()
        if load.hits * 2 < load.asked:
            raise SystemExit(f"only {load.hits} of {load.asked} answers came from the cache")
        print(f"{load.asked} requests, {load.hits} hits, 0 failed, 0 wrong")


def other_model(folder: Path) -> Path:
    """A model with other answers: its manifest takes the other column of its output."""
    for name in ("manifest.toml", "model.onnx"):
        shutil.copy(MODEL / name, folder / name)
    text = (folder / "manifest.toml").read_text("utf-8")
    changed = text.replace("column = 1", "column = 0")
    if changed == text:
        raise SystemExit("the manifest names no column = 1")
    (folder / "manifest.toml").write_text(changed, "utf-8")
    return folder


def restart_each(hosts: list[Host], proxy: HaProxy) -> None:
    for host in hosts:
        host.end(signal.SIGTERM)
        host.start()
        wait_until("the host is back", lambda: proxy.up() == len(hosts))


def kill_one(host: Host, proxy: HaProxy, hosts: int) -> None:
    host.end(signal.SIGKILL)
    wait_until("its end is noticed", lambda: proxy.up() == hosts - 1)
    host.start()
    wait_until("the host is back", lambda: proxy.up() == hosts)


def purge(foretold: str, redis: Redis) -> None:
    for _ in range(3):
        command = [foretold, "cache", "purge", "--all", "--store", redis.url]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        time.sleep(0.3)


if __name__ == "__main__":
    main()
