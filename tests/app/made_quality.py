"""A quality report of made values for every stored feature, by the rules of the real one.

Planted: `spend_28d` has moved, `trend_28d` has more gaps, merchants have no fresh snapshot.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa

from feature_repo.definition import Feature
from feature_repo.quality import feature_line
from feature_repo.quality_bands import Bands, age, worst
from feature_repo.quality_tables import FEATURE_QUALITY, VIEW_QUALITY, Quality, checked, save
from feature_repo.views import STORED
from scenefit.runtime.workspace import Dataset, Workspace

ROWS = 600
SCENES = ("travel", "home", "education")


def write_quality(workspace: Workspace) -> Quality:
    """Keep a report as of the end of the data."""
    dataset, rng, bands = workspace.dataset(), np.random.default_rng(5), Bands()
    features = [
        {"view": view.name} | feature_line(feature, now, before, bands, people=len(view.keys) == 1)
        for view in STORED
        for feature in view.features
        for before, now in [values(feature, rng)]
    ]
    report = Quality(
        dataset.until, dataset.fingerprint, dataset.synthetic, bands,
        checked(features, FEATURE_QUALITY), checked(view_lines(dataset, bands), VIEW_QUALITY),
    )  # fmt: skip
    save(workspace, report)
    return report


def values(feature: Feature, rng: np.random.Generator) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """A feature's values in the baseline and now: the same but for the planted ones."""
    made = {
        "int": lambda: rng.poisson(6, ROWS),
        "float": lambda: rng.gamma(2.0, 40.0, ROWS).round(2),
        "bool": lambda: rng.random(ROWS) < 0.4,
        "str": lambda: rng.choice(SCENES, ROWS, p=[0.5, 0.3, 0.2]),
    }[feature.kind]()
    gaps = rng.random(ROWS) < 0.05
    before = pa.chunked_array([pa.array(made, mask=gaps)])
    if feature.name == "spend_28d":
        return before, pa.chunked_array([pa.array(made * 2.5, mask=gaps)])
    if feature.name == "trend_28d":
        return before, pa.chunked_array([pa.array(made, mask=gaps | (rng.random(ROWS) < 0.08))])
    return before, before


def view_lines(dataset: Dataset, bands: Bands) -> list[dict[str, object]]:
    lines = []
    for view in STORED:
        old = view.ttl + timedelta(days=5) if view.name == "merchant_daily" else timedelta(0)
        found = age(old, view.cadence, view.ttl, bands)
        newest = dataset.until - old
        lines.append(
            {"view": view.name, "rows": ROWS, "rows_before": ROWS, "event_timestamp": newest,
             "baseline": newest - pd.Timedelta(days=28), "age_days": old / timedelta(days=1),
             "ttl_days": view.ttl / timedelta(days=1), "cadence": view.cadence, "files": 2, "bytes": 250_000,
             "alert": worst([found]), "reason": found.en, "reason_zh": found.zh}
        )  # fmt: skip
    return lines
