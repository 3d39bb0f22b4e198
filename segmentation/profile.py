"""What sets each segment apart: sizes, features against the base, and a name in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError
from segmentation.columns import column_kind, numbers, texts
from segmentation.names import SegmentName
from segmentation.phrases import phrase

__all__ = ["DISTINCT", "TYPICAL", "SegmentName", "profiles", "segment_ids"]

# below this distance from the base, in standard deviations, a feature names nobody
DISTINCT = 0.25
WORDS = 2
TYPICAL = SegmentName("Typical customers", "典型客户")


class _Feature(NamedTuple):
    """One feature over all segments; `column` and `level` (texts only) say where it comes from."""

    feature: str
    column: str
    level: str | None
    segment: np.ndarray
    mean: np.ndarray
    base: np.ndarray
    z: np.ndarray


def segment_ids(scene_id: str, labels: np.ndarray) -> np.ndarray:
    """Segment ids unique over scenes, the largest segment of a scene first.

    >>> segment_ids("travel", np.array([0, 2])).tolist()
    ['travel/1', 'travel/3']
    """
    return np.asarray([f"{scene_id}/{label + 1}" for label in np.asarray(labels).tolist()], dtype=object)


def profiles(
    frame: pd.DataFrame,
    labels: np.ndarray,
    scene_id: str,
    names: Mapping[int, SegmentName] | None = None,
    ids: Sequence[str] | None = None,
) -> pd.DataFrame:
    """What sets each segment apart, as the table segment_profiles: one row per segment and feature.

    Parameters
    ----------
    frame : the features the segments were found in, before encoding, shape (n, d)
    labels : segment of each row, 0 ... k - 1
    names : names that people gave, by label; the others are named by their most distinctive features
    ids : segment id of each label, where segments have an identity that outlives a refit; None numbers them by label

    Notes
    -----
    Means leave gaps out. A text column appears as "column=level" with the segment's most frequent level: mean is its
    share in the segment, base its share in the scene. TGI (target group index) is 100 * mean / base.
    """
    labels = np.asarray(labels)
    if len(frame) != len(labels) or not len(labels):
        raise ContractError(f"profiles of {scene_id!r}: {len(frame):,} rows but {len(labels):,} labels; give one each")
    sizes = np.bincount(labels)
    found = [part for name in frame.columns for part in _features(frame[name], labels, len(sizes))]
    if ids is not None and len(ids) != len(sizes):
        raise ContractError(f"profiles of {scene_id!r}: {len(sizes)} segments but {len(ids)} ids; give one each")
    called = _all_names(found, len(sizes), names or {})
    known_as = segment_ids(scene_id, np.arange(len(sizes))) if ids is None else np.asarray(ids, dtype=object)
    parts = [
        pd.DataFrame(
            {
                "scene_id": scene_id,
                "segment_id": known_as[part.segment],
                "size": sizes[part.segment],
                "name_en": [called[label].en for label in part.segment],
                "name_zh": [called[label].zh for label in part.segment],
                "feature": part.feature,
                "mean": part.mean,
                "base": part.base,
                "z": part.z,
                "tgi": 100 * part.mean / np.where(part.base > 0, part.base, np.nan),
                "_label": part.segment,
            }
        )
        for part in found
    ]
    table = pd.concat(parts, ignore_index=True)
    return table.sort_values(["_label", "feature"], kind="stable", ignore_index=True).drop(columns="_label")


def _features(series: pd.Series, labels: np.ndarray, k: int) -> list[_Feature]:
    kind = column_kind(series)
    if kind == "text":
        return _level_features(series, labels, k)
    values = np.full(len(series), np.nan) if kind == "empty" else numbers(series)
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    counts = np.bincount(labels, known, k)
    means = np.divide(np.bincount(labels, filled, k), counts, out=np.full(k, np.nan), where=counts > 0)
    base = values[known].mean() if known.any() else np.nan
    spread = values[known].std() if known.any() else np.nan
    z = (means - base) / spread if spread > 0 else np.full(k, np.nan)
    name = str(series.name)
    return [_Feature(name, name, None, np.arange(k), means, np.full(k, base), z)]


def _level_features(series: pd.Series, labels: np.ndarray, k: int) -> list[_Feature]:
    """One feature per level that is the most frequent of some segment, for those segments."""
    column = pd.Categorical(texts(series))
    codes, levels = column.codes.astype(np.intp), [str(level) for level in column.categories]
    known = codes >= 0
    if not levels:
        return []
    table = np.bincount(labels[known] * len(levels) + codes[known], minlength=k * len(levels)).reshape(k, -1)
    totals = table.sum(axis=1)
    base = table.sum(axis=0) / known.sum()
    tops = table.argmax(axis=1)
    found = []
    for level in np.unique(tops[totals > 0]):
        segments = np.flatnonzero((tops == level) & (totals > 0))
        shares = table[segments, level] / totals[segments]
        spread = np.sqrt(base[level] * (1 - base[level]))
        z = (shares - base[level]) / spread if spread > 0 else np.full(len(segments), np.nan)
        name = str(series.name)
        found.append(
            _Feature(
                f"{name}={levels[level]}", name, levels[level], segments, shares, np.full(len(segments), base[level]), z
            )
        )
    return found


def _all_names(found: list[_Feature], k: int, given: Mapping[int, SegmentName]) -> dict[int, SegmentName]:
    """The given names, and for the others names of their most distinctive features, unique within the scene."""
    names = dict(given)
    for label in range(k):
        if label in given:
            continue
        spoken = _words(found, label)
        for length in range(min(WORDS, len(spoken)), len(spoken) + 1):
            candidate = _joined(spoken[:length])
            if candidate not in names.values():
                break
        else:
            # the same words in every feature: the segment's place by size tells them apart
            candidate = SegmentName(f"{candidate.en} {label + 1}", f"{candidate.zh}{label + 1}")
        names[label] = candidate
    return names


def _words(found: list[_Feature], label: int) -> list[SegmentName]:
    """Phrases of the segment's distinctive features, the most distinctive first, one per family."""
    placed = [
        (abs(float(part.z[at])), part.feature, float(part.z[at]), part)
        for part in found
        for at in np.flatnonzero(part.segment == label)
        if abs(part.z[at]) >= DISTINCT and (part.level is None or part.z[at] > 0)
    ]
    spoken: dict[str, SegmentName] = {}
    for _, _, z, part in sorted(placed, key=lambda row: (-row[0], row[1])):
        words = phrase(part.column)
        if part.level is not None:
            said = SegmentName(f"{words.en} {part.level}", f"{words.zh}{part.level}")
        else:
            said = SegmentName(words.high_en, words.high_zh) if z > 0 else SegmentName(words.low_en, words.low_zh)
        spoken.setdefault(words.family, said)
    return list(spoken.values())


def _joined(spoken: list[SegmentName]) -> SegmentName:
    if not spoken:
        return TYPICAL
    en = ", ".join(word.en for word in spoken)
    return SegmentName(en[0].upper() + en[1:], "、".join(word.zh for word in spoken))
