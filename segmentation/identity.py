"""Which new segment is which old one: ids that stay when the segments are found again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError

Event = Literal["first", "same", "split", "merge", "new", "dead"]

# least overlap (Jaccard) with which a segment keeps its id: half of a halved segment still has it
SAME = 0.3
# a part counts for a split when it holds this share of the old segment, for a merger when it makes this much of the new
PART = 0.25
# most of the part's (or parent's) customers have to come along
MOST = 0.5
# by centres: a new centre carries on an old one within this share of the way to the next old (and new) centre
NEAR = 0.5
# fewer common customers than this say too little; centres decide
LEAST_COMMON = 50
EVENT_COLUMNS = ["segment_id", "event", "other_id", "overlap"]


class Succession(NamedTuple):
    """How new segments continue old ones.

    ids : id of each new segment, by label
    last : highest number given to any segment of the scene so far; numbers are never used again
    by : "customers" or "centres", what the match was decided by
    events : one row per event: segment_id (that the event happened to), event, other_id (where it came from or went
        to), overlap (Jaccard of common customers, or NaN by centres)
    """

    ids: tuple[str, ...]
    last: int
    by: Literal["customers", "centres"]
    events: pd.DataFrame


def first_ids(scene_id: str, k: int) -> tuple[str, ...]:
    """Ids of a scene's first segments, by label.

    >>> first_ids("travel", 2)
    ('travel/1', 'travel/2')
    """
    return tuple(f"{scene_id}/{number}" for number in range(1, k + 1))


def overlap_table(before: np.ndarray, after: np.ndarray, k_before: int, k_after: int) -> np.ndarray:
    """Common customers of every old and new segment, shape (old, new), from the labels of the same customers."""
    if len(before) != len(after):
        raise ContractError(f"overlap: {len(before):,} old labels but {len(after):,} new ones; give the same customers")
    pairs = np.asarray(before, dtype=np.intp) * k_after + np.asarray(after, dtype=np.intp)
    return np.bincount(pairs, minlength=k_before * k_after).reshape(k_before, k_after)


def succession(
    scene_id: str,
    old_ids: Sequence[str],
    last: int,
    common: np.ndarray,
    centres: tuple[np.ndarray, np.ndarray] | None = None,
) -> Succession:
    """Ids of new segments: an old one stays where its customers, or else its centre, stayed.

    Parameters
    ----------
    old_ids : id of each old segment, in the order of the table's rows
    last : highest number given in this scene so far
    common : shape (old, new), customers by old and new segment (see `overlap_table`)
    centres : old and new centres in the same points (those of the old encoder), for when fewer than 50 customers are
        common

    Notes
    -----
    The match maximises the sum of Jaccard overlaps over common customers, one to one (Hungarian method, Kuhn 1955,
    Naval Research Logistics 2, 83); a pair below 0.3 is no match. A split: two or more new segments each hold at
    least a quarter of the old one's customers, and at least half of each came from it; the largest overlap keeps the
    id. A merger: two or more old segments each make at least a quarter of the new one and each brought at least half
    of its customers (transitions after Spiliopoulou et al. 2006, MONIC, KDD, 706). What is neither is new or dead. By
    centres a match must lie within half of the way to the next centre on both sides; splits and mergers are not told.
    """
    common = np.asarray(common, dtype=np.float64)
    if common.ndim != 2 or common.shape[0] != len(old_ids):
        raise ContractError(f"succession: {len(old_ids)} old ids but a table of shape {common.shape}; give a row each")
    if common.sum() >= LEAST_COMMON:
        score = _jaccard(common)
        pairs = [(i, j) for i, j in _assigned(score) if score[i, j] >= SAME]
        return _named(scene_id, list(old_ids), last, pairs, score, common, "customers")
    if centres is None:
        raise ContractError(
            f"succession of {scene_id!r}: only {int(common.sum())} customers are common to both versions, and no "
            f"centres were given; give at least {LEAST_COMMON} common customers or the centres in the old points"
        )
    near = _nearness(*centres)
    pairs = [(i, j) for i, j in _assigned(near) if near[i, j] >= 1 - NEAR]
    none = np.full(common.shape, np.nan)
    return _named(scene_id, list(old_ids), last, pairs, none, np.zeros(common.shape), "centres")


def _jaccard(common: np.ndarray) -> np.ndarray:
    either = common.sum(axis=1, keepdims=True) + common.sum(axis=0, keepdims=True) - common
    return np.divide(common, either, out=np.zeros(common.shape), where=either > 0)


def _nearness(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """1 where a new centre lies on an old one, 0 at the distance of the next old or new centre, negative beyond."""
    old, new = np.asarray(old, dtype=np.float64), np.asarray(new, dtype=np.float64)
    if old.shape[1] != new.shape[1]:
        raise ContractError(
            f"centres of {old.shape[1]} and {new.shape[1]} columns cannot be compared; "
            "encode the new customers with the old encoder and take the means of the new segments"
        )
    gap = np.minimum(_next(old)[:, None], _next(new)[None, :])
    return 1 - _distances(old, new) / np.maximum(gap, 1e-300)


def _next(centres: np.ndarray) -> np.ndarray:
    between = _distances(centres, centres)
    np.fill_diagonal(between, np.inf)
    return between.min(axis=1)


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.sqrt(((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=2))
    return found


def _assigned(score: np.ndarray) -> list[tuple[int, int]]:
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(np.where(np.isfinite(score), score, -1e9), maximize=True)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _named(
    scene_id: str,
    old_ids: list[str],
    last: int,
    pairs: list[tuple[int, int]],
    score: np.ndarray,
    common: np.ndarray,
    by: Literal["customers", "centres"],
) -> Succession:
    ids: list[str] = [""] * common.shape[1]
    for i, j in pairs:
        ids[j] = old_ids[i]
    for j, known in enumerate(ids):
        if not known:
            last += 1
            ids[j] = f"{scene_id}/{last}"
    kept = dict(pairs)
    rows: list[tuple[str, Event, str | None, float]] = [
        (ids[j], "same", old_ids[i], float(score[i, j])) for i, j in pairs
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        of_old = np.nan_to_num(common / common.sum(axis=1, keepdims=True))
        of_new = np.nan_to_num(common / common.sum(axis=0, keepdims=True))
    parts, parents = (of_old >= PART) & (of_new >= MOST), (of_new >= PART) & (of_old >= MOST)
    for j in range(len(ids)):
        if j not in kept.values():
            from_ = [i for i in np.flatnonzero(parts[:, j]) if parts[i].sum() > 1]
            rows += [(ids[j], "split", old_ids[i], float(score[i, j])) for i in from_]
            if not from_:
                rows.append((ids[j], "new", None, float("nan")))
    for i in range(len(old_ids)):
        if i not in kept:
            into = [j for j in np.flatnonzero(parents[i]) if parents[:, j].sum() > 1]
            rows += [(old_ids[i], "merge", ids[j], float(score[i, j])) for j in into]
            if not into:
                rows.append((old_ids[i], "dead", None, float("nan")))
    return Succession(tuple(ids), last, by, pd.DataFrame(rows, columns=EVENT_COLUMNS))
