"""Subgroups mined anew for scenes of a workspace, beside those of its run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pydantic import ValidationError

from app import tasks
from app.flow import SERVICES
from app.material import material, read_inputs, snapshot_days, snapshots_wanted, windows
from app.subgroup_store import Mined, save_mined
from feature_repo import history
from scenefit.contracts.errors import NotEligible, NotFitted, SettingsError
from scenefit.runtime.parallel import Backend, pmap, stop_ray
from scenefit.runtime.settings import Settings, SubgroupSettings
from scenefit.runtime.store import connect, raw_views
from scenefit.runtime.workspace import Workspace


class MinedScene(NamedTuple):
    """What mining one scene gave: the rules, or why there are none."""

    rules: pd.DataFrame
    absent: str


class Asked(NamedTuple):
    """What the mining of all scenes shares."""

    shared: tasks.Shared
    seed: int


def miner_settings(settings: Settings, options: Mapping[str, Any]) -> Settings:
    """The settings with other options of the miner.

    Raises
    ------
    SettingsError : an option is unknown or out of range.
    """
    try:
        chosen = SubgroupSettings.model_validate({**settings.subgroups.model_dump(), **options})
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in fault["loc"])
        raise SettingsError(f"subgroups: {name} = {fault.get('input')!r}: {fault['msg']}; choose another") from error
    return settings.model_copy(update={"subgroups": chosen})


def mine(
    workspace: Workspace,
    settings: Settings,
    at: pd.Timestamp,
    scenes: Sequence[str] | None = None,
    backend: Backend | None = None,
) -> Mined:
    """Mine scenes as of a moment and keep what is found under subgroups/; all large scenes unless some are named.

    Snapshots that mining needs and nobody has made yet are built first. A scene gives the same rules whether it is
    mined alone or with others.

    Raises
    ------
    SettingsError : a named scene cannot be mined, or `at` lies after the data.
    NotEligible : no scene has enough active people and a taker.
    """
    dataset = workspace.dataset()
    edges, runtime = windows(dataset, at, settings), settings.runtime
    wanted = snapshots_wanted(snapshot_days(workspace, edges, settings), SERVICES)
    history.build(workspace, wanted, memory_limit=runtime.memory_limit, threads=runtime.cores)
    with connect(runtime.memory_limit) as connection:
        raw_views(connection, workspace)
        inputs = read_inputs(connection, workspace, dataset, edges, settings)
        shared, _ = material(connection, workspace, inputs, settings)
    chosen = _chosen(list(shared.mined), scenes)
    try:
        results = pmap(
            mined_scene, chosen, Asked(shared, settings.seed), backend=backend or runtime.backend,
            size=dataset.rows.get("customers", 0), cores=runtime.cores, address=runtime.ray_address,
        )  # fmt: skip
    finally:
        stop_ray()
    found = [one.rules for one in results if len(one.rules)]
    manifest = {
        "as_of": at.isoformat(),
        "scenes": chosen,
        "options": settings.subgroups.model_dump(mode="json"),
        "fingerprint": dataset.fingerprint,
        "synthetic": dataset.synthetic,
        "seed": settings.seed,
        "absent": {scene: one.absent for scene, one in zip(chosen, results, strict=True) if one.absent},
    }
    return save_mined(workspace, pd.concat(found, ignore_index=True) if found else pd.DataFrame(), manifest)


def mined_scene(scene: str, asked: Asked, rng: np.random.Generator) -> MinedScene:  # noqa: ARG001 (the seed is by scene)
    """The rules of one scene; its halves are drawn by its own name, so that other scenes do not move them."""
    seed = int.from_bytes(blake2b(f"{asked.seed}/{scene}".encode(), digest_size=4).digest(), "big") >> 1
    try:
        return MinedScene(tasks.subgroups(scene, asked.shared.mined[scene], asked.shared, seed), "")
    except NotFitted as error:
        return MinedScene(pd.DataFrame(), str(error))


def _chosen(able: list[str], scenes: Sequence[str] | None) -> list[str]:
    if not able:
        raise NotEligible(
            "subgroups: no scene has enough active people and a product that anybody took; lower flow.scene_members "
            "or bring more data"
        )
    lost = [scene for scene in scenes or () if scene not in able]
    if lost:
        raise SettingsError(
            f"scene {lost[0]!r} cannot be mined: it has too few active people, or nobody took a product made for it; "
            f"choose among {able}"
        )
    return list(dict.fromkeys(scenes)) if scenes else able
