"""What the ends of Parquet files prove of their moments, without reading a row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from scenefit.contracts.errors import StoreError


class Footer(NamedTuple):
    """One file: its columns, its first and last event time (None where it does not tell), in microseconds.

    `on_time`: it is proved that no row was created after its event time.
    """

    file: Path
    schema: pq.ParquetSchema
    rows: int
    first: pd.Timestamp | None
    last: pd.Timestamp | None
    on_time: bool

    def overlaps(self, first: datetime | None, last: datetime | None) -> bool:
        """Whether the file may hold rows from `first` to `last`, both inclusive; None is unbounded."""
        before = self.last is not None and first is not None and self.last < first
        after = self.first is not None and last is not None and self.first > last
        return not before and not after


def footer(file: Path, event_time: str, created: str | None) -> Footer:
    """What the end of a file says of its event times and their creation.

    Raises
    ------
    StoreError : the file is damaged.
    """
    try:
        found = pq.read_metadata(file)
    except (pa.ArrowException, OSError) as error:
        raise StoreError(
            f"{file}: not a whole Parquet file ({str(error).splitlines()[0]}); restore it or compute the features again"
        ) from error
    position = {found.schema.column(i).path: i for i in range(len(found.schema))}
    groups = [found.row_group(i) for i in range(found.num_row_groups)]
    times = [_edges(group, position.get(event_time)) for group in groups]
    told = [edges for edges in times if edges is not None]
    if not told or len(told) < len(times):
        return Footer(file, found.schema, found.num_rows, None, None, created is None)
    born = [_edges(group, position.get(created)) for group in groups] if created else told
    # created later than the first event of a group may still be earlier than its own: that proves nothing
    on_time = all(made is not None and made[1] <= first for (first, _), made in zip(told, born, strict=True))
    first, last = min(first for first, _ in told), max(last for _, last in told)
    return Footer(file, found.schema, found.num_rows, first, last, created is None or on_time)


def disjoint(footers: Sequence[Footer]) -> bool:
    """Whether no two files can share an event time."""
    if len(footers) == 1:
        return True
    edges = sorted((f.first, f.last) for f in footers if f.first is not None and f.last is not None)
    apart = all(last < first for (_, last), (first, _) in pairwise(edges))
    return apart and len(edges) == len(footers)


def aware(moment: datetime) -> datetime:
    """The moment with a time zone; without one it is UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _edges(group: pq.RowGroupMetaData, position: int | None) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    """First and last moment of one column of a row group; None where unknown or where some are missing."""
    statistics = None if position is None else group.column(position).statistics
    if statistics is None or not statistics.has_min_max or statistics.null_count != 0:
        return None
    if not isinstance(statistics.min, datetime):
        return None
    return _moment(statistics.min), _moment(statistics.max)


def _moment(value: datetime) -> pd.Timestamp:
    return pd.Timestamp(aware(value)).tz_convert("UTC").floor("us")
