"""Names that people gave to segments: kept in the workspace's catalogue, every one of them, the newest speaks."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from app.audited import person
from app.segment_folders import scene_folder, version_folder, version_numbers
from scenefit.contracts.errors import StoreError
from scenefit.runtime.catalogue import NameRow, add_segment_name, catalogue, names_of_segments, writing
from scenefit.runtime.store import read_parquet
from scenefit.runtime.workspace import Workspace, disk_errors
from segmentation.names import GivenName, Names, SegmentName

# by name: the table's contract stands in a module that loads scikit-learn
SEGMENT_VERSIONS = "segment_versions"


def read_names(workspace: Workspace, scene: str) -> Names:
    """Every name given to the segments of a scene since it was first fitted, oldest first.

    Raises
    ------
    StoreError : the catalogue, or a file of names from before it held them, is damaged.
    """
    before = _old_file(workspace, scene)
    if not before.is_file() and not workspace.catalogue.is_file():
        return Names()
    with catalogue(workspace.catalogue) as connection:
        _import_once(connection, before, scene)
        names = _stored(connection, workspace, scene)
    _retire(before)
    return names


def rename(workspace: Workspace, scene: str, wanted: Mapping[str, SegmentName]) -> list[GivenName]:
    """Give segments of one scene names, now and by whoever runs this process; all of them or none.

    Raises
    ------
    ContractError : a name is empty or too long, or another segment of the scene bears it.
    """
    before = _old_file(workspace, scene)
    with catalogue(workspace.catalogue) as connection:
        # the lock comes before the names are read: of two who rename at once the second sees the first
        writing(connection)
        _import_once(connection, before, scene)
        names, at = _stored(connection, workspace, scene), datetime.now(UTC)
        for segment_id, name in wanted.items():
            names = names.renamed(segment_id, name.en, name.zh, by=person(), at=at)
        given = list(names.given[-len(wanted) :]) if wanted else []
        for one in given:
            add_segment_name(connection, scene, _row(one))
    _retire(before)
    return given


def _stored(connection: sqlite3.Connection, workspace: Workspace, scene: str) -> Names:
    # where a scene was removed and begun again, numbers begin again: older names are of other segments
    begun = _first_fitted(workspace, scene)
    given = (
        GivenName(segment_id=row.segment_id, en=row.en, zh=row.zh, by=row.given_by,
                  at=datetime.fromisoformat(row.given_at))
        for row in names_of_segments(connection, scene)
    )  # fmt: skip
    return Names(given=tuple(name for name in given if begun is not None and name.at >= begun))


def _first_fitted(workspace: Workspace, scene: str) -> datetime | None:
    numbers = version_numbers(workspace, scene)
    if not numbers:
        return None
    rows = read_parquet(version_folder(workspace, scene, numbers[0]) / f"{SEGMENT_VERSIONS}.parquet")
    first: datetime = min(rows.column("fitted_at").to_pylist())
    return first


def _row(name: GivenName) -> NameRow:
    moment = name.at.astimezone(UTC).isoformat(timespec="microseconds")
    return NameRow(name.segment_id, name.en, name.zh, name.by, moment)


def _import_once(connection: sqlite3.Connection, file: Path, scene: str) -> None:
    """Take over names from the file that held them before the catalogue did; twice does no more than once."""
    if not file.is_file():
        return
    with disk_errors(file):
        try:
            found = Names.read(file.read_text("utf8"))
        except UnicodeDecodeError as error:
            raise StoreError(f"{file}: damaged ({error}); restore or remove it") from error
        except FileNotFoundError:
            # another process took it over meanwhile
            return
    writing(connection)
    for name in found.given:
        add_segment_name(connection, scene, _row(name))


def _retire(file: Path) -> None:
    """Put the old file aside once its names are in the catalogue."""
    with disk_errors(file):
        try:
            file.rename(file.with_name("names.imported.json"))
        except FileNotFoundError:
            return


def _old_file(workspace: Workspace, scene: str) -> Path:
    return scene_folder(workspace, scene) / "names.json"
