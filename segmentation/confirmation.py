"""Does a mined rule hold on customers it was not found on? Exact tails, Holm's correction, effects with intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from segmentation.evidence import Interval, difference_interval, holm
from segmentation.halves import Half
from segmentation.qualities import Tally, chance, effect, lift, rate


class Confirmed(NamedTuple):
    """Evidence of the rules sent, one entry each, from the confirming customers alone: nothing here was searched."""

    tally: Tally
    p: np.ndarray  # Holm over the rules sent
    rate: np.ndarray
    lift: np.ndarray
    lift_ends: Interval
    difference: np.ndarray  # rate inside less outside
    difference_ends: Interval
    uplift: np.ndarray  # effect of treatment inside less outside; NaN without arms
    uplift_ends: Interval


def confirmed(rules: np.ndarray, confirming: Half) -> Confirmed:
    """Count the rules on the confirming customers and test them there."""
    inside, whole, design = confirming.tally(rules), confirming.whole, confirming.design
    mine, rest = rate(inside, design), rate(whole.less(inside), design)
    ratio, ratio_ends = lift(inside, whole, design)
    gain, gain_ends = np.full(len(rules), np.nan), Interval(np.full(len(rules), np.nan), np.full(len(rules), np.nan))
    if design.kind == "arms":
        found = effect(inside, whole.less(inside), design)
        gain, gain_ends = found.value, found.interval
    return Confirmed(
        inside, holm(chance(inside, whole, design)), mine.rate, ratio, ratio_ends, mine.rate - rest.rate,
        difference_interval(mine.hits, mine.size, rest.hits, rest.size), gain, gain_ends,
    )  # fmt: skip
