"""Kept segments as the page shows them: cells, sentences and rows in one language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from app.i18n import EMPTY, Speech
from app.labels import mark

WHY = {
    "first": mark("found for the first time"),
    "carried on": mark("carried on: nothing changed"),
    "found anew": mark("found anew"),
}
BAND_COLOURS = {"watch": "orange", "alarm": "red"}


def outcome_cells(row: Mapping[str, Any], say: Speech) -> dict[str, str]:
    """People, value, risk and reach of one kept segment, by heading."""
    t = say.t
    value = EMPTY
    if row.get("value_mean") is not None:
        share = "" if row.get("value_share") is None else f" · {say.percent(row['value_share'], 0)}"
        value = f"{say.money(row['value_mean'])}{share}"
    return {
        t("People"): f"{say.count(row['size'])}\u00a0({say.percent(row['share'], 0)})",
        t("Value"): value,
        t("Risk"): say.percent(row.get("risk")),
        t("Contacted"): say.percent(row.get("reach")),
        t("Reachable"): say.percent(row.get("reachable")),
    }


def outcome_notes(outcomes: Mapping[str, Any], say: Speech, timezone: str) -> list[str]:
    """What the figures mean."""
    t = say.t
    notes = [
        t("Value: present value per customer who holds an account, and the segment's share of all value."),
        t("Contacted: in the last {days} days. Reachable: consent, blocklists, contact cap and hold-out allow it now.")
        .format(days=outcomes["reach_days"]),
    ]  # fmt: skip
    if outcomes["risk_of"]:
        notes.insert(1, t("Risk: {what}; shown for 20 people or more.").format(what=t(outcomes["risk_of"])))
    notes.append(t("As of {day}.").format(day=say.day(outcomes["as_of"], timezone)))
    return notes


def gaps(outcomes: Mapping[str, Any], say: Speech) -> list[str]:
    """Which figures are not known, and why."""
    t = say.t
    names = {"value": t("Value"), "risk": t("Risk"), "reach": t("Contacted"), "consent": t("Reachable"),
             "scenes": t("Scene mix"), "rfm": t("Buying"), "pareto": t("Pareto curve")}  # fmt: skip
    return [f"{names[what]}: {t(why)}" for what, why in sorted(outcomes["absent"].items())]


def character_table(segments: list[dict[str, Any]], scenes: list[dict[str, Any]], scene_names: Mapping[str, str],
                    say: Speech) -> pd.DataFrame:  # fmt: skip
    """What sets each kept segment apart, how its people buy, where they are, and the rule that finds it."""
    t = say.t
    return pd.DataFrame(
        {
            t("Segment"): [row["segment_id"] for row in segments],
            t("What sets it apart"): [_apart(row, say) for row in segments],
            t("Buying"): [_buying(row.get("rfm"), say) for row in segments],
            t("Strongest scenes"): [_scenes(row["segment_id"], scenes, scene_names, say) for row in segments],
            t("Rule that finds it"): [_rule(row, say) for row in segments],
        }
    )


def event_sentences(events: list[dict[str, Any]], names: Mapping[str, str], say: Speech) -> list[str]:
    """What became of the segments since the version before; that one lives on is no news."""
    words = {
        "split": say.t("{segment} was split from {other}"),
        "merge": say.t("{segment} was merged into {other}"),
        "new": say.t("{segment} is new"),
        "dead": say.t("{segment} is no more"),
    }

    def called(segment: str) -> str:
        return f"{segment} {names.get(segment, '')}".strip()

    told = [
        words[row["event"]].format(segment=called(row["segment_id"]), other=called(row["other_id"] or ""))
        for row in events
        if row["event"] in words
    ]
    return told or [say.t("Every segment lives on with its number.")]


def drift_table(alerts: list[dict[str, Any]], say: Speech) -> pd.DataFrame:
    """Features and segments that changed beyond chance, the strongest first."""
    t = say.t
    rows = sorted(alerts, key=lambda row: (-row["psi"], row["segment_id"], row["feature"]))
    bands = {"watch": t("watch"), "alarm": t("alarm")}
    return pd.DataFrame(
        {
            t("Band"): [f":{BAND_COLOURS[row['band']]}-badge[{bands[row['band']]}]" for row in rows],
            t("Segment"): [row["segment_id"] or t("(everybody)") for row in rows],
            t("Feature"): [_feature(row["feature"], say) for row in rows],
            "PSI": [say.figure(row["psi"]) for row in rows],
        }
    )


def _feature(code: str, say: Speech) -> str:
    return say.t("size of the segments") if code == "(segment sizes)" else say.label(code)


def _apart(row: Mapping[str, Any], say: Speech, most: int = 4) -> str:
    said = []
    for lift in row["apart"][:most]:
        level = "" if lift["level"] is None else f" = {lift['level']}"
        said.append(f"{say.label(lift['column'])}{level} {'↑' if lift['z'] > 0 else '↓'}")
    return " · ".join(dict.fromkeys(said)) or EMPTY


def _buying(rfm: Mapping[str, Any] | None, say: Speech) -> str:
    if rfm is None:
        return EMPTY
    bands = " ".join(f"{letter}\u00a0{rfm[band]:.1f}" for letter, band in zip("RFM", "rfm", strict=True))
    return f"{rfm[f'group_{say.lang}']} ({say.percent(rfm['group_share'], 0)}) · {bands}"


def _scenes(segment: str, scenes: list[dict[str, Any]], names: Mapping[str, str], say: Speech, most: int = 3) -> str:
    mine = [row for row in scenes if row["segment_id"] == segment and row["share"] is not None]
    mine.sort(key=lambda row: (-row["share"], row["scene_id"]))
    found = [f"{names.get(row['scene_id'], row['scene_id'])} {say.percent(row['share'], 0)}" for row in mine[:most]]
    return " · ".join(found) or EMPTY


def _rule(row: Mapping[str, Any], say: Speech) -> str:
    if not row.get("rule"):
        return EMPTY
    said = say.t("precision {precision}, finds {recall}").format(
        precision=say.percent(row["precision"], 0), recall=say.percent(row["recall"], 0)
    )
    return f"{row[f'rule_{say.lang}']} ({said})"
