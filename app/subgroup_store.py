"""Mined subgroups as kept in a workspace: those of the run, and those mined anew, each in a folder of its own.

subgroups/<id>/ holds subgroups.parquet and manifest.json and never changes; subgroups/latest names the newest.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

import scenefit
from scenefit.contracts.errors import StoreError
from scenefit.contracts.schema import check_arrow, frame_of
from scenefit.contracts.tables import RUN, SUBGROUPS
from scenefit.runtime.store import read_parquet, write_table
from scenefit.runtime.workspace import Workspace, fresh_folder, write_text


class Mined(NamedTuple):
    """Mined rules with their evidence, and where they come from: id, as_of, options, scenes, fingerprint."""

    rules: pd.DataFrame
    manifest: dict[str, Any]

    @property
    def mined_id(self) -> str:
        return str(self.manifest["mined_id"])


def save_mined(workspace: Workspace, rules: pd.DataFrame, manifest: dict[str, Any]) -> Mined:
    """Keep what was mined under an id made of what it was mined from; the same question gives the same id.

    Raises
    ------
    StoreError : the disk cannot be written.
    ContractError : the rules are not in the contract of `subgroups`.
    """
    asked = json.dumps({**manifest, "version": scenefit.__version__}, sort_keys=True, ensure_ascii=False)
    day = pd.Timestamp(manifest["as_of"]).strftime("%Y%m%d")
    found = {**manifest, "mined_id": f"{day}-{hashlib.sha256(asked.encode()).hexdigest()[:8]}"}
    folder = _root(workspace) / found["mined_id"]
    folder.parent.mkdir(parents=True, exist_ok=True)
    kept = rules.reindex(columns=SUBGROUPS.names) if len(rules) else SUBGROUPS.arrow.empty_table().to_pandas()
    with fresh_folder(folder) as place:
        write_table(place, SUBGROUPS, kept)
        text = json.dumps(found, ensure_ascii=False, indent=1, sort_keys=True)
        (place / "manifest.json").write_text(text, "utf8")
    write_text(_root(workspace) / "latest", folder.name)
    return read_mined(folder)


def newest_mined(workspace: Workspace) -> Mined | None:
    """What was mined last by `scenefit subgroups mine`; None where nothing was.

    Raises
    ------
    StoreError : it is gone or damaged.
    """
    pointer = _root(workspace) / "latest"
    return read_mined(_root(workspace) / pointer.read_text("utf8").strip()) if pointer.is_file() else None


def read_mined(folder: Path) -> Mined:
    """Mined rules as kept in a folder."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text("utf8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{folder}: damaged ({error}); mine again with `scenefit subgroups mine`") from error
    rules = frame_of(check_arrow(read_parquet(folder / "subgroups.parquet"), SUBGROUPS))
    return Mined(rules, manifest)


def present_subgroups(workspace: Workspace) -> Mined:
    """The rules in force: those mined anew, for scenes they cover and while the data is the same; else the run's.

    Rules carry `origin`: the run's or the mined set's id.

    Raises
    ------
    StoreError : there is neither a run nor a mined set, or one is damaged.
    """
    mined, fingerprint = newest_mined(workspace), workspace.dataset().fingerprint
    if mined is not None and mined.manifest["fingerprint"] != fingerprint:
        mined = None
    try:
        folder = workspace.latest()
    except StoreError:
        if mined is None:
            raise
        return mined._replace(rules=mined.rules.assign(origin=mined.mined_id))
    table = RUN["subgroups"]
    rules = frame_of(check_arrow(read_parquet(folder / "subgroups.parquet"), table)).assign(origin=folder.name)
    if mined is None:
        return Mined(rules, {"mined_id": folder.name, "scenes": sorted(set(rules["scene_id"]))})
    others = rules[~rules["scene_id"].isin(mined.manifest["scenes"])]
    both = [part for part in (others, mined.rules.assign(origin=mined.mined_id)) if len(part)]
    merged = pd.concat(both, ignore_index=True) if both else rules.iloc[:0]
    return Mined(merged.sort_values(["scene_id", "rank"], kind="stable", ignore_index=True), mined.manifest)


def _root(workspace: Workspace) -> Path:
    return workspace.root / "subgroups"
