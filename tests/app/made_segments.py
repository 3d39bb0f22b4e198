"""Kept segments in a made workspace: two versions of one scene, fitted on synthetic features of its customers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from app.segment_fits import FitInputs, version_of_scene
from app.segment_names import read_names
from app.segment_store import newest, save_versions
from scenefit.runtime.workspace import Workspace

SWEEP = {"k_range": range(3, 5), "n_seeds": 2, "smallest": 0.03, "sample": 500, "seed": 1, "cores": 1}


def keep_segments(workspace: Workspace, scene: str, moments: tuple[str, ...]) -> None:
    """Keep a version of a scene's segments for each moment; between moments some people move."""
    for turn, moment in enumerate(moments):
        at = pd.Timestamp(moment, tz="UTC")
        before = {scene: newest(workspace, scene)}
        names = {scene: read_names(workspace, scene)}
        shared = FitInputs({scene: features(turn)}, before, names, SWEEP, at, at, anew=True)
        save_versions(workspace, [version_of_scene(scene, shared)])


def features(turn: int, people: int = 540) -> pd.DataFrame:
    """Three groups of customers; with each turn some of the first move to the second, and new people come."""
    rng = np.random.default_rng(11)
    group = np.repeat([0, 1, 2], people // 3)
    group[: 40 * turn] = 1
    frame = pd.DataFrame(
        {
            "night_share_365d": np.where(group == 1, 0.8, 0.1) + rng.normal(0, 0.03, people),
            "spend_365d": np.where(group == 2, 9000.0, 800.0) * rng.lognormal(0, 0.1, people),
            "purchases_365d": np.where(group == 0, 2.0, 20.0) + rng.poisson(2, people),
        },
        index=pd.Index([f"c{i + 10 * turn:07d}" for i in range(people)], dtype=object, name="customer_id"),
    )
    # news: what they spend rises
    frame["spend_365d"] *= 1 + turn
    return frame
