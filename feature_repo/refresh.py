"""One view brought online: what changed is written, read back, and only then remembered."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from feature_repo import delta
from feature_repo.definition import EVENT_TIME
from feature_repo.delta import Refreshed
from feature_repo.online_rows import entity_keys, event_microseconds, online_rows
from feature_repo.writer import damage_named, spill_folder
from scenefit.contracts.errors import StoreError
from scenefit.runtime.store import connect
from scenefit.runtime.workspace import Workspace, disk_errors

if TYPE_CHECKING:
    import duckdb

    from feature_repo.online_open import OnlineView

BATCH = 10_000
# a store that lost one row in a hundred is noticed with a chance of 99.3 %, an emptied one always
SAMPLE = 500


class Materialized(NamedTuple):
    """What a refresh did to one view.

    `event_time` is the snapshot's, `written` counts all rows sent, `removed` those of them that are empty now because
    their key ended, `verified` rows read back (written ones, and a sample of the unchanged); `reason` says why
    everything was written, and is empty when only changes were.
    """

    event_time: pd.Timestamp
    written: int
    unchanged: int
    removed: int
    verified: int
    reason: str

    @property
    def rows(self) -> int:
        """Rows online."""
        return self.written - self.removed + self.unchanged


def refresh(
    workspace: Workspace, online: OnlineView, query: str, instant: pd.Timestamp, *, memory_limit: str, threads: int
) -> Materialized:
    """Bring online what changed in a view up to a snapshot.

    Parameters
    ----------
    query, instant : the snapshot (keys, event time, `created`, features) and its event time

    Raises
    ------
    StoreError : something newer is online, another refresh is at work, or what was written cannot be read back; the
        next refresh then does the work again.
    """
    view = online.view
    file = workspace.root / "feast" / "online" / f"{view.name}.parquet"
    with _alone(file):
        note = delta.refreshed(file, view)
        if note is not None and note.store == online.identity and note.instant > instant:
            raise StoreError(_newer(online, f"{view.name} of {note.instant.isoformat()}", instant, file))
        with (
            spill_folder(workspace.features) as spill,
            damage_named(workspace.features / view.source),
            connect(memory_limit, threads, spill) as connection,
        ):
            found, reason, sampled = _compared(connection, online, query, instant, file, note)
            verified = _written(connection, online, instant, file, found.written)
            delta.save(connection, view, file, Refreshed(online.identity, delta.definition_of(view), instant))
    return Materialized(instant, found.written, found.unchanged, found.gone, verified + sampled, reason)


def _compared(
    connection: duckdb.DuckDBPyConnection,
    online: OnlineView,
    query: str,
    instant: pd.Timestamp,
    file: Path,
    note: Refreshed | None,
) -> tuple[delta.Delta, str, int]:
    """What is to be written, why if it is everything, and how many unchanged rows were found online."""

    view = online.view

    def compare(life: timedelta) -> delta.Delta:
        known = file if note is not None else None
        return delta.compare(connection, view, query, instant, known=known, life=life)

    reason = _reason_to_reload(online, note)
    found = compare(timedelta(0) if reason else online.life)
    if reason or not found.unchanged:
        return found, reason, 0
    some = delta.sample(connection, view, SAMPLE, seed=instant.value)
    expected = event_microseconds(some[EVENT_TIME])
    stored = online.event_times(entity_keys(some, view))
    lost = sum(at is None or at < wanted for at, wanted in zip(stored, expected, strict=True))
    if not lost:
        return found, "", some.num_rows
    reason = f"{online.place} lost rows ({lost} of {some.num_rows} looked at): it was emptied or replaced"
    return compare(timedelta(0)), reason, 0


def _reason_to_reload(online: OnlineView, note: Refreshed | None) -> str:
    if note is None:
        return "nothing is known to be online"
    if note.store != online.identity:
        return f"the online store is another one now: {online.place}"
    if note.definition != delta.definition_of(online.view):
        return f"the definition of {online.view.name} changed"
    return ""


def _written(
    connection: duckdb.DuckDBPyConnection, online: OnlineView, instant: pd.Timestamp, file: Path, due: int
) -> int:
    """Write what is due and read its event times back; rows found."""
    view = online.view
    sent = found = 0
    for data in delta.rows(connection, view, BATCH):
        rows = online_rows(data, view)
        sent += online.write(rows)
        stored = online.event_times(rows.keys)
        found += sum(at is not None and at >= us for at, us in zip(stored, rows.event_us, strict=True))
    if sent < due:
        raise StoreError(_newer(online, f"something newer in {due - sent:,} of {due:,} rows", instant, file))
    if found < due:
        raise StoreError(
            f"{online.place}: of {due:,} rows of {view.name} {found:,} were read back; see that the server keeps what "
            "it is given (memory, eviction), then refresh again"
        )
    return found


def _newer(online: OnlineView, what: str, instant: pd.Timestamp, file: Path) -> str:
    return (
        f"{online.place}: {what} is online, which is newer than {instant.isoformat()}; name a later time, "
        f"or empty the online store and remove {file} to start {online.view.name} over"
    )


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    lock = file.with_name(f".{file.stem}.lock")
    with disk_errors(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle: Any = lock.open("w")
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(f"{file}: another refresh is at work here; wait until it has ended") from error
        yield
