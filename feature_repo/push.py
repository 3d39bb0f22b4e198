"""Rows of a stream, safe in the log first, then online: nothing is lost while the store is away, nothing older wins."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_repo.definition import CREATED, EVENT_TIME, View, digest
from feature_repo.online_open import open_online
from feature_repo.online_rows import newest_rows, online_rows
from feature_repo.views import VIEWS
from feature_repo.writer import append, conform, day_of, read_rows
from scenefit.contracts.errors import SettingsError, StoreError
from scenefit.runtime.workspace import Workspace, disk_errors, write_text

# clocks of honest sources differ by seconds; a row from further ahead would bar all true ones until its time has come
AHEAD = timedelta(minutes=5)
FILES_AT_ONCE = 100
ROWS_AT_ONCE = 5_000


class Receipt(NamedTuple):
    """What became of pushed rows.

    Of the `rows` given, `logged` ones are safe in the log and `quarantined` ones were set aside. `online` rows were
    written, `superseded` ones were not because something newer is there; both count replayed rows as well. `waiting`
    rows are safe, but not online yet, for the `reason` given.
    """

    rows: int = 0
    logged: int = 0
    online: int = 0
    superseded: int = 0
    quarantined: int = 0
    waiting: int = 0
    reason: str = ""


@dataclass(frozen=True)
class _Waiting:
    """A file of the log that is not known to be online, and its rows while they are at hand."""

    file: Path
    rows: int
    data: pa.Table | None = None


class Pusher:
    """Brings rows of a stream view online, in the order of their event times, whatever order they come in.

    Each thread or process has a pusher of its own; any number may push at once. Opening one replays what an earlier
    one left behind (`started` tells of it).

    Parameters
    ----------
    view_name : a view that is fed by push
    now : the present; None stands for the clock

    Raises
    ------
    SettingsError : no such stream view.
    """

    def __init__(
        self, workspace: Workspace, view_name: str = "customer_live", *, now: pd.Timestamp | None = None
    ) -> None:
        self.view = _stream_view(view_name)
        self._log = workspace.features / self.view.source
        self._aside = workspace.features / "quarantine" / self.view.source
        self._online = open_online(workspace, [self.view])[view_name]
        # what is online is known of one store only: another one starts with nothing
        name = f"{view_name}-{digest(self._online.identity)}.acknowledged"
        self._ledger = workspace.root / "feast" / "online" / name
        self._waiting: list[_Waiting] = []
        # one row that was written last: if it is gone, so are others
        self._witness: tuple[bytes, int] | None = None
        self.started = self.catch_up(now=now)

    def push(self, rows: pa.Table, *, now: pd.Timestamp | None = None) -> Receipt:
        """Append rows to the log, then write the newest of each key online, with whatever waited before.

        Parameters
        ----------
        rows : keys, `event_timestamp`, `created` and the features of the view; moments with a time zone, of any unit

        Raises
        ------
        ContractError : columns or types are not the view's, a key or moment is missing or repeats; nothing is kept.
        StoreError : the log cannot be written; nothing is kept.
        """
        given = conform(rows, self.view)
        good, aside = _set_apart(given, _present(now))
        if good.num_rows:
            # the log checks the rest: whatever it refuses is refused as a whole, before anything is set aside
            files = append(self._log, good, self.view)
            self._waiting += _parts(files, good)
        if aside.num_rows:
            self._quarantine(aside)
        counts = self.catch_up(now=now) if self._forgot() else self._flush()
        return counts._replace(rows=given.num_rows, logged=good.num_rows, quarantined=aside.num_rows)

    def catch_up(self, *, now: pd.Timestamp | None = None) -> Receipt:
        """Write online what the log has and the store lacks, as far back as the TTL of the view.

        Raises
        ------
        StoreError : a file of the log is damaged.
        """
        try:
            emptied = self._lost()
        except StoreError as error:
            emptied = str(error)
        else:
            if emptied:
                self._ledger.unlink(missing_ok=True)
        known = self._acknowledged()
        first = (_present(now) - self.view.ttl).date()
        files = [file for file in sorted(self._log.glob("dt=*/part-*.parquet")) if day_of(file) >= first]
        self._waiting = [_Waiting(file, _row_count(file)) for file in files if self._named(file) not in known]
        self._prune(known, files)
        counts = self._flush()
        return counts._replace(reason=counts.reason or emptied)

    def close(self) -> None:
        """Close the store's connections."""
        self._online.store.disconnect()

    def _flush(self) -> Receipt:
        """Write online what waits; counts, and why some of it still waits."""
        online = superseded = 0
        reason = ""
        try:
            while self._waiting:
                part = self._waiting[:FILES_AT_ONCE]
                # a file that is gone was merged into another one, which waits itself or is found by the next start
                tables = [_rows(one, self.view) for one in part if one.data is not None or one.file.is_file()]
                rows = sum(table.num_rows for table in tables)
                if rows:
                    newest = online_rows(newest_rows(pa.concat_tables(tables), self.view), self.view)
                    written = sum(self._online.write(batch) for batch in newest.batches(ROWS_AT_ONCE))
                    self._witness = newest.keys[-1], newest.event_us[-1]
                    online, superseded = online + written, superseded + rows - written
                self._acknowledge([one.file for one in part])
                self._waiting = self._waiting[FILES_AT_ONCE:]
        except StoreError as error:
            reason = str(error)
            # they are in the log; an outage may last longer than memory
            self._waiting = [replace(one, data=None) for one in self._waiting]
        return Receipt(online=online, superseded=superseded, waiting=sum(w.rows for w in self._waiting), reason=reason)

    def _forgot(self) -> bool:
        """Whether the store lost the row written last: it was emptied or started anew since."""
        if self._witness is None:
            return False
        key, event_us = self._witness
        try:
            stored = self._online.event_times([key])[0]
        except StoreError:
            return False
        return stored is None or stored < event_us

    def _lost(self) -> str:
        """Why what was acknowledged must be replayed: the newest of it is not online any more."""
        known = [self._log / name for name in self._acknowledged()]
        newest = max((file for file in known if file.is_file()), key=lambda file: file.stat().st_mtime_ns, default=None)
        if newest is None:
            return ""
        rows = online_rows(newest_rows(read_rows(newest, self.view), self.view), self.view)
        stored = self._online.event_times(rows.keys)
        lost = sum(at is None or at < us for at, us in zip(stored, rows.event_us, strict=True))
        return f"{self._online.place} lost {lost} of {len(rows)} rows: it was emptied or replaced" if lost else ""

    def _acknowledged(self) -> set[str]:
        return set(self._ledger.read_text("utf8").splitlines()) if self._ledger.is_file() else set()

    def _acknowledge(self, files: Sequence[Path]) -> None:
        with disk_errors(self._ledger):
            self._ledger.parent.mkdir(parents=True, exist_ok=True)
            # one write of whole lines: pushers that append at once do not mix them
            with self._ledger.open("ab", buffering=0) as ledger:
                ledger.write("".join(f"{self._named(file)}\n" for file in files).encode())

    def _prune(self, known: set[str], files: Sequence[Path]) -> None:
        """Forget files that are gone or too old to be replayed; a line lost to another pusher costs one replay."""
        kept = known & {self._named(file) for file in files}
        if len(kept) * 2 < len(known):
            write_text(self._ledger, "".join(f"{name}\n" for name in sorted(kept)))

    def _named(self, file: Path) -> str:
        return f"{file.parent.name}/{file.name}"

    def _quarantine(self, rows: pa.Table) -> None:
        file = self._aside / f"part-{uuid.uuid4().hex}.parquet"
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        with disk_errors(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            try:
                pq.write_table(rows, temporary, compression="zstd")
                temporary.replace(file)
            finally:
                temporary.unlink(missing_ok=True)


def _set_apart(rows: pa.Table, now: pd.Timestamp) -> tuple[pa.Table, pa.Table]:
    """Rows to keep, and those from the future with a reason."""
    latest = pa.scalar((now + AHEAD).to_pydatetime(), pa.timestamp("us", tz="UTC"))
    ahead = {name: pc.fill_null(pc.greater(rows[name], latest), False) for name in (EVENT_TIME, CREATED)}
    reason = pc.if_else(
        ahead[EVENT_TIME],
        f"{EVENT_TIME} is more than {AHEAD} after {now.isoformat()}",
        f"{CREATED} is more than {AHEAD} after {now.isoformat()}",
    )
    bad = pc.or_(ahead[EVENT_TIME], ahead[CREATED])
    return rows.filter(pc.invert(bad)), rows.append_column("reason", reason).filter(bad)


def _parts(files: Sequence[Path], rows: pa.Table) -> list[_Waiting]:
    """The files just written, the first with all rows at hand: they go online together."""
    first, *others = files
    return [_Waiting(first, rows.num_rows, rows), *(_Waiting(file, 0, rows.slice(0, 0)) for file in others)]


def _rows(waiting: _Waiting, view: View) -> pa.Table:
    return read_rows(waiting.file, view) if waiting.data is None else waiting.data


def _row_count(file: Path) -> int:
    try:
        return int(pq.read_metadata(file).num_rows)
    except FileNotFoundError:
        # merged into another file since the folder was listed
        return 0
    except (pa.ArrowException, OSError) as error:
        raise StoreError(
            f"{file}: not a whole Parquet file ({str(error).splitlines()[0]}); restore or remove it"
        ) from error


def _present(now: pd.Timestamp | None) -> pd.Timestamp:
    if now is None:
        return pd.Timestamp.now(tz="UTC")
    if now.tz is None:
        raise SettingsError(f"push at {now}: has no time zone; give a moment such as 2026-01-01T00:00+00:00")
    return now.tz_convert("UTC")


def _stream_view(name: str) -> View:
    streams = sorted(view.name for view in VIEWS.values() if view.stream)
    if name not in streams:
        raise SettingsError(f"view {name!r} is not fed by push; choose one of {streams}")
    return VIEWS[name]
