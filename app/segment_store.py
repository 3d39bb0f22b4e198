"""Segments as kept in a workspace: every version of a scene's segments and its history.

models/segments/<scene>/v0001/ holds the model (arrays and facts under SHA-256) and its rows of the two history tables;
names stand in the catalogue (`app.segment_names`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from app.segment_folders import fitted_scenes, segments_folder, version_folder, version_numbers
from scenefit.contracts.errors import NotFitted, SettingsError, StoreError
from scenefit.contracts.schema import Column, Table, arrow_of, check_arrow, frame_of
from scenefit.runtime import models
from scenefit.runtime.store import read_parquet, write_table
from scenefit.runtime.workspace import Dataset, Workspace, disk_errors, replace_folders, scratch_folder
from segmentation.lifecycle import SEGMENT_EVENTS, SEGMENT_VERSIONS, SegmentModel, read_model

__all__ = [
    "SEGMENT_PEOPLE",
    "Kept",
    "Version",
    "asked_scenes",
    "check_target",
    "events_of",
    "fitted_scenes",
    "newest",
    "read_version",
    "save_versions",
    "scene_of",
    "version_numbers",
    "versions_of",
    "write_people",
]  # fmt: skip
METADATA = b"scenefit.segments"

SEGMENT_PEOPLE = Table(
    "segment_people",
    grain="one row per scene and customer",
    key=("scene_id", "customer_id"),
    columns=(
        Column("scene_id", "str"),
        Column("customer_id", "str"),
        Column("segment_id", "str"),
        Column("confidence", "float", unit="1", low=0, high=1, note="0: half-way to the next segment"),
        Column("far", "bool", note="unlike anybody the segments were found in"),
        Column("version", "int", low=1),
    ),
)


class Kept(NamedTuple):
    """One version of a scene's segments.

    members : customer id → segment id, of everybody the version was fitted on
    facts : plain values around the model: as_of, fitted_at, why, tie_set, criteria, segments, lifts, surrogate, notes
    """

    model: SegmentModel
    members: pd.Series
    facts: dict[str, Any]


class Version(NamedTuple):
    """A version to keep, with its row of SEGMENT_VERSIONS and its rows of SEGMENT_EVENTS."""

    kept: Kept
    row: pd.DataFrame
    events: pd.DataFrame


def asked_scenes(workspace: Workspace, scenes: Sequence[str] | None) -> list[str]:
    """The named scenes, else all that have segments.

    Raises
    ------
    NotFitted : nothing is fitted yet, or nothing of a named scene.
    """
    fitted = fitted_scenes(workspace)
    if not fitted:
        raise NotFitted(f"{segments_folder(workspace)}: no segments yet; find them with `scenefit segments fit`")
    for scene in scenes or ():
        if scene not in fitted:
            raise NotFitted(
                f"scene {scene!r} has no segments; fitted are {fitted}. "
                f"Find them with `scenefit segments fit --scene {scene}`"
            )
    return list(dict.fromkeys(scenes)) if scenes else fitted


def read_version(workspace: Workspace, scene: str, version: int | None = None) -> Kept:
    """A version of a scene's segments, the newest unless another is named.

    Raises
    ------
    NotFitted : there is none.
    StoreError : a file is missing or changed.
    """
    numbers = version_numbers(workspace, asked_scenes(workspace, [scene])[0])
    folder = version_folder(workspace, scene, numbers[-1] if version is None else version)
    saved = models.load(folder / "model")
    try:
        facts, arrays = dict(saved.facts), saved.arrays
        model = read_model(facts.pop("model"), arrays)
        ids = np.asarray(model.ids, dtype=object)[arrays["members"]]
        customers = pd.Index(arrays["customers"].astype(object), name="customer_id")
    except (KeyError, IndexError) as error:
        raise StoreError(f"{folder}: {error} is missing or wrong; restore the folder or remove it and fit again") from (
            error
        )
    return Kept(model, pd.Series(ids, index=customers, name="segment_id"), facts)


def newest(workspace: Workspace, scene: str) -> Kept | None:
    """The newest version of a scene's segments; None before the first fit."""
    return read_version(workspace, scene) if version_numbers(workspace, scene) else None


