"""Charts of audiences as plain ECharts dicts: who is lost where, what each step costs, how an audience differs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from app.charts import LONG_TIP, TIP, Chart, item, names_axis, room
from app.i18n import Speech
from app.palette import BAD, FAINT, GOOD, INK, MODEL, MUTED, SEQUENTIAL, WARM

LISTED = "not on list: "
# pixels for the words of a step; longer ones break, so that bars keep half of the width
NAMES = 200


def step_names(steps: pd.DataFrame, say: Speech) -> list[str]:
    """Each step in words: a condition by its sentence, a step of reach by its everyday name."""
    rows = steps.to_dict("records")
    return [str(row[say.lang]) if row["condition"] else step_label(str(row["step"]), say) for row in rows]


def tall(names: Sequence[str]) -> int:
    """Pixels a chart of these names needs: a long one breaks into lines."""
    return sum(20 + 15 * math.ceil(room([name]) / NAMES) for name in names) + 16


def step_label(step: str, say: Speech) -> str:
    """A step of reach or of an export by its everyday name; a suppression list by its own."""
    if step.startswith(LISTED):
        return say.t("not on the list {name}").format(name=step.removeprefix(LISTED))
    return say.label(step)


def waterfall_chart(steps: pd.DataFrame, say: Speech) -> Chart:
    """From everybody to those meant, one bar per step: who is left, and who was lost there."""
    names = step_names(steps, say)
    left, lost = steps["customers"].to_numpy(), steps["removed"].to_numpy()
    everybody = max(int(left[0]), 1)
    return {
        "tooltip": LONG_TIP,
        "grid": {"left": 8, "right": 84, "top": 4, "bottom": 4, "containLabel": True},
        "xAxis": {"type": "value", "show": False, "max": everybody},
        "yAxis": names_axis(names, NAMES, inverse=True),
        "series": [
            {"type": "bar", "stack": "all", "barMaxWidth": 18, "itemStyle": {"color": MODEL},
             "data": [item(int(n), f"{name}: {say.count(n)} ({say.percent(n / everybody)})")
                      for name, n in zip(names, left, strict=True)]},
            {"type": "bar", "stack": "all", "itemStyle": {"color": "#f1c3c1"},
             "data": [item(int(gone), f"{name}: -{say.count(gone)}",
                            label={"show": True, "position": "right", "color": INK,
                                   "formatter": say.short(int(n)) + (f"  -{say.short(int(gone))}" if gone else "")})
                      for name, n, gone in zip(names, left, lost, strict=True)]},
        ],
    }  # fmt: skip


def cost_chart(costs: pd.DataFrame, say: Speech) -> Chart:
    """What each step costs: how many more there would be without it alone."""
    names = step_names(costs, say)
    return {
        "tooltip": LONG_TIP,
        "grid": {"left": 8, "right": 64, "top": 4, "bottom": 4, "containLabel": True},
        "xAxis": {"type": "value", "show": False},
        "yAxis": names_axis(names, NAMES, inverse=True),
        "series": [{"type": "bar", "barMaxWidth": 18,
                    "itemStyle": {"color": WARM},
                    "data": [item(int(n), f"{name}: +{say.count(n)}",
                                   label={"show": True, "position": "right", "formatter": f"+{say.short(int(n))}",
                                          "color": INK})
                             for name, n in zip(names, costs["extra"], strict=True)]}],
    }  # fmt: skip


def channels_chart(counts: dict[str, int], size: int, say: Speech) -> Chart:
    """How many of an audience may be contacted on each channel."""
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    names = [say.label(name) for name, _ in ordered]
    return {
        "tooltip": TIP,
        "grid": {"left": 8, "right": 96, "top": 4, "bottom": 4, "containLabel": True},
        "xAxis": {"type": "value", "show": False, "max": max(size, 1)},
        "yAxis": names_axis(names, 140, inverse=True),
        "series": [{"type": "bar", "barMaxWidth": 16, "itemStyle": {"color": GOOD},
                    "data": [item(n, f"{name}: {say.count(n)}",
                                   label={"show": True, "position": "right", "color": INK,
                                          "formatter": f"{say.short(n)} · {say.percent(n / max(size, 1), 0)}"})
                             for name, (_, n) in zip(names, ordered, strict=True)]}],
    }  # fmt: skip


def contrast_chart(table: pd.DataFrame, say: Speech) -> Chart:
    """What sets an audience apart: distance from everybody in standard deviations, with mean and base in words."""
    names = [_feature(row, say) for row in table.to_dict("records")]
    marks = []
    for name, row in zip(names, table.to_dict("records"), strict=True):
        tgi = "" if pd.isna(row["tgi"]) else f"TGI {row['tgi']:.0f}"
        if tgi and not pd.isna(row["tgi_low"]):
            tgi += f" [{row['tgi_low']:.0f}, {row['tgi_high']:.0f}]"
        text = say.t("{name}: {mean} against {base} of everybody").format(
            name=name, mean=say.figure(row["mean"], 2), base=say.figure(row["base"], 2)
        )
        z = round(float(row["z"]), 3)
        marks.append(
            item(z, f"{text} {tgi}".strip(), itemStyle={"color": MODEL if z >= 0 else BAD},
                 label={"show": True, "position": "right" if z >= 0 else "left", "formatter": tgi or f"{z:+.2f}",
                        "color": MUTED, "fontSize": 11})
        )  # fmt: skip
    return {
        "tooltip": LONG_TIP,
        "grid": {"left": 8, "right": 110, "top": 4, "bottom": 28, "containLabel": True},
        "xAxis": {"type": "value", "name": say.t("standard deviations from everybody"), "nameLocation": "middle",
                  "nameGap": 24, "splitLine": {"lineStyle": {"color": FAINT}}},
        "yAxis": names_axis(names, 240, inverse=True),
        "series": [{"type": "bar", "barMaxWidth": 14, "data": marks}],
    }  # fmt: skip


def overlap_chart(matrix: pd.DataFrame, say: Speech) -> Chart:
    """Which audiences share people: each cell the share of the row's people who are in the column too."""
    names = [str(name) for name in matrix.columns]
    counts = matrix.to_numpy()
    sizes = np.maximum(np.diag(counts), 1)
    cells = [
        item([x, y, round(float(n / sizes[y]), 4)], f"{names[y]} ∩ {names[x]}: {say.count(n)}",
             label={"formatter": f"{say.short(int(n))}\n{say.percent(n / sizes[y], 0)}",
                    "color": "#ffffff" if n / sizes[y] > 0.6 else INK})
        for y, row in enumerate(counts) for x, n in enumerate(row)
    ]  # fmt: skip
    return {
        "tooltip": TIP,
        "grid": {"left": 8, "right": 8, "top": 8, "bottom": 8, "containLabel": True},
        "xAxis": {"type": "category", "data": names, "position": "top", "axisTick": {"show": False},
                  "axisLabel": {"interval": 0, "color": INK, "width": 120, "overflow": "break"}},
        "yAxis": names_axis(names, 200, inverse=True),
        "visualMap": {"min": 0, "max": 1, "show": False, "inRange": {"color": list(SEQUENTIAL)}},
        "series": [{"type": "heatmap", "data": cells, "label": {"show": True, "fontSize": 11},
                    "itemStyle": {"borderColor": "#ffffff", "borderWidth": 2, "borderRadius": 3}}],
    }  # fmt: skip


