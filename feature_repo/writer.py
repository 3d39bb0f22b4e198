"""Feature files, written whole or not at all: snapshots, their late corrections, and append-only logs of a stream.

A snapshot is `features/<view>/dt=YYYY-MM-DD/part-<instant>-<digest>.parquet`: the name tells the instant (UTC) and
what it was computed from, raw rows and definition. A correction is the same with `-known<instant>` before the ending:
rows of that snapshot as they are once later knowledge counts. A log has `dt=…/part-<uuid>.parquet` by event date.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_repo.definition import CREATED, EVENT_TIME, View
from scenefit.contracts.errors import ContractError, StoreError
from scenefit.runtime.workspace import disk_errors

INSTANT = "%Y%m%dT%H%M%S%fZ"
NAME = re.compile(r"part-(\d{8}T\d{12}Z)-([0-9a-f]{16})(?:-known(\d{8}T\d{12}Z))?\.parquet")


@dataclass(frozen=True)
class Partition:
    """One snapshot file, or a correction of one: then `created` is later than `instant`."""

    file: Path
    instant: pd.Timestamp
    digest: str
    created: pd.Timestamp

    @property
    def rows(self) -> int:
        return int(pq.read_metadata(self.file).num_rows)

    @property
    def whole(self) -> bool:
        """Whether it is there and can be read; one that was cut off is written again."""
        try:
            return self.file.is_file() and self.rows >= 0
        except (pa.ArrowException, OSError):
            return False

    @property
    def corrects(self) -> bool:
        """Whether it holds only what changed in an earlier file of the same instant."""
        return self.created > self.instant


def partitions(folder: Path) -> list[Partition]:
    """Snapshot files of one view and their corrections, oldest first."""
    found = []
    for file in folder.glob("dt=*/part-*.parquet"):
        match = NAME.fullmatch(file.name)
        if match:
            instant = _moment(match[1])
            found.append(Partition(file, instant, match[2], _moment(match[3]) if match[3] else instant))
    return sorted(found, key=lambda partition: (partition.instant, partition.created, partition.digest))


def partition_of(folder: Path, instant: pd.Timestamp, digest: str, created: pd.Timestamp | None = None) -> Partition:
    """Where the snapshot of that instant lies, or its correction as known at `created`; written or not."""
    moment = instant.tz_convert("UTC")
    known = moment if created is None else created.tz_convert("UTC")
    suffix = f"-known{known.strftime(INSTANT)}" if known > moment else ""
    name = f"part-{moment.strftime(INSTANT)}-{digest}{suffix}.parquet"
    return Partition(folder / f"dt={moment:%Y-%m-%d}" / name, moment, digest, known)


def write(partition: Partition, data: pa.Table, view: View) -> None:
    """Write one snapshot or correction, sorted by key: equal content gives equal bytes.

    Raises
    ------
    ContractError : a key is missing or repeats; of two rows with one key and moment a reader would take either.
    StoreError : the folder cannot be written.
    """
    _require_schema(data, view)
    _require_keys(data, view)
    _require_unique(data, view.keys, view)
    _write_whole(partition.file, data)


def append(folder: Path, data: pa.Table, view: View) -> list[Path]:
    """Append rows to the log of a stream view: one new file per UTC event date, none on error.

    Writers need no lock: each file has a name of its own.

    Parameters
    ----------
    data : keys, `event_timestamp`, `created` and the features of the view; moments with a time zone, of any unit

    Raises
    ------
    ContractError : columns or types are not the view's, a key or moment is missing, (keys, event time, created)
        repeats, or the log was written under another definition.
    StoreError : the folder cannot be written.
    """
    rows = conform(data, view)
    _require_keys(rows, view)
    ordered = rows.sort_by([(name, "ascending") for name in [*view.keys, EVENT_TIME, CREATED]])
    _require_unique(ordered, [*view.keys, EVENT_TIME, CREATED], view)
    _require_same_log(folder, view)
    days = pc.strftime(ordered[EVENT_TIME], format="%Y-%m-%d")
    written: list[Path] = []
    try:
        for day in sorted(pc.unique(days).to_pylist()):
            file = folder / f"dt={day}" / f"part-{uuid.uuid4().hex}.parquet"
            _write_whole(file, ordered.filter(pc.equal(days, day)))
            written.append(file)
    except BaseException:
        for file in written:
            file.unlink(missing_ok=True)
        raise
    return written


def conform(data: pa.Table, view: View) -> pa.Table:
    """Rows with exactly the view's columns and types; moments in UTC microseconds.

    Raises
    ------
    ContractError : a column is missing, unknown, or cannot be taken over without loss.
    """
    declared = view.arrow
    missing = [name for name in declared.names if name not in data.column_names]
    unknown = [name for name in data.column_names if name not in declared.names]
    if missing or unknown:
        raise ContractError(
            f"features {view.name}: columns {missing or 'none'} are missing and {unknown or 'none'} are unknown; "
            f"give exactly {declared.names}"
        )
    columns = []
    for field in declared:
        column = data[field.name]
        if pa.types.is_timestamp(field.type):
            column = _utc(column, field.name, view)
        try:
            columns.append(column.cast(field.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ContractError(
                f"features {view.name}.{field.name}: {column.type} cannot be taken over as {field.type} "
                f"({str(error).splitlines()[0]}); convert it first"
            ) from error
    return pa.table(columns, schema=declared)


def drop(stale: list[Partition]) -> None:
    """Remove snapshot files, and the folders they leave empty."""
    remove([partition.file for partition in stale])


def remove(files: list[Path]) -> None:
    """Remove feature files, and the folders they leave empty."""
    for file in files:
        with disk_errors(file):
            file.unlink(missing_ok=True)
            if file.parent.is_dir() and not any(file.parent.iterdir()):
                file.parent.rmdir()


@contextmanager
def spill_folder(below: Path) -> Iterator[Path]:
    """Where one connection may spill: two must not share a folder, the first to end would empty it for both."""
    folder = below / f".spill-{uuid.uuid4().hex}"
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def damage_named(place: Path) -> Iterator[None]:
    """Errors of reading feature files as sentences."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise StoreError(
            f"{place}: feature files cannot be read ({str(error).splitlines()[0]}); remove the damaged file and build "
            "the features again"
        ) from error


