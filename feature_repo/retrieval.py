"""Features of many views beside the rows that ask for them: one DuckDB connection, or many tasks by join key.

Each view is joined in two steps. An ASOF join over keys and moments alone finds the row of the files that was valid;
then the features of just these rows are read. Wide columns are so never sorted, and a history that is read for few
keys stays small.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feature_repo.timeline import Scan, Source, Span, history, named, scan, timeline
from scenefit.contracts.errors import ContractError, ScenefitError, StoreError
from scenefit.runtime.parallel import Backend, pmap
from scenefit.runtime.store import connect

MOMENT, ROW = "moment", "row"


@dataclass(frozen=True)
class Lookup:
    """Features of one view that are wanted: plain values, so that another process can look them up.

    Attributes
    ----------
    keys : column of the files and column of the asking rows, per join key
    features : column of the files and name in the result, per feature
    ttl : how old a row may be, inclusive; None: as old as it likes
    """

    view: str
    source: Source
    keys: tuple[tuple[str, str], ...]
    features: tuple[tuple[str, str], ...]
    ttl: timedelta | None


@dataclass(frozen=True)
class Limits:
    """What one connection may take, and the folder in which it spills when memory is short."""

    folder: Path
    threads: int = 1
    memory_limit: str = "2GB"


@dataclass(frozen=True)
class Division:
    """Into how many parts, by join key, a retrieval is divided, and where the parts are worked on."""

    parts: int = 1
    backend: Backend = "local"
    cores: int = 2
    address: str | None = None


class _Work(NamedTuple):
    """What every part needs: asking rows sorted by part, and what they ask for."""

    asking: pa.Table
    lookups: tuple[Lookup, ...]
    known_only: bool
    limits: Limits


def retrieve(
    rows: pa.Table,
    time: str,
    lookups: Sequence[Lookup],
    *,
    known_only: bool,
    limits: Limits,
    division: Division = Division(),
) -> pa.Table:
    """The rows, in their order, and beside them the newest features at or before their moment.

    Parameters
    ----------
    time : the column of `rows` with their moments, in UTC and microseconds
    known_only : features that were created after a row's moment do not count for it

    Raises
    ------
    ContractError : a join key is missing, or a feature has the name of another column.
    StoreError : files are missing or damaged, or memory does not suffice.
    """
    wanted = tuple(lookup for lookup in lookups if lookup.features)
    _require_columns(rows, wanted)
    asking = _asking(rows, time, wanted)
    if division.parts > 1 and rows.num_rows > 1:
        found = _divided(asking, wanted, known_only, limits, division)
    else:
        found = _looked_up(asking, wanted, known_only, limits)
    fields = [*rows.schema, *found.schema]
    # the metadata tells pandas the types of the columns that were given
    schema = pa.schema(fields, metadata=rows.schema.metadata)
    return pa.table([*rows.columns, *found.columns], schema=schema)


def rows_between(lookups: Sequence[Lookup], span: Span, time: str, limits: Limits) -> pa.Table:
    """Every key and moment of the views in a span, sorted by moment and key.

    The rows come from the views that have all join keys; those of fewer keys only add features.

    Raises
    ------
    ContractError : no view has all join keys.
    """
    names = list(dict.fromkeys(name for lookup in lookups for _, name in lookup.keys))
    finest = [lookup for lookup in lookups if {name for _, name in lookup.keys} == set(names)]
    if not finest:
        raise ContractError(
            f"historical features without entity_df: no view of {[lookup.view for lookup in lookups]} has all of the "
            f"join keys {names}; ask for views of one kind at a time, or give entity_df"
        )
    columns = ", ".join([*map(named, names), named(time)])
    with connection(limits) as opened:
        parts = []
        for lookup in finest:
            column_of = {name: column for column, name in lookup.keys}
            scanned = scan(opened, lookup.source, span, list(column_of.values()))
            selected = [f"{history(column_of[name])} AS {named(name)}" for name in names]
            selected.append(f"{history(lookup.source.event_time)}::TIMESTAMPTZ AS {named(time)}")
            told = " AND ".join(f"{history(c)} IS NOT NULL" for c in (*column_of.values(), lookup.source.event_time))
            parts.append(f"SELECT {', '.join(selected)} FROM {scanned.sql} AS history WHERE {scanned.where} AND {told}")
        found = opened.sql(
            f"SELECT DISTINCT {columns} FROM ({' UNION ALL BY NAME '.join(parts)}) "
            f"ORDER BY {', '.join([named(time), *map(named, names)])}"
        )
        return found.to_arrow_table()


def newest_rows(
    opened: duckdb.DuckDBPyConnection, source: Source, scanned: Scan, keys: Sequence[str], columns: Sequence[str]
) -> pa.Table:
    """The newest row of each key, sorted by key: of equal event times the one created last, then the last file's."""
    names = [f"key{i}" for i in range(len(keys))]
    moments = [column for column in (source.event_time, source.created) if column]
    selected = [f"{history(key)} AS {name}" for key, name in zip(keys, names, strict=True)]
    selected += [f"{history(column)} AS moment{i}" for i, column in enumerate(moments)]
    selected += [f"history.{scanned.file} AS file", "history.file_row_number AS line"]
    order = ", ".join(f"{name} DESC" for name in (*(f"moment{i}" for i in range(len(moments))), "file", "line"))
    by_key = f"PARTITION BY {', '.join(names)} " if keys else ""
    in_order = f"ORDER BY {', '.join(names)}" if keys else ""
    newest = (
        f"SELECT * FROM (SELECT {', '.join(selected)} FROM {scanned.sql} AS history WHERE {scanned.where}) "
        f"QUALIFY row_number() OVER ({by_key}ORDER BY {order}) = 1"
    )
    opened.execute(
        "CREATE OR REPLACE TEMP TABLE found AS "
        f"SELECT file, line, row_number() OVER ({in_order}) - 1 AS {ROW} FROM ({newest})"
    )
    found = _payload(opened, scanned, columns)
    return _aligned(found, found.num_rows, columns)


