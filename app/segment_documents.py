"""A kept version of a scene's segments as one JSON value: what `scenefit segments show` prints and the page tells."""

from __future__ import annotations

from typing import Any

from app.segment_store import Kept
from segmentation.names import Names
from segmentation.profile import DISTINCT

# features told of each segment, the most distinctive first
APART = 8


def shown(kept: Kept, names: Names, outcomes: dict[str, Any] | None = None) -> dict[str, Any]:
    """A version for reading: each segment with its present name and those before, what sets it apart, its rule.

    Parameters
    ----------
    outcomes : see `app.segment_outcomes`; what each segment brings and whom marketing reaches in it
    """
    model, facts = kept.model, kept.facts
    given = {model.ids[i]: name for i, name in names.of(model.ids).items()}
    brings = {row["segment_id"]: row for row in outcomes["segments"]} if outcomes else {}
    segments = []
    for row in facts["segments"]:
        found = [lift for lift in facts["lifts"] if lift["segment_id"] == row["segment_id"]]
        apart = [lift for lift in found if abs(lift["z"] or 0.0) >= DISTINCT]
        apart.sort(key=lambda lift: (-abs(lift["z"]), lift["feature"]))
        segment = {**row, "named_by_hand": row["segment_id"] in given, "apart": apart[:APART]}
        segment["names_given"] = [
            {"en": name.en, "zh": name.zh, "by": name.by, "at": name.at.isoformat()}
            for name in names.given
            if name.segment_id == row["segment_id"]
        ]
        if row["segment_id"] in given:
            name = given[row["segment_id"]]
            segment |= {"name_en": name.en, "name_zh": name.zh}
            segment["sentence_en"] = name.en + row["sentence_en"].removeprefix(row["name_en"])
            segment["sentence_zh"] = name.zh + row["sentence_zh"].removeprefix(row["name_zh"])
        segments.append(segment | brings.get(row["segment_id"], {}))
    said = ("as_of", "fitted_at", "why", "tie_set", "criteria", "surrogate", "matched_by", "kept_share")
    around = {} if outcomes is None else {"outcomes": {k: v for k, v in outcomes.items() if k != "segments"}}
    return {"scene_id": model.scene_id, "version": model.version, "n": len(kept.members), "k": len(model.ids),
            "segments": segments, **{name: facts[name] for name in said}, **around}  # fmt: skip
