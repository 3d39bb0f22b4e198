"""What the kept segments bring and whom marketing reaches in them, as one JSON value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from app.labels import mark
from app.segment_facts import CustomerFacts
from app.segment_fits import plain, records
from app.segment_store import Kept
from scenefit.contracts.errors import NotEligible
from segmentation.outcomes import LEAST_FOR_RISK, Outcomes, worth
from segmentation.rfm import BANDS, rfm_scores
from segmentation.value import pareto

NO_PARETO = mark("The members' value does not add up to a positive amount.")
FEW_HOLD = mark("Fewer than 20 members hold an account.")
# points of a Pareto curve as it is printed: every hundredth of the customers
CURVE = np.linspace(0, 1, 101)
VALUE_COLUMNS = ["value_mean", "value_total", "value_share"]


def outcome_document(found: CustomerFacts, kept: Kept) -> dict[str, Any]:
    """What each segment of a version brings, as one JSON value; groups of fewer than 20 have neither value nor risk."""
    ids, members = list(kept.model.ids), kept.members
    who = pd.Index(members.index, dtype=object)
    labels = pd.Index(ids).get_indexer(pd.Index(members))
    value = None if found.value is None else found.value.reindex(who).to_numpy(dtype=np.float64)
    told = worth(
        Outcomes(
            value=value,
            risk=None if found.risk is None else found.risk.reindex(who).to_numpy(dtype=np.float64),
            reached=None if found.reached is None else found.reached.reindex(who, fill_value=False).to_numpy(bool),
            reachable=found.reachable.reindex(who, fill_value=False).to_numpy(bool),
            scenes=None if found.activity is None else found.activity.reindex(who).fillna(0.0),
        ),
        labels,
        ids,
    )
    few = ~(told.segments["value_known"] >= LEAST_FOR_RISK)
    rows = told.segments.mask(few.to_numpy()[:, None] & np.isin(told.segments.columns, VALUE_COLUMNS)[None, :])
    rows.insert(0, "segment_id", ids)
    segments = records(rows)
    for row, spoken in zip(segments, _rfm(found.recency, who, labels, len(ids)), strict=True):
        row["rfm"] = spoken
    curve, no_curve = _pareto(value)
    absent = found.absent if no_curve is None or "value" in found.absent else found.absent | {"pareto": no_curve}
    return {
        "as_of": found.as_of.isoformat(), "reach_days": found.reach_days, "risk_of": found.risk_of,
        "segments": segments, "scenes": records(told.scenes), "pareto": curve, "absent": dict(absent),
    }  # fmt: skip


def _rfm(recency: pd.DataFrame | None, who: pd.Index, labels: np.ndarray, k: int) -> list[dict[str, Any] | None]:
    """Mean recency, frequency and money band of each segment and the commonest group in it; bands over all members."""
    if recency is None:
        return [None] * k
    last, often, spent = (column.to_numpy(dtype=np.float64) for _, column in recency.reindex(who).items())
    scores = rfm_scores(last, often, spent)
    told: list[dict[str, Any] | None] = []
    for label in range(k):
        rows = scores[labels == label].dropna(subset=["group_en"])
        if len(rows) < LEAST_FOR_RISK:
            told.append(None)
            continue
        common = rows.groupby(["group_en", "group_zh"], sort=True).size().sort_values(ascending=False, kind="stable")
        en, zh = common.index[0]
        means = {band: plain(float(rows[band].astype(np.float64).mean())) for band in ("r", "f", "m")}
        told.append({**means, "bands": BANDS, "group_en": en, "group_zh": zh,
                     "group_share": plain(common.iloc[0] / len(rows)), "known": len(rows)})  # fmt: skip
    return told


def _pareto(value: np.ndarray | None) -> tuple[dict[str, Any] | None, str | None]:
    """The Pareto curve of the members who hold something, at every hundredth of them; None with the reason."""
    if value is None:
        return None, None
    known = int((~np.isnan(value)).sum())
    if known < LEAST_FOR_RISK:
        return None, FEW_HOLD
    try:
        found = pareto(value)
    except NotEligible:
        return None, NO_PARETO
    share = np.interp(CURVE, found.curve["share_of_customers"], found.curve["share_of_value"])
    # the first hundredth of few customers would be one person's share
    coarse = CURVE * known >= LEAST_FOR_RISK
    coarse[0] = True
    points = np.column_stack([CURVE, share])[coarse].round(6).tolist()
    return {"customers": known, "gini": plain(found.gini), "top_fifth": plain(found.top_fifth), "curve": points}, None
