"""Snapshot files: `features/<view>/dt=YYYY-MM-DD/part-<instant>-<digest>.parquet`, written whole or not at all.

The name tells the instant (UTC) and what the snapshot was computed from: raw data and definition. A file whose
digest is not the current one is stale, is never read and goes with the next build.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_repo.definition import View
from scenefit.contracts.errors import ContractError
from scenefit.runtime.workspace import disk_errors

INSTANT = "%Y%m%dT%H%M%S%fZ"
NAME = re.compile(r"part-(\d{8}T\d{12}Z)-([0-9a-f]{16})\.parquet")


@dataclass(frozen=True)
class Partition:
    """One snapshot file."""

    file: Path
    instant: pd.Timestamp
    digest: str

    @property
    def rows(self) -> int:
        return int(pq.read_metadata(self.file).num_rows)


def partitions(folder: Path) -> list[Partition]:
    """Snapshot files of one view, oldest first."""
    found = []
    for file in folder.glob("dt=*/part-*.parquet"):
        match = NAME.fullmatch(file.name)
        if match:
            instant = pd.to_datetime(match[1], format=INSTANT, utc=True).as_unit("us")
            found.append(Partition(file, instant, match[2]))
    return sorted(found, key=lambda partition: (partition.instant, partition.digest))


def partition_of(folder: Path, instant: pd.Timestamp, digest: str) -> Partition:
    """Where the snapshot of that instant lies, written or not."""
    moment = instant.tz_convert("UTC")
    return Partition(
        folder / f"dt={moment:%Y-%m-%d}" / f"part-{moment.strftime(INSTANT)}-{digest}.parquet", moment, digest
    )


def write(partition: Partition, data: pa.Table, view: View) -> None:
    """Write one snapshot: equal content gives equal bytes.

    Raises
    ------
    ContractError : a key is missing or repeats; of two rows with one key and moment a reader would take either.
    StoreError : the folder cannot be written.
    """
    _require_unique(data, view)
    temporary = partition.file.with_name(f".{partition.file.name}.{os.getpid()}")
    with disk_errors(partition.file):
        partition.file.parent.mkdir(parents=True, exist_ok=True)
        try:
            # pages follow chunks, and chunks the number of threads: one chunk, so that bytes do not
            pq.write_table(data.combine_chunks(), temporary, compression="zstd", compression_level=1)
            temporary.replace(partition.file)
        finally:
            temporary.unlink(missing_ok=True)


def drop(stale: list[Partition]) -> None:
    """Remove snapshot files, and the folders they leave empty."""
    for partition in stale:
        with disk_errors(partition.file):
            partition.file.unlink(missing_ok=True)
            if not any(partition.file.parent.iterdir()):
                partition.file.parent.rmdir()


def _require_unique(data: pa.Table, view: View) -> None:
    for key in view.keys:
        if data[key].null_count:
            raise ContractError(
                f"features {view.name}.{key}: {data[key].null_count:,} rows have no key; "
                f"drop them in sql/{view.source}.sql"
            )
    if data.num_rows < 2:
        return
    keys = [data[key].combine_chunks() for key in view.keys]
    same = pc.equal(keys[0].slice(1), keys[0].slice(0, len(keys[0]) - 1))
    for key in keys[1:]:
        same = pc.and_(same, pc.equal(key.slice(1), key.slice(0, len(key) - 1)))
    if pc.any(same).as_py():
        first = data.slice(pc.index(same, True).as_py(), 1).select(view.keys).to_pylist()[0]
        raise ContractError(
            f"features {view.name}: {pc.sum(same).as_py():,} rows repeat a key, such as {first}; "
            f"one row per {', '.join(view.keys)} and moment is allowed. Group them in sql/{view.source}.sql"
        )
