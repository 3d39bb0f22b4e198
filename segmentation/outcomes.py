"""What segments bring and whom we reach in them: value, risk, reach and scene mix per segment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError
from segmentation.lifts import wilson

# risk is shown of groups, never of people
LEAST_FOR_RISK = 20


@dataclass(frozen=True)
class Outcomes:
    """What else is known of the described customers, each optional, in their order.

    value : (n,) what a customer is worth, in currency units; NaN unknown
    risk : (n,) probability of default, or 0 and 1 as observed; NaN unknown
    reached : (n,) whether marketing reached the customer
    scenes : (n, scenes) visits or spend per scene, named columns, not negative
    reachable : (n,) whether marketing may reach the customer: consent, blocklists, caps, hold-out
    """

    value: np.ndarray | None = None
    risk: np.ndarray | None = None
    reached: np.ndarray | None = None
    scenes: pd.DataFrame | None = None
    reachable: np.ndarray | None = None


class Worth(NamedTuple):
    """Outcomes per segment.

    segments : one row per segment: value_mean, value_total, value_share, value_known (customers with a value), risk,
        risk_known, reach with its 95 % interval, reachable, top_scene and its share; empty where nothing is known
    scenes : one row per segment and scene: share of the segment's activity, base, tgi
    """

    segments: pd.DataFrame
    scenes: pd.DataFrame


def worth(outcomes: Outcomes, labels: np.ndarray, ids: Sequence[str]) -> Worth:
    """What each segment brings and whom we reach in it.

    Parameters
    ----------
    labels : segment of each customer, 0 ... k - 1; ids : id of each of the k segments

    Notes
    -----
    Means are over customers with a known value. Risk is a mean over at least 20 of them, else empty. Reach has
    Wilson's interval.
    """
    labels = np.asarray(labels)
    _check(outcomes, len(labels))
    scenes = _scene_mix(outcomes.scenes, labels, list(ids))
    return Worth(_amounts(outcomes, labels, len(ids)).join(_top_scene(scenes, ids)), scenes)


def _check(outcomes: Outcomes, n: int) -> None:
    for name, values in vars(outcomes).items():
        if values is not None and len(values) != n:
            raise ContractError(
                f"describe: {name} has {len(values):,} rows but there are {n:,} customers; give one each"
            )
    if outcomes.risk is not None:
        risk = np.asarray(outcomes.risk, dtype=np.float64)
        outside = (risk < 0) | (risk > 1)
        if outside.any():
            raise ContractError(
                f"describe: risk of row {int(outside.argmax())} is {risk[outside][0]:g}; give probabilities in [0, 1]"
            )
    if outcomes.scenes is not None and (outcomes.scenes.to_numpy(dtype=np.float64) < 0).any():
        raise ContractError("describe: scenes hold negative visits or spend; leave returns out or count them apart")


def _amounts(outcomes: Outcomes, labels: np.ndarray, k: int) -> pd.DataFrame:
    """Value, risk and reach per segment; a column stays empty where nothing is known."""
    found = pd.DataFrame(np.nan, index=range(k), columns=[
        "value_mean", "value_total", "value_share", "value_known", "risk", "risk_known", "reach", "reach_low",
        "reach_high", "reachable"])  # fmt: skip
    if outcomes.value is not None:
        mean, counts = _mean(outcomes.value, labels, k)
        found["value_mean"], found["value_total"] = mean, np.where(counts > 0, mean * counts, np.nan)
        found["value_known"] = counts
        total = float(np.nansum(found["value_total"]))
        if total > 0:
            found["value_share"] = found["value_total"] / total
    if outcomes.risk is not None:
        mean, counts = _mean(outcomes.risk, labels, k)
        found["risk"] = np.where(counts >= LEAST_FOR_RISK, mean, np.nan)
        found["risk_known"] = counts
    sizes = np.bincount(labels, minlength=k)
    if outcomes.reached is not None:
        hits = np.bincount(labels[np.asarray(outcomes.reached, dtype=bool)], minlength=k)
        found["reach"] = hits / np.maximum(sizes, 1)
        found["reach_low"], found["reach_high"] = wilson(hits, sizes)
    if outcomes.reachable is not None:
        may = np.bincount(labels[np.asarray(outcomes.reachable, dtype=bool)], minlength=k)
        found["reachable"] = may / np.maximum(sizes, 1)
    return found


def _mean(values: np.ndarray, labels: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the known values and their number, per segment; summed in sorted order."""
    values = np.asarray(values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    order = order[~np.isnan(values[order])]
    counts = np.bincount(labels[order], minlength=k)
    sums = np.bincount(labels[order], values[order], k)
    return np.divide(sums, counts, out=np.full(k, np.nan), where=counts > 0), counts


def _scene_mix(scenes: pd.DataFrame | None, labels: np.ndarray, ids: list[str]) -> pd.DataFrame:
    columns = ["segment_id", "scene_id", "share", "base", "tgi"]
    if scenes is None or not len(scenes.columns):
        return pd.DataFrame(columns=columns)
    sums = np.column_stack(
        [np.prod(_mean(scenes[name].to_numpy(dtype=np.float64), labels, len(ids)), axis=0) for name in scenes.columns]
    )
    sums = np.nan_to_num(sums)
    whole, everybody = sums.sum(axis=1, keepdims=True), sums.sum(axis=0)
    share = np.divide(sums, whole, out=np.full(sums.shape, np.nan), where=whole > 0)
    base = np.tile(everybody / everybody.sum() if everybody.sum() > 0 else everybody * np.nan, (len(ids), 1))
    return pd.DataFrame(
        {
            "segment_id": np.repeat(np.asarray(ids, dtype=object), len(scenes.columns)),
            "scene_id": np.tile(np.asarray(scenes.columns, dtype=object), len(ids)),
            "share": share.ravel(),
            "base": base.ravel(),
            "tgi": 100 * np.divide(share, base, out=np.full(share.shape, np.nan), where=base > 0).ravel(),
        }
    )


def _top_scene(scenes: pd.DataFrame, ids: Sequence[str]) -> pd.DataFrame:
    """The scene of each segment that weighs most in it."""
    known = scenes[scenes["share"].notna()]
    first = known.sort_values(["share", "scene_id"], ascending=[False, True]).drop_duplicates("segment_id")
    found = first.set_index("segment_id").reindex(pd.Index(list(ids), dtype=object))
    return pd.DataFrame(
        {"top_scene": found["scene_id"].to_numpy(dtype=object), "top_scene_share": found["share"].to_numpy(dtype=float)}
    )
