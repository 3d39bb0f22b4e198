"""The online store in Valkey or Redis: Feast's layout, with a gate that lets no older row through.

Use it in any Feast repository; it needs the package `redis`:

    online_store: {type: feature_repo.online_stores.GatedRedisOnlineStore, connection_string: "127.0.0.1:6379"}
"""

from __future__ import annotations

import hashlib
import importlib.resources
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

import mmh3
import redis
from feast.feature_view import FeatureView
from feast.infra.online_stores.helpers import compute_versioned_name
from feast.infra.online_stores.redis import RedisOnlineStore, RedisOnlineStoreConfig
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import RepoConfig
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import StrictStr
from redis.backoff import ExponentialBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from feature_repo.online_rows import OnlineRows, StoredRow, feast_answer, feast_rows, key_bytes
from scenefit.contracts.errors import StoreError

ROWS_AT_ONCE = 1_000
# whoever pushes or decides must hear soon that the store is away: redis-py's own ten tries take four seconds
TRIES, FIRST_PAUSE, LONGEST_PAUSE = 2, 0.01, 0.1


class GatedRedisOnlineStoreConfig(RedisOnlineStoreConfig):
    """Settings of the store: `connection_string`, `key_ttl_seconds` and whatever else Feast's own has."""

    type: StrictStr = "feature_repo.online_stores.GatedRedisOnlineStore"  # type: ignore[assignment]


