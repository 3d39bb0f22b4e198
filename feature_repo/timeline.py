"""Which row of a Parquet history was the valid one from which moment on, as SQL for an ASOF join.

Only keys and moments are looked at here; a row is told by its file and its line in it. Where the footers of the files
prove that no row is corrected and none was created late, no row is compared with another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from feature_repo.footers import Footer, disjoint, footer
from scenefit.contracts.errors import StoreError

MICROSECOND = timedelta(microseconds=1)
# DuckDB names a row by these two columns of its own
RESERVED = {"file_index", "file_row_number", "filename"}
# moments that a column of nanoseconds can hold
NANOSECONDS = (datetime(1678, 1, 1, tzinfo=UTC), datetime(2262, 1, 1, tzinfo=UTC))


@dataclass(frozen=True)
class Span:
    """From `first` to `last`, both inclusive; None is unbounded. Finer than a microsecond is cut off."""

    first: datetime | None = None
    last: datetime | None = None

    def condition(self, column: str, kind: str = "TIMESTAMP WITH TIME ZONE") -> str:
        """The span as an SQL condition on a column of DuckDB's type `kind`, in which Parquet can skip row groups.

        A cast of the column would make DuckDB read them all.
        """
        low, high, end = self.first, self.last, "<="
        if kind.endswith("_NS"):
            low, high = (edge if edge and NANOSECONDS[0] < edge < NANOSECONDS[1] else None for edge in (low, high))
            high, end = (high + MICROSECOND if high else None), "<"
        elif not kind.startswith("TIMESTAMP"):
            column, kind = f"{column}::TIMESTAMPTZ", "TIMESTAMPTZ"
        parts = [f"{column} >= {_literal(low, kind)}"] if low else []
        parts += [f"{column} {end} {_literal(high, kind)}"] if high else []
        return " AND ".join(parts) or "true"

    def back(self, by: timedelta | None) -> Span:
        """With an earlier beginning; None: since ever."""
        if by is None or self.first is None:
            return Span(None, self.last)
        earliest = datetime.min.replace(tzinfo=UTC)
        return Span(self.first - by if self.first - earliest > by else None, self.last)


UNBOUNDED = Span()


@dataclass(frozen=True)
class Source:
    """Where the rows of a view lie, and which columns hold their moments: plain values, fit for another process.

    Attributes
    ----------
    unique : the writer vouches that each file holds (keys, event time) once
    by_day : folders are named dt=YYYY-MM-DD after the event time's UTC date, so that whole days can be skipped
    """

    path: Path
    event_time: str
    created: str | None = None
    unique: bool = False
    by_day: bool = False


@dataclass(frozen=True)
class Scan:
    """How DuckDB reads the files of a source that may hold rows of a span.

    Attributes
    ----------
    sql : the table function; give it the alias `history`
    where : the span, as a condition
    file : what names the file of a row, in the order of the files
    disjoint : no two files share a moment, so that none corrects another
    on_time : the footers prove that no row was created after its event time
    """

    files: tuple[Path, ...]
    columns: tuple[str, ...]
    sql: str
    where: str
    file: str
    disjoint: bool
    on_time: bool


def scan(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    span: Span,
    needed: Sequence[str] = (),
    wanted: Sequence[str] = (),
) -> Scan:
    """How to read the rows of a source in a span.

    Parameters
    ----------
    needed : columns every file must have, besides those of moments
    wanted : columns at least one file must have; they are empty in files written before they were thought of

    Raises
    ------
    StoreError : no files, a damaged file, a column that is missing.
    """
    paths = parquet_files(source.path, span if source.by_day else UNBOUNDED)
    footers = [footer(path, source.event_time, source.created) for path in paths]
    # at least one file stays: it tells the columns' types even when no row matches
    footers = [found for found in footers if found.rows and found.overlaps(span.first, span.last)] or footers[-1:]
    files = [found.file for found in footers]
    uniform = all(found.schema.equals(footers[0].schema) for found in footers[1:])
    moments = [source.event_time, *([source.created] if source.created else [])]
    columns, folders = _columns(footers if not uniform else footers[:1], [*needed, *moments], wanted)
    options = f"hive_partitioning = {str(folders).lower()}, union_by_name = {str(not uniform).lower()}"
    sql = f"read_parquet({quoted(files)}, {options})"
    kind = _described(connection, sql, source.event_time)
    return Scan(
        tuple(files),
        columns,
        sql,
        span.condition(history(source.event_time), kind),
        # DuckDB numbers the files anew once it has left out folders
        "filename" if folders else "file_index",
        # rows a nanosecond apart are one moment here
        disjoint(footers) and not kind.endswith("_NS"),
        all(found.on_time for found in footers),
    )


def timeline(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    scanned: Scan,
    *,
    known_only: bool,
    key: str,
    among: str,
) -> str:
    """SQL of the rows that were ever the newest of their key: `key`, `moment`, `known`, `file`, `line`.

    `known` is the moment from which a row was the newest; of two rows with equal key and event time the one created
    last counts, and of rows equal in that too the one in the file last by name.

    Parameters
    ----------
    known_only : a row counts from its creation on, not from its event time on (no hindsight from corrections)
    key : what tells the keys apart, as SQL
    among : further SQL after the table function, which leaves out keys nobody asks for
    """
    at = f"{history(source.event_time)}::TIMESTAMPTZ"
    born = f"{history(source.created)}::TIMESTAMPTZ" if source.created else at
    hindsight = known_only and source.created is not None and _created_late(connection, scanned, at, born)
    rows = f"{key} AS key, {at} AS moment, history.{scanned.file} AS file, history.file_row_number AS line"
    told = f"{history(source.event_time)} IS NOT NULL"
    tail = f"FROM {scanned.sql} AS history {among} WHERE {scanned.where} AND {told}"
    if not hindsight and source.unique and scanned.disjoint:
        return f"SELECT {rows}, {at} AS known {tail}"
    # a row of unknown creation cannot be shown to have been known
    known = f"CASE WHEN {born} IS NOT NULL THEN greatest({at}, {born}) END" if hindsight else at
    newest = (
        f"SELECT * FROM (SELECT {rows}, {born} AS born, {known} AS known {tail}) WHERE known IS NOT NULL QUALIFY "
        "row_number() OVER (PARTITION BY key, known ORDER BY moment DESC, born DESC, file DESC, line DESC) = 1"
    )
    if not hindsight:
        return newest
    # a row known late but older in event time never becomes the newest
    return (
        f"SELECT * FROM ({newest}) QUALIFY row(moment, born) >= max(row(moment, born)) OVER "
        "(PARTITION BY key ORDER BY known ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    )


def parquet_files(path: Path, span: Span = UNBOUNDED) -> list[Path]:
    """Files of a source, in a fixed order: one file, a glob, or a folder with all below it.

    With a span, folders dt=YYYY-MM-DD of days outside it are skipped.

    Raises
    ------
    StoreError : there is none.
    """
    if path.is_file():
        return [path]
    if any(mark in str(path) for mark in "*?["):
        found = Path(path.anchor).glob(str(path.relative_to(path.anchor)))
    else:
        found = path.rglob("*.parquet")
    files = sorted(file for file in found if file.is_file() and not file.name.startswith((".", "_")))
    if not files:
        raise StoreError(
            f"{path}: no Parquet files; compute the features first (`scenefit features build`), or push some if it "
            "is a stream"
        )
    if span == UNBOUNDED:
        return files
    # at least one file stays: it tells the columns' types even when no row matches
    return [file for file in files if _may_hold(file, span)] or files[-1:]


def named(column: str) -> str:
    """A column name in SQL."""
    return '"' + column.replace('"', '""') + '"'


def history(column: str) -> str:
    """A column of the files in SQL; whatever it is called, it is none of ours."""
    return f"history.{named(column)}"


def quoted(files: Sequence[Path]) -> str:
    """A list of files in SQL."""
    return "[" + ", ".join("'" + str(file).replace("'", "''") + "'" for file in files) + "]"


def _literal(moment: datetime, kind: str) -> str:
    text = moment.astimezone(UTC).isoformat()
    return f"'{text if kind.startswith('TIMESTAMPTZ') or 'ZONE' in kind else text[:-6]}'::{kind}"


def _may_hold(file: Path, span: Span) -> bool:
    if not file.parent.name.startswith("dt="):
        return True
    try:
        day = date.fromisoformat(file.parent.name.removeprefix("dt="))
    except ValueError:
        return True
    return (span.first is None or span.first.astimezone(UTC).date() <= day) and (
        span.last is None or day <= span.last.astimezone(UTC).date()
    )


def _columns(footers: Sequence[Footer], needed: Sequence[str], wanted: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    """Columns of the files, and whether some that are asked for are told by folders (name=value) instead."""
    by_file = [found.schema.to_arrow_schema().names for found in footers]
    names = tuple(dict.fromkeys(name for columns in by_file for name in columns))
    told = {part.partition("=")[0] for part in footers[0].file.parts if "=" in part}
    for found, columns in zip(footers, by_file, strict=True):
        missing = [name for name in needed if name not in columns and name not in told]
        missing += [name for name in wanted if name not in names and name not in told]
        if missing:
            raise StoreError(
                f"{found.file}: column {missing[0]!r} is missing; the file has {columns}. "
                "Write it again under the present definition"
            )
    doubled = sorted(RESERVED & set(names))
    if doubled:
        raise StoreError(
            f"{footers[0].file}: columns {doubled} are names of the reading engine; rename them in the file"
        )
    return names, bool({*needed, *wanted} - set(names))


def _described(connection: duckdb.DuckDBPyConnection, sql: str, column: str) -> str:
    """DuckDB's type of a column."""
    return str(connection.execute(f"DESCRIBE SELECT {history(column)} FROM {sql} AS history").fetchall()[0][1])


def _created_late(connection: duckdb.DuckDBPyConnection, scanned: Scan, at: str, born: str) -> bool:
    if scanned.on_time:
        return False
    # a missing creation compares as unknown: no proof either
    proof = f"SELECT bool_and({born} <= {at} AND {born} IS NOT NULL) FROM {scanned.sql} AS history"
    return connection.execute(f"{proof} WHERE {scanned.where}").fetchall() == [(False,)]
