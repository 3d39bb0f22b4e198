"""Each segment in words and numbers: who they are, how to find them, what they bring and whom we reach."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segmentation.lifts import lifts
from segmentation.names import SegmentName
from segmentation.outcomes import LEAST_FOR_RISK, Outcomes, worth
from segmentation.phrases import Lang, amount, phrase
from segmentation.profile import DISTINCT, TYPICAL, profiles, segment_ids
from segmentation.rules import Rule
from segmentation.surrogate import SegmentRule, Surrogate, surrogate

__all__ = ["LEAST_FOR_RISK", "Description", "Outcomes", "describe"]

# features named in a segment's sentence
SPOKEN = 4


@dataclass(frozen=True)
class Description:
    """What a page, a report or a colleague needs to know about the segments of one scene.

    segments : one row per segment: segment_id, size, share, names, sentences, rule (JSON and words) with precision,
        recall and fidelity, and what `segmentation.outcomes.worth` says of value, risk, reach and scenes
    lifts : one row per segment and feature, see `segmentation.lifts`; with segment_id
    scenes : one row per segment and scene: share of the segment's activity, base, tgi; empty without scenes
    surrogate : the tree behind the rules, with its fidelity
    """

    segments: pd.DataFrame
    lifts: pd.DataFrame
    scenes: pd.DataFrame
    surrogate: Surrogate


def describe(
    frame: pd.DataFrame,
    labels: np.ndarray,
    scene_id: str,
    ids: Sequence[str] | None = None,
    names: Mapping[int, SegmentName] | None = None,
    outcomes: Outcomes | None = None,
    depth: int = 4,
    seed: int = 0,
) -> Description:
    """The segments of a scene in words and numbers.

    Parameters
    ----------
    frame : the features the segments were found in, before encoding; moments as days (see `columns.in_days`)
    labels : segment of each row, 0 ... k - 1
    ids : segment id of each label; None numbers them by label
    names : names that people gave, by label (`Names.of(ids)`); the others are named by what sets them apart

    Notes
    -----
    Risk is a mean over at least 20 customers with a known risk, else empty. Reach has Wilson's interval.
    """
    labels = np.asarray(labels)
    segments = _called(frame, labels, scene_id, ids, names)
    brings = worth(outcomes or Outcomes(), labels, segments["segment_id"].tolist())
    table = lifts(frame, labels)
    tree = surrogate(frame, labels, depth=depth, seed=seed)
    segments = segments.join(_rules(tree)).join(brings.segments)
    for lang in ("en", "zh"):
        said = [_sentence(row, table[table["label"] == i], rule, lang)
                for i, (row, rule) in enumerate(zip(segments.to_dict("records"), tree.rules, strict=True))]  # fmt: skip
        segments[f"sentence_{lang}"] = said
    table.insert(0, "segment_id", segments["segment_id"].to_numpy()[table["label"].to_numpy(dtype=np.intp)])
    return Description(segments, table.drop(columns="label"), brings.scenes, tree)


def _called(
    frame: pd.DataFrame,
    labels: np.ndarray,
    scene_id: str,
    ids: Sequence[str] | None,
    names: Mapping[int, SegmentName] | None,
) -> pd.DataFrame:
    """Id, size, share and names of each segment, by label."""
    sizes = np.bincount(labels)
    known_as = segment_ids(scene_id, np.arange(len(sizes))) if ids is None else np.asarray(ids, dtype=object)
    called = (
        profiles(frame, labels, scene_id, names, ids)
        .drop_duplicates("segment_id")
        .set_index("segment_id")
        .reindex(known_as)
    )
    return pd.DataFrame(
        {
            "segment_id": known_as,
            "size": sizes,
            "share": sizes / len(labels),
            # a segment none of whose values is known has no row in the profile
            "name_en": called["name_en"].fillna(TYPICAL.en).to_numpy(dtype=object),
            "name_zh": called["name_zh"].fillna(TYPICAL.zh).to_numpy(dtype=object),
        }
    )


def _rules(tree: Surrogate) -> pd.DataFrame:
    rules = [one.rule for one in tree.rules]
    return pd.DataFrame(
        {
            "rule": [None if rule is None else rule.model_dump_json() for rule in rules],
            "rule_en": [_spoken_rule(rule, "en") for rule in rules],
            "rule_zh": [_spoken_rule(rule, "zh") for rule in rules],
            "precision": [one.precision for one in tree.rules],
            "recall": [one.recall for one in tree.rules],
            "fidelity": tree.fidelity_by_segment,
        }
    )


def _spoken_rule(rule: Rule | None, lang: Lang) -> str | None:
    return None if rule is None else rule.sentence(lang)


def _sentence(row: Mapping[Hashable, Any], found: pd.DataFrame, rule: SegmentRule, lang: Lang) -> str:
    """Size, what sets the segment apart, and its rule, in one short paragraph."""
    apart = found[found["z"].abs() >= DISTINCT].assign(far=lambda f: f["z"].abs())
    apart = apart.sort_values(["far", "feature"], ascending=[False, True])
    # one word of each family: four columns of spend say one thing
    apart = apart[~apart["column"].map(lambda name: phrase(name).family).duplicated()].head(SPOKEN)
    said = [_contrast(one, lang) for one in apart.to_dict("records")]
    share = amount(round(float(row["share"]), 3), "share")
    if lang == "zh":
        text = f"{row['name_zh']}：{row['size']:,}人（{share}）。"
        text += f"特征：{'；'.join(said)}。" if said else "与总体无明显差异。"
        if rule.rule is not None:
            text += (
                f"规则：{rule.rule.sentence('zh')}（精确率{_percent(rule.precision)}，覆盖{_percent(rule.recall)}）。"
            )
        return text
    text = f"{row['name_en']}: {row['size']:,} customers ({share}). "
    text += f"Apart by {'; '.join(said)}." if said else "Nothing sets them clearly apart."
    if rule.rule is not None:
        text += (
            f" Rule: {rule.rule.sentence('en')} (precision {_percent(rule.precision)}, finds {_percent(rule.recall)})."
        )
    return text


def _contrast(one: Mapping[Hashable, Any], lang: Lang) -> str:
    words = phrase(str(one["column"]))
    level = "" if one["level"] is None else f" = {one['level']}"
    unit = "share" if level or words.unit == "truth" else words.unit
    mean, base = (amount(float(f"{float(one[key]):.3g}"), unit) for key in ("mean", "base"))
    tgi, low, high = (float(one[key]) for key in ("tgi", "tgi_low", "tgi_high"))
    sure = "" if np.isnan(low) or np.isnan(high) else f" [{low:.0f}, {high:.0f}]"
    if lang == "zh":
        return f"{words.zh}{level} {mean}（总体{base}" + ("）" if np.isnan(tgi) else f"，TGI {tgi:.0f}{sure}）")
    return f"{words.en}{level} {mean} (all: {base}" + (")" if np.isnan(tgi) else f", TGI {tgi:.0f}{sure})")


def _percent(share: float) -> str:
    return "-" if np.isnan(share) else f"{share * 100:.0f}%"
