"""The map of scenes as ECharts dicts: need against reach, and what marketing can do with whom; no page, no disk."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from app.charts import LONG_TIP, TIP, Chart, item, names_axis
from app.i18n import Speech
from app.labels import mark
from app.palette import BAD, FAINT, GOOD, INK, MODEL, MUTED, PEER, WARM

QUADRANTS = {
    "open": mark("need above the base, reached less: open next"),
    "keep": mark("need above the base, reached well: keep"),
    "leave": mark("need below the base, reached less: leave"),
    "ease": mark("need below the base, reached well: ease off"),
    "unclear": mark("need not told apart from the base"),
}
COLOURS = {"open": GOOD, "keep": MODEL, "leave": PEER, "ease": WARM, "unclear": MUTED}
STATES = {
    "reached": mark("reached"),
    "unreached": mark("not reached"),
    "hard": mark("hard to reach"),
    "held_out": mark("held out"),
}
STATE_COLOURS = {"reached": MODEL, "unreached": GOOD, "hard": BAD, "held_out": PEER}


def quadrant_chart(cells: pd.DataFrame, say: Speech) -> Chart:
    """Need against reach, a bubble per group: top left wants more and is contacted less than the base.

    Groups whose need is not known are left out; the caller says so. The share contacted is drawn against that of the
    base, so that both lines of the cross stand at 1.
    """
    rows = cells[cells["need"].notna() & (cells["base_contacted_share"] > 0)]
    reach = (rows["contacted_share"] / rows["base_contacted_share"]).to_numpy(dtype=float)
    most = max(float(rows["unreached"].max()), 1.0) if len(rows) else 1.0
    records = rows.to_dict("records")
    series: list[Chart] = [
        {
            "type": "scatter", "name": say.t(text), "itemStyle": {"color": COLOURS[code], "opacity": 0.8},
            "data": [_bubble(row, x, most, say) for row, x in zip(records, reach, strict=True)
                     if row["quadrant"] == code],
        }
        for code, text in QUADRANTS.items()
    ]  # fmt: skip
    line: Chart = {
        "silent": True,
        "symbol": "none",
        "label": {"show": False},
        "lineStyle": {"color": MUTED, "type": "dashed"},
    }
    series[0]["markLine"] = {**line, "data": [{"yAxis": 1}, {"xAxis": 1}]}
    low, high = _span(np.r_[1.0, rows["need"].to_numpy(dtype=float)])
    left, right = _span(np.r_[1.0, reach])
    name: Chart = {"nameLocation": "middle", "nameGap": 30, "splitLine": {"lineStyle": {"color": FAINT}}}
    return {
        "tooltip": LONG_TIP,
        "legend": {"top": 0, "left": 0, "type": "scroll", "icon": "circle"},
        "grid": {"left": 24, "right": 28, "top": 48, "bottom": 40, "containLabel": True},
        "xAxis": {"type": "value", "min": left, "max": right, "name": say.t("share contacted (times the base)"),
                  **name},
        "yAxis": {"type": "value", "min": low, "max": high, "name": say.t("need (times the base)"), **name,
                  "nameGap": 38},
        "series": [one for one in series if one["data"] or "markLine" in one],
    }  # fmt: skip


def reach_bars(cells: pd.DataFrame, say: Speech) -> Chart:
    """Per group: reached, not reached, hard to reach, held out."""
    names = [str(name) for name in cells[f"name_{say.lang}"]]
    series = [
        {
            "type": "bar", "stack": "all", "name": say.t(text), "barMaxWidth": 16,
            "itemStyle": {"color": STATE_COLOURS[column]},
            "data": [item(int(n), f"{name} · {say.t(text)}: {say.count(n)}{_why(row, say) if column == 'hard' else ''}")
                     for name, n, row in zip(names, cells[column], cells.to_dict("records"), strict=True)],
        }
        for column, text in STATES.items()
    ]  # fmt: skip
    return {
        "tooltip": TIP,
        "legend": {"top": 0, "left": 0, "icon": "roundRect"},
        "grid": {"left": 8, "right": 32, "top": 40, "bottom": 28, "containLabel": True},
        "xAxis": {"type": "value", "name": say.t("people"), "nameLocation": "middle", "nameGap": 26,
                  "splitLine": {"lineStyle": {"color": FAINT}}},
        "yAxis": names_axis(names, 220, inverse=True),
        "series": series,
    }  # fmt: skip


def gain_bars(options: pd.DataFrame, say: Speech) -> Chart:
    """What opening each option may gain, with its interval; options whose gain is not known are left out."""
    rows = options[options["gain"].notna()].iloc[::-1]
    names = [f"#{rank} {name}" for rank, name in zip(rows["rank"], rows[f"name_{say.lang}"], strict=True)]
    tips = [
        f"{name}: {say.money(gain)} [{say.money(low)}, {say.money(high)}]"
        for name, gain, low, high in zip(names, rows["gain"], rows["gain_low"], rows["gain_high"], strict=True)
    ]
    bar = {"type": "bar", "stack": "interval", "stackStrategy": "all", "barWidth": 6}
    low, high = (rows[column].to_numpy(dtype=float) for column in ("gain_low", "gain_high"))
    return {
        "tooltip": LONG_TIP,
        "grid": {"left": 8, "right": 64, "top": 16, "bottom": 34, "containLabel": True},
        "xAxis": {"type": "value", "name": say.t("gain ({currency})").format(currency=say.currency),
                  "nameLocation": "middle", "nameGap": 30, "splitLine": {"lineStyle": {"color": FAINT}},
                  "axisLabel": {"hideOverlap": True}},
        "yAxis": names_axis(names, 260),
        "series": [
            {**bar, "silent": True, "itemStyle": {"color": "transparent"}, "tooltip": {"show": False},
             "data": [round(float(value), 2) for value in low]},
            {**bar, "itemStyle": {"color": MODEL, "opacity": 0.35},
             "data": [item(round(float(b - a), 2), tip) for a, b, tip in zip(low, high, tips, strict=True)]},
            {"type": "scatter", "symbolSize": 10, "z": 4, "itemStyle": {"color": MODEL},
             "data": [item([round(float(gain), 2), y], tip,
                            label={"show": True, "position": "top", "formatter": say.money(gain), "color": INK,
                                   "fontSize": 11})
                      for y, (gain, tip) in enumerate(zip(rows["gain"], tips, strict=True))]},
        ],
    }  # fmt: skip


def _bubble(row: Mapping[Any, Any], reach: float, most: float, say: Speech) -> Chart:
    need, unreached = row["need"], row["unreached"]
    words = say.t("{group}: {people} people, {unreached} not reached, need {need} ({low} – {high}) times the base")
    text = words.format(
        group=row[f"name_{say.lang}"], people=say.count(row["size"]), unreached=say.count(unreached),
        need=say.figure(need, 2), low=say.figure(row["need_low"], 2), high=say.figure(row["need_high"], 2),
    )  # fmt: skip
    label = {"show": row["origin"] == "scene", "formatter": str(row[f"name_{say.lang}"]), "position": "right",
             "color": INK}  # fmt: skip
    return item(
        [round(reach, 4), round(need, 4)], text, symbolSize=10 + 22 * float(np.sqrt(unreached / most)), label=label
    )


def _why(row: Mapping[Any, Any], say: Speech) -> str:
    """Why people are hard to reach, in brackets."""
    reasons = {
        "no_channel": say.t("no permitted channel"),
        "blocked": say.t("blocked"),
        "contact_cap": say.t("at the contact cap"),
        "silent": say.t("never answer"),
    }
    told = [f"{text} {say.count(row[code])}" for code, text in reasons.items() if row[code]]
    return f" ({', '.join(told)})" if told else ""


def _span(values: np.ndarray) -> tuple[float, float]:
    """Whole tenths around the values, with room for the bubbles, not below zero."""
    return max(math.floor(10 * float(values.min()) - 1) / 10, 0.0), math.ceil(10 * float(values.max()) + 1) / 10