class GatedRedisOnlineStore(RedisOnlineStore):
    """Writes a row only if it is not older than the stored one: by event time, then by `created`.

    The server compares and writes in one script per key, so that no other writer comes between and keys may lie on
    different nodes of a cluster. `_created:<view>` is one field more than Feast's own layout has.
    """

    def place(self, config: RepoConfig) -> str:
        """Where the rows are, for messages; no password."""
        nodes, options = self._parse_connection_string(config.online_store.connection_string)
        database = f", database {options['db']}" if "db" in options else ""
        return f"Valkey or Redis at {', '.join(':'.join(node.values()) for node in nodes)}{database}"

    def identity(self, config: RepoConfig) -> str:
        """Tells this store and project from others."""
        return f"{config.project} in {self.place(config)}"

    def lifetime_seconds(self, config: RepoConfig) -> int | None:
        """How long the server keeps a key after it was last written."""
        seconds: int | None = config.online_store.key_ttl_seconds
        return seconds

    def write(self, config: RepoConfig, table: FeatureView, rows: OnlineRows) -> int:
        """Write what is not older than the stored rows, each row whole; rows written.

        Raises
        ------
        StoreError : the server does not answer.
        """
        view = self._view(config, table)
        with self._answering(config) as client:
            return sum(self._write_batch(client, config, view, batch) for batch in rows.batches(ROWS_AT_ONCE))

    def read(
        self, config: RepoConfig, table: FeatureView, keys: Sequence[bytes], names: Sequence[str]
    ) -> list[StoredRow | None]:
        """Stored rows of the keys, in order; None where nothing is stored.

        Raises
        ------
        StoreError : the server does not answer.
        """
        view = self._view(config, table)
        fields = _read_fields(view, tuple(names))
        project = config.project.encode()
        with self._answering(config) as client:
            if len(keys) == 1:
                answers = [client.hmget(keys[0] + project, fields)]
            else:
                with client.pipeline(transaction=False) as pipe:
                    for key in keys:
                        pipe.hmget(key + project, fields)
                    answers = pipe.execute()
        return [
            None if values[-1] is None else StoredRow(_moment_us(values[-1]), dict(zip(names, values, strict=False)))
            for values in answers
        ]

    def event_times(self, config: RepoConfig, table: FeatureView, keys: Sequence[bytes]) -> list[int | None]:
        """Stored event times (microseconds) of the keys, in order.

        Raises
        ------
        StoreError : the server does not answer.
        """
        field, project = _event_field(self._view(config, table)), config.project.encode()
        found: list[int | None] = []
        with self._answering(config) as client:
            for start in range(0, len(keys), ROWS_AT_ONCE):
                with client.pipeline(transaction=False) as pipe:
                    for key in keys[start : start + ROWS_AT_ONCE]:
                        pipe.hget(key + project, field)
                    found += [None if value is None else _moment_us(value) for value in pipe.execute()]
        return found

    def client(self, config: RepoConfig) -> Any:
        """The client of the server, for what this store does not offer."""
        return self._get_client(config.online_store)

    def disconnect(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

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

    async def online_write_batch_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[tuple[EntityKey, dict[str, Value], datetime, datetime | None]],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """The same gate for Feast's asynchronous door, which would else go past it."""
        self.online_write_batch(config, table, data, progress)

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

    def _get_client(self, online_store_config: RedisOnlineStoreConfig) -> Any:
        fresh = self._client is None
        client: Any = super()._get_client(online_store_config)
        if fresh:
            client.set_retry(Retry(ExponentialBackoff(cap=LONGEST_PAUSE, base=FIRST_PAUSE), TRIES))
        return client

    def _write_batch(self, client: Any, config: RepoConfig, view: str, rows: OnlineRows) -> int:
        commands = _commands(config, view, rows)
        try:
            return _written(client, commands)
        except NoScriptError:
            # a server that was just started has no scripts; what it took already it takes again
            client.script_load(_script())
            return _written(client, commands)

    @contextmanager
    def _answering(self, config: RepoConfig) -> Iterator[Any]:
        try:
            yield self.client(config)
        except (redis.RedisError, OSError) as error:
            raise StoreError(
                f"{self.place(config)}: the online store does not answer ({error}); start the server or correct its "
                "address. Until then values can be read offline: feature_repo.history.as_of"
            ) from error

    @staticmethod
    def _view(config: RepoConfig, table: FeatureView) -> str:
        return compute_versioned_name(table, config.registry.enable_online_feature_view_versioning)


@cache
def _script() -> str:
    return importlib.resources.files("feature_repo").joinpath("gate.lua").read_text("utf8")


@cache
def _script_digest() -> str:
    # the server's own name for a script, no secret
    return hashlib.sha1(_script().encode(), usedforsecurity=False).hexdigest()


def _commands(config: RepoConfig, view: str, rows: OnlineRows) -> list[tuple[Any, ...]]:
    """One call of the script per row."""
    digest = _script_digest()
    project, expire = config.project.encode(), config.online_store.key_ttl_seconds or 0
    event_field, created_field = _event_field(view), f"_created:{view}".encode()
    moments = {us: _moment(us) for us in set(rows.event_us)}
    names = [feature_field(view, name) for name in rows.values]
    commands = []
    for key, event, created, *values in zip(
        rows.keys, rows.event_us, rows.created_us, *rows.values.values(), strict=True
    ):
        pairs = [part for pair in zip(names, values, strict=True) for part in pair]
        commands.append((
            "EVALSHA", digest, 1, key + project, event, created, expire,
            event_field, moments[event], created_field, created, *pairs,
        ))  # fmt: skip
    return commands


def _written(client: Any, commands: Sequence[tuple[Any, ...]]) -> int:
    with client.pipeline(transaction=False) as pipe:
        for command in commands:
            pipe.execute_command(*command)
        return sum(pipe.execute())


@lru_cache(maxsize=256)
def _read_fields(view: str, names: tuple[str, ...]) -> list[bytes]:
    return [*(feature_field(view, name) for name in names), _event_field(view)]


def feature_field(view: str, name: str) -> bytes:
    """Feast's short name of a feature in a hash: murmur3, little endian."""
    return struct.pack("<I", mmh3.hash(f"{view}:{name}", signed=False))


def _event_field(view: str) -> bytes:
    return f"_ts:{view}".encode()


def _moment(us: int) -> bytes:
    message = Timestamp()
    message.FromMicroseconds(us)
    return bytes(message.SerializeToString())


def _moment_us(value: bytes) -> int:
    return int(Timestamp.FromString(value).ToMicroseconds())
