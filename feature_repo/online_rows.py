"""Rows as an online store keeps them: Feast's bytes for keys and values, moments in microseconds.

Feast makes one protobuf per value; here each distinct value of a column is encoded once. Repeated values are what
features have most of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feature_repo.definition import CREATED, EVENT_TIME, View

if TYPE_CHECKING:
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

KEY_VERSION = 3  # of Feast's entity key encoding; older ones are no longer written by Feast itself
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
FIELDS = {"int": "int64_val", "float": "double_val", "bool": "bool_val", "str": "string_val"}


@dataclass(frozen=True)
class OnlineRows:
    """Rows of one view, column by column; an empty value is a null."""

    keys: list[bytes]
    event_us: list[int]
    created_us: list[int]
    values: dict[str, list[bytes]]

    def __len__(self) -> int:
        return len(self.keys)

    def batches(self, size: int) -> Iterator[OnlineRows]:
        """The rows in order, at most `size` at a time."""
        for start in range(0, len(self), size):
            part = slice(start, start + size)
            yield OnlineRows(
                self.keys[part], self.event_us[part], self.created_us[part],
                {name: column[part] for name, column in self.values.items()},
            )  # fmt: skip


class StoredRow(NamedTuple):
    """One row as an online store gives it back: its event time in microseconds, and the bytes of each value."""

    event_us: int
    values: dict[str, bytes]


def online_rows(data: pa.Table, view: View) -> OnlineRows:
    """Rows of a view (keys, event time, created, features) in the bytes of the online store."""
    values = {feature.name: _value_bytes(data[feature.name], FIELDS[feature.kind]) for feature in view.features}
    return OnlineRows(
        entity_keys(data, view), event_microseconds(data[EVENT_TIME]), event_microseconds(data[CREATED]), values
    )


def entity_keys(data: pa.Table, view: View) -> list[bytes]:
    """The key of each row as Feast writes it."""
    return [entity_key(view.keys, row) for row in zip(*(data[key].to_pylist() for key in view.keys), strict=True)]


def entity_key(names: Sequence[str], values: Sequence[str]) -> bytes:
    """One key as Feast writes it."""
    from feast.infra.key_encoding_utils import serialize_entity_key
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    message = EntityKey(join_keys=names, entity_values=[Value(string_val=value) for value in values])
    return serialize_entity_key(message, entity_key_serialization_version=KEY_VERSION)


def key_bytes(keys: Sequence[EntityKey]) -> list[bytes]:
    """Feast's keys as it writes them."""
    from feast.infra.key_encoding_utils import serialize_entity_key

    return [serialize_entity_key(key, entity_key_serialization_version=KEY_VERSION) for key in keys]


def feast_rows(data: Sequence[tuple[EntityKey, dict[str, Value], datetime, datetime | None]]) -> list[OnlineRows]:
    """Feast's rows, those of equal features together; a row without `created` was created when it happened."""
    kinds: dict[tuple[str, ...], list[Any]] = {}
    for row in data:
        kinds.setdefault(tuple(row[1]), []).append(row)
    found = []
    for names, rows in kinds.items():
        keys, values, events, created = zip(*rows, strict=True)
        event_us = [microseconds(moment) for moment in events]
        created_us = [
            us if moment is None else microseconds(moment) for moment, us in zip(created, event_us, strict=True)
        ]
        columns = {name: [row[name].SerializeToString() for row in values] for name in names}
        found.append(OnlineRows(key_bytes(keys), event_us, created_us, columns))
    return found


def feast_answer(row: StoredRow | None, names: Sequence[str]) -> tuple[datetime | None, dict[str, Value] | None]:
    """A stored row as Feast reads it: event time, and a value for each name."""
    from feast.protos.feast.types.Value_pb2 import Value

    if row is None:
        return None, None
    return (
        naive_utc(row.event_us).replace(tzinfo=UTC),
        {name: Value.FromString(row.values.get(name) or b"") for name in names},
    )


def python_values(stored: dict[str, bytes]) -> dict[str, object]:
    """Stored values by name; None for a null."""
    from feast.protos.feast.types.Value_pb2 import Value

    found: dict[str, object] = {}
    for name, value in stored.items():
        message = Value.FromString(value or b"")
        field = message.WhichOneof("val")
        found[name] = None if field is None else getattr(message, field)
    return found


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970; a moment without time zone is in UTC."""
    return ((moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment) - EPOCH) // MICROSECOND


def naive_utc(us: int) -> datetime:
    """The moment in UTC, without time zone."""
    return (EPOCH + us * MICROSECOND).replace(tzinfo=None)


def newest_rows(data: pa.Table, view: View) -> pa.Table:
    """The newest row of each key, by event time, then by `created`."""
    ordered = data.sort_by([(name, "ascending") for name in (*view.keys, EVENT_TIME, CREATED)]).combine_chunks()
    if ordered.num_rows < 2:
        return ordered
    differs = np.zeros(ordered.num_rows - 1, dtype=bool)
    for key in view.keys:
        column = ordered[key]
        differs |= pc.not_equal(column.slice(1), column.slice(0, ordered.num_rows - 1)).to_numpy()
    return ordered.filter(pa.array(np.append(differs, True)))


def _value_bytes(column: pa.ChunkedArray, field: str) -> list[bytes]:
    from feast.protos.feast.types.Value_pb2 import Value

    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    known = [
        b"" if value is None else Value(**{field: value}).SerializeToString()
        for value in encoded.dictionary.to_pylist()
    ]
    # the last entry stands for null
    table = np.array([*known, b""], dtype=object)
    places = pc.fill_null(encoded.indices, len(known)).to_numpy(zero_copy_only=False)
    found: list[bytes] = table[places].tolist()
    return found


def event_microseconds(column: pa.ChunkedArray) -> list[int]:
    """A column of moments as microseconds since 1970."""
    found: list[int] = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_pylist()
    return found