def retain(folder: Path, before: dt.date) -> int:
    """Remove all files of event dates before `before` (UTC); how many.

    Raises
    ------
    StoreError : a file cannot be removed.
    """
    old = [file for file in sorted(folder.glob("dt=*/part-*.parquet")) if day_of(file) < before]
    remove(old)
    return len(old)


def day_of(file: Path) -> dt.date:
    """The event date of a file, by its folder.

    Raises
    ------
    StoreError : the folder is not named dt=YYYY-MM-DD.
    """
    try:
        return dt.date.fromisoformat(file.parent.name.removeprefix("dt="))
    except ValueError as error:
        raise StoreError(f"{file.parent}: feature folders are named dt=YYYY-MM-DD; move this one away") from error


def read_rows(file: Path, view: View) -> pa.Table:
    """Rows of one log file under the view's present definition: features it did not have yet are empty.

    Raises
    ------
    StoreError : the file is damaged.
    """
    try:
        data = pq.ParquetFile(file).read()
    except (pa.ArrowException, OSError) as error:
        raise StoreError(
            f"{file}: not a whole Parquet file ({str(error).splitlines()[0]}); restore or remove it"
        ) from error
    absent = [field for field in view.arrow if field.name not in data.column_names and field.nullable]
    for field in absent:
        data = data.append_column(field, pa.nulls(data.num_rows, field.type))
    known = [name for name in view.arrow.names if name in data.column_names]
    return conform(data.select(known), view)


def _write_whole(file: Path, data: pa.Table) -> None:
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    with disk_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            # pages follow chunks, and chunks the number of threads: one chunk, so that bytes do not
            pq.write_table(data.combine_chunks(), temporary, compression="zstd", compression_level=1)
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)


def _utc(column: pa.ChunkedArray, name: str, view: View) -> pa.ChunkedArray:
    if not pa.types.is_timestamp(column.type) or column.type.tz is None:
        raise ContractError(
            f"features {view.name}.{name}: {column.type} is no moment with a time zone; give timestamp[us, UTC]"
        )
    # a feature's moment is kept to the microsecond; what is finer than that is cut off, never rounded up
    finest = pc.floor_temporal(column, unit="microsecond") if column.type.unit == "ns" else column
    return finest.cast(pa.timestamp("us", tz="UTC"))


def _require_schema(data: pa.Table, view: View) -> None:
    if data.schema.names != view.arrow.names or data.schema.types != view.arrow.types:
        raise ContractError(
            f"features {view.name}: columns {data.schema.names} of {[str(t) for t in data.schema.types]} are not the "
            f"declared {view.arrow.names}; cast them to the view's schema"
        )


def _require_keys(data: pa.Table, view: View) -> None:
    for name in (*view.keys, EVENT_TIME, CREATED):
        if data[name].null_count:
            way = "drop them before they are appended" if view.stream else f"drop them in sql/{view.source}.sql"
            what = "key" if name in view.keys else "moment"
            raise ContractError(f"features {view.name}.{name}: {data[name].null_count:,} rows have no {what}; {way}")


def _require_unique(data: pa.Table, by: list[str], view: View) -> None:
    """Refuse rows, sorted by the given columns, that agree in them."""
    if data.num_rows < 2:
        return
    columns = [data[name].combine_chunks() for name in by]
    same = pc.equal(columns[0].slice(1), columns[0].slice(0, len(columns[0]) - 1))
    for column in columns[1:]:
        same = pc.and_(same, pc.equal(column.slice(1), column.slice(0, len(column) - 1)))
    if pc.any(same).as_py():
        first = data.slice(pc.index(same, True).as_py(), 1).select(by).to_pylist()[0]
        way = "Send each once" if view.stream else f"Group them in sql/{view.source}.sql"
        raise ContractError(
            f"features {view.name}: {pc.sum(same).as_py():,} rows repeat a key, such as {first}; "
            f"one row per {', '.join(view.keys)} and moment is allowed. {way}"
        )


def _require_same_log(folder: Path, view: View) -> None:
    kept = _schema_of_log(folder)
    if kept is None:
        return
    if kept.names != view.arrow.names or kept.types != view.arrow.types:
        different = sorted(set(kept.names) ^ set(view.arrow.names)) or "types"
        raise ContractError(
            f"{folder}: the log of {view.name} was written under another definition (different: {different}); "
            "bring it to the present one with feature_repo.compaction.compact, then append"
        )


def _schema_of_log(folder: Path) -> pa.Schema | None:
    """The schema of one file, which speaks for the log: no append has let another kind in."""
    for day in sorted(folder.glob("dt=*"), reverse=True):
        for file in day.glob("part-*.parquet"):
            try:
                return pq.read_schema(file)
            except FileNotFoundError:
                continue  # compacted away meanwhile
            except (pa.ArrowException, OSError) as error:
                raise StoreError(
                    f"{file}: not a whole Parquet file ({str(error).splitlines()[0]}); restore or remove it"
                ) from error
    return None


def _moment(text: str) -> pd.Timestamp:
    return pd.to_datetime(text, format=INSTANT, utc=True).as_unit("us")
