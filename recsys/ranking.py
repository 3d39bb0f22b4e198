"""The ranked answer of every recommender: rows of ids, best first, short where fewer are eligible."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scenefit.contracts.errors import ContractError


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

    Raises
    ------
    ContractError : n is not positive, a score is NaN, or the bits do not fit the scores.

    Notes
    -----
    Rows with fewer than n eligible offers stay short. implicit pads them with forbidden ids instead.

    >>> top_n(np.array([[1.0, 3.0, 2.0]]), 2, pack(np.array([[True, False, True]]))).ids.tolist()
    [2, 0]
    """
    customers, offers = scores.shape
    if n < 1:
        raise ContractError(f"top_n: n is {n}; ask for at least one offer per customer")
    if np.isnan(scores).any():
        i, j = np.argwhere(np.isnan(scores))[0]
        raise ContractError(f"top_n: the score of offer {j} for customer {i} is NaN; every offer needs a number")
    if eligible is None:
        allowed = np.ones((customers, offers), dtype=bool)
    elif len(eligible) != customers:
        raise ContractError(f"top_n: {len(eligible):,} rows of eligibility for {customers:,} customers; give one each")
    else:
        allowed = unpack(eligible, offers)
    # an eligible offer scored -inf must still come before those that are not eligible
    lowest = np.nan_to_num(scores, neginf=np.finfo(np.float64).min) if np.isneginf(scores).any() else scores
    order = np.argsort(-np.where(allowed, lowest, -np.inf), axis=1, kind="stable")[:, :n]
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
    """The (customers, offers) mask of packed bits.

    Raises
    ------
    ContractError : the words are not as many as the offers need.
    """
    words = (offers + 63) // 64
    if bits.ndim != 2 or bits.shape[1] != words:
        raise ContractError(
            f"eligibility: bits of shape {bits.shape} for {offers} offers; make them with pack, {words} words per row"
        )
    little = np.ascontiguousarray(bits, dtype="<u8").view(np.uint8)
    return np.unpackbits(little, axis=1, count=offers, bitorder="little").astype(bool)
