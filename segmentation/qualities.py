"""What makes a group worth reaching: rates and effects of counted groups, their chance, and how groups are ranked."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from segmentation.evidence import Z95, Interval, chance_of_at_least, lift_interval

Quality = Literal["opportunity", "wracc", "lift", "lower_lift", "uplift"]
QUALITIES: tuple[Quality, ...] = ("opportunity", "wracc", "lift", "lower_lift", "uplift")
Kind = Literal["counts", "weights", "arms"]


class Design(NamedTuple):
    """How outcomes were come by: customers fall into cells of one arm and about one weight each.

    `counts`: every outcome counts alike, one cell. `weights`: only those reached count, each 1 / propensity. `arms`:
    treated against control, weighted where their propensity is known.
    """

    kind: Kind
    weight: np.ndarray  # mean weight of each cell, shape (cells,)
    square: np.ndarray  # mean squared weight of each cell
    treated: np.ndarray  # bool, shape (cells,)


class Tally(NamedTuple):
    """What was counted of groups, one row each: everybody, and by cell those who count and have the outcome."""

    size: np.ndarray  # (r,)
    members: np.ndarray  # (r, cells)
    hits: np.ndarray  # (r, cells)
    unreached: np.ndarray  # (r,)

    def only(self, keep: np.ndarray) -> Tally:
        """The groups at these positions or under this mask."""
        return Tally(*(values[keep] for values in self))

    def less(self, other: Tally) -> Tally:
        """Those who are not in the other groups, which lie inside."""
        return Tally(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


class Rate(NamedTuple):
    """Share with the outcome, and how many customers of equal weight would show it as precisely."""

    rate: np.ndarray
    size: np.ndarray

    @property
    def hits(self) -> np.ndarray:
        """Outcomes among that many customers."""
        return np.nan_to_num(self.rate) * self.size


class Effect(NamedTuple):
    """Extra outcomes by treatment inside the group less outside, with its standard error."""

    value: np.ndarray
    error: np.ndarray

    @property
    def interval(self) -> Interval:
        """95 % interval."""
        return Interval(self.value - Z95 * self.error, self.value + Z95 * self.error)


def rate(tally: Tally, design: Design, treated: bool | None = None) -> Rate:
    """The rate of each group, of one arm where asked; NaN where nobody counts.

    Weighted rates are Hájek's (1971). Their effective size is Kish's (Σw)² / Σw², or less where the weights go with
    the outcome, so that the variance is never taken as smaller than it is.
    """
    cells = np.ones(len(design.weight), dtype=bool) if treated is None else design.treated == treated
    members, hits = tally.members[:, cells].astype(np.float64), tally.hits[:, cells].astype(np.float64)
    if design.kind == "counts":
        counted = members.sum(axis=1)
        return Rate(np.divide(hits.sum(axis=1), counted, out=np.full(len(counted), np.nan), where=counted > 0), counted)
    total, squares = members @ design.weight[cells], members @ design.square[cells]
    share = np.divide(hits @ design.weight[cells], total, out=np.full(len(total), np.nan), where=total > 0)
    size = np.divide(total**2, squares, out=np.zeros(len(total)), where=squares > 0)
    spread = (hits @ design.square[cells]) * (1 - share) ** 2 + ((members - hits) @ design.square[cells]) * share**2
    # where everybody or nobody has the outcome, the spread is zero and says nothing
    varied = (spread > 0) & (share > 0) & (share < 1)
    seen = np.divide(share * (1 - share) * total**2, spread, out=np.full(len(total), np.inf), where=varied)
    return Rate(share, np.minimum(size, seen))


def effect(inside: Tally, outside: Tally, design: Design) -> Effect:
    """Treated less control inside, less the same outside; NaN where an arm is empty.

    The variance takes each rate with one outcome and one failure more (Agresti and Caffo 2000, American Statistician
    54, 280): without them a rare outcome that did not happen at all would count as certain.
    """
    value, variance = np.zeros(len(inside.size)), np.zeros(len(inside.size))
    for tally, sign in ((inside, 1), (outside, -1)):
        for treated, side in ((True, 1), (False, -1)):
            arm = rate(tally, design, treated)
            value = value + sign * side * arm.rate
            smoothed = (arm.hits + 1) / (arm.size + 2)
            variance = variance + smoothed * (1 - smoothed) / (arm.size + 2)
    return Effect(value, np.sqrt(variance))


def chance(inside: Tally, whole: Tally, design: Design) -> np.ndarray:
    """One-sided p: how often chance alone lets a part of the whole be at least as good as the group.

    Counts: the exact hypergeometric tail. Weights: the binomial tail at the whole's rate and the effective size
    (never smaller than the hypergeometric one, as the whole includes the group). Arms: normal tail of the effect
    inside less outside.
    """
    if design.kind == "counts":
        return chance_of_at_least(inside.hits[:, 0], inside.size, whole.hits[:, 0], whole.size)
    from scipy.special import betainc, ndtr

    if design.kind == "arms":
        found = effect(inside, whole.less(inside), design)
        return np.nan_to_num(ndtr(-found.value / found.error), nan=1.0)
    mine, base = rate(inside, design), rate(whole, design)
    hits = np.minimum(mine.hits, mine.size)
    tail = betainc(np.maximum(hits, 1e-12), mine.size - hits + 1, np.nan_to_num(base.rate))
    return np.where(hits > 0, tail, 1.0)


def advantage(inside: Tally, whole: Tally, design: Design) -> np.ndarray:
    """Rate less the whole's rate, or effect less the effect outside; -1 where nothing is known."""
    if design.kind == "arms":
        value = effect(inside, whole.less(inside), design).value
    else:
        value = rate(inside, design).rate - rate(whole, design).rate
    return np.nan_to_num(value, nan=-1.0)


