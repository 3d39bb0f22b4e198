"""What rules are made of, and the walk over all of them: each level joins two rules that differ in one condition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from scenefit.contracts.errors import ContractError, SettingsError

DEEPEST = 4
NONE = -1
# counts held at once while rules are tried: 32 MB
CELLS = 1 << 22
# words to read from which a second thread earns what it costs to wake: some 5 milliseconds of one thread
THREADED_FROM = 1 << 25


class Found(NamedTuple):
    """Rules with their counts.

    selectors : int32 (r, depth), ascending, −1 behind the last condition
    counts : int64 (r, planes + 1), the size and then the members in each plane
    tried : rules with enough members that were counted, whether they are listed here or not
    """

    selectors: np.ndarray
    counts: np.ndarray
    tried: int


class Pool(NamedTuple):
    """What rules are made of and counted in."""

    fits: np.ndarray
    attribute: np.ndarray
    planes: np.ndarray


class Level(NamedTuple):
    """Rules of one length with enough members, in the order of their selectors."""

    selectors: np.ndarray
    counts: np.ndarray

    def only(self, keep: np.ndarray | slice) -> Level:
        """The rules at these positions or under this mask."""
        return Level(self.selectors[keep], self.counts[keep])


def levels(pool: Pool, depth: int, support: int) -> Iterator[Level]:
    """All rules with enough members, in order, piece by piece."""
    level = singles(pool, support)
    yield level
    shorter, allowed = level.selectors, pool.attribute[:, None] != pool.attribute
    for length in range(2, depth + 1):
        longer = [np.empty((0, length), np.int32)]
        for one, other in joins(shorter, allowed, len(pool.planes)):
            level, _ = supported(pool, shorter, one, other, support)
            yield level
            if length < depth:
                longer.append(level.selectors)
        shorter = np.concatenate(longer)
        if length == 2:
            allowed = pairs(Level(shorter, shorter), len(pool.fits))


def singles(pool: Pool, support: int) -> Level:
    selectors = np.arange(len(pool.fits), dtype=np.int32)
    counted = counted_rules(pool, np.full((1, 1), NONE, np.int32), np.zeros(len(selectors), np.int64), selectors)
    return Level(selectors[:, None], counted).only(counted[:, 0] >= support)


def joins(selectors: np.ndarray, allowed: np.ndarray, planes: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions of two rules each that differ in the last condition alone, in order and in pieces of bounded size."""
    from segmentation.search_kernels import fill_joins

    if len(selectors) < 2:
        return
    new = np.flatnonzero((selectors[1:, :-1] != selectors[:-1, :-1]).any(axis=1)) + 1
    ends = np.r_[new, len(selectors)][np.searchsorted(new, np.arange(len(selectors)), side="right")]
    # how many joins the rules before each could make at most
    before = np.r_[0, np.cumsum(ends - np.arange(len(selectors)) - 1)]
    last, start = np.ascontiguousarray(selectors[:, -1]), 0
    while start < len(selectors):
        full = before[start] + CELLS // (planes + 1)
        stop = max(start + 1, int(np.searchsorted(before, full, side="right")) - 1)
        one, other = np.empty((2, before[stop] - before[start]), dtype=np.int64)
        found = fill_joins(last, ends, allowed, start, stop, one, other)
        if found:
            yield one[:found], other[:found]
        start = stop


def supported(
    pool: Pool, heads: np.ndarray, one: np.ndarray, other: np.ndarray, support: int
) -> tuple[Level, np.ndarray]:
    """The joined rules that have enough members, and their positions among the joins."""
    last = np.ascontiguousarray(heads[other, -1])
    counted = counted_rules(pool, heads, one, last)
    kept = np.flatnonzero(counted[:, 0] >= support)
    return Level(np.column_stack([heads[one[kept]], last[kept]]), counted[kept]), kept


def counted_rules(pool: Pool, heads: np.ndarray, head: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Counts of the rules `heads[head]` with the further selector `last`."""
    from segmentation.search_kernels import fill_counts, fill_part

    counted = np.zeros((len(head), len(pool.planes) + 1), dtype=np.int64)
    work = (pool.fits, pool.planes, np.ascontiguousarray(heads), head, last)
    if threads_pay(counted.size * pool.fits.shape[1]):
        fill_counts(*work, counted)
    else:
        fill_part(*work, 0, len(head), counted)
    return counted


def threads_pay(words: int) -> bool:
    """Whether work of that many words is worth more than one thread, where there is more than one."""
    import numba

    return words >= THREADED_FROM and numba.get_num_threads() > 1


def pairs(level: Level, selectors: int) -> np.ndarray:
    """Which selectors may stand together, of rules of two."""
    allowed = np.zeros((selectors, selectors), dtype=bool)
    allowed[level.selectors[:, 0], level.selectors[:, 1]] = True
    return allowed


def stacked(levels: list[Level]) -> Level:
    return Level(*(np.concatenate(parts) for parts in zip(*levels, strict=True)))


def padded(selectors: np.ndarray, depth: int) -> np.ndarray:
    padded = np.full((len(selectors), depth), NONE, dtype=np.int32)
    padded[:, : selectors.shape[1]] = selectors[:, :depth]
    return padded


def no_counts(pool: Pool) -> np.ndarray:
    return np.empty((0, len(pool.planes) + 1), dtype=np.int64)


def pool_of(fits: np.ndarray, attribute: np.ndarray, planes: np.ndarray) -> Pool:
    from segmentation.kernels import writable

    for name, words in (("fits", fits), ("planes", planes)):
        if words.ndim != 2 or words.dtype != np.uint64:
            raise ContractError(
                f"{name}: {words.dtype} of shape {words.shape}; give uint64 words, one row each (bits.packed)"
            )
    if fits.shape[1] != planes.shape[1]:
        raise ContractError(
            f"fits have {fits.shape[1]} words, planes {planes.shape[1]}; pack both over the same customers"
        )
    asked = np.asarray(attribute, dtype=np.int64)
    if asked.shape != (len(fits),):
        raise ContractError(f"attribute: shape {asked.shape} for {len(fits)} selectors; give one number for each")
    return Pool(writable(np.ascontiguousarray(fits)), asked, writable(np.ascontiguousarray(planes)))


def check_search(depth: int, support: int) -> None:
    if not 1 <= depth <= DEEPEST:
        raise SettingsError(f"depth is {depth!r}; rules have 1 to {DEEPEST} conditions")
    if support < 1:
        raise SettingsError(f"support is {support!r}; a rule has at least 1 member")
