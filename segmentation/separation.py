"""Separate and conquer: the sharpest rule, drawn as well as can be, then the sharpest among everybody else."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from segmentation.bits import count, everybody, packed, unpacked
from segmentation.halves import Half, tally
from segmentation.qualities import Quality, Tally, chance, strength
from segmentation.refinement import Rows, column, sharpened
from segmentation.selectors import Selector, fits

Correction = Literal["bh", "westfall-young"]
CORRECTIONS: tuple[Correction, ...] = ("bh", "westfall-young")
NONE = -1
# groups parted for each one told: the best of them by quality are told
PARTED_PER_RULE = 3
# the rest of the rules beyond chance say the same less sharply
POOL = 20_000
ATTEMPTS_PER_RULE = 8
# which rule is the sharpest: at 0 its likelihood ratio decides, and a wide band around a group beats the group
PURITY = 0.5
# the weakest start among those left: chi-squared of one degree at 1 in 1,000
LEAST = 10.83


class Ask(NamedTuple):
    """What is asked of the search."""

    depth: int
    support: int
    top: int
    q: float
    quality: Quality
    correction: Correction
    permutations: int
    seed: int


class Mined(NamedTuple):
    """Rules with their evidence on the mining half; `unreached` and `worth` count both halves' members."""

    rules: np.ndarray  # int32 (r, depth), selectors, -1 fills
    tally: Tally
    p: np.ndarray
    q: np.ndarray
    unreached: np.ndarray
    worth: np.ndarray

    def only(self, keep: np.ndarray) -> Mined:
        """The rules at these positions or under this mask."""
        return Mined(
            self.rules[keep], self.tally.only(keep), self.p[keep], self.q[keep], self.unreached[keep], self.worth[keep]
        )


class Halves(NamedTuple):
    """The customers to mine and to confirm on, and the conditions that both hold as selectors."""

    mining: Half
    confirming: Half
    conditions: tuple[Selector, ...]


class Parted(NamedTuple):
    """A found rule with its q, and its conditions after sharpening."""

    rule: np.ndarray
    q: float
    conditions: tuple[Selector, ...]


def separate(mined: Mined, frame: pd.DataFrame, halves: Halves, tried: int, ask: Ask) -> tuple[list[Parted], int]:
    """The sharpest rules, each among the customers that no rule before it has, and the looks that took.

    A rule that is better only through members of another group is no longer so without them; what is left of two
    groups that overlap is seen undisturbed. A start that comes to nothing takes those that say much the same with it.
    `frame` has the rows of the mining half.
    """
    half = halves.mining
    free, looks = everybody(half.rows), 0
    parted: list[Parted] = []
    pool = mined.only(np.argsort(-_score(mined.tally, half.whole, half), kind="stable")[:POOL])
    reading = _reading(frame, halves, ask) if len(pool.rules) else None
    for _ in range(ATTEMPTS_PER_RULE * ask.top):
        whole = _whole(half, free)
        rest = half.tally(pool.rules, free)
        keep = np.flatnonzero((rest.size >= ask.support) & (strength(rest, whole, half.design) > LEAST))
        if not len(keep) or reading is None or len(parted) == PARTED_PER_RULE * ask.top:
            break
        pool, rest = pool.only(keep), rest.only(keep)
        best = int(np.argmax(_score(rest, whole, half)))
        rule, q = pool.rules[best], float(pool.q[best])
        start = tuple(halves.conditions[i] for i in rule if i >= 0)
        sharp = sharpened(start, reading._replace(free=unpacked(free, half.rows), whole=whole))
        looks += sharp.looks
        found = Parted(rule, q, sharp.conditions)
        members = packed(np.logical_and.reduce([fits(frame[c.column], [c])[0] for c in sharp.conditions]))
        if _holds(members, start == sharp.conditions, q, half, (tried + looks, sharp.looks), ask):
            parted.append(found)
            free = free & ~members
            pool = pool.only(np.arange(len(pool.rules)) != best)
        else:
            shared = half.tally(pool.rules, members).size
            pool = pool.only((2 * shared < pool.tally.size) & (np.arange(len(pool.rules)) != best))
    return parted, looks


def _score(inside: Tally, whole: Tally, half: Half) -> np.ndarray:
    score: np.ndarray = strength(inside, whole, half.design) / np.maximum(inside.size, 1) ** PURITY
    return score


def _holds(members: np.ndarray, same: bool, q: float, half: Half, looks: tuple[int, int], ask: Ask) -> bool:
    if same:
        return q <= ask.q
    inside = tally(np.concatenate([[count(members)], count(half.planes & members)])[None, :], half.design)
    return float(chance(inside, half.whole, half.design)[0]) * looks[0] <= ask.q


def _whole(half: Half, free: np.ndarray) -> Tally:
    return tally(np.concatenate([[count(free)], count(half.planes & free)])[None, :], half.design)


def _reading(frame: pd.DataFrame, halves: Halves, ask: Ask) -> Rows:
    """The mining half as sharpening reads it, everybody free."""
    half = halves.mining
    names = dict.fromkeys(condition.column for condition in halves.conditions)
    held = {n: column(frame[n], [c for c in halves.conditions if c.column == n]) for n in names}
    cells = unpacked(half.cells, half.rows)
    return Rows(
        held, np.where(cells.any(axis=0), cells.argmax(axis=0), NONE), unpacked(half.outcome, half.rows),
        unpacked(half.unreached, half.rows), np.ones(half.rows, dtype=bool), half.design, half.whole, ask.support,
        ask.depth, len(halves.conditions),
    )  # fmt: skip