def better(inside: Tally, whole: Tally, design: Design) -> np.ndarray:
    """Which groups lie above the whole at all."""
    if design.kind == "counts":
        # in whole numbers: a group of exactly the whole's rate is not above it
        beats: np.ndarray = inside.hits[:, 0] * whole.size > inside.size * whole.hits[:, 0]
        return beats
    beats = advantage(inside, whole, design) > 0
    return beats


def strength(inside: Tally, whole: Tally, design: Design) -> np.ndarray:
    """How sharply a group stands out: twice the log likelihood ratio of two rates against one; 0 unless above.

    The scan statistic of Kulldorff (1997), Communications in Statistics 26, 1481; for arms the squared z of the
    effect. Its maximum over the edges of an interval is where the rate changes.
    """
    outside = whole.less(inside)
    above = better(inside, whole, design)
    if design.kind == "arms":
        found = effect(inside, outside, design)
        return np.where(above, np.nan_to_num(found.value / found.error) ** 2, 0.0)
    mine, rest = rate(inside, design), rate(outside, design)
    together = (mine.hits + rest.hits) / np.maximum(mine.size + rest.size, 1e-12)
    ratio = _likelihood(mine) + _likelihood(rest) - _likelihood(Rate(together, mine.size + rest.size))
    return np.where(above, 2 * ratio, 0.0)


def lift(inside: Tally, whole: Tally, design: Design) -> tuple[np.ndarray, Interval]:
    """The group's rate over everybody's, with a 95 % interval; NaN without an outcome in the group."""
    mine, base = rate(inside, design), rate(whole, design)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = mine.rate / base.rate
        # effective sizes of a part may exceed those of the whole
        ends = lift_interval(mine.hits, mine.size, base.hits, np.maximum(base.size, mine.size))
    none = ~(mine.hits > 0)
    return value, Interval(np.where(none, np.nan, ends.low), np.where(none, np.nan, ends.high))


def worth(quality: Quality, inside: Tally, whole: Tally, design: Design, unreached: np.ndarray) -> np.ndarray:
    """What groups are ranked by; above 0 for groups worth telling.

    opportunity: (lower end of the lift - 1) x members not reached. wracc: weighted relative accuracy, share of all
    customers x (rate - base). lift, lower_lift: less 1. uplift: lower end of the effect inside less outside.
    """
    if quality == "uplift":
        return np.nan_to_num(effect(inside, whole.less(inside), design).interval.low, nan=-1.0)
    if quality == "wracc":
        gain = rate(inside, design).rate - rate(whole, design).rate
        return np.nan_to_num(inside.size / np.maximum(whole.size, 1) * gain, nan=-1.0)
    value, ends = lift(inside, whole, design)
    ratio = value if quality == "lift" else ends.low
    above: np.ndarray = np.nan_to_num(ratio, nan=0.0) - 1
    return np.maximum(above, 0) * unreached if quality == "opportunity" else above


def _likelihood(seen: Rate) -> np.ndarray:
    share = np.clip(np.nan_to_num(seen.rate), 1e-300, 1 - 1e-16)
    logs: np.ndarray = seen.hits * np.log(share) + (seen.size - seen.hits) * np.log1p(-share)
    return logs
