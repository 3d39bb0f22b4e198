"""The map, the order of opening and the evidence of subgroups as tables with headings in one language."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from app.i18n import EMPTY, Speech
from app.labels import mark
from app.scene_plots import QUADRANTS

KINDS = {"customer": mark("customers"), "lead": mark("leads"), "visitor": mark("visitors")}
OPTIONS = {
    "merchant": mark("merchant"),
    "partner": mark("cooperation partner"),
    "source": mark("traffic source"),
    "scene": mark("part of a scene"),
}
PROOFS = {
    "randomised": mark("randomised"),
    "weighted": mark("weighted by propensity"),
    "observational": mark("observational"),
    "unproven": mark("unproven: reach was selective"),
}


def map_table(cells: pd.DataFrame, say: Speech) -> pd.DataFrame:
    """The map of one kind of people."""
    t = say.t
    rows = cells.to_dict("records")
    return pd.DataFrame(
        {
            t("Group"): [f"{'' if row['origin'] == 'scene' else '  '}{row[f'name_{say.lang}']}" for row in rows],
            t("People"): [say.count(n) for n in cells["size"]],
            t("Reached"): [say.count(n) for n in cells["reached"]],
            t("Not reached"): [say.count(n) for n in cells["unreached"]],
            t("Hard to reach"): [say.count(n) for n in cells["hard"]],
            t("Need with interval"): [_ratio(row["need"], row["need_low"], row["need_high"], say) for row in rows],
            t("What to do"): [t(QUADRANTS[code]) for code in cells["quadrant"]],
            t("Default within limits"): [say.percent(share, 0) for share in cells["affordable_share"]],
            t("Mean free limit"): [say.money(amount) for amount in cells["headroom"]],
            t("Expected value"): [say.money(amount) for amount in cells["value"]],
            t("Of those not reached"): [say.money(amount) for amount in cells["open_value"]],
        }
    )


def order_table(options: pd.DataFrame, say: Speech) -> pd.DataFrame:
    """The order of opening with its reasons."""
    t = say.t
    return pd.DataFrame(
        {
            t("No."): [str(rank) for rank in options["rank"]],
            t("Option"): [
                f"{name} ({t(OPTIONS[kind])})"
                for name, kind in zip(options[f"name_{say.lang}"], options["kind"], strict=True)
            ],
            t("Gain with interval"): [
                EMPTY if pd.isna(row["gain"])
                else f"{say.money(row['gain'])} ({say.money(row['gain_low'])} – {say.money(row['gain_high'])})"
                for row in options.to_dict("records")
            ],
            t("Why"): options[f"reason_{say.lang}"],
        }
    )  # fmt: skip


def evidence(row: Mapping[str, Any], say: Speech) -> list[tuple[str, str]]:
    """What speaks for a mined rule and what against it, as name and figure; what a run does not carry is left out."""
    t = say.t
    told = [
        (t("People"), say.count(_number(row, "size"))),
        (t("Not reached"), say.count(_number(row, "unreached"))),
        (t("Rate"), t("{rate} against {base}").format(rate=say.percent(_number(row, "rate")),
                                                      base=say.percent(_number(row, "base")))),
        (t("Lift with interval"), _ratio(row.get("lift"), row.get("lift_low"), row.get("lift_high"), say)),
        ("q", "< 0.001" if (_number(row, "q") or 0) < 0.001 else f"{_number(row, 'q'):.3f}"),
    ]  # fmt: skip
    confirmed = _number(row, "confirm_rate")
    if confirmed is not None:
        told.append((t("Rate where confirmed"), say.percent(confirmed)))
    if _number(row, "difference") is not None:
        low, high = (say.percent(_number(row, f"difference_{end}")) for end in ("low", "high"))
        told.append((t("Difference with interval"), f"{say.percent(_number(row, 'difference'))} ({low} – {high})"))
    if _number(row, "bad_rate") is not None:
        low, high = (say.percent(_number(row, f"bad_{end}")) for end in ("low", "high"))
        told.append((t("Bad rate"), f"{say.percent(_number(row, 'bad_rate'))} ({low} – {high})"))
    if _number(row, "fairness") is not None:
        told.append((t("Fairness ratio"), f"{say.figure(_number(row, 'fairness'), 2)}{_worst(row, say)}"))
    proof = row.get("proof")
    if isinstance(proof, str) and proof in PROOFS:
        told.append((t("Proof"), t(PROOFS[proof])))
    return told


def _ratio(mid: float | None, low: float | None, high: float | None, say: Speech) -> str:
    if mid is None or low is None or high is None or pd.isna(mid) or pd.isna(low) or pd.isna(high):
        return EMPTY
    return f"{say.figure(mid, 2)} ({say.figure(low, 2)}\u00a0–\u00a0{say.figure(high, 2)})"


def _number(row: Mapping[str, Any], name: str) -> float | None:
    value = row.get(name)
    return None if value is None or pd.isna(value) else float(value)


def _worst(row: Mapping[str, Any], say: Speech) -> str:
    """The protected attribute with the least ratio, in brackets."""
    text = row.get("fairness_by")
    ratios = json.loads(text) if isinstance(text, str) else None
    if not isinstance(ratios, dict):
        return ""
    known = {name: ratio for name, ratio in ratios.items() if isinstance(ratio, int | float)}
    return f" ({say.label(min(known, key=lambda name: (known[name], name)))})" if known else ""