def save_versions(workspace: Workspace, versions: Sequence[Version]) -> None:
    """Keep new versions of several scenes: all of them or, on any error, none.

    Raises
    ------
    StoreError : another process kept a version of that number meanwhile, or the disk cannot be written.
    """
    targets = {}
    with scratch_folder(segments_folder(workspace)) as place:
        for number, version in enumerate(versions):
            made, model = place / str(number), version.kept.model
            made.mkdir()
            codes = pd.Index(model.ids).get_indexer(pd.Index(version.kept.members))
            people = {"members": codes.astype(np.int32), "customers": version.kept.members.index.to_numpy(dtype=str)}
            facts = {**version.kept.facts, "model": model.facts()}
            models.save(made / "model", {**model.arrays(), **people}, facts)
            write_table(made, SEGMENT_VERSIONS, version.row)
            write_table(made, SEGMENT_EVENTS, version.events)
            targets[version_folder(workspace, model.scene_id, model.version)] = made
        for target in targets:
            if target.exists():
                raise StoreError(f"{target}: another fit kept this version meanwhile; run the fit again")
            target.parent.mkdir(parents=True, exist_ok=True)
        replace_folders(dict(targets))


def versions_of(workspace: Workspace, scene: str) -> pd.DataFrame:
    """Version history of a scene, in the columns of SEGMENT_VERSIONS."""
    return _history(workspace, scene, SEGMENT_VERSIONS)


def events_of(workspace: Workspace, scene: str) -> pd.DataFrame:
    """What became of every segment of a scene in every version, in the columns of SEGMENT_EVENTS."""
    return _history(workspace, scene, SEGMENT_EVENTS)


def check_target(target: Path, overwrite: bool) -> None:
    """Refuse a folder, and a file that is there already unless it may be replaced."""
    if target.is_dir():
        raise StoreError(f"{target}: is a folder; name the file to write, such as {target / 'segments.parquet'}")
    if target.exists() and not overwrite:
        raise StoreError(f"{target}: exists already; choose another name or add --overwrite")


def write_people(target: Path, people: pd.DataFrame, instant: pd.Timestamp, dataset: Dataset) -> None:
    """Write who belongs where as one Parquet file, whole or not at all; its metadata say of which data."""
    data = check_arrow(arrow_of(people, SEGMENT_PEOPLE.name), SEGMENT_PEOPLE).combine_chunks()
    note = {"as_of": instant.isoformat(), "fingerprint": dataset.fingerprint, "synthetic": dataset.synthetic}
    text = json.dumps(note, sort_keys=True).encode()
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            pq.write_table(data.replace_schema_metadata({METADATA: text}), temporary, compression="zstd")
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


def scene_of(workspace: Workspace, segment_id: str) -> str:
    """The scene a present segment belongs to.

    Raises
    ------
    NotFitted : nothing is fitted yet.
    SettingsError : no newest version holds a segment of that id.
    """
    scene = segment_id.rpartition("/")[0]
    fitted = asked_scenes(workspace, None)
    if scene not in fitted:
        raise SettingsError(f"segment {segment_id!r}: no scene {scene!r} is fitted; ids look like {fitted[0]}/1")
    present = read_version(workspace, scene).model.ids
    if segment_id not in present:
        raise SettingsError(f"segment {segment_id!r} is not among the present segments of its scene: {list(present)}")
    return scene


def _history(workspace: Workspace, scene: str, table: Table) -> pd.DataFrame:
    folders = [version_folder(workspace, scene, number) for number in version_numbers(workspace, scene)]
    parts = [frame_of(check_arrow(read_parquet(folder / f"{table.name}.parquet"), table)) for folder in folders]
    return pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
