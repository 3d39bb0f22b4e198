"""Which limits a plan has to keep, as data: budget, expected loss, capacity, channels, reach of segments."""

from __future__ import annotations

import numpy as np

from recsys.case import Case, LimitSpec
from recsys.value import Value
from scenefit.runtime.settings import LimitSettings


def limit_specs(case: Case, value: Value, settings: LimitSettings, capacity: dict[str, float]) -> tuple[LimitSpec, ...]:
    """Budget, expected loss, capacity by product over all its channels, channels, reach by segment.

    The loss limit is a share of what offering everybody the most valuable product would lose. A floor counts only
    people for whom some offer is worth more than it costs: unreached is no reason to lend at a loss.

    Parameters
    ----------
    capacity : product → how many may be offered it, NaN for any number
    """
    allowed = case.allowed
    contactable = allowed.any(axis=1)
    specs = [LimitSpec("budget", "<=", settings.budget_per_person * float(contactable.sum()), "cost")]
    best = np.where(allowed, value.value, -np.inf).argmax(axis=1)
    lost = float(value.expected_loss[contactable, best[contactable]].sum())
    if lost > 0:
        specs.append(LimitSpec("expected loss", "<=", settings.loss_share * lost, "loss"))
    specs += [
        LimitSpec(f"capacity {product}", "<=", float(total), "offers", None, {"product_id": [product]})
        for product, total in capacity.items()
        if np.isfinite(total)
    ]
    return (*specs, *channel_specs(case, settings), *segment_specs(case, value, settings))


def channel_specs(case: Case, settings: LimitSettings) -> list[LimitSpec]:
    """What a plan may spend on a channel and how often use it; channels without an offer need no limit."""
    there = set(case.offers["channel"])
    return [
        LimitSpec(f"{name} {channel}", "<=", float(total), of, None, {"channel": [channel]})
        for name, of, totals in (
            ("spend", "cost", settings.channel_budget),
            ("contacts", "offers", settings.channel_contacts),
        )
        for channel, total in sorted(totals.items())
        if channel in there
    ]


def segment_specs(case: Case, value: Value, settings: LimitSettings) -> list[LimitSpec]:
    """How many of each segment at least, and at most where the settings say so."""
    worthwhile = (case.allowed & (value.value > 0)).any(axis=1)
    home = case.groups["segment_id"].to_numpy(object)
    segments, code = np.unique(home.astype(str), return_inverse=True)
    eligible = np.bincount(code, weights=worthwhile, minlength=len(segments))
    floors, ceilings = [], []
    for segment, people in zip(segments.tolist(), eligible.tolist(), strict=True):
        where = {"segment_id": [segment]}
        floor = float(np.floor(settings.reach_floor * people))
        if segment and floor >= 1:
            floors.append(LimitSpec(f"reach {segment}", ">=", floor, "offers", where))
        if segment and settings.reach_ceiling < 1 and people:
            # never below the floor: the smallest segments keep the one person they were promised
            ceiling = max(float(np.floor(settings.reach_ceiling * people)), floor)
            ceilings.append(LimitSpec(f"ceiling {segment}", "<=", ceiling, "offers", where))
    return floors + ceilings
