"""What changed between two versions of a scene's segments: events, who moved, which features drifted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from app.segment_fits import plain, records, snapshot
from app.segment_folders import version_numbers
from app.segment_store import Kept, events_of, read_version
from scenefit.contracts.errors import NotFitted, StoreError
from scenefit.runtime.workspace import Workspace
from segmentation.drift import drift
from segmentation.identity import EVENT_COLUMNS
from segmentation.migration import kept_share, migration


def comparisons(workspace: Workspace, scenes: Sequence[str], named: bool) -> list[dict[str, Any]]:
    """Each scene's newest version against the one before; of scenes not named, those with one version say so.

    Raises
    ------
    NotFitted : a named scene, or every scene, has only one version.
    """
    once = [scene for scene in scenes if len(version_numbers(workspace, scene)) < 2]
    if once and (named or len(once) == len(scenes)):
        raise NotFitted(
            f"scene {once[0]!r} has one version of its segments; fit again, on later features, with "
            f"`scenefit segments fit --scene {once[0]}`"
        )
    alone = "one version only"
    return [{"scene_id": s, "absent": alone} if s in once else compared(workspace, s) for s in scenes]


def compared(workspace: Workspace, scene: str) -> dict[str, Any]:
    """The newest version of a scene's segments against the one before."""
    numbers = version_numbers(workspace, scene)
    before, after = (read_version(workspace, scene, number) for number in numbers[-2:])
    events = events_of(workspace, scene)
    moved = migration(before.members, after.members)
    return {
        "scene_id": scene, "from_version": before.model.version, "to_version": after.model.version,
        "from_as_of": before.facts["as_of"], "to_as_of": after.facts["as_of"], "why": after.facts["why"],
        "matched_by": after.facts["matched_by"],
        "events": records(events.loc[events["version"] == after.model.version, EVENT_COLUMNS]),
        "migration": records(moved), "kept_share": plain(kept_share(moved)),
        "drift": _drifted(workspace, before, after),
    }  # fmt: skip


def _drifted(workspace: Workspace, before: Kept, after: Kept) -> dict[str, Any]:
    """Stability indices between the features of two versions: the rows beyond chance, or why there are none."""
    scene, frames = after.model.scene_id, []
    for kept in (before, after):
        wanted = pd.Timestamp(kept.facts["as_of"])
        try:
            found = snapshot(workspace, wanted)
        except StoreError as error:
            return {"rows": 0, "alerts": [], "absent": str(error)}
        frame = found.scenes.get(scene, pd.DataFrame())
        if found.instant != wanted or not frame.index.equals(kept.members.index):
            gone = f"the features of {wanted.isoformat()} are not kept any more or have changed since the fit"
            return {"rows": 0, "alerts": [], "absent": gone}
        frames.append(frame)
    table = drift(frames[0], frames[1], (before.members.to_numpy(), after.members.to_numpy()))
    return {"rows": len(table), "alerts": records(table[table["band"] != "stable"]), "absent": None}
