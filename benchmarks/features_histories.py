"""Synthetic feature histories and the rows that ask for them, made once and kept in the cache folder."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness import CACHE

if TYPE_CHECKING:
    import pyarrow as pa

SEED = 20260101
TIME, CREATED, LINE = "event_timestamp", "created", "line"


@dataclass(frozen=True)
class History:
    """So many entities × moments × features, of which so many rows are asked."""

    name: str
    entities: int
    moments: int
    hours: int
    features: int
    asked: int
    ttl: timedelta

    @property
    def columns(self) -> list[str]:
        """Names of the features."""
        return [f"f{i:02d}" for i in range(self.features)]

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return CACHE / "histories" / f"{self.name}-{self.entities}x{self.moments}x{self.features}-seed{SEED}"

    @property
    def files(self) -> Path:
        return self.folder / "files"

    @property
    def rows(self) -> Path:
        """The rows that ask."""
        return self.folder / "rows.parquet"


DAILY = History("daily", 200_000, 6, 24, 30, 200_000, timedelta(days=2))
HOURLY = History("hourly", 2_000, 720, 1, 6, 20_000, timedelta(days=30))
HISTORIES = {history.name: history for history in (DAILY, HOURLY)}


def prepare(history: History) -> None:
    """Make the files when they are not there: a file per day, whole or not at all."""
    import pyarrow.parquet as pq

    if history.rows.is_file():
        return
    shutil.rmtree(history.folder, ignore_errors=True)
    for day, table in _days(history):
        file = history.files / f"dt={day}" / "part.parquet"
        file.parent.mkdir(parents=True)
        pq.write_table(table, file, compression="zstd", compression_level=1)
    pq.write_table(_asked(history), history.rows)


def _days(history: History) -> list[tuple[str, pa.Table]]:
    import numpy as np
    import pyarrow as pa

    rng = np.random.default_rng(SEED)
    keys = pa.array(_keys(history))
    tables: dict[str, list[pa.Table]] = {}
    for moment in range(history.moments):
        at = _moment(moment * history.hours)
        times = pa.array(np.full(history.entities, at), pa.timestamp("us", tz="UTC"))
        columns: dict[str, Any] = {"entity_id": keys, TIME: times, CREATED: times}
        for i, name in enumerate(history.columns):
            # counts and amounts, as features are
            values = rng.integers(0, 100, history.entities) if i % 3 == 0 else rng.normal(100, 30, history.entities)
            columns[name] = values.astype(np.float64).round(4)
        tables.setdefault(str(at.astype("datetime64[D]")), []).append(pa.table(columns))
    return [(day, pa.concat_tables(parts).combine_chunks()) for day, parts in tables.items()]


def _asked(history: History) -> pa.Table:
    """Rows at random moments of the last two thirds of the history."""
    import numpy as np
    import pyarrow as pa

    rng = np.random.default_rng(SEED + 1)
    last = history.moments * history.hours * 3600 * 10**6
    offsets = rng.integers(last // 3, last, history.asked) * np.timedelta64(1, "us")
    return pa.table({
        "entity_id": pa.array(_keys(history)).take(pa.array(rng.integers(0, history.entities, history.asked))),
        TIME: pa.array(_moment(0) + offsets, pa.timestamp("us", tz="UTC")),
        LINE: np.arange(history.asked),
    })  # fmt: skip


def _keys(history: History) -> list[str]:
    return [f"c{i:08d}" for i in range(history.entities)]


def _moment(hours: int) -> Any:
    import numpy as np

    return np.datetime64("2026-01-01T00", "us") + hours * np.timedelta64(1, "h").astype("timedelta64[us]")
