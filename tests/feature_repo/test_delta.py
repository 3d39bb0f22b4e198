"""What must be written online: changes, ends, and rows that grow old, spread over the days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from feature_repo import delta
from feature_repo.definition import Feature, View
from feature_repo.delta import Delta, Refreshed
from feature_repo.entities import CUSTOMER
from scenefit.runtime.store import connect

from .conftest import D

DAY = pd.Timedelta(days=1)
TTL = timedelta(days=30)
VIEW = View(
    "serving", "serving", (CUSTOMER,),
    (Feature("visits", "int", "", "Visits", "到访", ("events.kind",)),
     Feature("scene", "str", "", "Scene", "场景", ("events.scene_id",))),
    TTL, "day", "Serving", "在线",
)  # fmt: skip
NOTE = Refreshed("here", "this", D)


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect() as found:
        yield found


def snapshot(
    connection: duckdb.DuckDBPyConnection, at: pd.Timestamp, rows: dict[str, tuple[int | None, str | None]]
) -> str:
    moments = pa.array([at.to_pydatetime()] * len(rows), pa.timestamp("us", "UTC"))
    visits, scenes = zip(*rows.values(), strict=True)
    connection.register("given", pa.table({
        "customer_id": list(rows), "event_timestamp": moments, "created": moments,
        "visits": pa.array(visits, pa.int64()), "scene": pa.array(scenes, pa.string()),
    }))  # fmt: skip
    return "SELECT * FROM given"


def compared(
    connection: duckdb.DuckDBPyConnection, at: pd.Timestamp, rows: dict[str, tuple[int | None, str | None]],
    known: Path | None, life: timedelta = TTL,
) -> Delta:  # fmt: skip
    return delta.compare(connection, VIEW, snapshot(connection, at, rows), at, known=known, life=life)


def due(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[pd.Timestamp, int | None]]:
    found = pa.concat_tables(delta.rows(connection, VIEW, 100)).to_pylist()
    return {row["customer_id"]: (row["event_timestamp"], row["visits"]) for row in found}


def test_new_changed_and_ended_rows_are_written_and_others_are_not(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    file = tmp_path / "serving.parquet"
    first = {"ann": (1, "home"), "bob": (0, None), "cy": (5, "travel"), "dan": (7, "home")}
    assert compared(connection, D, first, None) == Delta(new=4, changed=0, aged=0, gone=0, unchanged=0)
    delta.save(connection, VIEW, file, NOTE)
    second = {"ann": (1, "home"), "bob": (None, None), "dan": (7, "travel"), "eve": (1, "home")}
    assert compared(connection, D + DAY, second, file) == Delta(new=1, changed=2, aged=0, gone=1, unchanged=1)
    assert due(connection) == {
        "bob": (D + DAY, None), "dan": (D + DAY, 7), "eve": (D + DAY, 1), "cy": (D + DAY, None),
    }  # fmt: skip
    delta.save(connection, VIEW, file, NOTE)
    assert compared(connection, D + 2 * DAY, second, file) == Delta(new=0, changed=0, aged=0, gone=0, unchanged=4)
    sample = delta.sample(connection, VIEW, 10, seed=1).to_pylist()
    assert {row["customer_id"]: row["event_timestamp"] for row in sample} == {
        "ann": D, "bob": D + DAY, "dan": D + DAY, "eve": D + DAY,
    }  # fmt: skip


def test_with_no_life_everything_is_written_and_what_ended_as_well(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    file = tmp_path / "serving.parquet"
    compared(connection, D, {"ann": (1, "home"), "bob": (2, "home")}, None)
    delta.save(connection, VIEW, file, NOTE)
    again = compared(connection, D, {"ann": (1, "home")}, file, life=timedelta(0))
    assert again == Delta(new=0, changed=0, aged=1, gone=1, unchanged=0)


def test_unchanged_rows_are_written_again_before_they_grow_old_a_few_each_day(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    file = tmp_path / "serving.parquet"
    rows: dict[str, tuple[int | None, str | None]] = {f"c{i:04d}": (1, "home") for i in range(2_000)}
    compared(connection, D, rows, None)
    delta.save(connection, VIEW, file, NOTE)
    written, oldest = [], []
    for day in range(1, 61):
        written.append(compared(connection, D + day * DAY, rows, file).written)
        delta.save(connection, VIEW, file, NOTE)
        stored = connection.execute(f"SELECT min(event_timestamp) FROM '{file}'").fetchall()[0][0]
        oldest.append((D + day * DAY - pd.Timestamp(stored)) / DAY)
    assert max(oldest) <= 0.75 * 30
    assert max(written) < 2_000 * 0.15
    assert sum(written[:7]) == 0
    assert np.mean(written[8:]) == pytest.approx(2_000 / 15, rel=0.3)


def test_a_cadence_longer_than_its_share_of_the_ttl_writes_everybody(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    file = tmp_path / "serving.parquet"
    rows: dict[str, tuple[int | None, str | None]] = {f"c{i}": (1, "home") for i in range(50)}
    compared(connection, D, rows, None)
    delta.save(connection, VIEW, file, NOTE)
    assert compared(connection, D + 28 * DAY, rows, file).aged == 50


def test_what_is_remembered_names_store_definition_and_moment(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    file = tmp_path / "deep" / "serving.parquet"
    assert delta.refreshed(file, VIEW) is None
    compared(connection, D, {"ann": (1, "home")}, None)
    delta.save(connection, VIEW, file, NOTE)
    assert delta.refreshed(file, VIEW) == NOTE
    assert [path.name for path in file.parent.iterdir()] == ["serving.parquet"]
    file.write_bytes(file.read_bytes()[:-20])
    assert delta.refreshed(file, VIEW) is None


def test_other_features_make_another_definition() -> None:
    assert delta.definition_of(VIEW) != delta.definition_of(VIEW.only("visits"))
