"""Sharper rules: edges moved to where the rate changes, sets grown, a condition added, on the mining half alone.

The search cuts numbers coarsely and takes texts level by level, without a look at the outcome. Here each condition of
a found rule is moved, the others held: the ends of an interval to the best of the cuts around them, a set by the level
whose coming or going helps most; a rule that has room takes on the interval or set that sets it off best. Every trial
counts as a look.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from segmentation.columns import column_kind, numbers, texts
from segmentation.qualities import Design, Tally, advantage, strength
from segmentation.rules import Compare
from segmentation.selectors import Selector, interval, level_set, named, readable, span

CUTS = 40  # fine cuts between the coarse edges around an interval
ROUNDS = 3
LEVELS = 8  # a person reads no longer list
# chi-squared that a further level must add; tuned on planted worlds of other seeds than those reported
LEVEL_COST = 3.0
TOGGLED = 64  # levels that may come or go: the largest


class Column(NamedTuple):
    """One column of the mining half, read once: numbers and the coarse edges, or codes and levels."""

    values: np.ndarray  # float64, or int codes with -1 for gaps
    edges: np.ndarray  # coarse edges of numbers, ascending
    levels: tuple[str, ...] | None  # of a text


class Rows(NamedTuple):
    """The customers of the mining half that are looked at, one entry each; `whole` is all of them."""

    columns: Mapping[str, Column]
    cell: np.ndarray  # -1: the outcome does not count
    outcome: np.ndarray
    unreached: np.ndarray
    free: np.ndarray  # bool; false for members of groups already told
    design: Design
    whole: Tally  # of the free
    support: int
    depth: int
    selectors: int  # conditions that the search had to choose from


class Sharpened(NamedTuple):
    """A rule after refinement, and how many ways of drawing it were looked at."""

    conditions: tuple[Selector, ...]
    looks: int


def column(series: pd.Series, conditions: list[Selector]) -> Column:
    """A column as refinement reads it; truth values are numbers without an edge to move."""
    kind = column_kind(series)
    if kind == "text":
        codes, levels = pd.factorize(texts(series), sort=True)
        return Column(codes.astype(np.int64), np.zeros(0), tuple(str(level) for level in levels))
    ends = np.array([end for condition in conditions for end in span(condition)]) if kind == "number" else np.zeros(0)
    return Column(numbers(series), np.unique(ends[np.isfinite(ends)]), None)


def sharpened(conditions: tuple[Selector, ...], rows: Rows) -> Sharpened:
    """The rule without conditions that do not pay, each moved in turn, one added where there is room, till it stays."""
    conditions, looks = _paying(conditions, rows), 0
    for _ in range(ROUNDS):
        before = conditions
        for i, condition in enumerate(conditions):
            others = _members(conditions[:i] + conditions[i + 1 :], rows)
            moved, tried = _changed(condition, others, rows)
            looks += tried
            conditions = (*conditions[:i], moved, *conditions[i + 1 :])
        if len(conditions) < rows.depth:
            conditions, tried = _longer(conditions, rows)
            looks += tried
        if conditions == before:
            break
    return Sharpened(conditions, looks)


def _paying(conditions: tuple[Selector, ...], rows: Rows) -> tuple[Selector, ...]:
    """The rule without the conditions that set nobody off from those who fit the others, the idlest first."""
    while len(conditions) > 1:
        whole = [_tally(_members(conditions[:i] + conditions[i + 1 :], rows), rows) for i in range(len(conditions))]
        inside = _tally(_members(conditions, rows), rows)
        gains = [float(strength(inside, others, rows.design)[0]) for others in whole]
        idlest = int(np.argmin(gains))
        if gains[idlest] > _worth_all(rows.selectors):
            break
        conditions = conditions[:idlest] + conditions[idlest + 1 :]
    return conditions


def _changed(condition: Selector, others: np.ndarray, rows: Rows) -> tuple[Selector, int]:
    held = rows.columns[condition.column]
    if held.levels is not None:
        return _regrown(condition, held, others, rows)
    return _moved(condition, held, others, rows) if len(held.edges) else (condition, 0)


def _longer(conditions: tuple[Selector, ...], rows: Rows) -> tuple[tuple[Selector, ...], int]:
    """The rule with the one condition more that sets it off best, if it pays."""
    others = _members(conditions, rows)
    chosen, best, looks = conditions, 0.0, 0
    for name, held in rows.columns.items():
        if any(condition.column == name for condition in conditions):
            continue
        found, value, tried = (
            _first_set(name, held, others, rows) if held.levels is not None else _first_cut(name, held, others, rows)
        )
        looks += tried
        if found is not None and value > best:
            chosen, best = (*conditions, found), value
    # the condition must be worth all the looks of this step: Bonferroni at 1 %
    return (chosen if best > _worth_all(looks) else conditions), looks


def _worth_all(looks: int) -> float:
    """Chi-squared of one degree of freedom that the best of so many looks exceeds by chance at 1 %."""
    from scipy.special import chdtri

    return float(chdtri(1, 0.01 / max(looks, 1)))


def _members(conditions: tuple[Selector, ...], rows: Rows) -> np.ndarray:
    """Positions of those free who fit all conditions."""
    mask = rows.free.copy()
    for condition in conditions:
        mask &= _fits(condition, rows.columns[condition.column])
    return np.flatnonzero(mask)


def _tally(where: np.ndarray, rows: Rows) -> Tally:
    size, members, hits, unreached = _parts(where, rows)
    return Tally(*(np.asarray(part.sum(axis=0))[None, ...] for part in (size, members, hits, unreached)))


def _fits(condition: Selector, held: Column) -> np.ndarray:
    if held.levels is not None:
        wanted = np.array([*(level in named(condition) for level in held.levels), False])
        chosen: np.ndarray = wanted[held.values]
        return chosen
    low, high = span(condition)
    if low == high:
        return held.values == low
    inside: np.ndarray = (held.values >= low) & (held.values < high)
    return inside


def _moved(condition: Selector, held: Column, others: np.ndarray, rows: Rows) -> tuple[Selector, int]:
    """The interval between the cuts that separate best, from one coarse edge below it to one above."""
    low, high = span(condition)
    values = held.values[others]
    known = ~np.isnan(values)
    others, values = others[known], values[known]
    if low == high:
        above = np.min(values[values > low], initial=np.inf)
        high = float(above)
    below, after = held.edges[held.edges < low], held.edges[held.edges > high]
    start, end = (float(below[-1]) if len(below) else -np.inf), (float(after[0]) if len(after) else np.inf)
    # an edge beyond the values of those who fit the other conditions bounds nothing
    start = start if start > np.min(values, initial=np.inf) else -np.inf
    end = end if end <= np.max(values, initial=-np.inf) else np.inf
    cuts = _cuts(values, start, end, low, high)
    tried, lows, highs = _between(values, others, cuts, rows)
    near = (lows >= start) & (highs <= end)
    tried, lows, highs = tried[near], lows[near], highs[near]
    now = np.flatnonzero((lows == low) & (highs == high))
    if not len(tried) or tried.max() <= (tried[now].max() if len(now) else 0):
        return condition, len(tried)
    best = int(np.argmax(tried))
    return _told(condition.column, lows[best], highs[best], values), len(tried)


def _first_cut(name: str, held: Column, others: np.ndarray, rows: Rows) -> tuple[Selector | None, float, int]:
    """The best interval between coarse edges, or the better truth value, with its strength."""
    values = held.values[others]
    known = ~np.isnan(values)
    others, values = others[known], values[known]
    # truth values have no edges: they are cut between 0 and 1
    cuts = held.edges if len(held.edges) else np.array([1.0])
    scores, lows, highs = _between(values, others, cuts, rows)
    if not len(scores) or scores.max() <= 0:
        return None, 0.0, len(scores)
    best = int(np.argmax(scores))
    if not len(held.edges):
        truth = Compare(column=name, op="==", value=bool(lows[best] == 1))
        return truth, float(scores[best]), len(scores)
    return _told(name, lows[best], highs[best], values), float(scores[best]), len(scores)


def _told(name: str, low: float, high: float, values: np.ndarray) -> Selector:
    """The interval, or the one value that lies in it."""
    inside = values[(values >= low) & (values < high)]
    if len(inside) and (inside == inside[0]).all():
        value = float(inside[0])
        return Compare(column=name, op="==", value=int(value) if value.is_integer() else value)
    return interval(name, low, high)


def _between(
    values: np.ndarray, others: np.ndarray, cuts: np.ndarray, rows: Rows
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How sharply every interval between cuts stands out, with its ends; -1 below the support."""
    place = np.searchsorted(cuts, values, side="right")
    totals = [_running(part, place, len(cuts)) for part in _parts(others, rows)]
    i, j = np.triu_indices(len(cuts) + 2, 1)
    # the whole column is no condition
    keep = ~((i == 0) & (j == len(cuts) + 1))
    i, j = i[keep], j[keep]
    tried, everybody = (Tally(*(total[j] - total[i] for total in totals)) for i, j in ((i, j), ([0], [-1])))
    bounds = np.concatenate([[-np.inf], cuts, [np.inf]])
    scores = np.where(tried.size >= rows.support, strength(tried, everybody, rows.design), -1.0)
    return scores, bounds[i], bounds[j]


