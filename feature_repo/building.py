"""Writes snapshots: of new instants, of whole spans, and what later knowledge changes in old ones."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta

import duckdb
import pandas as pd

from feature_repo.definition import View
from feature_repo.features import fix_moment, known_digests, snapshot, stage
from feature_repo.manifest import (
    Manifest,
    current,
    folder_of,
    read_manifest,
    rows_sql,
    snapshot_file,
    stale,
    write_manifest,
)
from feature_repo.views import STORED
from feature_repo.writer import Partition, damage_named, drop, partition_of, partitions, spill_folder, write
from scenefit.contracts.errors import SettingsError, StoreError
from scenefit.runtime.store import connect, raw_views
from scenefit.runtime.workspace import Dataset, Workspace, disk_errors

DAY = timedelta(days=1)


def build(
    workspace: Workspace,
    days: Sequence[pd.Timestamp] | Mapping[str, Sequence[pd.Timestamp]],
    *,
    views: Sequence[str] | None = None,
    memory_limit: str = "2GB",
    threads: int = 1,
) -> dict[str, int]:
    """Compute and write snapshots for the given instants; rows per view.

    A snapshot that exists for the same definition and the same raw rows known at its instant is left alone, so that a
    new day costs one day. Snapshots that other data or definitions have overtaken are removed.

    Parameters
    ----------
    days : instants, for all named views alike, or by name of view
    views : names of stored views; None stands for all

    Raises
    ------
    SettingsError : no instant, one without time zone, or one after the end of the data; an unknown view.
    StoreError : no data, damaged files, full disk.
    """
    dataset = workspace.dataset()
    asked = _asked(days, views, dataset)
    instants = {instant for wanted in asked.values() for instant in wanted}
    with _alone(workspace), _connection(workspace, memory_limit, threads) as connection:
        manifest = _manifest(workspace, dataset, instants, connection)
        files = {view: [snapshot_file(workspace, view, i, manifest) for i in wanted] for view, wanted in asked.items()}
        missing = [(view, p) for view, wanted in files.items() for p in wanted if not p.whole]
        if missing:
            _write_missing(connection, missing, dataset.timezone)
    return {view.name: sum(partition.rows for partition in wanted) for view, wanted in files.items()}


def backfill(
    workspace: Workspace,
    first: pd.Timestamp,
    last: pd.Timestamp,
    *,
    every: timedelta = DAY,
    views: Sequence[str] | None = None,
    memory_limit: str = "2GB",
    threads: int = 1,
) -> dict[str, int]:
    """Snapshots from `first` to `last` (both inclusive), `every` so often; those that exist are left alone.

    Raises
    ------
    SettingsError : `last` lies before `first`, the step is not positive; otherwise as `build`.
    """
    if every <= timedelta(0) or last < first:
        raise SettingsError(
            f"backfill from {first.isoformat()} to {last.isoformat()} every {every}: holds no moment; "
            "give a later end and a positive step"
        )
    days = list(pd.date_range(first, last, freq=every))
    return build(workspace, days, views=views, memory_limit=memory_limit, threads=threads)


def correct(
    workspace: Workspace,
    days: Sequence[pd.Timestamp],
    known_at: pd.Timestamp,
    *,
    views: Sequence[str] | None = None,
    memory_limit: str = "2GB",
    threads: int = 1,
) -> dict[str, int]:
    """Append to old snapshots what later-ingested events change in them; corrected rows per view.

    A correction has the snapshot's event time and `created` = `known_at`: whoever asks for an earlier moment still
    gets what was known then. The snapshots must exist.

    Raises
    ------
    SettingsError : `known_at` is not after every day, or after the end of the data.
    StoreError : a day has no snapshot of the present data.
    """
    dataset = workspace.dataset()
    asked = _asked(days, views, dataset)
    (moment,) = _instants([known_at], dataset)
    corrected = dict.fromkeys((view.name for view in asked), 0)
    with _alone(workspace), _connection(workspace, memory_limit, threads) as connection:
        instants = {instant for wanted in asked.values() for instant in wanted}
        late = [instant.isoformat() for instant in sorted(instants) if instant >= moment]
        if late:
            raise SettingsError(f"correction as known at {moment.isoformat()}: is not after the snapshots {late}")
        manifest = _manifest(workspace, dataset, {moment}, connection)
        stage(connection, min(instants), moment, dataset.timezone, _longest_ttl())
        for instant in sorted(instants):
            fix_moment(connection, instant, dataset.timezone, known_at=moment)
            for view in (view for view, wanted in asked.items() if instant in wanted):
                corrected[view.name] += _correct(connection, workspace, dataset, view, instant, moment, manifest)
    return corrected


@contextmanager
def _connection(workspace: Workspace, memory_limit: str, threads: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """The raw tables in DuckDB, which spills below features/ when memory is short."""
    with spill_folder(workspace.features) as spill, connect(memory_limit, threads, spill) as connection:
        raw_views(connection, workspace)
        yield connection


@contextmanager
def _alone(workspace: Workspace) -> Iterator[None]:
    """One build of a workspace at a time; others wait. The lock goes with its process, however that ends."""
    with disk_errors(workspace.features):
        workspace.features.mkdir(parents=True, exist_ok=True)
        # the folder itself is locked: no file is left behind
        handle = os.open(workspace.features, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _manifest(
    workspace: Workspace, dataset: Dataset, moments: set[pd.Timestamp], connection: duckdb.DuckDBPyConnection
) -> Manifest:
    """The manifest with the given moments; files that it no longer covers are removed first."""
    manifest = read_manifest(workspace, dataset)
    # what is kept is judged by the present data before anything is called overtaken
    kept = {p.created for view in STORED for p in partitions(folder_of(workspace, view))}
    lacking = manifest.lacks(kept | moments)
    if lacking:
        manifest = manifest.plus(known_digests(connection, lacking))
    for view in STORED:
        drop(stale(workspace, view, manifest))
    if lacking:
        write_manifest(workspace, manifest)
    return manifest


def _write_missing(connection: duckdb.DuckDBPyConnection, missing: list[tuple[View, Partition]], timezone: str) -> None:
    instants = sorted({partition.instant for _, partition in missing})
    stage(connection, instants[0], instants[-1], timezone, _longest_ttl())
    for instant in instants:
        fix_moment(connection, instant, timezone)
        for view, partition in missing:
            if partition.instant == instant:
                write(partition, snapshot(connection, view, instant), view)


def _correct(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    dataset: Dataset,
    view: View,
    instant: pd.Timestamp,
    known_at: pd.Timestamp,
    manifest: Manifest,
) -> int:
    """Append the rows of one snapshot that differ from what is kept, as known by then."""
    kept = [p for p in current(workspace, view, dataset) if p.instant == instant and p.created < known_at]
    if not kept:
        raise StoreError(
            f"{folder_of(workspace, view)}: {instant.isoformat()} has no snapshot of {view.name} to correct; "
            "build it first (`scenefit features build`)"
        )
    connection.register("present", snapshot(connection, view, instant, created=known_at))
    same = " AND ".join(f'old."{name}" IS NOT DISTINCT FROM present."{name}"' for name in (*view.keys, *view.names))
    before = rows_sql(view, [p.file for p in kept])
    with damage_named(folder_of(workspace, view)):
        changed = connection.sql(
            f"SELECT * FROM present WHERE NOT EXISTS (FROM ({before}) AS old WHERE {same})"
            f" ORDER BY {', '.join(view.keys)}"
        ).to_arrow_table()
    connection.unregister("present")
    if changed.num_rows:
        digest = manifest.digest(view, known_at)
        assert digest is not None, "the manifest was made for this moment"
        write(partition_of(folder_of(workspace, view), instant, digest, known_at), changed.cast(view.arrow), view)
    return int(changed.num_rows)


def _longest_ttl() -> timedelta:
    return max(view.ttl for view in STORED)


def _asked(
    days: Sequence[pd.Timestamp] | Mapping[str, Sequence[pd.Timestamp]], views: Sequence[str] | None, dataset: Dataset
) -> dict[View, list[pd.Timestamp]]:
    """Stored views and the instants wanted of each."""
    stored = {view.name: view for view in STORED}
    by_name = days if isinstance(days, Mapping) else dict.fromkeys(views if views is not None else stored, days)
    unknown = sorted(set(by_name) - set(stored))
    if unknown or not by_name:
        raise SettingsError(f"snapshots of {unknown or 'no view'}: choose stored views among {sorted(stored)}")
    return {stored[name]: _instants(wanted, dataset) for name, wanted in by_name.items()}


def _instants(days: Sequence[pd.Timestamp], dataset: Dataset) -> list[pd.Timestamp]:
    given = [pd.Timestamp(day) for day in days]
    if not given:
        raise SettingsError("snapshots: no instant is given; name at least one")
    for day in given:
        if pd.isna(day) or day.tz is None:
            raise SettingsError(f"snapshot {day}: has no time zone; give a moment such as 2026-01-01T00:00+00:00")
        if day > dataset.until:
            raise SettingsError(
                f"snapshot {day.isoformat()}: lies after the end of the data {dataset.until.isoformat()}; "
                "choose an earlier moment or bring newer data"
            )
    return sorted({day.tz_convert("UTC").as_unit("us") for day in given})
