"""Logs of a stream: appended whole, unique, in microseconds UTC; small files become one, whatever happens."""

from __future__ import annotations

import datetime as dt
import json
import threading
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_repo.compaction import JOURNAL, compact
from feature_repo.definition import CREATED, EVENT_TIME, Feature, View
from feature_repo.entities import CUSTOMER
from feature_repo.timeline import parquet_files
from feature_repo.writer import append, partition_of, partitions, retain, write
from scenefit.contracts.errors import ContractError, StoreError

T = pd.Timestamp("2026-01-10T23:59", tz="UTC")
CLICKS = View(
    name="clicks", source="clicks", entities=(CUSTOMER,), ttl=dt.timedelta(days=2), cadence="stream", en="", zh="",
    features=(Feature("n", "int", "", "", "", ("events.kind",)),
              Feature("word", "str", "", "", "", ("events.kind",))), stream=True,
)  # fmt: skip


def batch(*rows: tuple[str | None, float, int], unit: str = "us", created: float = 0) -> pa.Table:
    """Rows (who, minutes after T, value)."""
    frame = pd.DataFrame(list(rows), columns=["customer_id", EVENT_TIME, "n"])
    frame[EVENT_TIME] = (T + pd.to_timedelta(frame[EVENT_TIME], "min")).astype(f"datetime64[{unit}, UTC]")
    frame.insert(2, CREATED, frame[EVENT_TIME] + pd.Timedelta(minutes=created))
    return pa.Table.from_pandas(frame.assign(word="w"), preserve_index=False)


def content(folder: Path) -> list[tuple[object, ...]]:
    rows = pa.concat_tables([pq.ParquetFile(file).read() for file in folder.glob("dt=*/part-*.parquet")])
    return sorted(tuple(row.values()) for row in rows.to_pylist())


