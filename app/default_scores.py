"""Probability of default by a run's model, for aggregates over 20 people and more; single ones stay with risk."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from feature_repo import history
from risk.default import DefaultModel
from scenefit.contracts.errors import StoreError
from scenefit.runtime import models
from scenefit.runtime.workspace import Workspace


def default_model(folder: Path) -> DefaultModel:
    """The model that a run keeps in `folder`.

    Raises
    ------
    StoreError : a file is missing or changed.
    """
    saved, model = models.load(folder), DefaultModel()
    try:
        model.features_, model.intercept_ = list(saved.facts["features"]), float(saved.facts["intercept"])
        model.coef_ = saved.arrays["coef"]
        model.edges_ = [saved.arrays[f"edges_{number}"] for number in range(len(model.features_))]
        # kept since intervals are; an older model tells its probabilities without them
        if "covariance" in saved.arrays:
            model.covariance_ = saved.arrays["covariance"]
    except KeyError as error:
        raise StoreError(f"{folder}: {error} is missing; start the run again with `scenefit run`") from error
    return model


def default_probabilities(workspace: Workspace, at: pd.Timestamp) -> pd.Series | None:
    """Everybody's probability of default by the newest run's model, from features as of a moment, by customer id.

    None where no run learned a model, or where there are no features of that moment.
    """
    try:
        folder = workspace.latest() / "models" / "default"
    except StoreError:
        return None
    if not folder.is_dir():
        return None
    model = default_model(folder)
    try:
        features = history.as_of(at, "default_v1", workspace, purpose="risk")
    except StoreError:
        return None
    return pd.Series(model.predict_proba(features), index=features["customer_id"].astype(object))
