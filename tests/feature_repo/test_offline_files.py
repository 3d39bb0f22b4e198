"""Histories of many files: corrections, ties, late knowledge, and which files and row groups are read at all."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.footers import disjoint, footer
from feature_repo.retrieval import Limits, Lookup, connection, newest_rows, retrieve
from feature_repo.timeline import UNBOUNDED, Source, Span, parquet_files, scan
from scenefit.contracts.errors import ContractError, StoreError

T = pd.Timestamp("2026-01-10", tz="UTC")
HOUR = pd.Timedelta(hours=1)
KINDS = {
    "us": pa.timestamp("us", tz="UTC"),
    "ns": pa.timestamp("ns", tz="UTC"),
    "ms": pa.timestamp("ms", tz="UTC"),
    "naive": pa.timestamp("us"),
    "naive ns": pa.timestamp("ns"),
    "zone": pa.timestamp("us", tz="Asia/Shanghai"),
}

# file, key, hour of the event, hours until it is written down (None: not told), value
Row = tuple[int, int | None, int, int | None, int]


def hours(values: list[int | None], kind: pa.DataType) -> pa.Array:
    moments = [None if value is None else (T + value * HOUR).to_pydatetime() for value in values]
    return pa.array(moments, pa.timestamp("us", tz="UTC")).cast(kind)


def write(folder: Path, rows: list[Row], kind: pa.DataType = KINDS["us"], *, statistics: bool = True) -> None:
    """One file per number, lines as they come, two to a row group."""
    for file in folder.glob("*.parquet"):
        file.unlink()
    for number in sorted({row[0] for row in rows}):
        lines = [row for row in rows if row[0] == number]
        table = pa.table({
            "who": pa.array([row[1] for row in lines], pa.int64()),
            "at": hours([row[2] for row in lines], kind),
            "made": hours([None if row[3] is None else row[2] + row[3] for row in lines], kind),
            "n": pa.array([row[4] for row in lines], pa.int64()),
        })  # fmt: skip
        pq.write_table(table, folder / f"part-{number}.parquet", row_group_size=2, write_statistics=statistics)


def ask(
    source: Source,
    questions: list[tuple[int | None, int | None]],
    *,
    ttl: int | None = None,
    known: bool = False,
    folder: Path | None = None,
) -> list[int | None]:
    rows = pa.table({
        "who": pa.array([who for who, _ in questions], pa.int64()),
        "event_timestamp": hours([hour for _, hour in questions], KINDS["us"]),
    })  # fmt: skip
    age = None if ttl is None else timedelta(hours=ttl)
    lookup = Lookup("visits", source, (("who", "who"),), (("n", "n"),), age)
    limits = Limits(folder or source.path)
    found: list[int | None] = retrieve(rows, "event_timestamp", [lookup], known_only=known, limits=limits)[
        "n"
    ].to_pylist()
    return found


def ruler(
    rows: list[Row], questions: list[tuple[int | None, int | None]], ttl: int | None, known: bool
) -> list[int | None]:
    """The join with paper and pencil: newest event, then newest creation, then last file, then last line."""
    answers: list[int | None] = []
    for who, hour in questions:
        usable = [
            (at, float("-inf") if late is None else at + late, file, line, value)
            for line, (file, key, at, late, value) in enumerate(rows)
            if who is not None and key == who and hour is not None and at <= hour
            and (ttl is None or hour <= at + ttl)
            and (not known or (late is not None and at + late <= hour))
        ]  # fmt: skip
        answers.append(max(usable)[4] if usable else None)
    return answers


histories = st.lists(
    st.tuples(
        st.integers(0, 3), st.sampled_from([1, 2, 3, None]), st.integers(-12, 12),
        st.sampled_from([0, 0, 0, -1, 1, 5, 20, None]), st.integers(0, 10**6),
    ),
    min_size=1, max_size=14,
)  # fmt: skip
questions = st.lists(
    st.tuples(st.sampled_from([1, 2, 3, 4, None]), st.sampled_from([*range(-14, 34), None])), max_size=8
)


@settings(max_examples=40, deadline=None)
@given(
    history=histories, asked=questions, ttl=st.sampled_from([None, 0, 3, 10]), known=st.booleans(),
    unique=st.booleans(), kind=st.sampled_from(sorted(KINDS)), statistics=st.booleans(),
)  # fmt: skip
def test_any_history_of_files_answers_as_the_ruler_does(
    tmp_path_factory: pytest.TempPathFactory,
    history: list[Row],
    asked: list[tuple[int | None, int | None]],
    ttl: int | None,
    known: bool,
    unique: bool,
    kind: str,
    statistics: bool,
) -> None:
    folder = tmp_path_factory.mktemp("history")
    if unique:
        # what the writer vouches for: one row per key and event time in each file
        history = list({(row[0], row[1], row[2]): row for row in history}.values())
    write(folder, history, KINDS[kind], statistics=statistics)
    found = ask(Source(folder, "at", "made", unique=unique), asked, ttl=ttl, known=known)
    assert found == ruler(history, asked, ttl, known)


def test_permuting_the_asking_rows_permutes_the_answers(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    write(tmp_path, [(n % 3, n % 40, n % 7, 0, n) for n in range(400)])
    asked = [(int(who), int(hour)) for who, hour in rng.integers((0, -3), (50, 12), (300, 2))]
    order = rng.permutation(300)
    source = Source(tmp_path, "at", "made")
    found = ask(source, asked)
    assert ask(source, [asked[i] for i in order]) == [found[i] for i in order]


def test_of_rows_equal_in_all_moments_the_one_in_the_last_file_counts(tmp_path: Path) -> None:
    source = Source(tmp_path, "at", "made", unique=True)
    for first, second in ((7, 8), (8, 7)):
        write(tmp_path, [(0, 1, 0, 0, first), (1, 1, 0, 0, second)])
        assert ask(source, [(1, 1)], known=True) == ask(source, [(1, 1)]) == [second]


def test_a_correction_counts_from_the_moment_it_was_known(tmp_path: Path) -> None:
    write(tmp_path, [(0, 1, 0, 0, 7), (1, 1, 24, 0, 8), (2, 1, 0, 30, 70)])
    source = Source(tmp_path, "at", "made", unique=True)
    asked: list[tuple[int | None, int | None]] = [(1, 1), (1, 24), (1, 29), (1, 40)]
    # known at hour 30, when hour 24 had long overtaken it
    assert ask(source, asked, known=True) == [7, 8, 8, 8]
    assert ask(source, asked) == [70, 8, 8, 8]


@pytest.mark.parametrize("count", [0, 1])
def test_few_asking_rows_are_no_special_case(tmp_path: Path, count: int) -> None:
    write(tmp_path, [(0, 1, 0, 0, 7)])
    assert ask(Source(tmp_path, "at", "made"), [(1, 1)] * count) == [7] * count


def test_columns_may_have_the_names_used_inside(tmp_path: Path) -> None:
    names = [
        "row",
        "moment0",
        "moment",
        "known",
        "file",
        "line",
        "key0",
        "value0",
        "history",
        "asking",
        "found",
        'q"uote',
    ]
    table = pa.table({name: pa.array([5]) for name in names} | {"at": hours([0], KINDS["us"])})
    pq.write_table(table, tmp_path / "part.parquet")
    rows = pa.table({
        "key0": [5], "row": ["mine"], "moment": hours([1], KINDS["us"]), "found": [1], "part": [2], 'q"uote': [5],
    })  # fmt: skip
    source = Source(tmp_path, "at", None)
    lookup = Lookup("odd", source, (("key0", "key0"), ('q"uote', 'q"uote')),
                    tuple((name, f"got {name}") for name in names), None)  # fmt: skip
    found = retrieve(rows, "moment", [lookup], known_only=True, limits=Limits(tmp_path))
    assert found.select(rows.column_names).equals(rows)
    assert [found[f"got {name}"].to_pylist() for name in names] == [[5]] * len(names)
    with connection(Limits(tmp_path)) as opened:
        scanned = scan(opened, source, UNBOUNDED)
        assert newest_rows(opened, source, scanned, ["file", "key0"], names).to_pylist() == [dict.fromkeys(names, 5)]


def test_the_engines_own_names_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"who": [1], "at": hours([0], KINDS["us"]), "n": [1], "file_row_number": [1]}),
                   tmp_path / "part.parquet")  # fmt: skip
    with pytest.raises(StoreError, match=r"\['file_row_number'\] are names of the reading engine"):
        ask(Source(tmp_path, "at"), [(1, 1)])


def test_a_feature_thought_of_later_is_empty_before_and_a_lost_key_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"who": [1, 2], "at": hours([0, 0], KINDS["us"])}), tmp_path / "part-0.parquet")
    pq.write_table(pa.table({"n": [9], "at": hours([5], KINDS["us"]), "who": [1]}), tmp_path / "part-1.parquet")
    source = Source(tmp_path, "at", unique=True)
    assert ask(source, [(1, 1), (1, 6), (2, 6)]) == [None, 9, None]
    pq.write_table(pa.table({"n": [9], "at": hours([5], KINDS["us"])}), tmp_path / "part-2.parquet")
    with pytest.raises(StoreError, match=r"part-2\.parquet: column 'who' is missing; the file has \['n', 'at'\]"):
        ask(source, [(1, 6)])


def test_numbers_that_became_finer_are_not_rounded(tmp_path: Path) -> None:
    pq.write_table(pa.table({"who": [1], "at": hours([0], KINDS["us"]), "n": [1]}), tmp_path / "part-0.parquet")
    pq.write_table(pa.table({"who": [1], "at": hours([5], KINDS["us"]), "n": [1.5]}), tmp_path / "part-1.parquet")
    assert ask(Source(tmp_path, "at"), [(1, 1), (1, 6)]) == [1.0, 1.5]


def test_features_and_keys_may_be_told_by_folders(tmp_path: Path) -> None:
    for region, day, value in (("north", "2026-01-10", 1), ("south", "2026-01-11", 2)):
        file = tmp_path / f"region={region}" / f"day={day}" / "part.parquet"
        file.parent.mkdir(parents=True)
        pq.write_table(pa.table({"who": [1], "at": hours([value], KINDS["us"]), "n": [value]}), file)
    rows = pa.table({"where": ["south", "north", "west"], "event_timestamp": hours([9, 9, 9], KINDS["us"])})
    lookup = Lookup("v", Source(tmp_path, "at"), (("region", "where"),), (("n", "n"), ("region", "region")), None)
    found = retrieve(rows, "event_timestamp", [lookup], known_only=False, limits=Limits(tmp_path))
    assert found["n"].to_pylist() == [2, 1, None]
    assert found["region"].to_pylist() == ["south", "north", None]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_row_groups_outside_the_span_are_not_read(tmp_path: Path, kind: str) -> None:
    write(tmp_path, [(0, 1, hour, 0, hour) for hour in range(40)], KINDS[kind])
    span = Span(T + 10 * HOUR, T + 15 * HOUR)
    with connection(Limits(tmp_path)) as opened:
        scanned = scan(opened, Source(tmp_path, "at", "made"), span)
        plan = opened.execute(
            f"EXPLAIN (ANALYZE, FORMAT JSON) SELECT sum(n) FROM {scanned.sql} AS history WHERE {scanned.where}"
        ).fetchall()[0][1]
        rows = opened.execute(f"SELECT count(*) FROM {scanned.sql} AS history WHERE {scanned.where}").fetchall()
    assert rows == [(6,)]
    # two rows to a group: hours 10 to 15 lie in three of twenty
    assert re.findall(r'"total_row_groups_scanned": (\d+)', plan) == ["3"]


def test_files_outside_the_span_are_not_opened(tmp_path: Path) -> None:
    for day in range(3):
        folder = tmp_path / f"dt={(T + day * 24 * HOUR).date()}"
        folder.mkdir()
        write(folder, [(0, 1, 24 * day, 0, day)])
    damaged = tmp_path / f"dt={(T + 72 * HOUR).date()}" / "part-0.parquet"
    damaged.parent.mkdir()
    damaged.write_bytes(b"PAR1 half a file")
    source = Source(tmp_path, "at", "made", unique=True, by_day=True)
    assert ask(source, [(1, 71)], ttl=24) == [2]
    with pytest.raises(StoreError, match=r"dt=2026-01-13/part-0\.parquet: not a whole Parquet file"):
        ask(source, [(1, 72)], ttl=24)


def test_files_whose_footer_lies_outside_the_span_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, [(file, 1, 10 * file, 0, file) for file in range(5)])
    with connection(Limits(tmp_path)) as opened:
        found = scan(opened, Source(tmp_path, "at", "made"), Span(T + 10 * HOUR, T + 20 * HOUR))
        nothing = scan(opened, Source(tmp_path, "at", "made"), Span(T + 99 * HOUR))
    assert [file.name for file in found.files] == ["part-1.parquet", "part-2.parquet"]
    # one file stays to tell the types
    assert [file.name for file in nothing.files] == ["part-4.parquet"]


def test_the_days_at_the_edges_of_a_span_are_read(tmp_path: Path) -> None:
    for day in ("2026-01-09", "2026-01-10", "2026-01-11"):
        (tmp_path / f"dt={day}").mkdir()
        write(tmp_path / f"dt={day}", [(0, 1, 0, 0, 1)])
    shanghai = T.tz_convert("Asia/Shanghai").to_pydatetime()
    found = parquet_files(tmp_path, Span(shanghai, shanghai))
    assert [file.parent.name for file in found] == ["dt=2026-01-10"]


@pytest.mark.parametrize(
    ("rows", "statistics", "apart", "on_time"),
    [
        ([(0, 1, 0, 0, 1), (1, 1, 1, 0, 1)], True, True, True),
        # the same moment in two files: one may correct the other
        ([(0, 1, 0, 0, 1), (1, 1, 0, 5, 1)], True, False, False),
        ([(0, 1, 0, 0, 1), (0, 1, 9, 0, 1), (1, 1, 4, 0, 1)], True, False, False),
        ([(0, 1, 0, 0, 1), (1, 1, 1, None, 1)], True, True, False),
        ([(0, 1, 0, 0, 1), (1, 1, 1, 0, 1)], False, False, False),
    ],
)
def test_footers_prove_what_they_can_and_no_more(
    tmp_path: Path, rows: list[Row], statistics: bool, apart: bool, on_time: bool
) -> None:
    write(tmp_path, rows, statistics=statistics)
    found = [footer(file, "at", "made") for file in sorted(tmp_path.glob("*.parquet"))]
    assert disjoint(found) is apart
    assert all(one.on_time for one in found) is on_time


def test_rows_a_nanosecond_apart_are_one_moment_so_the_writers_word_is_not_enough(tmp_path: Path) -> None:
    moments = pa.array([10**18, 10**18 + 1], pa.timestamp("ns", tz="UTC"))
    pq.write_table(pa.table({"who": [1, 1], "at": moments, "n": [1, 2]}), tmp_path / "part.parquet")
    with connection(Limits(tmp_path)) as opened:
        assert not scan(opened, Source(tmp_path, "at", unique=True), UNBOUNDED).disjoint


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_moments_at_the_ends_of_the_calendar_are_no_error(tmp_path: Path, kind: str) -> None:
    write(tmp_path, [(0, 1, 0, 0, 7)], KINDS[kind])
    rows = pa.table({"who": [1, 1], "event_timestamp": pa.array([-62_135_596_800 * 10**6, 253_402_300_799_999_999],
                                                                pa.timestamp("us", tz="UTC"))})  # fmt: skip
    lookup = Lookup("v", Source(tmp_path, "at", "made"), (("who", "who"),), (("n", "n"),), timedelta(days=10**6))
    found = retrieve(rows, "event_timestamp", [lookup], known_only=True, limits=Limits(tmp_path))
    assert found["n"].to_pylist()[0] is None


def test_a_join_larger_than_memory_spills_and_leaves_nothing_behind(tmp_path: Path) -> None:
    count = 150_000
    rng = np.random.default_rng(1)
    who = pa.array([f"customer-{n:020d}" for n in range(count)])
    (tmp_path / "files").mkdir()
    for day in range(3):
        moments = pa.array(np.full(count, T.to_datetime64() + day * np.timedelta64(1, "D")), pa.timestamp("us"))
        pq.write_table(pa.table({"who": who, "at": moments, "n": rng.random(count)}),
                       tmp_path / "files" / f"part-{day}.parquet")  # fmt: skip
    rows = pa.table({"who": who, "event_timestamp": hours([60] * count, KINDS["us"])})
    lookup = Lookup("v", Source(tmp_path / "files", "at"), (("who", "who"),), (("n", "n"),), None)
    roomy = retrieve(rows, "event_timestamp", [lookup], known_only=False, limits=Limits(tmp_path))
    tight = Limits(tmp_path, memory_limit="30MB")
    assert retrieve(rows, "event_timestamp", [lookup], known_only=False, limits=tight).equals(roomy)
    assert [path.name for path in tmp_path.iterdir()] == ["files"]
    with pytest.raises(StoreError, match=r"2MB of memory do not suffice.*raise memory_limit"):
        retrieve(rows, "event_timestamp", [lookup], known_only=False, limits=Limits(tmp_path, memory_limit="2MB"))


def test_refusals_say_where_and_what_to_do(tmp_path: Path) -> None:
    write(tmp_path, [(0, 1, 0, 0, 1)])
    source = Source(tmp_path, "at", "made")
    with pytest.raises(StoreError, match=r"no such folder; set offline_store\.root"):
        ask(source, [(1, 1)], folder=tmp_path / "nowhere")
    with pytest.raises(StoreError, match=r"column 'made2' is missing; the file has \['who', 'at', 'made', 'n'\]"):
        ask(Source(tmp_path, "at", "made2"), [(1, 1)])
    rows = pa.table({"who": ["anna"], "event_timestamp": hours([1], KINDS["us"])})
    lookup = Lookup("visits", source, (("who", "who"),), (("n", "n"),), None)
    with pytest.raises(StoreError, match=r"Could not convert string 'anna'.*join keys must have one type"):
        retrieve(rows, "event_timestamp", [lookup], known_only=False, limits=Limits(tmp_path))
    with pytest.raises(ContractError, match="column 'n' exists already"):
        retrieve(rows.append_column("n", pa.array([1])), "event_timestamp", [lookup], known_only=False,
                 limits=Limits(tmp_path))  # fmt: skip
