"""The ranked answer of every recommender: rows of ids, best first, short where fewer are eligible."""

from __future__ import annotations

from typing import NamedTuple, NoReturn

import numpy as np

from scenefit.contracts.errors import ContractError

# cells from which the compiled loops save more than loading them costs
COMPILED = 10_000_000
# offers per customer up to which they are faster than sorting whole rows
MOST = 256
# cells copied at once: they stay in the second-level cache
COPIED = 300_000


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
    if eligible is not None:
        check_bits(eligible, customers, offers)
    if scores.size >= COMPILED and n <= MOST and scores.dtype in (np.float32, np.float64):
        return _compiled(scores, min(n, offers), eligible)
    if np.isnan(scores).any():
        raise_nan(scores, 0)
    allowed = np.ones((customers, offers), dtype=bool) if eligible is None else unpack(eligible, offers)
    order = np.argsort(-np.where(allowed, scores, -np.inf), axis=1, kind="stable")
    if np.isneginf(scores).any():
        # an eligible offer scored -inf must still come before those that are not eligible
        barred = np.argsort(~np.take_along_axis(allowed, order, 1), axis=1, kind="stable")
        order = np.take_along_axis(order, barred, 1)
    order = order[:, :n]
    kept = np.take_along_axis(allowed, order, 1)
    indptr = np.concatenate([[0], np.cumsum(kept.sum(axis=1))]).astype(np.int64)
    return Ranking(indptr, order[kept].astype(np.int32), np.take_along_axis(scores, order, 1)[kept])


def pick(
    scores: np.ndarray, eligible: np.ndarray | None, ids: np.ndarray, best: np.ndarray, first: int = 0
) -> np.ndarray:
    """Write the best offers of each row into `ids` and `best` (rows, n), by compiled loops; how many each row has.

    Parameters
    ----------
    scores : shape (rows, offers), float32 or float64, rows one after the other in memory
    eligible : the rows' bits, checked already; None: everything
    first : number of the first row, for the message

    Raises
    ------
    ContractError : a score is NaN.
    """
    from recsys.score_kernels import fill_best

    counts = np.empty(len(scores), np.int64)
    masked = eligible is not None
    bits = np.empty((len(scores), 0), np.uint8) if eligible is None else _bytes(eligible)
    if fill_best(scores, bits, masked, _gates(scores.dtype), ids, best, counts) >= 0:
        raise_nan(scores, first)
    return counts


def joined(counts: np.ndarray, ids: np.ndarray, best: np.ndarray) -> Ranking:
    """Rows of `counts` offers each, written at equal width, as one ranking."""
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    if indptr[-1] == ids.size:
        return Ranking(indptr, ids.ravel(), best.ravel())
    kept = np.arange(ids.shape[1])[None, :] < counts[:, None]
    return Ranking(indptr, ids[kept], best[kept])


def check_bits(eligible: np.ndarray, customers: int, offers: int) -> None:
    """Make sure that there is a row of bits for each customer, as long as the offers need.

    Raises
    ------
    ContractError : there is not.
    """
    if len(eligible) != customers:
        raise ContractError(f"top_n: {len(eligible):,} rows of eligibility for {customers:,} customers; give one each")
    words = (offers + 63) // 64
    if eligible.ndim != 2 or eligible.shape[1] != words:
        raise ContractError(
            f"eligibility: bits of shape {eligible.shape} for {offers} offers; make them with pack, "
            f"{words} words per row"
        )


def raise_nan(scores: np.ndarray, first: int) -> NoReturn:
    """Refuse scores among which one is NaN; `first` is the number of their first row."""
    i, j = np.argwhere(np.isnan(scores))[0]
    raise ContractError(f"top_n: the score of offer {j} for customer {first + i} is NaN; every offer needs a number")


def _compiled(scores: np.ndarray, n: int, eligible: np.ndarray | None) -> Ranking:
    customers, offers = scores.shape
    ids, best = np.empty((customers, n), np.int32), np.empty((customers, n), scores.dtype)
    counts = np.empty(customers, np.int64)
    step = max(1, COPIED // max(1, offers))
    for start in range(0, customers, step):
        rows = slice(start, start + step)
        # a copy of a few rows: broadcast, read-only or strided scores need no loops of their own
        counts[rows] = pick(
            np.array(scores[rows], order="C"),
            None if eligible is None else eligible[rows],
            ids[rows],
            best[rows],
            start,
        )
    return joined(counts, ids, best)


def _bytes(eligible: np.ndarray) -> np.ndarray:
    words = np.ascontiguousarray(eligible, dtype="<u8")
    return (words if words.flags.writeable else words.copy()).view(np.uint8)


def _gates(dtype: np.dtype) -> np.ndarray:
    """For each byte of bits, +inf where a bit is set and −inf where it is not; shape (256, 8)."""
    open_ = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little").astype(bool)
    return np.where(open_, np.inf, -np.inf).astype(dtype)


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
    check_bits(bits, len(bits), offers)
    little = np.ascontiguousarray(bits, dtype="<u8").view(np.uint8)
    return np.unpackbits(little, axis=1, count=offers, bitorder="little").astype(bool)
