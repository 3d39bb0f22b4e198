"""Which snapshot files belong to the present data: told by what was known at their moment, not by all of it.

`features/manifest.json` keeps one digest per moment over the raw rows known before it. Data that is appended later
leaves the digests of earlier moments, and so their snapshots, as they are.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path

import pandas as pd

from feature_repo.definition import CREATED, View, digest
from feature_repo.features import definition_digest
from feature_repo.views import VIEWS
from feature_repo.writer import Partition, partition_of, partitions
from scenefit.contracts.errors import SettingsError, StoreError
from scenefit.runtime.workspace import Dataset, Workspace, write_text

FILE = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """Digests of what was known, by moment, of the data with that fingerprint."""

    fingerprint: str
    timezone: str
    known: dict[str, str] = field(default_factory=dict)

    def digest(self, view: View, known_at: pd.Timestamp) -> str | None:
        """The digest of a snapshot of the view as known at a moment; None while that moment is not looked at."""
        known = self.known.get(_written(known_at))
        return None if known is None else digest(known, self.timezone, definition_digest(VIEWS[view.source]))

    def lacks(self, moments: set[pd.Timestamp]) -> list[pd.Timestamp]:
        """Moments whose digest is not known yet, in order."""
        return sorted(moment for moment in moments if _written(moment) not in self.known)

    def plus(self, known: dict[pd.Timestamp, str]) -> Manifest:
        """With further moments."""
        found = {_written(moment): value for moment, value in known.items()}
        return Manifest(self.fingerprint, self.timezone, dict(sorted((self.known | found).items())))


def read_manifest(workspace: Workspace, dataset: Dataset) -> Manifest:
    """The manifest of the present data; an empty one while there is none, or of other data."""
    empty = Manifest(dataset.fingerprint, dataset.timezone)
    file = workspace.features / FILE
    if not file.is_file():
        return empty
    try:
        kept = Manifest(**json.loads(file.read_text("utf8")))
    except (ValueError, TypeError) as error:
        raise StoreError(f"{file}: is damaged ({error}); remove it and build the features again") from error
    return kept if (kept.fingerprint, kept.timezone) == (empty.fingerprint, empty.timezone) else empty


def write_manifest(workspace: Workspace, manifest: Manifest) -> None:
    """Keep the manifest."""
    write_text(workspace.features / FILE, json.dumps(asdict(manifest), indent=1, sort_keys=True))


def folder_of(workspace: Workspace, view: View) -> Path:
    """Where the files of a view lie; a narrow view reads a wide one's."""
    return workspace.features / view.source


def snapshot_file(workspace: Workspace, view: View, instant: pd.Timestamp, manifest: Manifest) -> Partition:
    """Where the snapshot of the present data at that instant lies, written or not.

    Raises
    ------
    StoreError : the instant was not looked at yet.
    """
    found = manifest.digest(view, instant)
    if found is None:
        raise StoreError(
            f"{workspace.features}: {instant.isoformat()} has no snapshot of {view.name}; build it first "
            "(`scenefit features build`)"
        )
    return partition_of(folder_of(workspace, view), instant, found)


def stale(workspace: Workspace, view: View, manifest: Manifest) -> list[Partition]:
    """Files that were made from other data or definitions."""
    return [p for p in partitions(folder_of(workspace, view)) if p.digest != manifest.digest(view, p.created)]


def current(workspace: Workspace, view: View, dataset: Dataset) -> list[Partition]:
    """Snapshots and corrections of the present data, oldest first.

    Raises
    ------
    StoreError : there are none, or files of other data lie among them, which a reader would take as well.
    """
    manifest = read_manifest(workspace, dataset)
    found = partitions(folder_of(workspace, view))
    usable = [p for p in found if p.digest == manifest.digest(view, p.created)]
    foreign = sorted(set(folder_of(workspace, view).rglob("[!._]*.parquet")) - {p.file for p in found})
    if foreign:
        raise StoreError(f"{foreign[0]}: no snapshot of {view.name}, but a training frame would read it; move it away")
    if not usable or len(usable) < len(found):
        reason = "they were made from other data or definitions" if found else "there are none"
        raise StoreError(
            f"{folder_of(workspace, view)}: no usable snapshots of {view.name}: {reason}. "
            "Make them with `scenefit features build` or feature_repo.history.build (a run does so)"
        )
    return usable


def newest(workspace: Workspace, view: View, dataset: Dataset, time: pd.Timestamp) -> list[Partition]:
    """The newest snapshot of a view at or before `time`, and its corrections known by then.

    Raises
    ------
    StoreError : there is none within the TTL.
    """
    if time.tz is None:
        raise SettingsError(f"as of {time}: has no time zone; give a moment such as 2026-01-01T00:00+00:00")
    # a label tells of the past, and what came in late is part of it
    known = [p for p in current(workspace, view, dataset) if view.label or p.created <= time]
    instants = [p.instant for p in known if not p.corrects and p.instant <= time <= p.instant + view.ttl]
    if not instants:
        there = ", ".join(p.instant.isoformat() for p in current(workspace, view, dataset) if not p.corrects)
        raise StoreError(
            f"{folder_of(workspace, view)}: no snapshot of {view.name} within {_span(view.ttl)} before "
            f"{time.isoformat()}; there are {there}. Make one with `scenefit features build` or "
            "feature_repo.history.build"
        )
    return [partition for partition in known if partition.instant == max(instants)]


def rows_sql(view: View, files: list[Path]) -> str:
    """A DuckDB query over the files of one snapshot: of a corrected row the latest version."""
    columns = ", ".join(f'"{name}"' for name in view.arrow.names)
    quoted = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
    query = f"SELECT {columns} FROM read_parquet([{quoted}])"
    if len(files) > 1:
        keys = ", ".join(f'"{key}"' for key in view.keys)
        query += f' QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY "{CREATED}" DESC) = 1'
    return query


def _span(ttl: timedelta) -> str:
    return f"{ttl.days} days" if ttl.days else f"{ttl} hours"


def _written(moment: pd.Timestamp) -> str:
    return moment.tz_convert("UTC").isoformat()
