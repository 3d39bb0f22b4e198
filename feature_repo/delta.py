"""What of a view must be written online: the rows that changed, and those whose stored event time grows old.

A table beside the snapshots describes what is online: keys, stored event time, a digest of the values. Comparing the
newest snapshot with it yields the rows to write. Nothing here talks to an online store.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.definition import CREATED, EVENT_TIME, View, digest
from scenefit.runtime.workspace import disk_errors

DIGEST = "digest"
NOTE = b"scenefit"
# an unchanged row is written again at an age between these shares of its life, each at its own: no refresh
# writes everybody, and what is online stays good for a quarter of the TTL without any refresh
SOONEST, LATEST = 0.25, 0.75


@dataclass(frozen=True)
class Refreshed:
    """What a refresh left behind: for which store and definition, and the event time of its snapshot."""

    store: str
    definition: str
    instant: pd.Timestamp


@dataclass(frozen=True)
class Delta:
    """Rows by what is to be done: `new`, `changed`, `aged` and `gone` ones are written."""

    new: int
    changed: int
    aged: int
    gone: int
    unchanged: int

    @property
    def written(self) -> int:
        return self.new + self.changed + self.aged + self.gone


def definition_of(view: View) -> str:
    """Changes when digests cannot be compared any more: other features, or another version of the hash."""
    return digest(view.arrow, view.present, duckdb.__version__)


def refreshed(file: Path, view: View) -> Refreshed | None:
    """What the last refresh left behind; None when there was none, or its file is damaged or of other keys.

    A damaged file is no fault to stop at: without it everything is written again.
    """
    try:
        schema = pq.read_schema(file)
        note = json.loads((schema.metadata or {})[NOTE])
        found = Refreshed(note["store"], note["definition"], pd.Timestamp(note["instant"]))
    except (OSError, pa.ArrowException, KeyError, ValueError):
        return None
    return found if schema.names == [*view.keys, EVENT_TIME, DIGEST] else None


def compare(
    connection: duckdb.DuckDBPyConnection,
    view: View,
    snapshot: str,
    instant: pd.Timestamp,
    *,
    known: Path | None,
    life: timedelta,
) -> Delta:
    """Lay out on the connection what is to be written, and count it.

    Parameters
    ----------
    snapshot : a query for keys, event time, `created` and features
    instant : event time of the snapshot, which rows that ended get
    known : the table of what is online; None stands for nothing
    life : how long a row may stay online without being written; zero: everything is written
    """
    keys, names = _listed(view.keys), _listed(view.names)
    connection.execute(f"CREATE OR REPLACE TEMP VIEW snapshot AS SELECT * FROM ({snapshot}) WHERE {view.present}")
    before = f"read_parquet('{_quoted(known)}')" if known else "(SELECT * FROM fresh LIMIT 0)"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE fresh AS SELECT {keys}, {EVENT_TIME}, hash({names}) AS {DIGEST} FROM snapshot"
    )
    # a row's own share of its life; with the stored time in it, keys that once were written together drift apart
    drawn = f"concat_ws('|', epoch_us(before.{EVENT_TIME}), {keys})"
    age = f"({SOONEST} + {LATEST - SOONEST} * (hash({drawn}) / 18446744073709551616.0))"
    life_us = life // timedelta(microseconds=1)
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE compared AS
        SELECT {keys}, before.{EVENT_TIME} AS stored, fresh.{EVENT_TIME} AS moment, fresh.{DIGEST},
            CASE WHEN before.{DIGEST} IS NULL THEN 'new'
                 WHEN fresh.{DIGEST} IS NULL THEN 'gone'
                 WHEN fresh.{DIGEST} <> before.{DIGEST} THEN 'changed'
                 WHEN epoch_us(fresh.{EVENT_TIME}) - epoch_us(before.{EVENT_TIME}) >= {age} * {life_us} THEN 'aged'
            END AS why
        FROM fresh FULL JOIN {before} AS before USING ({keys})
    """)
    connection.execute("CREATE OR REPLACE TEMP TABLE due AS SELECT * FROM compared WHERE why IS NOT NULL")
    connection.execute("SET VARIABLE ended_us = ?::BIGINT", [instant.value // 1000])
    counts = dict(connection.execute("SELECT coalesce(why, 'unchanged'), count(*) FROM compared GROUP BY 1").fetchall())
    return Delta(*(counts.get(why, 0) for why in ("new", "changed", "aged", "gone", "unchanged")))


def rows(connection: duckdb.DuckDBPyConnection, view: View, size: int) -> Iterator[pa.Table]:
    """The rows to write, `size` at a time: those of the snapshot, then empty ones for what ended."""
    keys = _listed(view.keys)
    empty = "".join(f", NULL AS {_quoted_name(name)}" for name in view.names)
    ended = "make_timestamptz(getvariable('ended_us'))"
    columns = _listed(view.arrow.names)
    reader = connection.sql(f"""
        SELECT {columns} FROM snapshot SEMI JOIN due USING ({keys})
        UNION ALL BY NAME
        SELECT {keys}, {ended} AS {EVENT_TIME}, {ended} AS {CREATED}{empty} FROM due WHERE why = 'gone'
    """).to_arrow_reader(size)
    for batch in reader:
        yield pa.Table.from_batches([batch]).select(view.arrow.names).cast(view.arrow)


def sample(connection: duckdb.DuckDBPyConnection, view: View, size: int, seed: int) -> pa.Table:
    """Some keys that are online unchanged, with their stored event time; drawn by `seed`."""
    keys = _listed(view.keys)
    return connection.sql(
        f"SELECT {keys}, stored AS {EVENT_TIME} FROM compared WHERE why IS NULL "
        f"ORDER BY hash({keys}, {int(seed)}), {keys} LIMIT {int(size)}"
    ).to_arrow_table()


def save(connection: duckdb.DuckDBPyConnection, view: View, file: Path, note: Refreshed) -> None:
    """Replace the table of what is online, after it was verified."""
    keys = _listed(view.keys)
    data = connection.sql(
        f"SELECT {keys}, if(why IS NULL, stored, moment) AS {EVENT_TIME}, {DIGEST} FROM compared "
        f"WHERE why IS DISTINCT FROM 'gone' ORDER BY {keys}"
    ).to_arrow_table()
    entry = {"store": note.store, "definition": note.definition, "instant": note.instant.isoformat()}
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    with disk_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            pq.write_table(data.replace_schema_metadata({NOTE: json.dumps(entry)}), temporary, compression="zstd")
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)


def _listed(names: list[str]) -> str:
    return ", ".join(_quoted_name(name) for name in names)


def _quoted_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _quoted(file: Path) -> str:
    return str(file).replace("'", "''")