def _cuts(values: np.ndarray, start: float, end: float, low: float, high: float) -> np.ndarray:
    """Readable cuts between the outer edges, the interval's own among them."""
    near = np.unique(values[(values >= start) & (values < end)])
    if len(near) > CUTS:
        spread = np.sort(values[(values >= start) & (values < end)])
        near = np.quantile(spread, np.arange(1, CUTS) / CUTS)
    own = [edge for edge in (low, high, start, end) if np.isfinite(edge)]
    cuts = np.union1d(readable(near), own)
    return cuts[cuts > np.min(values, initial=np.inf)]


def _parts(where: np.ndarray, rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """One row per customer: counted, by cell, by cell with the outcome, not reached."""
    cells = np.arange(len(rows.design.weight)) == rows.cell[where][:, None]
    return np.ones(len(where), dtype=bool), cells, cells & rows.outcome[where][:, None], rows.unreached[where]


def _running(part: np.ndarray, place: np.ndarray, cuts: int) -> np.ndarray:
    """Sums over customers below each cut, nobody first and everybody last."""
    columns = part[:, None] if part.ndim == 1 else part
    sums = np.stack([np.bincount(place, column, cuts + 1) for column in columns.T], axis=1).astype(np.int64)
    total = np.concatenate([np.zeros((1, sums.shape[1]), dtype=np.int64), sums.cumsum(axis=0)])
    return total[:, 0] if part.ndim == 1 else total


def _regrown(condition: Selector, held: Column, others: np.ndarray, rows: Rows) -> tuple[Selector, int]:
    """The set with the level more or less that helps most, again and again while it helps."""
    levels = held.levels or ()
    by_level = _by_level(held, others, rows)
    chosen = np.array([level in named(condition) for level in levels])
    largest = np.argsort(-by_level.size, kind="stable")[:TOGGLED]
    toggles = np.arange(len(levels)) == largest[by_level.size[largest] > 0][:, None]
    looks = 0
    score = _score(chosen[None, :], by_level, rows)[0]
    while True:
        trials = chosen ^ toggles
        length = trials.sum(axis=1)
        trials = trials[(length > 0) & (length <= most_levels(len(levels)))]
        if not len(trials):
            break
        looks += len(trials)
        scores = _score(trials, by_level, rows)
        best = int(np.argmax(scores))
        if scores[best] <= score:
            break
        chosen, score = trials[best], scores[best]
    return level_set(condition.column, [level for level, held in zip(levels, chosen, strict=True) if held]), looks


def _first_set(name: str, held: Column, others: np.ndarray, rows: Rows) -> tuple[Selector | None, float, int]:
    """The best set of levels, with its strength: for one outcome the levels of the highest rates (Breiman 1984)."""
    levels = held.levels or ()
    by_level = _by_level(held, others, rows)
    largest = np.argsort(-by_level.size, kind="stable")[:TOGGLED]
    largest = largest[by_level.size[largest] > 0]
    if len(largest) < 2:
        return None, 0.0, 0
    several = by_level.only(largest)
    gains = advantage(several, Tally(*(counts.sum(axis=0)[None, ...] for counts in several)), rows.design)
    order = largest[np.argsort(-gains, kind="stable")]
    most = min(most_levels(len(levels)), len(order) - 1)
    trials = np.zeros((most, len(levels)), dtype=bool)
    for i in range(most):
        trials[i, order[: i + 1]] = True
    scores = _score(trials, by_level, rows)
    best = int(np.argmax(scores))
    # to sort them, each level was looked at too
    looks = most + len(largest)
    if scores[best] <= 0:
        return None, 0.0, looks
    return level_set(name, [levels[i] for i in np.sort(order[: best + 1])]), float(scores[best]), looks


def most_levels(levels: int) -> int:
    """Levels of a set at most: more than half of them would say who is not meant."""
    return min(LEVELS, max(levels // 2, 1))


def _by_level(held: Column, others: np.ndarray, rows: Rows) -> Tally:
    """What is counted of each level among these customers."""
    codes = held.values[others]
    known = codes >= 0
    size, members, hits, unreached = (
        np.stack(
            [np.bincount(codes[known], column, len(held.levels or ())) for column in np.atleast_2d(part.T)], axis=1
        ).astype(np.int64)
        for part in _parts(others[known], rows)
    )
    return Tally(size[:, 0], members, hits, unreached[:, 0])


def _score(trials: np.ndarray, by_level: Tally, rows: Rows) -> np.ndarray:
    """How sharply each set of levels stands out, less what its levels cost; without the support not at all."""
    sets = trials.astype(np.int64)
    found = Tally(*(sets @ counts for counts in by_level))
    whole = Tally(*(counts.sum(axis=0)[None, ...] for counts in by_level))
    sharp = strength(found, whole, rows.design) - LEVEL_COST * (trials.sum(axis=1) - 1)
    return np.where(found.size >= rows.support, sharp, -np.inf)
