"""Separate and conquer: the sharpest rule, drawn as well as can be, then the sharpest among everybody else."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from segmentation.bits import count, everybody, packed, unpacked
from segmentation.halves import Half, tally
from segmentation.pair_tables import meetings, tables
from segmentation.qualities import Quality, Tally, chance, strength
from segmentation.refinement import Rows, Sharpened, column, sharpened
from segmentation.selectors import Selector, fits

Correction = Literal["bh", "westfall-young"]
CORRECTIONS: tuple[Correction, ...] = ("bh", "westfall-young")
NONE = -1
# groups parted for each one told: the best of them by quality are told
PARTED_PER_RULE = 3
# the rest of the rules beyond chance say the same less sharply
POOL = 20_000
ATTEMPTS_PER_RULE = 8
# starts from the tables that may come to nothing, one after the other, before no more groups are thought to be there
MEETINGS = 10
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
    """A found rule with its q, none where two columns met, and its conditions after sharpening."""

    rule: np.ndarray
    q: float
    conditions: tuple[Selector, ...]
    looks: int  # that q of a rule changed by sharpening pays for


def separate(mined: Mined, frame: pd.DataFrame, halves: Halves, tried: int, ask: Ask) -> tuple[list[Parted], int]:
    """The sharpest rules, each among the customers that no rule before it has, and the looks that took.

    A rule that is better only through members of another group is no longer so without them; what is left of two
    groups that overlap is seen undisturbed. Where every outcome counts alike, pairs of columns are parted first (see
    `pair_tables`), then what the search of whole rules adds. Each way pays for its own looks, doubled, because there
    are two. `frame` has the rows of the mining half.
    """
    half = halves.mining
    if not len(halves.conditions):
        return [], 0
    state = _State(frame, half, _reading(frame, halves, ask), everybody(half.rows))
    met, looks = _met(state, ask) if half.design.kind == "counts" else ([], 0)
    for part in met:
        state = state.without(part.conditions)
    room = PARTED_PER_RULE * ask.top - len(met)
    searched, further = _searched(mined, state, halves, tried, ask, room)
    return [*met, *searched], looks + further


class _State(NamedTuple):
    """The mining half and who of it is in no group yet, as bits."""

    frame: pd.DataFrame
    half: Half
    reading: Rows
    free: np.ndarray

    def members(self, conditions: tuple[Selector, ...]) -> np.ndarray:
        """Bits of those who fit, whether free or not."""
        return packed(np.logical_and.reduce([fits(self.frame[c.column], [c])[0] for c in conditions]))

    def without(self, conditions: tuple[Selector, ...]) -> _State:
        return self._replace(free=self.free & ~self.members(conditions))

    def sharpened(self, start: tuple[Selector, ...]) -> Sharpened:
        whole = _whole(self.half, self.free)
        return sharpened(start, self.reading._replace(free=unpacked(self.free, self.half.rows), whole=whole))


def _met(state: _State, ask: Ask) -> tuple[list[Parted], int]:
    """Groups where two columns meet, the sharpest first, and the looks; rules that came to nothing are not retried."""
    half, looks = state.half, 0
    parted: list[Parted] = []
    idle: set[tuple[Selector, ...]] = set()
    counted = tables(state.reading.columns, state.reading.outcome, ask.support, ask.depth)
    while len(parted) < PARTED_PER_RULE * ask.top:
        found = meetings(counted, ask.support)
        # later passes look at the same rules among fewer
        looks += found.looks if not looks else 0
        for start in [rule for rule in found.rules if rule not in idle][:MEETINGS]:
            sharp = state.sharpened(start)
            looks += sharp.looks
            members = state.members(sharp.conditions)
            if _holds(members, half, 2 * looks, ask):
                break
            idle.add(start)
        else:
            break
        parted.append(Parted(np.full(ask.depth, NONE, dtype=np.int32), 1.0, sharp.conditions, looks))
        counted.add(np.flatnonzero(unpacked(state.free & members, half.rows)), -1)
        state = state._replace(free=state.free & ~members)
    return [part._replace(looks=2 * looks) for part in parted], looks


def _searched(mined: Mined, state: _State, halves: Halves, tried: int, ask: Ask, room: int) -> tuple[list[Parted], int]:
    """Groups from rules that the search found, and the looks.

    A start that comes to nothing takes those that say much the same with it.
    """
    half, looks = halves.mining, 0
    parted: list[Parted] = []
    pool = mined.only(np.argsort(-_score(mined.tally, half.whole, half), kind="stable")[:POOL])
    for _ in range(ATTEMPTS_PER_RULE * ask.top):
        whole = _whole(half, state.free)
        rest = half.tally(pool.rules, state.free)
        keep = np.flatnonzero((rest.size >= ask.support) & (strength(rest, whole, half.design) > LEAST))
        if not len(keep) or len(parted) >= room:
            break
        pool, rest = pool.only(keep), rest.only(keep)
        best = int(np.argmax(_score(rest, whole, half)))
        rule, q = pool.rules[best], float(pool.q[best])
        start = tuple(halves.conditions[i] for i in rule if i >= 0)
        sharp = state.sharpened(start)
        looks += sharp.looks
        members = state.members(sharp.conditions)
        others = np.arange(len(pool.rules)) != best
        if q <= ask.q if start == sharp.conditions else _holds(members, half, 2 * (tried + looks), ask):
            parted.append(Parted(rule, q, sharp.conditions, looks))
            state = state._replace(free=state.free & ~members)
            pool = pool.only(others)
        else:
            pool = pool.only((2 * half.tally(pool.rules, members).size < pool.tally.size) & others)
    return [part._replace(looks=2 * (tried + looks)) for part in parted], looks


def _score(inside: Tally, whole: Tally, half: Half) -> np.ndarray:
    score: np.ndarray = strength(inside, whole, half.design) / np.maximum(inside.size, 1) ** PURITY
    return score


def _holds(members: np.ndarray, half: Half, looks: int, ask: Ask) -> bool:
    """Whether a group is beyond chance among everybody, after so many looks."""
    inside = tally(np.concatenate([[count(members)], count(half.planes & members)])[None, :], half.design)
    return float(chance(inside, half.whole, half.design)[0]) * looks <= ask.q


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
