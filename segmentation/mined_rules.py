"""Rules that stand out on the mining half: all tried, those beyond chance, sharpened, and different from each other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from segmentation.bits import count
from segmentation.covering import different_groups
from segmentation.evidence import benjamini_hochberg, holm
from segmentation.halves import Half, tally
from segmentation.permutations import westfall_young
from segmentation.qualities import Quality, Tally, better, chance, worth
from segmentation.search import counts, every_rule
from segmentation.search_pool import Found
from segmentation.selectors import fits
from segmentation.separation import NONE, Ask, Halves, Mined, Parted, separate

# no rule of fewer outcomes than the mean and one standard deviation has p <= .1
# (least exact p over 50-30,000 rows, any size and rate: .16)
SURE_UP_TO = 0.1
START = 1e-3


class Sent(NamedTuple):
    """What goes to confirmation, and how much was looked at for it."""

    mined: Mined
    halves: Halves
    tried: int
    looks: int


def sent(frame: pd.DataFrame, halves: Halves, mining_rows: np.ndarray, confirming_rows: np.ndarray, ask: Ask) -> Sent:
    """The best different rules, at most `ask.top`, found and sharpened without a look at confirming outcomes."""
    half = halves.mining
    usable = np.flatnonzero((count(half.fits) >= ask.support) & (count(half.fits) < half.rows))
    pool = half._replace(fits=half.fits[usable], attribute=half.attribute[usable])
    found = _tried(pool, ask)
    mined = _starts(found, pool, usable, halves, ask)
    rows = (mining_rows, confirming_rows)
    parted, looks = separate(mined, frame.iloc[mining_rows], halves, found.tried, ask)
    halves = _with_conditions(frame, halves, parted, rows)
    mined = _sharp(parted, halves, ask)
    mined = mined.only(np.argsort(-mined.worth, kind="stable"))
    both = (halves.mining, halves.confirming)
    # an opportunity is those not yet reached; else a group is all of its members
    marks = [h.unreached if ask.quality == "opportunity" else ~np.zeros_like(h.unreached) for h in both]
    mined = mined.only(different_groups(mined.rules, both, (marks[0], marks[1]), ask.top))
    return Sent(mined, halves, found.tried, looks)


def _tried(pool: Half, ask: Ask) -> Found:
    """Every rule with enough members, counted; the hopeless ones are not kept."""
    if not len(pool.fits):
        return Found(np.zeros((0, ask.depth), np.int32), np.zeros((0, len(pool.planes) + 1), np.int64), 0)
    testable = None
    if pool.design.kind == "counts":
        size, base = np.arange(pool.rows + 1), pool.whole.hits[0, 0] / max(pool.rows, 1)
        rest = (pool.rows - size) / max(pool.rows - 1, 1)
        deviation = np.sqrt(size * base * (1 - base) * rest) if ask.q <= SURE_UP_TO else np.zeros(len(size))
        testable = np.maximum(np.ceil(size * base + deviation), np.floor(size * base) + 1).astype(np.int64)
    return every_rule(pool.fits, pool.attribute, pool.planes, depth=ask.depth, support=ask.support, testable=testable)


def _starts(found: Found, pool: Half, usable: np.ndarray, halves: Halves, ask: Ask) -> Mined:
    """Rules to start from: likely enough and worth telling. q also says whether each condition pays."""
    inside = tally(found.counts, pool.design)
    keep = np.flatnonzero(_enough(inside, pool, ask.support))
    keep = keep[better(inside.only(keep), pool.whole, pool.design)]
    p = chance(inside.only(keep), pool.whole, pool.design)
    if ask.correction == "bh":
        q = benjamini_hochberg(p, found.tried)
    else:
        likely = p <= ask.q
        q = np.ones(len(p))
        q[likely] = westfall_young(
            inside.hits[keep[likely], 0], inside.size[keep[likely]], pool,
            depth=ask.depth, support=ask.support, permutations=ask.permutations, seed=ask.seed,
        )  # fmt: skip
    # a start need not be beyond chance yet: what it becomes must be
    start = (q <= ask.q) | (p <= START)
    keep, p, q = keep[start], p[start], q[start]
    rules = np.where(found.selectors[keep] >= 0, usable[found.selectors[keep]], NONE).astype(np.int32)
    inside = inside.only(keep)
    # many rules ask whether their conditions pay, so this look is corrected too
    q = np.maximum(q, holm(_pays(rules, inside, halves.mining)))
    ranked = _ranked(rules, inside, p, q, halves, ask.quality)
    return ranked.only(ranked.worth > 0)


def _enough(inside: Tally, pool: Half, support: int) -> np.ndarray:
    """Rules with enough people whose outcome counts; of arms at least half the support in each."""
    if pool.design.kind == "counts":
        return np.ones(len(inside.size), dtype=bool)
    if pool.design.kind == "weights":
        counted: np.ndarray = inside.members.sum(axis=1) >= support
        return counted
    arms = [inside.members[:, pool.design.treated == side].sum(axis=1) for side in (True, False)]
    smaller: np.ndarray = 2 * np.minimum(*arms) >= support
    return smaller


def _pays(rules: np.ndarray, inside: Tally, half: Half) -> np.ndarray:
    """Chance that a rule is no better than itself with one condition less; 0 for single conditions."""
    worst = np.zeros(len(rules))
    longer = (rules >= 0).sum(axis=1) > 1
    for i in range(rules.shape[1] if longer.any() else 0):
        at = np.flatnonzero(longer & (rules[:, i] >= 0))
        shorter = rules[at].copy()
        shorter[:, i] = NONE
        worst[at] = np.maximum(worst[at], chance(inside.only(at), half.tally(shorter), half.design))
    return worst


def _ranked(rules: np.ndarray, inside: Tally, p: np.ndarray, q: np.ndarray, halves: Halves, quality: Quality) -> Mined:
    elsewhere = np.zeros(len(rules), dtype=np.int64)
    if len(rules):
        elsewhere = counts(rules, halves.confirming.fits, halves.confirming.unreached[None, :])[:, 1]
    unreached = inside.unreached + elsewhere
    value = worth(quality, inside, halves.mining.whole, halves.mining.design, unreached)
    return Mined(rules, inside, p, q, unreached, value)


def _with_conditions(
    frame: pd.DataFrame, halves: Halves, parted: list[Parted], rows: tuple[np.ndarray, np.ndarray]
) -> Halves:
    """The halves with the conditions of sharpened rules as further selectors."""
    known = set(halves.conditions)
    new = list(dict.fromkeys(c for part in parted for c in part.conditions if c not in known))
    if not new:
        return halves
    masks = np.vstack([fits(frame[condition.column], [condition]) for condition in new])
    attribute = np.full(len(new), NONE)
    both = [
        half.with_selectors(attribute, masks[:, at])
        for half, at in zip((halves.mining, halves.confirming), rows, strict=True)
    ]
    return Halves(both[0], both[1], (*halves.conditions, *new))


def _sharp(parted: list[Parted], halves: Halves, ask: Ask) -> Mined:
    """Sharpened rules with their evidence on all customers of the mining half, those beyond chance.

    q is Bonferroni's over all looks of the way the rule was found, or the found rule's own where that was left as it
    is.
    """
    place = {condition: i for i, condition in enumerate(halves.conditions)}
    rules = np.full((len(parted), ask.depth), NONE, dtype=np.int32)
    for rule, part in zip(rules, parted, strict=True):
        rule[: len(part.conditions)] = sorted(place[condition] for condition in part.conditions)
    inside = halves.mining.tally(rules)
    p = chance(inside, halves.mining.whole, halves.mining.design)
    q = np.minimum(p * np.array([part.looks for part in parted], dtype=np.float64), 1.0)
    same = (rules == np.array([part.rule for part in parted], dtype=np.int32).reshape(rules.shape)).all(axis=1)
    q = np.where(same, np.array([part.q for part in parted], dtype=np.float64), q)
    ranked = _ranked(rules, inside, p, q, halves, ask.quality)
    return ranked.only((ranked.worth > 0) & (ranked.q <= ask.q))
