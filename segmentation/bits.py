"""Who fits a condition, one bit per customer: masks as uint64 words, row j at bit j % 64 of word j // 64."""

from __future__ import annotations

import numpy as np


def packed(masks: np.ndarray) -> np.ndarray:
    """Masks as words: bool of shape (..., n) to uint64 of shape (..., ceil(n / 64)); bits past n are 0.

    >>> packed(np.array([True, False, True])).tolist()
    [5]
    """
    given = np.asarray(masks, dtype=bool)
    words = (given.shape[-1] + 63) // 64
    spread = np.zeros((*given.shape[:-1], words * 8), dtype=np.uint8)
    bits = np.packbits(given, axis=-1, bitorder="little")
    spread[..., : bits.shape[-1]] = bits
    return spread.view("<u8").astype(np.uint64, copy=False)


def unpacked(words: np.ndarray, n: int) -> np.ndarray:
    """The masks of words: bool of shape (..., n).

    >>> unpacked(np.array([5], dtype=np.uint64), 3).tolist()
    [True, False, True]
    """
    spread = np.ascontiguousarray(words, dtype="<u8").view(np.uint8)
    return np.unpackbits(spread, axis=-1, count=n, bitorder="little").astype(bool)


def everybody(n: int) -> np.ndarray:
    """Words in which all of n customers have their bit; what a negation must stay inside."""
    return packed(np.ones(n, dtype=bool))


def count(words: np.ndarray) -> np.ndarray:
    """Customers of each bitmap, int64 of shape (...)."""
    counts: np.ndarray = np.bitwise_count(words).sum(axis=-1, dtype=np.int64)
    return counts
