"""Asks a service for each row twice, shows what the cache did, and draws how long misses and hits took."""

from __future__ import annotations

import http.client
import re
import time
from typing import Any
from urllib.parse import urlsplit

import foretold
import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure


def show(server: foretold.Server, rows: pd.DataFrame, model: Any, picture: str) -> None:
    """Asks for the rows one after the other over one connection, then for the same again; and the library for some."""
    connection = http.client.HTTPConnection(urlsplit(server.address).netloc)
    times: dict[str, list[float]] = {"miss": [], "hit": []}
    computed: list[float] = []
    for again in (False, True):
        for i, body in enumerate(rows.to_json(orient="records", lines=True).splitlines()):
            start = time.perf_counter()
            connection.request("POST", "/predictions", body.encode(), {"content-type": "application/json"})
            response = connection.getresponse()
            answer = response.read().decode()
            took = 1000 * (time.perf_counter() - start)
            if response.status != 200:
                raise RuntimeError(answer)
            status = response.headers["cache-status"]
            times["hit" if "; hit" in status else "miss"].append(took)
            if timing := re.search(r"model;dur=([\d.]+)", response.headers.get("server-timing", "")):
                computed.append(float(timing[1]))
            if i == 0:
                print(f"{'again' if again else body}\n  {answer} {status}")
    connection.close()
    misses, hits = (f"median {np.median(took):.2f} ms" for took in times.values())
    print(f"{len(times['miss'])} misses: {misses}, of which the model took {np.mean(computed):.3f}")
    print(f"{len(times['hit'])} hits: {hits}")

    library = type(model).__module__.partition(".")[0].replace("sklearn", "scikit-learn")
    times[f"{library} alone"] = []
    for i in range(50):
        row, start = rows.iloc[[i]], time.perf_counter()
        model.predict(row)
        times[f"{library} alone"].append(1000 * (time.perf_counter() - start))
    draw(times, picture)


def draw(times: dict[str, list[float]], path: str) -> None:
    """Boxes with the middle half, lines from the fastest to the slowest hundredth. The same times make the same file."""
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": path, "font.family": "sans-serif"}):
        figure = Figure(figsize=(6.4, 1.7), layout="constrained")
        axes = figure.subplots()
        axes.boxplot(list(times.values()), whis=(1, 99), showfliers=False, orientation="horizontal", widths=0.5)
        axes.set_yticks(range(1, len(times) + 1), [f"{name}, {np.median(took):.2f} ms" for name, took in times.items()])
        axes.set(xscale="log", xlabel="ms for a row", xlim=(0.05, 200))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, metadata={"Date": None})
    print(f"wrote {path}")
