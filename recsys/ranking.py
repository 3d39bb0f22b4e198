"""The ranked answer of every recommender: rows of ids, best first, short where fewer are eligible."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Ranking(NamedTuple):
    """Row i is `ids[indptr[i]:indptr[i+1]]` with the same slice of `scores`, best first."""

    indptr: np.ndarray
    ids: np.ndarray
    scores: np.ndarray


def top_n(scores: np.ndarray, n: int, eligible: np.ndarray | None = None) -> Ranking:
    """The best n offers per customer; ties go to the lower id, and nothing ineligible ever appears.

    Parameters
    ----------
    scores : shape (customers, offers)
    eligible : bits (customers, words) as `pack` makes them; None: everything

    Notes
    -----
    Rows with fewer than n eligible offers stay short. implicit pads them with forbidden ids instead.

    >>> top_n(np.array([[1.0, 3.0, 2.0]]), 2, pack(np.array([[True, False, True]]))).ids.tolist()
    [2, 0]
    """
    customers, offers = scores.shape
    allowed = np.ones((customers, offers), dtype=bool) if eligible is None else unpack(eligible, offers)
    masked = np.where(allowed, scores, -np.inf)
    order = np.argsort(-masked, axis=1, kind="stable")[:, :n]
    kept = np.take_along_axis(allowed, order, 1)
    indptr = np.concatenate([[0], np.cumsum(kept.sum(axis=1))]).astype(np.int64)
    return Ranking(indptr, order[kept].astype(np.int32), np.take_along_axis(scores, order, 1)[kept])


def pack(mask: np.ndarray) -> np.ndarray:
    """Bits of a (customers, offers) mask: uint64 words, offer j at bit j % 64 of word j // 64."""
    customers, offers = mask.shape
    words = (offers + 63) // 64
    wide = np.zeros((customers, words * 64), dtype=bool)
    wide[:, :offers] = mask
    return np.packbits(wide, axis=1, bitorder="little").view("<u8")


def unpack(bits: np.ndarray, offers: int) -> np.ndarray:
    """The (customers, offers) mask of packed bits."""
    little = np.ascontiguousarray(bits, dtype="<u8").view(np.uint8)
    return np.unpackbits(little, axis=1, count=offers, bitorder="little").astype(bool)
