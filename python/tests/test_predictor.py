"""Predictions in this process: values, stores, mistakes, threads."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import models
import numpy as np
import pandas as pd
import pytest
import redis
from conftest import ROOT, ask
from models import ROW

import foretold

STORED, HIT = "foretold; fwd=miss; stored", "foretold; hit; ttl="


def test_a_miss_then_a_hit(churn: Path) -> None:
    entries: dict[str, bytes] = {}
    predictor = foretold.Predictor(churn, entries)
    first, second = predictor.predict(ROW), predictor.predict(ROW)
    assert (first.cache_status, first.hit, second.hit) == (STORED, False, True)
    assert first == second and first["class"] == "1" and 0.8 < float(first["probability"]) < 0.9
    assert len(entries) == 1 and all(isinstance(value, bytes) for value in entries.values())
    assert foretold.Predictor(churn, entries).predict(ROW).hit
    assert predictor.counts == foretold.Counts(rows=2, hits=1)


def test_without_a_store_nothing_is_kept(churn: Path) -> None:
    predictor = foretold.Predictor(churn)
    assert not predictor.predict(ROW).hit and not predictor.predict(ROW).hit


def test_frames_lists_and_single_rows_say_the_same(churn: Path) -> None:
    frame = models.customers().head(50)
    predictor = foretold.Predictor(churn, {})
    answers = predictor.predict(frame)
    assert list(answers.columns) == ["probability", "class"] and answers.index.equals(frame.index)
    rows = frame.drop(columns="cancelled").to_dict("records")
    assert predictor.predict(rows) == answers.to_dict("records") == [dict(predictor.predict(row)) for row in rows]
    assert predictor.counts == foretold.Counts(rows=150, hits=100)


def test_a_short_float_is_its_decimal_number(churn: Path) -> None:
    entries: dict[str, bytes] = {}
    predictor = foretold.Predictor(churn, entries)
    predictor.predict(ROW)
    for value in (np.float32(39.9), np.float64(39.9), 39.9):
        assert predictor.predict({**ROW, "monthly_fee": value}).hit
    assert predictor.predict({**ROW, "months": np.int8(12)}).hit
    predictor.predict(pd.DataFrame([ROW]).astype({"monthly_fee": "float32", "months": "Int64"}))
    assert len(entries) == 1


def test_missing_values_are_all_the_same(tmp_path: Path) -> None:
    foretold.export(*models.churn_with_holes(), tmp_path / "churn", "cancelled")
    predictor = foretold.Predictor(tmp_path / "churn", {})
    predictor.predict({"monthly_fee": 39.9, "contract": "monthly"})
    for missing in (None, float("nan"), np.nan, pd.NA, pd.NaT):
        assert predictor.predict({**ROW, "months": missing}).hit
    frame = pd.DataFrame([{**ROW, "months": pd.NA}]).astype({"months": "Int64"})
    predictor.predict(frame)
    predictor.predict(frame.drop(columns="months"))
    assert predictor.counts.hits == 7


def test_a_mistake_is_named_with_field_and_value(churn: Path) -> None:
    predictor = foretold.Predictor(churn, {})
    with pytest.raises(foretold.InvalidRows, match="months: expected an integer from 0 to 72, got 99") as caught:
        predictor.predict({**ROW, "months": 99})
    assert caught.value.errors == [
        foretold.RowError(None, "months", "99", "an integer from 0 to 72", "months: expected an integer from 0 to 72, got 99")
    ]
    for wrong, said in [
        ({"contract": "weekly"}, "contract: expected one of"),
        ({"months": float("inf")}, "months: expected an integer from 0 to 72"),
        ({"months": None}, "months"),
        ({"nobody": 1}, "nobody"),
    ]:
        with pytest.raises(foretold.InvalidRows, match=said):
            predictor.predict({**ROW, **wrong})
    with pytest.raises(TypeError, match="months: expected a number, a truth value, a text, a list of them or None, got \\{12\\}"):
        predictor.predict({**ROW, "months": {12}})


def test_of_many_mistakes_it_is_said_how_many_rows_have_some(churn: Path) -> None:
    predictor = foretold.Predictor(churn)
    frame = models.customers().head(300).assign(months=99, contract="weekly")
    with pytest.raises(foretold.InvalidRows) as caught:
        predictor.predict(frame)
    lines = str(caught.value).splitlines()
    assert len(lines) == 6 and lines[-1] == "and more mistakes; 300 rows have some"
    with pytest.raises(foretold.InvalidRows) as caught:
        predictor.predict({**ROW, **{f"other {i}": 1 for i in range(100)}})
    assert str(caught.value).splitlines()[-1] == "and more mistakes"


def test_a_row_of_a_frame_is_a_row_and_an_array_is_none(churn: Path) -> None:
    predictor = foretold.Predictor(churn)
    frame = models.customers().head(2)
    assert predictor.predict(frame.iloc[0])["class"] == predictor.predict(frame)["class"].iloc[0]
    for rows in (frame.to_numpy(), [1, 2]):
        with pytest.raises(TypeError, match="expected a DataFrame, a mapping"):
            predictor.predict(rows)


def test_a_vector_is_a_list_an_array_or_columns() -> None:
    report = ROOT / "tests" / "reports" / "vector"
    rows, expected = (json.loads((report / name).read_text("utf-8")) for name in ("rows.json", "expected.json"))
    predictor = foretold.Predictor(report, entries := {})
    feature = predictor.features[0]
    assert (feature.name, feature.type, feature.length) == ("num", "vector", 3)
    numbers = [row["num"] for row in rows]
    category = [row["cat"] for row in rows]
    lists = pd.DataFrame({"num": numbers, "cat": category})
    arrays = pd.DataFrame({"num": [np.array(row) for row in numbers], "cat": category})
    columns = pd.DataFrame({**{f"num[{i}]": [row[i] for row in numbers] for i in range(3)}, "cat": category})
    right = [row["value"] for row in expected]
    for frame in (lists, arrays, columns):
        np.testing.assert_allclose(predictor.predict(frame)["value"].astype(float), right, rtol=1e-5)
    assert predictor.counts.hits == 2 * len(rows) and len(entries) == len(rows)
    assert predictor.predict({"num": np.array(numbers[0]), "cat": category[0]}).hit
    with pytest.raises(foretold.InvalidRows, match="num\\[1\\]: expected a number from -5 to 5, got 9"):
        predictor.predict({"num": [0, 9, 0], "cat": "a"})
    with pytest.raises(KeyError, match="num"):
        predictor.predict(columns.drop(columns="num[1]"))


def test_mistakes_in_a_frame_are_named_with_their_rows(churn: Path) -> None:
    predictor = foretold.Predictor(churn, {})
    frame = models.customers().head(3).set_index(pd.Index(["a", "b", "c"]))
    frame.loc["b", "months"] = 99
    with pytest.raises(foretold.InvalidRows, match="row b: months: expected"):
        predictor.predict(frame)
    answers = predictor.predict(frame, errors="coerce")
    assert answers["probability"].isna().tolist() == [False, True, False]
    with pytest.raises(KeyError, match="no column 'contract'; expected months, monthly_fee, contract, got"):
        predictor.predict(frame.drop(columns="contract"))


def test_thousands_of_short_wrong_rows(churn: Path) -> None:
    """The service refuses these as a whole."""
    predictor = foretold.Predictor(churn, {})
    answers = predictor.predict([{}] * 2500, errors="coerce")
    assert answers == [{"probability": None, "class": None}] * 2500
    assert predictor.counts == foretold.Counts(2500, 0, 2500)


def test_no_rows_give_no_answers(churn: Path) -> None:
    predictor = foretold.Predictor(churn)
    assert predictor.predict([]) == []
    assert list(predictor.predict(models.customers().head(5).head(0)).columns) == ["probability", "class"]


def test_what_the_model_takes(churn: Path) -> None:
    predictor = foretold.Predictor(churn)
    assert [(feature.name, feature.type) for feature in predictor.features] == [
        ("months", "integer"), ("monthly_fee", "number"), ("contract", "category"),
    ]
    assert predictor.fields == ["probability", "class"] and predictor.ttl_seconds == 3600
    html = predictor._repr_html_()
    assert "<b>churn</b>" in html and "one of &quot;monthly&quot;" in html
    assert "fwd=miss" in foretold.Predictor(churn, {}).predict(ROW)._repr_html_() and "churn" in repr(predictor)


def test_a_store_that_fails_costs_no_prediction(churn: Path) -> None:
    class Broken:
        def get_many(self, keys: Sequence[str]) -> Sequence[bytes | None]:
            raise OSError("no disk")

        def set_many(self, entries: Sequence[tuple[str, bytes]], ttl_seconds: int) -> None:
            raise OSError("no disk")

    answer = foretold.Predictor(churn, Broken()).predict(ROW)
    assert answer["class"] == "1" and "detail=store-unavailable" in answer.cache_status


def test_ctrl_c_in_a_store_is_raised(churn: Path) -> None:
    class Interrupted(dict[str, bytes]):
        def get(self, *_: object) -> bytes | None:
            raise KeyboardInterrupt

    predictor = foretold.Predictor(churn, Interrupted())
    with pytest.raises(KeyboardInterrupt):
        predictor.predict(ROW)


def test_a_store_that_asks_a_predictor_is_refused(churn: Path) -> None:
    class Curious(dict[str, bytes]):
        def get(self, *_: object) -> bytes | None:
            for call in (lambda: predictor.predict(ROW), lambda: other.predict(ROW), lambda: foretold.Predictor(churn)):
                errors.append(pytest.raises(RuntimeError, call).value)
            return None

    errors: list[BaseException] = []
    predictor, other = foretold.Predictor(churn, Curious()), foretold.Predictor(churn)
    assert predictor.predict(ROW)["class"] == "1"
    assert len(errors) == 3 and all("must not make or ask a predictor" in str(error) for error in errors)


def test_an_entry_that_has_expired_is_computed_again(churn: Path) -> None:
    predictor = foretold.Predictor(churn, {}, ttl_seconds=1)
    predictor.predict(ROW)
    time.sleep(2.1)
    assert "fwd=stale" in predictor.predict(ROW).cache_status


def test_wrong_stores_files_and_settings(churn: Path, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="store: expected a dict, a redis.Redis"):
        foretold.Predictor(churn, "redis://127.0.0.1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="without decode_responses"):
        foretold.Predictor(churn, redis.Redis(decode_responses=True))
    with pytest.raises(ValueError, match="cannot read .*nothing"):
        foretold.Predictor(tmp_path / "nothing")
    with pytest.raises(ValueError, match="keys: expected packed"):
        foretold.Predictor(churn, {}, keys="repr")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="key secret has 5 bytes; expected at least 16"):
        foretold.Predictor(churn, {}, keys="digest", key_secret=b"short")
    library = foretold.bake(churn, tmp_path / "library.wasm", target="library")
    with pytest.raises(ValueError, match="baked for the target library, and a `Predictor` needs edge"):
        foretold.Predictor(library)


@pytest.mark.parametrize("settings", [{}, {"keys": "readable"}, {"keys": "digest", "key_secret": b"0123456789abcdef"}])
def test_a_host_and_a_predictor_share_a_redis(churn: Path, redis_port: int, settings: dict[str, str | bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    client = redis.Redis(port=redis_port)
    client.flushall()
    predictor = foretold.Predictor(churn, client, **settings)  # type: ignore[arg-type]
    options = ["--keys", str(settings.get("keys", "packed"))]
    if "key_secret" in settings:
        monkeypatch.setenv("FORETOLD_KEY_SECRET", "0123456789abcdef")
    other = {**ROW, "months": 13}
    with foretold.serve(churn, store=f"redis://127.0.0.1:{redis_port}", options=options) as server:
        answer, status = ask(server, ROW)
        # Written behind the answer.
        _until(lambda: client.dbsize() > 0)
        found = predictor.predict(ROW)
        assert "fwd=miss" in status and found.hit and dict(found) == answer
        assert predictor.predict(other).cache_status == STORED
        answer, status = ask(server, other)
        assert status.startswith(HIT) and answer == dict(predictor.predict(other))
        frame = models.customers().head(200)
        predictor.predict(frame)
        rows = frame.drop(columns="cancelled").to_dict("records")
        assert all(ask(server, row)[1].startswith(HIT) for row in rows[:20])


def test_a_redis_that_is_away_costs_no_prediction(churn: Path) -> None:
    predictor = foretold.Predictor(churn, redis.Redis(port=1, retry=None, socket_connect_timeout=0.1))
    assert "detail=store-unavailable" in predictor.predict(ROW).cache_status


def test_threads_share_a_predictor(churn: Path) -> None:
    predictor = foretold.Predictor(churn, {})
    frame = models.customers().head(400)
    expected = predictor.predict(frame)
    found: dict[int, pd.DataFrame] = {}

    def predict(i: int) -> None:
        found[i] = predictor.predict(frame.iloc[i * 50 : i * 50 + 50])

    threads = [threading.Thread(target=predict, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pd.testing.assert_frame_equal(pd.concat(found[i] for i in range(8)), expected)
    assert predictor.counts == foretold.Counts(800, 400)


def test_other_threads_run_while_a_predictor_computes(churn: Path) -> None:
    """A store that sleeps gives the lock away, too; the model must do so without one."""
    predictor = foretold.Predictor(churn)
    frame = pd.concat([models.customers()] * 10)
    ticks = 0
    done = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not done.wait(0.0005):
            ticks += 1

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        predictor.predict(frame, progress=False)
    finally:
        done.set()
        thread.join()
    assert ticks >= 5


def test_a_bar_shows_how_far_it_is(churn: Path, capfd: pytest.CaptureFixture[str]) -> None:
    predictor = foretold.Predictor(churn)
    frame = pd.concat([models.customers()] * 5)
    predictor.predict(frame)
    assert "predicting: " in capfd.readouterr().err
    predictor.predict(frame, progress=False)
    assert capfd.readouterr().err == ""


def test_a_process_that_was_forked_predicts(churn: Path) -> None:
    import os

    predictor = foretold.Predictor(churn, {})
    predictor.predict(ROW)
    child = os.fork()
    if child == 0:
        os._exit(0 if predictor.predict({**ROW, "months": 14})["class"] == "1" else 1)
    assert os.waitpid(child, 0)[1] == 0


def _until(holds: object, seconds: float = 5) -> None:
    assert callable(holds)
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it does not come true"
        time.sleep(0.01)
