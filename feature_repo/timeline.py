"""Which row of a Parquet history was the valid one from which moment on, as SQL for an ASOF join."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb

from scenefit.contracts.errors import StoreError


@dataclass(frozen=True)
class Span:
    """From `first` to `last`, both inclusive; None is unbounded."""

    first: datetime | None = None
    last: datetime | None = None

    def condition(self, column: str) -> str:
        """The span as an SQL condition on a column of moments."""
        parts = []
        if self.first is not None:
            parts.append(f"{named(column)}::TIMESTAMPTZ >= TIMESTAMPTZ '{self.first.isoformat()}'")
        if self.last is not None:
            parts.append(f"{named(column)}::TIMESTAMPTZ <= TIMESTAMPTZ '{self.last.isoformat()}'")
        return " AND ".join(parts) or "true"


UNBOUNDED = Span()


def timeline(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    keys: list[str],
    features: list[str],
    timestamp_field: str,
    created: str | None,
    span: Span,
    *,
    known_only: bool,
    unique: bool,
    by_day: bool,
) -> str:
    """SQL of the rows that were ever the newest of their key, with `__known`, the moment from which each was.

    Parameters
    ----------
    known_only : a row counts from its creation on, not from its event time on (no hindsight from corrections)
    unique : the writer vouches that (keys, event time) is unique, so that no correction has to be looked for
    by_day : folders are named dt=YYYY-MM-DD after the event time's UTC date, so that whole days can be skipped
    """
    files = quoted(parquet_files(path, span if by_day else UNBOUNDED))
    where = span.condition(timestamp_field)
    at = f"{named(timestamp_field)}::TIMESTAMPTZ"
    born = f"{named(created)}::TIMESTAMPTZ" if created else at
    hindsight = (
        known_only
        and created is not None
        and connection.execute(f"SELECT bool_or({born} > {at}) FROM read_parquet({files}) WHERE {where}").fetchall()
        != [(False,)]
    )
    known = f"greatest({at}, {born})" if hindsight else at
    columns = ", ".join(map(named, dict.fromkeys([*keys, *features])))
    rows = (
        f"SELECT {columns}, {at} AS __at, {born} AS __born, {known} AS __known FROM read_parquet({files}) WHERE {where}"
    )
    if not hindsight and (unique or created is None):
        return rows
    partition = ", ".join(map(named, keys))
    by_key = f"PARTITION BY {partition} " if keys else ""
    by_moment = f"PARTITION BY {', '.join(filter(None, [partition, '__known']))} "
    newest = f"{rows} QUALIFY row_number() OVER ({by_moment}ORDER BY __at DESC, __born DESC) = 1"
    if not hindsight:
        return newest
    # a row known late but older in event time never becomes the newest
    return (
        f"SELECT * FROM ({newest}) QUALIFY row(__at, __born) >= max(row(__at, __born)) OVER "
        f"({by_key}ORDER BY __known ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
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
        raise StoreError(f"{path}: no Parquet files; compute the features first (feature_repo.history.build)")
    if span == UNBOUNDED:
        return files
    # at least one file stays: it tells the columns' types even when no row matches
    return [file for file in files if _may_hold(file, span)] or files[-1:]


def named(column: str) -> str:
    """A column name in SQL."""
    return '"' + column.replace('"', '""') + '"'


def quoted(files: list[Path]) -> str:
    """A list of files in SQL."""
    return "[" + ", ".join("'" + str(file).replace("'", "''") + "'" for file in files) + "]"


def _may_hold(file: Path, span: Span) -> bool:
    if not file.parent.name.startswith("dt="):
        return True
    day = date.fromisoformat(file.parent.name.removeprefix("dt="))
    slack = timedelta(days=1)
    return (span.first is None or day >= span.first.date() - slack) and (
        span.last is None or day <= span.last.date() + slack
    )
