"""The command in the wheel, `serve` and `bake`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from conftest import ask
from models import ROW

import foretold

COMMAND = Path(sys.executable).with_name("foretold")


def test_a_miss_then_a_hit_over_http(churn: Path) -> None:
    with foretold.serve(churn) as server:
        assert server.address.startswith("http://127.0.0.1:") and "/probabilities" in server.endpoints
        assert server.address in server._repr_html_() and "stopped" not in repr(server)
        first, second = ask(server, ROW), ask(server, ROW)
        assert first[1] == "foretold; fwd=miss; stored" and second[1].startswith("foretold; hit")
        assert first[0] == second[0] == dict(foretold.Predictor(churn).predict(ROW))
    assert "stopped" in repr(server) and "INFO stopped" in server.log
    with pytest.raises(OSError):
        urllib.request.urlopen(server.address)
    server.stop()


def test_a_server_that_does_not_start_says_why(churn: Path, tmp_path: Path) -> None:
    with pytest.raises(foretold.CommandError, match="cannot read .*nothing"):
        foretold.serve(tmp_path / "nothing")
    with pytest.raises(foretold.CommandError, match="--keys"):
        foretold.serve(churn, options=["--keys", "none"])
    with pytest.raises(foretold.CommandError, match="expected memory:"):
        foretold.serve(churn, store="somewhere")


def test_a_baked_file_is_served_and_asked(churn: Path) -> None:
    path = foretold.bake(churn)
    assert path == churn.parent / "churn.wasm" and path.stat().st_size > 1_000_000
    with foretold.serve(path) as server:
        assert ask(server, ROW)[0] == dict(foretold.Predictor(path).predict(ROW))


def test_every_mistake_in_a_manifest_is_told(churn: Path, tmp_path: Path) -> None:
    text = (churn / "manifest.toml").read_text()
    (tmp_path / "manifest.toml").write_text(text.replace("maximum = 72", "maximum = -1"))
    (tmp_path / "model.onnx").write_bytes((churn / "model.onnx").read_bytes())
    with pytest.raises(foretold.CommandError, match="line [0-9]+: .*"):
        foretold.bake(tmp_path)


def test_a_server_ends_with_its_process(churn: Path) -> None:
    """However that ends."""
    program = f"""
import foretold, time
server = foretold.serve({str(churn)!r})
print(server.pid, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 10
    while _runs(pid):
        assert time.monotonic() < end, "the server is left behind"
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_command_as_the_native_one(churn: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [COMMAND, "serve", churn, "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "ready in" in line:
            break
    process.send_signal(number)
    assert process.wait(10) == 0
    assert "INFO stopped" in process.stderr.read()
    process.stderr.close()


def test_ctrl_c_ends_a_command_that_waits() -> None:
    """Python's own handler would only note it."""
    program = "import signal, sys, time\nfrom foretold import __main__\n"
    program += "__main__.run_command = lambda _: time.sleep(30)\nprint('runs', flush=True)\n__main__.main()"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == -signal.SIGINT
    process.stdout.close()


def test_the_command_says_what_the_native_one_says() -> None:
    version = subprocess.run([COMMAND, "--version"], capture_output=True, text=True)
    first, *components = version.stdout.splitlines()
    assert first == f"foretold {foretold.__version__}"
    for name, line in zip(("edge", "spin", "library"), components, strict=True):
        assert re.fullmatch(rf"component {name}: \d+ bytes, sha256 [0-9a-f]{{64}}", line)
    wrong = subprocess.run([COMMAND, "serv"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "Usage: foretold <COMMAND>" in wrong.stderr
    failed = subprocess.run([sys.executable, "-m", "foretold", "bake", "/nowhere", "-o", "x"], capture_output=True, text=True)
    assert failed.returncode == 1 and failed.stderr.startswith("error: ")


def test_another_package_in_the_working_folder_is_not_run(churn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "foretold").mkdir()
    (tmp_path / "foretold" / "__init__.py").write_text("raise SystemExit('the wrong one')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.fspath(tmp_path))
    assert foretold.bake(churn, tmp_path / "churn.wasm").exists()
