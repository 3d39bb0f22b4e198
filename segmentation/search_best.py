"""Best first: candidates in the order of their bounds, until none can come in any more."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from segmentation.search_bounds import Quality
from segmentation.search_pool import Found, Level, Pool, joins, no_counts, padded, pairs, singles, stacked, supported

# candidates of the first look at a batch, best bound first; each further look takes four times as many
FIRST_LOOK = 2048
# bound and value are rounded along different ways; only what lies clearly below is left out
SLACK = 1e-9


class Best(NamedTuple):
    """The best rules so far, best first."""

    values: np.ndarray
    selectors: np.ndarray
    counts: np.ndarray

    def threshold(self, top: int) -> float:
        """What a bound must reach for a rule to matter."""
        if len(self.values) < top:
            return -np.inf
        return float(self.values[-1] - SLACK * abs(self.values[-1]))


class Ranking(NamedTuple):
    """What rules are ranked by, and what a rule must have."""

    quality: Quality
    whole: np.ndarray
    support: int
    top: int
    depth: int

    def value(self, level: Level) -> np.ndarray:
        """Quality of each rule."""
        return self.quality.value(level.counts, self.whole, self.support)

    def bound(self, most: np.ndarray) -> np.ndarray:
        """The most a rule with at most these counts, or a longer one, can reach; −inf without the support."""
        return np.where(most[:, 0] >= self.support, self.quality.bound(most, self.whole, self.support), -np.inf)

    def better(self, best: Best, level: Level) -> Best:
        """The best of the best so far and these."""
        values = self.value(level)
        keep = (values > -np.inf) & (values >= best.threshold(self.top))
        values = np.concatenate([best.values, values[keep]])
        selectors = np.concatenate([best.selectors, padded(level.selectors[keep], self.depth)])
        counted = np.concatenate([best.counts, level.counts[keep]])
        order = np.lexsort((*selectors.T[::-1], -values))[: self.top]
        return Best(values[order], selectors[order], counted[order])


def best_of(pool: Pool, ranking: Ranking) -> Found:
    """The best rules of a pool, best first."""
    level = singles(pool, ranking.support)
    tried = len(level.counts)
    best = ranking.better(Best(np.empty(0), padded(level.selectors[:0], ranking.depth), no_counts(pool)), level)
    allowed = pool.attribute[:, None] != pool.attribute
    of_pair: np.ndarray | None = None
    for length in range(2, ranking.depth + 1):
        level = level.only(ranking.bound(level.counts) >= best.threshold(ranking.top))
        longer = [Level(np.empty((0, length), np.int32), no_counts(pool))]
        for one, other in joins(level.selectors, allowed, len(pool.planes)):
            most = np.minimum(level.counts[one], level.counts[other])
            if of_pair is not None:
                most = np.minimum(most, of_pair[level.selectors[one, -1], level.selectors[other, -1]])
            best, found = _looked(pool, ranking, best, level.selectors, (one, other, ranking.bound(most)))
            tried += len(found.counts)
            if length < ranking.depth:
                longer.append(found)
        level = stacked(longer)
        if length == 2:
            # pairs left out here have a bound below the threshold, and so has every rule that holds them
            allowed = pairs(level, len(pool.fits))
            of_pair = np.zeros((len(pool.fits), len(pool.fits), len(pool.planes) + 1), np.int64)
            of_pair[level.selectors[:, 0], level.selectors[:, 1]] = level.counts
    return Found(best.selectors, best.counts, tried)


def _looked(
    pool: Pool, ranking: Ranking, best: Best, heads: np.ndarray, joins: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> tuple[Best, Level]:
    """Count candidates, best bound first, until no bound reaches the best so far; what was counted, in order."""
    one, other, bound = joins
    order = np.argsort(-bound, kind="stable")
    falling = -bound[order]
    looks = [Level(np.empty((0, heads.shape[1] + 1), np.int32), no_counts(pool))]
    places = [np.empty(0, np.int64)]
    start, step = 0, FIRST_LOOK
    while True:
        # without the support the bound is −inf, and so may be the threshold: those are never counted
        reach = max(best.threshold(ranking.top), -np.finfo(np.float64).max)
        open_until = int(np.searchsorted(falling, -reach, side="right"))
        picked = np.sort(order[start : min(start + step, open_until)])
        if not len(picked):
            break
        found, kept = supported(pool, heads, one[picked], other[picked], ranking.support)
        best = ranking.better(best, found)
        looks.append(found)
        places.append(picked[kept])
        start, step = start + step, step * 4
    return best, stacked(looks).only(np.argsort(np.concatenate(places), kind="stable"))
