"""How good a rule is by its counts, and the most that any part of its members can still reach.

Counts come as int64 of shape (r, planes + 1), column 0 the size; `whole` is the same row for everybody. A bound holds
for every group of at least `support` members inside the counted one, and never falls when a count rises: so it may be
read from counts that are themselves only known from above.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from scenefit.contracts.errors import SettingsError
from segmentation.evidence import Z95, lift_interval


class Quality(NamedTuple):
    """What rules are ranked by: planes to count beside the size, value, and bound."""

    planes: tuple[str, ...]
    value: Callable[[np.ndarray, np.ndarray, int], np.ndarray]
    bound: Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def quality_named(name: str) -> Quality:
    """The quality of that name.

    wracc : share of everybody × (rate − base rate), weighted relative accuracy (Lavrač, Flach and Zupan 1999)
    binomial : √share × (rate − base rate)
    lift : rate ÷ base rate
    lower_lift : lower end of the lift's 95 % interval
    opportunity : (lower end of the lift − 1) × members not reached, 0 where the lower end is below 1
    uplift : rate of the treated − rate of the control group, where each arm holds at least `support` members
    """
    if name not in QUALITIES:
        raise SettingsError(f"quality {name!r} is unknown; choose one of {', '.join(QUALITIES)}")
    return QUALITIES[name]


def _wracc(counts: np.ndarray, whole: np.ndarray, support: int) -> np.ndarray:  # noqa: ARG001
    size, hits = counts[:, 0], counts[:, 1]
    # whole numbers up to the last step: equal groups have equal values
    gain: np.ndarray = (hits * whole[0] - size * whole[1]) / max(float(whole[0]) ** 2, 1.0)
    return gain


def _binomial(counts: np.ndarray, whole: np.ndarray, support: int) -> np.ndarray:
    share = np.sqrt(np.maximum(counts[:, 0], 1) / whole[0])
    gain: np.ndarray = _wracc(counts, whole, support) / share
    return gain


def _lift(counts: np.ndarray, whole: np.ndarray, support: int) -> np.ndarray:  # noqa: ARG001
    ratio: np.ndarray = counts[:, 1] * whole[0] / np.maximum(counts[:, 0] * whole[1], 1)
    return ratio


def _lower_lift(counts: np.ndarray, whole: np.ndarray, support: int) -> np.ndarray:  # noqa: ARG001
    low = np.zeros(len(counts))
    some = counts[:, 1] > 0
    low[some] = lift_interval(counts[some, 1], counts[some, 0], int(whole[1]), int(whole[0])).low
    return low


def _lower_lift_bound(counts: np.ndarray, whole: np.ndarray, support: int) -> np.ndarray:
    """All hits and as few others as the support allows, with the group's own part of the variance alone.

    That part, (1 − h/P)² (1 − h/m) / h for h of P hits among m members, falls with h and rises with m; the rest of
    the variance only lowers the lower end.
    """
    best = _fewest(counts, support)
    size, hits = best[:, 0].astype(np.float64), np.maximum(best[:, 1], 1).astype(np.float64)
    variance = (1 - hits / max(whole[1], 1)) ** 2 * (1 - hits / np.maximum(size, hits)) / hits
    most = _lift(best, whole, support) * np.exp(-Z95 * np.sqrt(np.maximum(variance, 0)))
    return np.where(best[:, 1] > 0, most, 0.0)


def _opportunity(counts: np.ndarray, whole: np.ndarray, support: int) -> np.ndarray:
    worth: np.ndarray = np.maximum(_lower_lift(counts, whole, support) - 1, 0) * counts[:, 2]
    return worth


def _opportunity_bound(counts: np.ndarray, whole: np.ndarray, support: int) -> np.ndarray:
    """The best lift of one part with the unreached of another: both cannot be beaten."""
    worth: np.ndarray = np.maximum(_lower_lift_bound(counts, whole, support) - 1, 0) * counts[:, 2]
    return worth


def _uplift(counts: np.ndarray, whole: np.ndarray, support: int) -> np.ndarray:  # noqa: ARG001
    treated, buying, refusing = counts[:, 1], counts[:, 2], counts[:, 3]
    control = counts[:, 0] - treated
    effect = buying / np.maximum(treated, 1) - 1 + refusing / np.maximum(control, 1)
    return np.where((treated >= support) & (control >= support), effect, -np.inf)


def _uplift_bound(counts: np.ndarray, whole: np.ndarray, support: int) -> np.ndarray:  # noqa: ARG001
    """As many buyers among the fewest treated, and as many refusals among the fewest controls, as there are."""
    best = np.minimum(counts[:, 2] / support, 1) - 1 + np.minimum(counts[:, 3] / support, 1)
    enough: np.ndarray = counts[:, 1] >= support
    return np.where(enough, best, -np.inf)


def _fewest(counts: np.ndarray, support: int) -> np.ndarray:
    """Counts of the smallest group that holds all the hits and has the support."""
    best = counts.copy()
    best[:, 0] = np.maximum(counts[:, 1], support)
    return best


def _wracc_bound(counts: np.ndarray, whole: np.ndarray, support: int) -> np.ndarray:
    return _wracc(_fewest(counts, support), whole, support)


def _binomial_bound(counts: np.ndarray, whole: np.ndarray, support: int) -> np.ndarray:
    return _binomial(_fewest(counts, support), whole, support)


def _lift_bound(counts: np.ndarray, whole: np.ndarray, support: int) -> np.ndarray:
    return _lift(_fewest(counts, support), whole, support)


QUALITIES: dict[str, Quality] = {
    "wracc": Quality(("outcome",), _wracc, _wracc_bound),
    "binomial": Quality(("outcome",), _binomial, _binomial_bound),
    "lift": Quality(("outcome",), _lift, _lift_bound),
    "lower_lift": Quality(("outcome",), _lower_lift, _lower_lift_bound),
    "opportunity": Quality(("outcome", "not reached"), _opportunity, _opportunity_bound),
    "uplift": Quality(("treated", "treated with the outcome", "control without the outcome"), _uplift, _uplift_bound),
}