def bake_off_chart(report: pd.DataFrame, say: Speech) -> Chart:
    """How many hidden seeds each look-alike method finds among its best people."""
    methods = list(dict.fromkeys(report["method"]))
    shares = sorted(report["share"].unique())
    colours: Sequence[str] = (MODEL, GOOD, WARM, MUTED, BAD)
    series = []
    for method, colour in zip(methods, colours, strict=False):
        rows = report[report["method"] == method].sort_values("share")
        shipped = bool(rows["chosen"].any())
        name = say.label(method) + (f" · {say.t('shipped')}" if shipped else "")
        series.append(
            {"type": "bar", "name": name, "barMaxWidth": 26,
             "itemStyle": {"color": colour, "opacity": 1.0 if shipped else 0.45},
             "data": [item(round(float(r), 4), f"{name}: {say.percent(r)} [{say.percent(a)}, {say.percent(b)}]")
                      for r, a, b in zip(rows["recall"], rows["low"], rows["high"], strict=True)]}
        )  # fmt: skip
    return {
        "tooltip": TIP,
        "legend": {"top": 0, "left": 0, "icon": "roundRect", "type": "scroll"},
        "grid": {"left": 8, "right": 8, "top": 36, "bottom": 30, "containLabel": True},
        "xAxis": {"type": "category", "data": [say.t("best {share}").format(share=say.percent(s, 0)) for s in shares],
                  "name": say.t("of everybody"), "nameLocation": "middle", "nameGap": 24},
        "yAxis": {"type": "value", "min": 0, "splitLine": {"lineStyle": {"color": FAINT}}},
        "series": series,
    }  # fmt: skip


def _feature(row: Mapping[Any, Any], say: Speech) -> str:
    label = say.label(str(row["column"]))
    return label if not row["level"] or pd.isna(row["level"]) else f"{label} = {row['level']}"
