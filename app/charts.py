"""Charts as plain ECharts dicts: contract tables in, a JSON-ready dict out; no page, no disk.

Texts that depend on a value (such as 12.3万) are written here, because a dict can carry no formatter code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from app.i18n import Speech
from app.palette import BAD, FAINT, GOOD, INK, MODEL, MUTED, PEER, REASONS, WARM

Chart = dict[str, Any]

TIP: Chart = {"trigger": "item", "formatter": "{b}", "confine": True}
LONG_TIP: Chart = {**TIP, "extraCssText": "max-width:420px;white-space:normal"}


def criteria_chart(criteria: pd.DataFrame, say: Speech) -> Chart:
    """How well each number of segments fits: separation above, stability below; tie set filled, choice named."""
    rows = criteria.sort_values("k")
    low = rows["silhouette"] - rows["silhouette_se"].fillna(0)
    band = 2 * rows["silhouette_se"].fillna(0)
    separation = [
        item(
            _plain(value),
            f"k = {k}: {say.figure(value)}",
            symbol="diamond" if chosen else "circle",
            symbolSize=18 if chosen else 11,
            itemStyle={"color": MODEL if tied or chosen else "#ffffff", "borderColor": MODEL, "borderWidth": 2},
            label={"show": bool(chosen), "formatter": say.t("chosen"), "position": "top", "color": INK},
        )
        for k, value, tied, chosen in zip(rows["k"], rows["silhouette"], rows["tied"], rows["chosen"], strict=True)
    ]
    stability = [
        item(_plain(value), f"k = {k}: {say.figure(value)}")
        for k, value in zip(rows["k"], rows["stability"], strict=True)
    ]
    ks = [str(k) for k in rows["k"]]
    hidden = {"type": "line", "symbol": "none", "lineStyle": {"opacity": 0}, "stack": "band", "silent": True,
              "tooltip": {"show": False}}  # fmt: skip
    return {
        "tooltip": TIP,
        "grid": [
            {"left": 52, "right": 24, "top": 44, "height": 140, "containLabel": False},
            {"left": 52, "right": 24, "top": 234, "height": 70, "containLabel": False},
        ],
        "xAxis": [
            {"type": "category", "data": ks, "gridIndex": 0, "axisLabel": {"show": False}},
            {
                "type": "category",
                "data": ks,
                "gridIndex": 1,
                "name": say.t("number of segments k"),
                "nameLocation": "middle",
                "nameGap": 28,
            },
        ],
        "yAxis": [
            _value_axis(
                say.t("separation (silhouette)"), 40, gridIndex=0, scale=True, splitNumber=3, boundaryGap=["5%", "30%"]
            ),
            _value_axis(say.t("stability (adjusted Rand)"), 40, gridIndex=1, min=0, max=1, splitNumber=2),
        ],
        "series": [
            {**hidden, "data": _plains(low)},
            {**hidden, "data": _plains(band), "areaStyle": {"color": MODEL, "opacity": 0.12}},
            {"type": "line", "data": separation, "lineStyle": {"color": MODEL, "width": 2}, "z": 3},
            {
                "type": "line",
                "data": stability,
                "xAxisIndex": 1,
                "yAxisIndex": 1,
                "symbolSize": 8,
                "lineStyle": {"color": GOOD, "width": 2},
                "itemStyle": {"color": GOOD},
            },
        ],
    }


def lift_intervals(subgroups: pd.DataFrame, say: Speech) -> Chart:
    """Lift of each subgroup with its 95 % interval; 1 means as everybody."""
    return _intervals(
        [f"#{rank}" for rank in subgroups["rank"]],
        subgroups,
        ("lift_low", "lift", "lift_high"),
        [f"#{r} {rule}" for r, rule in zip(subgroups["rank"], subgroups[f"rule_{say.lang}"], strict=True)],
        [GOOD if confirmed else MUTED for confirmed in subgroups["confirmed"]],
        (1.0, say.t("lift (times the scene's rate)")),
        lambda value: say.figure(value, 2),
    )


def need_reach(subgroups: pd.DataFrame, say: Speech) -> Chart:
    """Need against reach: top left wants it and is not contacted; a larger bubble, more people not reached."""
    reached = 1 - subgroups["unreached"] / subgroups["size"].clip(lower=1)
    biggest = max(float(subgroups["unreached"].max()), 1.0)
    points = [
        item(
            [round(float(x), 4), round(float(lift), 4)],
            say.t("{rule}: {unreached} of {size} not reached, lift {lift}").format(
                rule=f"#{row['rank']} {row[f'rule_{say.lang}']}",
                unreached=say.count(row["unreached"]),
                size=say.count(row["size"]),
                lift=say.figure(lift, 2),
            ),
            symbolSize=16 + 16 * float(np.sqrt(row["unreached"] / biggest)),
            itemStyle={"color": GOOD if row["confirmed"] else MUTED, "opacity": 0.75},
            label={"show": True, "formatter": f"#{row['rank']}", "color": "#ffffff", "fontWeight": 600},
        )
        for x, lift, row in zip(reached, subgroups["lift"], subgroups.to_dict("records"), strict=True)
    ]
    line = {"silent": True, "symbol": "none", "lineStyle": {"color": MUTED, "type": "dashed"}, "label": {"show": False}}
    left, right = _span(reached.to_numpy(dtype=float), 0.0, 1.0)
    low, high = _span(np.r_[1.0, subgroups["lift"].to_numpy(dtype=float)], 0.0, math.inf)
    return {
        "tooltip": LONG_TIP,
        "grid": {"left": 12, "right": 28, "top": 40, "bottom": 34, "containLabel": True},
        "xAxis": {"type": "value", "min": left, "max": right, "name": say.t("share already reached"),
                  "nameLocation": "middle", "nameGap": 30, "splitLine": {"lineStyle": {"color": FAINT}}},
        "yAxis": _value_axis(say.t("need (lift)"), 16, min=low, max=high),
        "series": [{"type": "scatter", "data": points, "markLine": {**line, "data": [{"yAxis": 1}, {"xAxis": 0.5}]}}],
    }  # fmt: skip


def eligibility_bars(eligibility: pd.DataFrame, products: dict[str, str], say: Speech) -> Chart:
    """Per product: who may get it, and the first rule that said no to the others."""
    counts = eligibility.pivot_table(
        index="product_id", columns="reason", values="customers", aggfunc="sum", fill_value=0
    )
    if "eligible" not in counts:
        counts["eligible"] = 0
    counts = counts.sort_index().sort_values("eligible", kind="stable")
    said_no = [str(r) for r in counts if r != "eligible" and counts[r].sum() > 0]
    reasons = ["eligible", *sorted(said_no, key=lambda r: (-counts[r].sum(), r))]
    names = [products.get(p, p) for p in counts.index]
    series = [
        {
            "type": "bar", "stack": "all", "name": say.reason(reason), "barMaxWidth": 16,
            "itemStyle": {"color": GOOD if reason == "eligible" else REASONS[(i - 1) % len(REASONS)]},
            "data": [item(int(n), f"{names[row]} · {say.reason(reason)}: {say.count(n)}")
                     for row, n in enumerate(counts[reason])],
        }
        for i, reason in enumerate(reasons)
    ]  # fmt: skip
    return {
        "tooltip": TIP,
        "legend": {"top": 0, "left": 0, "type": "scroll", "icon": "roundRect"},
        "grid": {"left": 8, "right": 32, "top": 40, "bottom": 28, "containLabel": True},
        "xAxis": {"type": "value", "name": say.t("people"), "nameLocation": "middle", "nameGap": 26,
                  "splitLine": {"lineStyle": {"color": FAINT}}},
        "yAxis": names_axis(names, 220),
        "series": series,
    }  # fmt: skip


def reach_waterfall(reach: pd.DataFrame, say: Speech) -> Chart:
    """From everybody to those who may be contacted: who is left after each step, who was lost."""
    left = reach["customers"].to_numpy()
    lost = np.r_[0, left[:-1] - left[1:]]
    names = [say.label(step) for step in reach["step"]]
    return {
        "tooltip": TIP,
        "legend": {"top": 0, "right": 0, "icon": "roundRect"},
        "grid": {"left": 8, "right": 8, "top": 40, "bottom": 8, "containLabel": True},
        "xAxis": {"type": "category", "data": names, "axisTick": {"show": False},
                  "axisLabel": {"interval": 0, "width": 110, "overflow": "break", "color": INK}},
        "yAxis": {"type": "value", "show": False},
        "series": [
            {"type": "bar", "stack": "all", "name": say.t("left"), "barWidth": "56%", "itemStyle": {"color": MODEL},
             "data": [item(int(n), f"{name}: {say.count(n)}",
                            label={"show": True, "position": "inside", "formatter": say.count(n), "color": "#ffffff"})
                      for name, n in zip(names, left, strict=True)]},
            {"type": "bar", "stack": "all", "name": say.t("lost at this step"), "itemStyle": {"color": "#f1c3c1"},
             "data": [item(int(n), f"{name}: -{say.count(n)}",
                            label={"show": bool(n), "position": "top", "formatter": f"-{say.count(n)}", "color": BAD})
                      for name, n in zip(names, lost, strict=True)]},
        ],
    }  # fmt: skip


def model_bars(quality: pd.DataFrame, say: Speech) -> Chart:
    """Model against popularity, task by task (frame: task, model, popularity)."""
    return {
        "tooltip": TIP,
        "legend": {"top": 0, "right": 0, "icon": "roundRect"},
        "grid": {"left": 8, "right": 8, "top": 44, "bottom": 8, "containLabel": True},
        "xAxis": {"type": "category", "data": list(quality["task"]), "axisTick": {"show": False},
                  "axisLabel": {"interval": 0, "width": 120, "overflow": "break", "color": INK}},
        "yAxis": {"type": "value", "min": 0, "splitLine": {"lineStyle": {"color": FAINT}}},
        "series": [
            {"type": "bar", "name": name, "itemStyle": {"color": colour}, "barMaxWidth": 34,
             "label": {"show": True, "position": "top", "color": INK},
             "data": [item(_plain(v), f"{task} · {name}: {say.figure(v)}", label={"formatter": say.figure(v)})
                      for task, v in zip(quality["task"], quality[column], strict=True)]}
            for column, name, colour in (("model", say.t("model"), MODEL), ("popularity", say.t("popularity"), PEER))
        ],
    }  # fmt: skip


def effect_intervals(effects: pd.DataFrame, say: Speech) -> Chart:
    """Extra takers per customer of each arm with the 95 % interval; observational ones in orange."""
    names = [f"{say.name(row)} · {row['arm']}" for row in effects[["name_en", "name_zh", "arm"]].to_dict("records")]
    return _intervals(
        names,
        effects.assign(**{column: 100 * effects[column] for column in ("low", "lift", "high")}),
        ("low", "lift", "high"),
        names,
        [GOOD if randomised else WARM for randomised in effects["randomised"]],
        (0.0, say.t("difference in share of takers, percentage points")),
        lambda value: f"{value:+.2f}",
    )


def seconds_bars(seconds: dict[str, float], say: Speech) -> Chart:
    """Wall seconds of each step of the run."""
    names = [say.label(step) for step in seconds][::-1]
    values = list(seconds.values())[::-1]
    return {
        "tooltip": TIP,
        "grid": {"left": 8, "right": 56, "top": 8, "bottom": 28, "containLabel": True},
        "xAxis": {"type": "value", "name": say.t("seconds"), "nameLocation": "middle", "nameGap": 26,
                  "splitLine": {"lineStyle": {"color": FAINT}}},
        "yAxis": names_axis(names, 200),
        "series": [{"type": "bar", "barMaxWidth": 16, "itemStyle": {"color": MODEL},
                    "data": [item(round(v, 2), f"{n}: {v:.1f} s",
                                   label={"show": True, "position": "right", "formatter": f"{v:.1f} s", "color": INK})
                             for n, v in zip(names, values, strict=True)]}],
    }  # fmt: skip


def _intervals(
    labels: list[str], rows: pd.DataFrame, columns: tuple[str, str, str], texts: list[str], colours: list[str],
    axis: tuple[float, str], written: Callable[[float], str],
) -> Chart:  # fmt: skip
    """Point and interval per row; `axis` holds the neutral value and the axis name."""
    low, mid, high = (rows[c].to_numpy(dtype=float)[::-1] for c in columns)
    labels, texts, colours = labels[::-1], texts[::-1], colours[::-1]
    tips = [f"{t}: {written(m)} [{written(a)}, {written(b)}]" for t, m, a, b in zip(texts, mid, low, high, strict=True)]
    bar = {"type": "bar", "stack": "interval", "stackStrategy": "all", "barWidth": 5}
    neutral, title = axis
    return {
        "tooltip": LONG_TIP,
        "grid": {"left": 8, "right": 56, "top": 20, "bottom": 34, "containLabel": True},
        "xAxis": {"type": "value", "name": title, "nameLocation": "middle", "nameGap": 30, "scale": True,
                  "splitLine": {"lineStyle": {"color": FAINT}}, "axisLabel": {"hideOverlap": True}},
        "yAxis": names_axis(labels, 260),
        "series": [
            {**bar, "silent": True, "itemStyle": {"color": "transparent"}, "tooltip": {"show": False},
             "data": _plains(low)},
            {**bar, "data": [item(_plain(b - a), tip, itemStyle={"color": c, "opacity": 0.35, "borderRadius": 2})
                             for a, b, tip, c in zip(low, high, tips, colours, strict=True)]},
            {"type": "scatter", "symbolSize": 11, "z": 4,
             "data": [item([_plain(m), y], tip, itemStyle={"color": c},
                            label={"show": True, "position": "top", "distance": 3, "formatter": written(m),
                                   "color": INK, "fontSize": 11})
                      for y, (m, tip, c) in enumerate(zip(mid, tips, colours, strict=True))],
             "markLine": {"silent": True, "symbol": "none", "label": {"show": False},
                          "lineStyle": {"color": MUTED, "type": "dashed"}, "data": [{"xAxis": neutral}]}},
        ],
    }  # fmt: skip


def names_axis(names: list[str], widest: int, inverse: bool = False) -> Chart:
    width = min(widest, room(names))
    return {"type": "category", "data": names, "inverse": inverse, "axisTick": {"show": False},
            "axisLine": {"show": False}, "axisLabel": {"interval": 0, "width": width, "overflow": "break",
                                                       "color": INK, "lineHeight": 15}}  # fmt: skip


def _value_axis(name: str, shift: int = 0, **options: Any) -> Chart:
    style = {"align": "left", "padding": [0, 0, 0, -shift], "color": MUTED}
    lines = {"lineStyle": {"color": FAINT}}
    return {"type": "value", "name": name, "nameTextStyle": style, "splitLine": lines, **options}


def item(value: Any, text: str, **style: Any) -> Chart:
    """One mark; its name is what the tooltip says (ECharts escapes names)."""
    return {"value": value, "name": text, **style}


def _span(values: np.ndarray, least: float, most: float) -> tuple[float, float]:
    """Whole tenths around the values, with room for the marks, within what is possible."""
    low, high = math.floor(10 * float(values.min()) - 1) / 10, math.ceil(10 * float(values.max()) + 1) / 10
    return max(low, least), min(high, most)


def _plain(value: float) -> float | None:
    return round(float(value), 6) if value is not None and np.isfinite(value) else None


def _plains(values: Any) -> list[float | None]:
    return [_plain(value) for value in values]


def room(labels: Sequence[str]) -> int:
    """Pixels the longest label takes: a Chinese character is as wide as it is high, a Latin one about half that."""
    return max((sum(13 if ord(c) > 0x2E80 else 7 for c in label) for label in labels), default=0) + 4
