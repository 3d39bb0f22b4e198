"""Many small files of a stream's log become one per day, also when it is cut off in the middle."""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_repo.definition import CREATED, EVENT_TIME, View
from feature_repo.writer import read_rows, remove
from scenefit.contracts.errors import ContractError, StoreError
from scenefit.runtime.workspace import disk_errors, write_text

JOURNAL = ".compaction.json"


def compact(folder: Path, view: View) -> int:
    """Merge the files of each day of a log into one, under the view's present definition; files removed.

    Rows that arrived twice are kept once. A compaction that was cut off is finished first: until then readers see
    some rows twice, never a row less. Appending meanwhile is safe.

    Raises
    ------
    ContractError : two rows of one key, event time and created have different values.
    StoreError : a file is damaged, or another compaction is at work.
    """
    if not folder.is_dir():
        return 0
    with _alone(folder):
        return sum(_compact_day(day, view) for day in sorted(folder.glob("dt=*")))


def _compact_day(day: Path, view: View) -> int:
    removed = _finish(day)
    files = sorted(day.glob("part-*.parquet"))
    merged = _merged(files, view) if files else None
    if merged is None or (len(files) == 1 and pq.read_schema(files[0]).equals(view.arrow)):
        return removed
    target = day / f"part-{uuid.uuid4().hex}.parquet"
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    with disk_errors(target):
        try:
            pq.write_table(merged.combine_chunks(), temporary, compression="zstd")
            # the journal comes first: whoever finds it knows which files the new one replaces
            write_text(day / JOURNAL, json.dumps({"merged": target.name, "files": [file.name for file in files]}))
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    return removed + _finish(day)


def _finish(day: Path) -> int:
    """Do what the journal of an earlier compaction still asks for; files removed."""
    journal = day / JOURNAL
    if not journal.is_file():
        return 0
    entry = json.loads(journal.read_text("utf8"))
    old = [day / name for name in entry["files"] if (day / name).is_file()]
    merged = (day / entry["merged"]).is_file()
    if merged:
        remove(old)
    with disk_errors(journal):
        journal.unlink(missing_ok=True)
    return len(old) if merged else 0


def _merged(files: list[Path], view: View) -> pa.Table:
    by = [*view.keys, EVENT_TIME, CREATED]
    rows = pa.concat_tables([read_rows(file, view) for file in files])
    once = rows.group_by(rows.column_names, use_threads=False).aggregate([]).select(rows.column_names)
    ordered = once.sort_by([(name, "ascending") for name in by])
    repeated = ordered.group_by(by, use_threads=False).aggregate([([], "count_all")])
    conflicts = repeated.filter(pc.greater(repeated["count_all"], 1))
    if conflicts.num_rows:
        first = conflicts.slice(0, 1).select(by).to_pylist()[0]
        raise ContractError(
            f"{files[0].parent}: {conflicts.num_rows:,} rows of {view.name} have the same {', '.join(by)} but "
            f"different values, such as {first}; remove one of each, or append the later one with a later {CREATED!r}"
        )
    return ordered.cast(view.arrow)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    lock = folder / ".compaction.lock"
    with disk_errors(lock), lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(f"{folder}: another compaction is at work here; wait until it has ended") from error
        yield