def test_rows_go_to_the_folder_of_their_utc_day_in_microseconds(tmp_path: Path) -> None:
    written = append(tmp_path, batch(("ann", 0, 1), ("ann", 1, 2), unit="ns"), CLICKS)
    assert [file.parent.name for file in written] == ["dt=2026-01-10", "dt=2026-01-11"]
    assert pq.read_schema(written[0]).equals(CLICKS.arrow)
    # Shanghai is a day ahead already; the folder is UTC
    local = batch(("bob", 0, 3))
    local = local.set_column(1, EVENT_TIME, local[EVENT_TIME].cast(pa.timestamp("us", "Asia/Shanghai")))
    assert append(tmp_path, local, CLICKS)[0].parent.name == "dt=2026-01-10"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns("n"), r"columns \['n'\] are missing and none are unknown"),
        (lambda t: t.append_column("m", t["n"]), r"none are missing and \['m'\] are unknown"),
        (lambda t: t.set_column(1, EVENT_TIME, t[EVENT_TIME].cast(pa.timestamp("us"))), "no moment with a time zone"),
        (lambda t: t.set_column(3, "n", pa.array([1.5, 2.5])), r"clicks\.n: double cannot be taken over as int64"),
        (lambda t: t.set_column(0, "customer_id", pa.array(["ann", None])), "1 rows have no key"),
        (lambda t: t.set_column(2, CREATED, pa.nulls(2, pa.timestamp("us", "UTC"))), "2 rows have no moment"),
        (lambda t: pa.concat_tables([t, t]), "2 rows repeat a key, such as"),
    ],
)
def test_wrong_rows_are_refused_and_nothing_is_written(tmp_path: Path, change: object, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        append(tmp_path / "log", change(batch(("ann", 0, 1), ("bob", 1, 2))), CLICKS)
    assert not (tmp_path / "log").exists()


def test_a_log_of_another_definition_is_refused_until_it_is_compacted(tmp_path: Path) -> None:
    import dataclasses

    append(
        tmp_path, batch(("ann", 0, 1)).drop_columns("word"), dataclasses.replace(CLICKS, features=CLICKS.features[:1])
    )
    with pytest.raises(ContractError, match=r"written under another definition \(different: \['word'\]\)"):
        append(tmp_path, batch(("bob", 0, 2)), CLICKS)
    compact(tmp_path, CLICKS)
    append(tmp_path, batch(("bob", 0, 2)), CLICKS)
    assert [(row[0], row[3], row[4]) for row in content(tmp_path)] == [("ann", 1, None), ("bob", 2, "w")]


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    def work(who: int) -> None:
        for number in range(10):
            append(tmp_path, batch((f"w{who}", number, number)), CLICKS)

    threads = [threading.Thread(target=work, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    compact(tmp_path, CLICKS)
    for thread in threads:
        thread.join()
    compact(tmp_path, CLICKS)
    assert len(content(tmp_path)) == 40
    assert len(list(tmp_path.rglob("*.parquet"))) == 2


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(
        st.lists(st.tuples(st.sampled_from("abc"), st.integers(-3, 3)), unique=True, min_size=1, max_size=4),
        min_size=1, max_size=5,
    )
)  # fmt: skip
def test_compaction_keeps_each_row_once(tmp_path_factory: pytest.TempPathFactory, batches: list[list]) -> None:
    folder = tmp_path_factory.mktemp("log")
    for rows in batches:
        append(folder, batch(*((who, minute, minute) for who, minute in rows)), CLICKS)
    before = set(content(folder))
    compact(folder, CLICKS)
    assert content(folder) == sorted(before)
    assert len(list(folder.rglob("*.parquet"))) == len(list(folder.glob("dt=*")))
    assert compact(folder, CLICKS) == 0


def test_a_compaction_that_was_cut_off_is_finished(tmp_path: Path) -> None:
    first = append(tmp_path, batch(("ann", 0, 1)), CLICKS)[0]
    append(tmp_path, batch(("bob", 0, 2)), CLICKS)
    expected = content(tmp_path)
    merged = pa.concat_tables([pq.ParquetFile(file).read() for file in first.parent.glob("part-*.parquet")])
    old = sorted(file.name for file in first.parent.glob("part-*.parquet"))
    # killed before the merged file was in place, then after
    (first.parent / JOURNAL).write_text(json.dumps({"merged": "part-merged.parquet", "files": old}))
    compact(tmp_path, CLICKS)
    assert content(tmp_path) == expected
    (only,) = first.parent.glob("part-*.parquet")
    pq.write_table(merged, first.parent / "part-merged.parquet")
    (first.parent / JOURNAL).write_text(json.dumps({"merged": "part-merged.parquet", "files": [only.name]}))
    assert compact(tmp_path, CLICKS) == 1
    assert content(tmp_path) == expected
    assert not (first.parent / JOURNAL).exists()


def test_rows_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    append(tmp_path, batch(("ann", 0, 1)), CLICKS)
    append(tmp_path, batch(("ann", 0, 2)), CLICKS)
    with pytest.raises(ContractError, match=r"1 rows of clicks have the same .* different values, such as .*ann"):
        compact(tmp_path, CLICKS)
    assert len(content(tmp_path)) == 2


def test_a_damaged_log_file_is_named_and_left(tmp_path: Path) -> None:
    file = append(tmp_path, batch(("ann", 0, 1)), CLICKS)[0]
    append(tmp_path, batch(("bob", 0, 1)), CLICKS)
    file.write_bytes(b"PAR1half")
    with pytest.raises(StoreError, match=r"part-.*not a whole Parquet file.*restore or remove it"):
        compact(tmp_path, CLICKS)
    assert file.exists()


def test_retention_removes_whole_days(tmp_path: Path) -> None:
    append(tmp_path, batch(("ann", 0, 1), ("ann", 1, 2)), CLICKS)
    assert retain(tmp_path, dt.date(2026, 1, 11)) == 1
    assert [day.name for day in tmp_path.glob("dt=*")] == ["dt=2026-01-11"]
    assert retain(tmp_path, dt.date(2026, 1, 11)) == 0
    (tmp_path / "dt=soon").mkdir()
    (tmp_path / "dt=soon" / "part-x.parquet").touch()
    with pytest.raises(StoreError, match="feature folders are named dt=YYYY-MM-DD"):
        retain(tmp_path, dt.date(2026, 1, 11))


def test_a_half_written_file_is_seen_by_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = append(tmp_path, batch(("ann", 0, 1)), CLICKS)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StoreError, match="the disk is full"):
        append(tmp_path, batch(("bob", 0, 1), ("bob", 1, 1)), CLICKS)
    monkeypatch.undo()
    (whole[0].parent / ".part-0.parquet.77").write_bytes(b"half")
    assert parquet_files(tmp_path) == whole


def test_names_of_snapshots_and_corrections_tell_their_moments(tmp_path: Path) -> None:
    data = batch(("ann", 0, 1)).cast(CLICKS.arrow)
    for created in (None, T + pd.Timedelta("1h")):
        write(partition_of(tmp_path, T, "0" * 16, created), data, CLICKS)
    found = partitions(tmp_path)
    assert [(p.instant, p.created, p.corrects) for p in found] == [(T, T, False), (T, T + pd.Timedelta("1h"), True)]
    with pytest.raises(ContractError, match="cast them to the view's schema"):
        write(partition_of(tmp_path, T, "1" * 16), data.drop_columns("word"), CLICKS)


def test_appending_beside_a_damaged_file_names_it(tmp_path: Path) -> None:
    file = append(tmp_path, batch(("ann", 0, 1)), CLICKS)[0]
    file.write_bytes(b"half")
    for work in (lambda: append(tmp_path, batch(("bob", 0, 1)), CLICKS), lambda: compact(tmp_path, CLICKS)):
        with pytest.raises(StoreError, match=r"part-.*: not a whole Parquet file.*restore or remove it"):
            work()
