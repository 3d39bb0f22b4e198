"""The embedded online store: Feast's SQLite layout, with a gate that lets no older row through.

Use it in any Feast repository:

    online_store: {type: feature_repo.online_stores.GatedSqliteOnlineStore, path: online.db}
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from feast.entity import Entity
from feast.feature_view import FeatureView
from feast.infra.online_stores.helpers import compute_table_id
from feast.infra.online_stores.sqlite import SqliteOnlineStore, SqliteOnlineStoreConfig
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import RepoConfig
from pydantic import StrictStr

from feature_repo.online_rows import OnlineRows, StoredRow, feast_answer, feast_rows, key_bytes, naive_utc
from scenefit.contracts.errors import StoreError

# SQLite takes 32,766 variables in one statement
KEYS_AT_ONCE = 10_000
BUSY_SECONDS = 30.0
# Feast takes a naive UTC moment for local time, both when it writes and when it reads
UTC_US = "CAST(strftime('%s', event_ts, 'unixepoch', 'localtime') AS INTEGER) * 1000000"


class GatedSqliteOnlineStoreConfig(SqliteOnlineStoreConfig):
    """Settings of the store: the file, relative to the repository."""

    type: StrictStr = "feature_repo.online_stores.GatedSqliteOnlineStore"  # type: ignore[assignment]


class GatedSqliteOnlineStore(SqliteOnlineStore):
    """Writes a row only if it is not older than the stored one: by event time, then by `created`.

    Feast's table keeps whole seconds in the local time of the process; a table beside it, `<table>_gate`, keeps the
    microseconds. A batch is one transaction: of any number of writers each waits for the other, and a row is written
    whole or not at all. `value_text`, which only Feast's document search reads, stays empty. Each thread has a
    connection of its own.
    """

    def __init__(self) -> None:
        self._threads = threading.local()

    def place(self, config: RepoConfig) -> str:
        """Where the rows are, for messages."""
        return f"SQLite file {self._get_db_path(config)}"

    def identity(self, config: RepoConfig) -> str:
        """Tells this store and project from others; a folder that was moved is the same store."""
        path, root = Path(self._get_db_path(config)), Path(config.repo_path or ".")
        return f"{config.project} in SQLite file {path.relative_to(root) if path.is_relative_to(root) else path}"

    def lifetime_seconds(self, config: RepoConfig) -> int | None:  # noqa: ARG002
        """Rows stay until they are replaced."""
        return None

    def write(self, config: RepoConfig, table: FeatureView, rows: OnlineRows) -> int:
        """Write what is not older than the stored rows, in one transaction; rows written.

        Raises
        ------
        StoreError : the file cannot be written.
        """
        name = self._table(config, table)
        with self._answering(config) as connection:
            self._make(connection, config, table)
            # the lock is taken before reading, so that what passes the gate still passes when it is written
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                passed = self._passing(connection, name, rows)
                connection.executemany(
                    f"INSERT INTO {_quoted(name)} (entity_key, feature_name, value, event_ts, created_ts) "
                    "VALUES (?, ?, ?, ?, ?) ON CONFLICT (entity_key, feature_name) DO UPDATE SET value = "
                    "excluded.value, value_text = NULL, event_ts = excluded.event_ts, created_ts = excluded.created_ts",
                    _feature_rows(rows, passed),
                )
                connection.executemany(
                    f"INSERT INTO {_gate(name)} VALUES (?, ?, ?) ON CONFLICT (entity_key) DO UPDATE SET "
                    "event_us = excluded.event_us, created_us = excluded.created_us "
                    "WHERE (excluded.event_us, excluded.created_us) >= (event_us, created_us)",
                    [(rows.keys[i], rows.event_us[i], rows.created_us[i]) for i in passed],
                )
        return len(passed)

    def read(
        self, config: RepoConfig, table: FeatureView, keys: Sequence[bytes], names: Sequence[str]
    ) -> list[StoredRow | None]:
        """Stored rows of the keys, in order; None where nothing is stored.

        Raises
        ------
        StoreError : the file cannot be read.
        """
        name = self._table(config, table)
        wanted = set(names)
        found: dict[bytes, StoredRow] = {}
        with self._answering(config) as connection:
            self._make(connection, config, table)
            for part in _chunks(keys):
                for key, feature, value, event_us in connection.execute(
                    f"SELECT entity_key, feature_name, value, coalesce(event_us, {UTC_US}) FROM {_quoted(name)} "
                    f"LEFT JOIN {_gate(name)} USING (entity_key) WHERE entity_key IN ({_marks(part)})",
                    part,
                ):
                    if key not in found:
                        found[key] = StoredRow(event_us, {})
                    if feature in wanted:
                        found[key].values[feature] = value
        return [found.get(key) for key in keys]

    def event_times(self, config: RepoConfig, table: FeatureView, keys: Sequence[bytes]) -> list[int | None]:
        """Stored event times (microseconds) of the keys, in order.

        Raises
        ------
        StoreError : the file cannot be read.
        """
        name = self._table(config, table)
        found: dict[bytes, int] = {}
        with self._answering(config) as connection:
            self._make(connection, config, table)
            for part in _chunks(keys):
                statement = f"SELECT entity_key, event_us FROM {_gate(name)} WHERE entity_key IN ({_marks(part)})"
                found.update(connection.execute(statement, part).fetchall())
        return [found.get(key) for key in keys]

    def disconnect(self) -> None:
        """Close the connection of this thread."""
        connection = getattr(self._threads, "connection", None)
        if connection is not None:
            connection.close()
            self._threads.connection = None

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[tuple[EntityKey, dict[str, Value], datetime, datetime | None]],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Feast's door to `write`."""
        for rows in feast_rows(data):
            self.write(config, table, rows)
            if progress:
                progress(len(rows))

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[tuple[datetime | None, dict[str, Value] | None]]:
        """Feast's door to `read`."""
        names = requested_features or [feature.name for feature in table.features]
        return [feast_answer(row, names) for row in self.read(config, table, key_bytes(entity_keys), names)]

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        """Make and drop tables, each with its gate; rows that another Feast client wrote before are taken over."""
        with self._answering(config) as connection:
            super().update(config, tables_to_delete, tables_to_keep, entities_to_delete, entities_to_keep, partial)
            for table in tables_to_keep:
                name = self._table(config, table)
                if connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [f"{name}_gate"]).fetchone():
                    continue
                connection.execute(
                    f"CREATE TABLE IF NOT EXISTS {_gate(name)} (entity_key BLOB PRIMARY KEY, "
                    "event_us INTEGER NOT NULL, created_us INTEGER NOT NULL) WITHOUT ROWID"
                )
                with connection:
                    connection.execute(
                        f"INSERT OR IGNORE INTO {_gate(name)} "
                        f"SELECT entity_key, max({UTC_US}), 0 FROM {_quoted(name)} GROUP BY entity_key"
                    )
            for table in tables_to_delete:
                connection.execute(f"DROP TABLE IF EXISTS {_gate(self._table(config, table))}")

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Remove the file."""
        self.disconnect()
        super().teardown(config, tables, entities)

    def _get_conn(self, config: RepoConfig) -> sqlite3.Connection:
        path = Path(self._get_db_path(config))
        connection: sqlite3.Connection | None = getattr(self._threads, "connection", None)
        if connection is not None and _file_number(path) != self._threads.file:
            # removed or replaced: what is written through this connection would be lost
            self.disconnect()
            connection = None
        if connection is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Feast's own readers know the declared types, `timestamp` above all
            connection = sqlite3.connect(path, timeout=BUSY_SECONDS, detect_types=sqlite3.PARSE_DECLTYPES)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            self._threads.connection, self._threads.made, self._threads.file = connection, set(), _file_number(path)
        return connection

    @contextmanager
    def _answering(self, config: RepoConfig) -> Iterator[sqlite3.Connection]:
        try:
            yield self._get_conn(config)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"{self.place(config)}: the online store does not answer ({error}); see that the file can be written "
                "and the disk has room. Until then values can be read offline: feature_repo.history.as_of"
            ) from error

    def _make(self, connection: sqlite3.Connection, config: RepoConfig, table: FeatureView) -> None:
        """Make the tables of a view if the file was removed since they were registered."""
        name = self._table(config, table)
        if name not in self._threads.made:
            known = connection.execute(
                "SELECT count(*) FROM sqlite_master WHERE name IN (?, ?)", [name, f"{name}_gate"]
            )
            if known.fetchone()[0] < 2:
                self.update(config, [], [table], [], [], partial=True)
            self._threads.made.add(name)

    @staticmethod
    def _table(config: RepoConfig, table: FeatureView) -> str:
        return compute_table_id(config.project, table, config.registry.enable_online_feature_view_versioning)

    @staticmethod
    def _passing(connection: sqlite3.Connection, name: str, rows: OnlineRows) -> list[int]:
        """Places of the rows that are not older than what is stored, nor than an earlier row of the batch."""
        stored: dict[bytes, tuple[int, int]] = {}
        for part in _chunks(rows.keys):
            statement = (
                f"SELECT entity_key, event_us, created_us FROM {_gate(name)} WHERE entity_key IN ({_marks(part)})"
            )
            stored.update((key, (event, created)) for key, event, created in connection.execute(statement, part))
        passed = []
        for place, (key, *moment) in enumerate(zip(rows.keys, rows.event_us, rows.created_us, strict=True)):
            now = (moment[0], moment[1])
            if key not in stored or now >= stored[key]:
                stored[key] = now
                passed.append(place)
        return passed


def _feature_rows(rows: OnlineRows, passed: Sequence[int]) -> Iterator[tuple[bytes, str, bytes, int, int]]:
    seconds = {us: _feast_seconds(us) for us in {*rows.event_us, *rows.created_us}}
    columns = list(rows.values.items())
    for place in passed:
        key = rows.keys[place]
        event, created = seconds[rows.event_us[place]], seconds[rows.created_us[place]]
        for name, column in columns:
            yield key, name, column[place], event, created


def _feast_seconds(us: int) -> int:
    """The inverse of UTC_US."""
    return int(naive_utc(us).timestamp())


def _file_number(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _chunks(keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(keys), KEYS_AT_ONCE):
        yield keys[start : start + KEYS_AT_ONCE]


def _marks(keys: Sequence[bytes]) -> str:
    return ",".join("?" * len(keys))


def _gate(name: str) -> str:
    return _quoted(f"{name}_gate")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
