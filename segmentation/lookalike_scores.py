"""Everybody's scores, block of rows by block, the same on any number of threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scenefit.contracts.errors import ContractError
from scenefit.runtime.parallel import pmap
from segmentation.lookalike_probes import Probe, nearness

# rows scored at once: products with all directions stay in the cache
BLOCK = 16_384
# below this length a vector has no direction
NOTHING = 1e-12
# unit vectors closer than this are one
ALIKE = 1e-5


class _Shared(NamedTuple):
    vectors: np.ndarray
    lengths: np.ndarray
    directions: np.ndarray
    starts: np.ndarray
    marks: np.ndarray
    curved: list[int]
    bumps: np.ndarray


def best(scores: np.ndarray, count: int) -> np.ndarray:
    """Positions of the highest scores, best first; of equal ones the earlier.

    >>> best(np.array([1.0, 3.0, 2.0, 3.0]), 3).tolist()
    [1, 3, 2]
    """
    if count < 1:
        return np.empty(0, dtype=np.int64)
    limit = np.partition(scores, len(scores) - count)[len(scores) - count]
    above = np.flatnonzero(scores > limit)
    at = np.flatnonzero(scores == limit)[: count - len(above)]
    chosen = np.sort(np.concatenate([above, at]))
    return chosen[np.argsort(-scores[chosen], kind="stable")]


def matrix(vectors: np.ndarray) -> np.ndarray:
    """Vectors as float32 (n, d).

    Raises
    ------
    ContractError : no table of numbers.
    """
    given = np.asarray(vectors)
    if given.ndim != 2 or given.dtype.kind not in "fiu" or not given.size:
        raise ContractError(
            f"look-alikes: vectors are {given.dtype} of shape {given.shape}; give numbers, one row per customer"
        )
    return np.ascontiguousarray(given, dtype=np.float32)


def lengths_of(vectors: np.ndarray, cores: int) -> np.ndarray:
    """Length of each vector, float32 (n,).

    Raises
    ------
    ContractError : gaps or infinities, or no two directions.
    """
    parts = pmap(_block_lengths, range(0, len(vectors), BLOCK), vectors, 0, "local", cores=cores)
    lengths = np.concatenate([part[0] for part in parts])
    bad = np.flatnonzero(~np.isfinite(lengths))
    if len(bad):
        raise ContractError(
            f"look-alikes: {len(bad):,} vectors hold gaps or infinities, first at position {bad[0]}; fill them with 0 "
            "where nothing is known"
        )
    if not (lengths > NOTHING).any():
        raise ContractError("look-alikes: all vectors are zero; nothing is known of anybody")
    spread = np.max([part[2] for part in parts], axis=0) - np.min([part[1] for part in parts], axis=0)
    if spread.max() < ALIKE:
        raise ContractError("look-alikes: all vectors point the same way, so nobody is more alike than anybody else")
    return lengths


def _block_lengths(start: int, vectors: np.ndarray, _: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Lengths of one block, and the least and largest coordinates of its unit vectors."""
    block = vectors[start : start + BLOCK].astype(np.float64)
    lengths = np.sqrt(np.einsum("ij,ij->i", block, block))
    usable = (lengths > NOTHING) & np.isfinite(lengths)
    some = block[usable] / lengths[usable, None]
    low, high = some.min(axis=0, initial=np.inf), some.max(axis=0, initial=-np.inf)
    return lengths.astype(np.float32), low, high


def scores_of(
    vectors: np.ndarray, lengths: np.ndarray, probes: Sequence[Probe], marks: np.ndarray, cores: int
) -> np.ndarray:
    """Scores of everybody by every probe, float32 (probes, n); −inf where nothing is known of a customer."""
    counts = [len(probe.directions) for probe in probes]
    bumps = {at: probe.bumps for at, probe in enumerate(probes) if probe.bumps is not None}
    shared = _Shared(
        vectors, lengths, np.ascontiguousarray(np.concatenate([probe.directions for probe in probes]).T),
        np.concatenate([[0], np.cumsum(counts)[:-1]]), marks, list(bumps),
        np.ascontiguousarray(np.array(list(bumps.values()), dtype=np.float32).T),
    )  # fmt: skip
    blocks = range(0, len(vectors), BLOCK)
    return np.concatenate(pmap(_block_scores, blocks, shared, 0, "local", cores=cores), axis=1)


def _block_scores(start: int, shared: _Shared, _: np.random.Generator) -> np.ndarray:
    lengths = shared.lengths[start : start + BLOCK]
    some = lengths > NOTHING
    rows = shared.vectors[start : start + BLOCK] / np.where(some, lengths, 1)[:, None]
    scores = np.maximum.reduceat(rows @ shared.directions, shared.starts, axis=1)
    if shared.curved:
        scores[:, shared.curved] += nearness(rows, shared.marks) @ shared.bumps
    scores[~some] = -np.inf
    return np.ascontiguousarray(scores.T)


def over(products: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Products divided by lengths; −inf where nothing is known of a customer."""
    some = lengths > NOTHING
    return np.where(some, products / np.where(some, lengths, 1), -np.inf).astype(np.float32)
