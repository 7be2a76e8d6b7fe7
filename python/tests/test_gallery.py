"""The scripts of examples/gallery, as a reader runs them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import ROOT

GALLERY = ROOT / "examples" / "gallery"
TASKS = ["churn", "credit", "demand", "fraud", "tickets"]


def test_the_page_shows_every_task_and_how_short_it_is() -> None:
    assert sorted(path.stem for path in GALLERY.glob("*.py")) == sorted([*TASKS, "latency"])
    page = (ROOT / "docs" / "gallery.md").read_text("utf-8")
    for task in TASKS:
        assert f"../examples/gallery/{task}.py" in page and f"(gallery/{task}.svg)" in page
        assert (ROOT / "docs" / "gallery" / f"{task}.svg").stat().st_size < 20_000
        assert len((GALLERY / f"{task}.py").read_text("utf-8").splitlines()) < 60


@pytest.mark.parametrize("task", TASKS)
def test_a_task_runs_and_draws_misses_beside_hits(task: str, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, GALLERY / f"{task}.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "; fwd=miss; stored" in done.stdout and "; hit; ttl=" in done.stdout
    # Each row was new when it was asked for, and known when it was again.
    counted = re.search(r"(\d+) misses: .*\n(\d+) hits: ", done.stdout)
    assert counted and counted[1] == counted[2] == "300", done.stdout
    drawn = ElementTree.parse(tmp_path / f"{task}.svg").getroot()
    texts = "".join(drawn.itertext())
    assert "miss, " in texts and "hit, " in texts and " alone, " in texts
    assert (tmp_path / task / "golden.csv").exists()
