"""Features as known at one moment, computed by DuckDB from the raw tables.

`stage` prepares the raw tables once; `moment` fixes the snapshot instant; `snapshot` then yields one view. Nothing
here reads the clock, files or Feast: the connection already has a relation per raw table.
"""

from __future__ import annotations

import importlib.resources
from datetime import timedelta
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd
import pyarrow as pa

from feature_repo.definition import CREATED, EVENT_TIME, View, digest
from feature_repo.knowledge import known_digests
from scenefit.contracts.errors import ContractError, SettingsError
from scenefit.contracts.schema import ARROW

__all__ = ["WINDOW", "definition_digest", "fix_moment", "known_digests", "snapshot", "sql", "stage"]

WINDOW = timedelta(days=365)


def stage(
    connection: duckdb.DuckDBPyConnection,
    first: pd.Timestamp,
    last: pd.Timestamp,
    timezone: str,
    ttl: timedelta,
) -> None:
    """Prepare the raw tables for snapshots between `first` and `last` (both inclusive).

    Parameters
    ----------
    timezone : business time zone, for days, nights and weekends
    ttl : a row whose window has become empty is kept for so long, as zeros

    Raises
    ------
    SettingsError : the time zone is unknown.
    """
    _set(connection, "since_us", _microseconds(first - WINDOW - ttl))
    _set(connection, "until_us", _microseconds(last))
    _set(connection, "ttl_days", ttl // timedelta(days=1))
    connection.execute(f"SET VARIABLE timezone = '{_zone(timezone)}'")
    connection.execute(sql("staging"))


def fix_moment(
    connection: duckdb.DuckDBPyConnection, as_of: pd.Timestamp, timezone: str, known_at: pd.Timestamp | None = None
) -> None:
    """Let all following snapshots see what happened before `as_of` (exclusive), and nothing else.

    Parameters
    ----------
    known_at : events known before it count, however late they came in (exclusive); None stands for `as_of`
    """
    _set(connection, "as_of_us", _microseconds(as_of))
    _set(connection, "known_by_us", _microseconds(as_of if known_at is None else known_at))
    _set(connection, "year", as_of.tz_convert(_zone(timezone)).year)
    connection.execute(sql("known"))


def snapshot(
    connection: duckdb.DuckDBPyConnection, view: View, as_of: pd.Timestamp, created: pd.Timestamp | None = None
) -> pa.Table:
    """One view at the fixed moment: keys, `event_timestamp` (the moment), `created`, features; sorted by key.

    Parameters
    ----------
    created : when these values were known; None stands for `as_of`

    Raises
    ------
    ContractError : the query does not give the columns that the view declares.
    """
    query = sql(view.source)
    offered = {column[0] for column in connection.execute(f"DESCRIBE {query}").fetchall()}
    declared = {*view.keys, *view.names}
    if offered != declared:
        raise ContractError(
            f"view {view.name}: sql/{view.source}.sql and the declared features differ in "
            f"{sorted(offered ^ declared)}; declare or compute them"
        )
    kinds = {"int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN", "str": "VARCHAR"}
    features = "".join(f', "{f.name}"::{kinds[f.kind]} AS "{f.name}"' for f in view.features)
    keys = ", ".join(f'"{key}"' for key in view.keys)
    data = connection.sql(f"SELECT {keys}{features} FROM ({query}) ORDER BY {keys}").to_arrow_table()
    for name, moment in ((EVENT_TIME, as_of), (CREATED, as_of if created is None else created)):
        data = data.append_column(name, pa.repeat(pa.scalar(moment.to_pydatetime(), ARROW["instant"]), data.num_rows))
    return data.select(view.arrow.names).cast(view.arrow)


def sql(name: str) -> str:
    """The SQL text of that name beside this module."""
    return importlib.resources.files("feature_repo").joinpath("sql", f"{name}.sql").read_text("utf8")


def definition_digest(view: View) -> str:
    """Changes whenever the view's values could change: its declaration, its SQL, or the SQL under it."""
    return digest(view.arrow, view.ttl, WINDOW, sql("staging"), sql("known"), sql(view.source))


def _set(connection: duckdb.DuckDBPyConnection, name: str, value: int) -> None:
    connection.execute(f"SET VARIABLE {name} = {value:d}::BIGINT")


def _microseconds(moment: pd.Timestamp) -> int:
    return int(moment.value) // 1000


def _zone(timezone: str) -> str:
    try:
        return ZoneInfo(timezone).key
    except (KeyError, ValueError) as error:
        raise SettingsError(f"time zone {timezone!r} is unknown; name one such as Asia/Shanghai") from error