@contextmanager
def connection(limits: Limits) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection of one's own, which spills below the folder and leaves nothing behind.

    Raises
    ------
    StoreError : what DuckDB could not do, with the way out.
    """
    if not limits.folder.is_dir():
        raise StoreError(f"{limits.folder}: there is no such folder; set offline_store.root to the folder of the files")
    # two connections must not spill into one folder
    spill = limits.folder / f".spill-{uuid.uuid4().hex}"
    opened = connect(limits.memory_limit, limits.threads, spill)
    try:
        opened.execute("SET preserve_insertion_order = false")
        yield opened
    except ScenefitError:
        raise
    except duckdb.OutOfMemoryException as error:
        raise StoreError(
            f"features under {limits.folder}: {limits.memory_limit} of memory do not suffice "
            f"({str(error).splitlines()[0]}); raise memory_limit, lower threads or ask in more partitions"
        ) from error
    except duckdb.Error as error:
        raise StoreError(
            f"features under {limits.folder}: the files cannot be joined ({str(error).splitlines()[0]}); "
            "join keys must have one type in the files and in the asking rows, and no file may be damaged"
        ) from error
    finally:
        opened.close()
        shutil.rmtree(spill, ignore_errors=True)


def _looked_up(asking: pa.Table, lookups: Sequence[Lookup], known_only: bool, limits: Limits) -> pa.Table:
    """Features of all views, one line per asking row."""
    edges = pc.min_max(asking[MOMENT]).as_py()
    span = Span(edges["min"], edges["max"])
    columns: dict[str, pa.ChunkedArray] = {}
    with connection(limits) as opened:
        opened.register("asking", asking.append_column(ROW, pa.array(np.arange(asking.num_rows))))
        for lookup in lookups:
            found = _found(opened, lookup, span, known_only)
            aligned = _aligned(found, asking.num_rows, [name for _, name in lookup.features])
            columns |= dict(zip(aligned.column_names, aligned.columns, strict=True))
    return pa.table(columns)


def _found(opened: duckdb.DuckDBPyConnection, lookup: Lookup, span: Span, known_only: bool) -> pa.Table:
    """Features of one view for the asking rows that have any, in no order."""
    keys = [column for column, _ in lookup.keys]
    features = [column for column, _ in lookup.features]
    scanned = scan(opened, lookup.source, span.back(lookup.ttl), keys, features)
    if span.last is None:
        # nobody asks, or no moment is known: types are all there is to tell
        opened.execute(
            f"CREATE OR REPLACE TEMP TABLE found AS SELECT 0 AS {ROW}, history.{scanned.file} AS file, "
            f"history.file_row_number AS line FROM {scanned.sql} AS history LIMIT 0"
        )
        return _payload(opened, scanned, features)
    key, among = _numbered(opened, lookup)
    past = timeline(opened, lookup.source, scanned, known_only=known_only, key=key, among=among)
    age = f"epoch_us(asked.{MOMENT}) - epoch_us(past.moment)"
    fresh = "true" if lookup.ttl is None else f"{age} <= {lookup.ttl // timedelta(microseconds=1)}"
    opened.execute(
        f"CREATE OR REPLACE TEMP TABLE found AS SELECT asked.{ROW}, past.file, past.line FROM asked "
        f"ASOF JOIN ({past}) AS past ON asked.key = past.key AND asked.{MOMENT} >= past.known WHERE {fresh}"
    )
    return _payload(opened, scanned, features)


def _numbered(opened: duckdb.DuckDBPyConnection, lookup: Lookup) -> tuple[str, str]:
    """Make the table `asked` of rows by number of their key; how to read that number beside the files.

    Whatever the keys are, and however many, what is sorted are numbers.
    """
    names = ", ".join(_asking_key(name) for _, name in lookup.keys)
    if not names:
        opened.execute(f"CREATE OR REPLACE TEMP TABLE asked AS SELECT {ROW}, 0 AS key, {MOMENT} FROM asking")
        return "0", ""
    opened.execute(
        f"CREATE OR REPLACE TEMP TABLE numbered AS SELECT {names}, row_number() OVER () AS key "
        f"FROM (SELECT DISTINCT {names} FROM asking)"
    )
    opened.execute(
        f"CREATE OR REPLACE TEMP TABLE asked AS SELECT asking.{ROW}, numbered.key, asking.{MOMENT} "
        f"FROM asking JOIN numbered USING ({names})"
    )
    same = [f"numbered.{_asking_key(name)} = {history(column)}" for column, name in lookup.keys]
    return "numbered.key", f"JOIN numbered ON {' AND '.join(same)}"


def _payload(opened: duckdb.DuckDBPyConnection, scanned: Scan, columns: Sequence[str]) -> pa.Table:
    """The columns of the found rows, beside the line they are for."""
    values = "".join(f", {history(column)} AS value{i}" for i, column in enumerate(columns))
    return opened.sql(
        f"SELECT found.{ROW}{values} FROM {scanned.sql} AS history JOIN found ON history.{scanned.file} = found.file "
        f"AND history.file_row_number = found.line WHERE {scanned.where}"
    ).to_arrow_table()


def _aligned(found: pa.Table, rows: int, names: Sequence[str]) -> pa.Table:
    """Found values in the lines they are for; empty where nothing was found."""
    position = np.full(rows, -1)
    position[found[ROW].to_numpy()] = np.arange(found.num_rows)
    # an Arrow gather costs a third of a sort in the database
    lines = pa.array(position, mask=position < 0)
    return pa.table([column.take(lines) for column in found.columns[1:]], names=list(names))


def _divided(
    asking: pa.Table, lookups: tuple[Lookup, ...], known_only: bool, limits: Limits, division: Division
) -> pa.Table:
    """The same, by tasks that each take the asking rows of some join keys."""
    names = [name for name in asking.column_names if name != MOMENT] or [MOMENT]
    with connection(limits) as opened:
        opened.execute("SET preserve_insertion_order = true")
        opened.register("asking", asking)
        parts = opened.sql(f"SELECT hash({', '.join(names)}) % {division.parts} AS part FROM asking").fetchnumpy()
    number = np.asarray(parts["part"]).astype(np.int64)
    order = np.argsort(number, kind="stable")
    edges = np.searchsorted(number[order], np.arange(division.parts + 1))
    slices = [(int(first), int(last)) for first, last in pairwise(edges) if last > first]
    # a task has one thread on either backend
    work = _Work(asking.take(order), lookups, known_only, replace(limits, threads=1))
    size = asking.num_rows // max(1, len(slices))
    found = pmap(_part, slices, work, backend=division.backend, size=size, cores=division.cores,
                 address=division.address)  # fmt: skip
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return pa.concat_tables(found).take(pa.array(back))


def _part(item: tuple[int, int], shared: _Work, rng: np.random.Generator) -> pa.Table:  # noqa: ARG001
    first, last = item
    return _looked_up(shared.asking.slice(first, last - first), shared.lookups, shared.known_only, shared.limits)


def _asking(rows: pa.Table, time: str, lookups: Sequence[Lookup]) -> pa.Table:
    """Moments and join keys of the asking rows, under names of our own."""
    names = list(dict.fromkeys(name for lookup in lookups for _, name in lookup.keys))
    columns = {_asking_key(name): _plain(rows[name]) for name in names}
    return pa.table({MOMENT: rows[time], **columns})


def _asking_key(name: str) -> str:
    # hexadecimal: whatever the column is called, it is a plain word here
    return f"key_{name.encode().hex()}"


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _require_columns(rows: pa.Table, lookups: Sequence[Lookup]) -> None:
    given = list(rows.column_names)
    for lookup in lookups:
        for _, key in lookup.keys:
            if key not in rows.column_names:
                raise ContractError(
                    f"historical features of {lookup.view}: column {key!r} is missing; entity_df has "
                    f"{rows.column_names}"
                )
        for _, name in lookup.features:
            if name in given:
                raise ContractError(
                    f"historical features: column {name!r} exists already; rename it in entity_df or ask for "
                    "full_feature_names"
                )
            given.append(name)
