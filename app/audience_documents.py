"""What the commands say of audiences: one document per answer, printed as JSON or told as text."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from app.audience_lookalikes import Lookalikes
from app.audiences import Desk, contrast, expected, on_channels
from segmentation.audience import AudienceVersion, Diff
from segmentation.audience_edit import Edit, gate_words
from segmentation.export_receipt import Receipt
from segmentation.rules import Rule

LISTED = "not on list: "


def count_document(found: Desk, rule: Rule | None, words: np.ndarray, label: str) -> dict[str, Any]:
    """Size, reach and what the latest run expects of an audience."""
    reached = on_channels(found, words)
    from segmentation.bits import count, packed

    may = int(count(words & packed(found.reach.mask)))
    size = int(count(words))
    return {
        "audience": label,
        **spoken(rule),
        "as_of": found.at.isoformat(),
        "exact": True,
        "customers": size,
        "everybody": len(found.frame),
        "share": size / len(found.frame),
        "reachable": may,
        "reachable_by_channel": reached,
        "expected": expected(found, words)._asdict(),
        **_suppressed(found, words),
    }


def _suppressed(found: Desk, words: np.ndarray) -> dict[str, Any]:
    """How many of an audience each list leaves out; nothing where none was given."""
    lists = {gate.step.removeprefix(LISTED): gate.passes for gate in found.reach.gates if gate.step.startswith(LISTED)}
    if not lists:
        return {}
    from segmentation.bits import unpacked

    meant = unpacked(words, len(found.frame))
    return {"suppressed": {name: int((meant & ~passes).sum()) for name, passes in lists.items()}}


def waterfall_document(found: Desk, rule: Rule, edit: Edit, label: str) -> dict[str, Any]:
    """Each step of the rule and of reach: who is left, and what there would be without it."""
    return {
        "audience": label,
        **spoken(rule),
        "as_of": found.at.isoformat(),
        "customers": edit.size,
        "waterfall": records(told(edit.waterfall)),
        "leave_one_out": records(told(edit.leave_one_out)),
        "conflict": None
        if edit.conflict is None
        else {"en": edit.conflict.sentence("en"), "zh": edit.conflict.sentence("zh")},
    }


def relax_document(rule: Rule, table: pd.DataFrame, more: int) -> dict[str, Any]:
    """Which condition to relax for more people, with profit and loss of those who join."""
    shown = table.assign(
        condition_en=[sentence(text, "en") for text in table["condition"]],
        condition_zh=[sentence(text, "zh") for text in table["condition"]],
        relaxed_en=[sentence(text, "en") for text in table["relaxed"]],
        relaxed_zh=[sentence(text, "zh") for text in table["relaxed"]],
    )
    return {**spoken(rule), "more": more, "ways": records(shown)}


def version_document(version: AudienceVersion) -> dict[str, Any]:
    """One stored version."""
    values = asdict(version) | {"at": version.at.isoformat(), "as_of": version.as_of.isoformat()}
    values.pop("rule")
    return values | spoken(version.rule)


def overlap_document(matrix: pd.DataFrame, once: pd.DataFrame | None) -> dict[str, Any]:
    """People in both of two audiences; and, where a priority is given, who is left to each."""
    return {
        "audiences": [str(name) for name in matrix.columns],
        "overlap": matrix.to_numpy().tolist(),
        "once": None if once is None else records(once),
    }


def diff_document(found: Diff) -> dict[str, Any]:
    """What changed between two versions."""
    return {
        "before": found.before,
        "after": found.after,
        "size_before": found.size_before,
        "size_after": found.size_after,
        "joined": found.joined,
        "left": found.left,
        "people_changed": found.people_changed,
        "en": list(found.sentences("en")),
        "zh": list(found.sentences("zh")),
    }


def lookalike_document(grown: Lookalikes, kept: str | None) -> dict[str, Any]:
    """The bake-off, what is shipped, and what the expansion brings along."""
    values = grown.expansion._asdict()
    values["fairness"] = records(grown.expansion.fairness)
    return {
        "audience": grown.reference,
        "run_id": grown.run_id,
        "method": grown.method,
        "seeds": grown.seeds,
        "seeds_without_vector": grown.unusable,
        "added": len(grown.customers),
        "bake_off": records(grown.report),
        "expansion": {name: None if isinstance(v, float) and np.isnan(v) else v for name, v in values.items()},
        "kept_as": kept,
    }


def alike_document(customer: str, table: pd.DataFrame) -> dict[str, Any]:
    """People like one: ids and likeness, no attributes."""
    return {"customer": customer, "alike": records(table)}


def profile_document(found: Desk, words: np.ndarray) -> list[dict[str, Any]]:
    """What sets an audience apart from everybody."""
    return records(contrast(found, words))


def receipt_document(receipt: Receipt) -> dict[str, Any]:
    """The receipt of an export."""
    import json

    document: dict[str, Any] = json.loads(receipt.text())
    return document


def spoken(rule: Rule | None) -> dict[str, Any]:
    """A rule as JSON, typed text and sentences; a list of people has none."""
    import json

    if rule is None:
        return {"rule": None, "text": None, "en": "a list of people", "zh": "名单"}
    return {
        "rule": json.loads(rule.model_dump_json()),
        "text": rule.text(),
        "en": rule.sentence("en"),
        "zh": rule.sentence("zh"),
    }


def told(steps: pd.DataFrame) -> pd.DataFrame:
    """Steps with their conditions, or their reasons not to contact, in words."""
    pairs = list(zip(steps["step"], steps["condition"], strict=True))
    en = [sentence(text, "en") if text else gate_words(step, "en") for step, text in pairs]
    zh = [sentence(text, "zh") if text else gate_words(step, "zh") for step, text in pairs]
    return steps.assign(en=en, zh=zh)


def sentence(condition: str, lang: str) -> str:
    """A stored condition in words; empty where it is dropped."""
    if not condition:
        return ""
    return Rule.read(f'{{"where": {condition}}}').sentence("zh" if lang == "zh" else "en")


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values; gaps are None."""
    import json

    rows: list[dict[str, Any]] = json.loads(table.to_json(orient="records", date_format="iso", force_ascii=False))
    return rows
