"""Values, eligibility and limits of a plan laid out for the compiled passes: float32, nothing stored that is zero.

Every limit is turned into "at most": a floor's weights and total change sign. What a limit weighs is one of
 - counts: a weight per offer for everybody (capacity, contacts of a channel) is a mix of the counts per offer;
 - a block: a weight per pair (budget, expected loss), only the columns that weigh anything;
 - own entries: a weight per customer, the same for all offers or times a vector of offers (reach of a subgroup).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recsys.limits import PAIRS, Limit
from recsys.ranking import unpack

# stands for "may not be offered"; finite, so that the passes need no care for infinities
NEVER = np.float32(-1e30)


class Prices(NamedTuple):
    """Prices of limits by what the passes take: per offer, per block, per own limit; float32."""

    offer: np.ndarray
    block: np.ndarray
    own: np.ndarray


class Laid(NamedTuple):
    """One shard of customers as the passes take it.

    values : (n, m) float32, NEVER where not eligible
    pair : (n, columns) float32, the blocks side by side; `block_start` (blocks + 1,), `block_offer` (columns,),
        `block_place` (blocks, m) column of an offer or −1, `block_full` (blocks,) whether all offers weigh
    own_indptr, own_limit, own_weight : entries of each customer; `own_vector` (own limits,) row of `vectors` or −1
    """

    values: np.ndarray
    pair: np.ndarray
    block_start: np.ndarray
    block_offer: np.ndarray
    block_place: np.ndarray
    block_full: np.ndarray
    own_indptr: np.ndarray
    own_limit: np.ndarray
    own_weight: np.ndarray
    own_vector: np.ndarray
    vectors: np.ndarray


@dataclass(frozen=True)
class Layout:
    """A shard, and how its passes and the limits belong together.

    counts : (limits, m) what one offer counts in each limit; blocks, owns : the limit of each block and own limit
    """

    laid: Laid
    counts: np.ndarray
    blocks: np.ndarray
    owns: np.ndarray

    def prices(self, prices: np.ndarray) -> Prices:
        """Prices of the limits, all ≥ 0, as the passes take them."""
        return Prices(
            (prices @ self.counts).astype(np.float32),
            prices[self.blocks].astype(np.float32),
            prices[self.owns].astype(np.float32),
        )

    @property
    def transform(self) -> np.ndarray:
        """(limits, offers + blocks + own limits): use of the limits from what the passes count."""
        m, blocks, owns = self.counts.shape[1], len(self.blocks), len(self.owns)
        whole = np.zeros((len(self.counts), m + blocks + owns))
        whole[:, :m] = self.counts
        whole[self.blocks, m + np.arange(blocks)] = 1
        whole[self.owns, m + blocks + np.arange(owns)] = 1
        return whole

    def rows(self, chosen: np.ndarray) -> Layout:
        """The same for some customers."""
        laid = self.laid
        lengths = np.diff(laid.own_indptr)[chosen]
        indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        entries = np.repeat(laid.own_indptr[chosen] - indptr[:-1], lengths) + np.arange(indptr[-1])
        some = laid._replace(
            values=laid.values[chosen], pair=laid.pair[chosen], own_indptr=indptr, own_limit=laid.own_limit[entries],
            own_weight=laid.own_weight[entries],
        )  # fmt: skip
        return Layout(some, self.counts, self.blocks, self.owns)


def signs(limits: Sequence[Limit]) -> np.ndarray:
    """1 for a ceiling, −1 for a floor."""
    return np.array([1.0 if limit.sense == "<=" else -1.0 for limit in limits])


def layout(values: np.ndarray, eligible: np.ndarray, limits: Sequence[Limit]) -> Layout:
    """Values (n, m), bits and limits laid out for the passes."""
    n, m = values.shape
    counted, blocks, owned = _kinds(limits)
    sign = signs(limits)
    counts = np.zeros((len(limits), m))
    for number in counted:
        counts[number] = sign[number] * np.broadcast_to(limits[number].weight, (1, m))[0]
    columns = [np.flatnonzero(limits[number].weight.any(axis=0)) for number in blocks]
    start = np.concatenate([[0], np.cumsum([len(c) for c in columns])]).astype(np.int64)
    place = np.full((len(blocks), m), -1, np.int64)
    for b, offers in enumerate(columns):
        place[b, offers] = start[b] + np.arange(len(offers))
    laid, pair = np.empty((n, m), np.float32), np.empty((n, start[-1]), np.float32)
    block = max(PAIRS // m, 1)
    for first in range(0, n, block):
        part = slice(first, first + block)
        laid[part] = np.where(unpack(eligible[part], m), values[part], NEVER)
        for b, number in enumerate(blocks):
            limit = limits[number]
            weights = limit.weight[part][:, columns[b]] * sign[number]
            if limit.where is not None:
                weights = weights * limit.where[part][:, None]
            pair[part, start[b] : start[b + 1]] = weights
    indptr, own_limit, own_weight = _entries([limits[number] for number in owned], sign[owned], n)
    own_vector, vectors = _vectors([limits[number] for number in owned], m)
    offers = np.concatenate(columns) if columns else np.zeros(0, np.int64)
    shard = Laid(
        laid, pair, start, offers.astype(np.int64), place, np.array([len(c) == m for c in columns], bool), indptr,
        own_limit, own_weight, own_vector, vectors,
    )  # fmt: skip
    return Layout(shard, counts, np.array(blocks, np.int64), np.array(owned, np.int64))


def _kinds(limits: Sequence[Limit]) -> tuple[list[int], list[int], list[int]]:
    """The limits that are counts of offers, blocks of pairs, and entries of customers."""
    counted, blocks, owned = [], [], []
    for number, limit in enumerate(limits):
        pairs = limit.weight.shape[0] > 1 and limit.weight.shape[1] > 1
        if pairs:
            blocks.append(number)
        elif limit.where is None and limit.weight.shape[0] == 1:
            counted.append(number)
        else:
            owned.append(number)
    return counted, blocks, owned


def _entries(limits: Sequence[Limit], sign: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entries of each customer: row starts, number of the own limit, weight."""
    who, which, weight = [], [], []
    for number, limit in enumerate(limits):
        # a weight by offer is kept as a vector of offers, times one here
        own = limit.weight[:, 0] if limit.weight.shape[1] == 1 else np.ones(1)
        full = np.broadcast_to(own, (n,)) if limit.where is None else np.where(limit.where, own, 0.0)
        rows = np.flatnonzero(full)
        who.append(rows)
        which.append(np.full(len(rows), number, np.int64))
        weight.append(sign[number] * full[rows])
    if not who:
        return np.zeros(n + 1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)
    rows = np.concatenate(who)
    order = np.argsort(rows, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))]).astype(np.int64)
    return indptr, np.concatenate(which)[order], np.concatenate(weight)[order].astype(np.float32)


def _vectors(limits: Sequence[Limit], m: int) -> tuple[np.ndarray, np.ndarray]:
    """For each own limit the row of its vector of offers, −1 where all offers weigh the same; and the vectors."""
    rows = np.full(len(limits), -1, np.int64)
    vectors: list[np.ndarray] = []
    for number, limit in enumerate(limits):
        if limit.weight.shape[1] > 1 and limit.weight.shape[1] == m:
            rows[number] = len(vectors)
            vectors.append(limit.weight[0])
    stacked = np.array(vectors, np.float32) if vectors else np.zeros((0, m), np.float32)
    return rows, stacked.reshape(-1, m)
