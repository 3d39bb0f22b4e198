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
from app.palette import BAD, DIVERGING, FAINT, GOOD, INK, MODEL, MUTED, PEER, REASONS, SEQUENTIAL, WARM

Chart = dict[str, Any]

MOST_PRODUCTS = 30
TIP: Chart = {"trigger": "item", "formatter": "{b}", "confine": True}
LONG_TIP: Chart = {**TIP, "extraCssText": "max-width:420px;white-space:normal"}
MOST_FEATURES = 12


def criteria_chart(criteria: pd.DataFrame, say: Speech) -> Chart:
    """How well each number of segments fits: separation above, stability below; tie set filled, choice named."""
    rows = criteria.sort_values("k")
    low = rows["silhouette"] - rows["silhouette_se"].fillna(0)
    band = 2 * rows["silhouette_se"].fillna(0)
    separation = [
        _item(
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
        _item(_plain(value), f"k = {k}: {say.figure(value)}")
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
            _value_axis(say.t("separation (silhouette)"), 40, gridIndex=0, scale=True, splitNumber=3),
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


def distinctive(profiles: pd.DataFrame, most: int = MOST_FEATURES) -> list[str]:
    """Features that tell the segments apart, the strongest first."""
    spread = profiles.assign(size_of=profiles["z"].abs()).groupby("feature")["size_of"].max().dropna()
    return [str(f) for f in spread.sort_index().sort_values(ascending=False, kind="stable").head(most).index]


def profile_heatmap(profiles: pd.DataFrame, segments: pd.DataFrame, features: Sequence[str], say: Speech) -> Chart:
    """Segment by feature: how far each segment lies from the scene's mean, in standard deviations."""
    z = profiles.pivot_table(index="segment_id", columns="feature", values="z", aggfunc="first", dropna=False)
    z = z.reindex(index=list(segments["segment_id"]), columns=list(features))
    names = [f"{i + 1}  {say.name(row)}" for i, row in enumerate(segments.to_dict("records"))]
    labels = [say.label(f) for f in features]
    cells = [
        _item([x, y, round(float(value), 3)], f"{names[y]} · {labels[x]}: {value:+.2f}",
              label={"formatter": f"{value:+.1f}", "color": "#ffffff" if abs(value) > 1.4 else INK})
        for y, row in enumerate(z.to_numpy(dtype=float)) for x, value in enumerate(row) if np.isfinite(value)
    ]  # fmt: skip
    return _heatmap(cells, labels, names, (-2.0, 2.0), DIVERGING, say.t("standard deviations from the scene's mean"))


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
        _item(
            [round(float(x), 4), round(float(lift), 4)],
            say.t("{rule}: {unreached} of {size} not reached, lift {lift}").format(
                rule=f"#{row['rank']} {row[f'rule_{say.lang}']}",
                unreached=say.count(row["unreached"]),
                size=say.count(row["size"]),
                lift=say.figure(lift, 2),
            ),
            symbolSize=14 + 30 * float(np.sqrt(row["unreached"] / biggest)),
            itemStyle={"color": GOOD if row["confirmed"] else MUTED, "opacity": 0.75},
            label={"show": True, "formatter": f"#{row['rank']}", "color": "#ffffff", "fontWeight": 600},
        )
        for x, lift, row in zip(reached, subgroups["lift"], subgroups.to_dict("records"), strict=True)
    ]
    line = {"silent": True, "symbol": "none", "lineStyle": {"color": MUTED, "type": "dashed"}, "label": {"show": False}}
    return {
        "tooltip": LONG_TIP,
        "grid": {"left": 12, "right": 28, "top": 40, "bottom": 34, "containLabel": True},
        "xAxis": {"type": "value", "min": 0, "max": 1, "name": say.t("share already reached"), "nameLocation": "middle",
                  "nameGap": 30, "splitLine": {"lineStyle": {"color": FAINT}}},
        "yAxis": _value_axis(say.t("need (lift)"), 16, min=0, max=math.ceil(1.2 * float(subgroups["lift"].max()))),
        "series": [{"type": "scatter", "data": points,
                    "markLine": {**line, "data": [{"yAxis": 1}, {"xAxis": 0.5}]}}],
    }  # fmt: skip


def plan_heatmap(
    cells: pd.DataFrame, group: str, groups: dict[str, str], products: dict[str, str], measure: str, say: Speech
) -> Chart:
    """The plan: customers, expected takers or value of each group (scene or segment) and product."""
    total = cells.pivot_table(index="product_id", columns=group, values=measure, aggfunc="sum")
    order = total.sum(axis=1).sort_index().sort_values(ascending=False, kind="stable").index[:MOST_PRODUCTS]
    columns = [c for c in groups if c in total.columns]
    total = total.reindex(index=order[::-1], columns=columns)
    written = say.money if measure == "value" else say.short
    rows = [products.get(p, p) for p in total.index]
    heads = [groups[c] for c in columns]
    values = total.to_numpy(dtype=float)
    top = float(np.nanmax(values)) if np.isfinite(values).any() else 1.0
    items = [
        _item([x, y, round(float(v), 2)], f"{heads[x]} × {rows[y]}: {written(float(v))}",
              label={"formatter": written(float(v)), "color": "#ffffff" if v > 0.6 * top else INK})
        for y, row in enumerate(values) for x, v in enumerate(row) if np.isfinite(v)
    ]  # fmt: skip
    return _heatmap(items, heads, rows, (0.0, max(top, 1e-9)), SEQUENTIAL, "", upward=True)


def eligibility_bars(eligibility: pd.DataFrame, products: dict[str, str], say: Speech) -> Chart:
    """Per product: who may get it, and the first rule that said no to the others."""
    counts = eligibility.pivot_table(
        index="product_id", columns="reason", values="customers", aggfunc="sum", fill_value=0
    )
    if "eligible" not in counts:
        counts["eligible"] = 0
    counts = counts.sort_index().sort_values("eligible", kind="stable")
    reasons = ["eligible", *sorted((r for r in counts if r != "eligible"), key=lambda r: (-counts[r].sum(), r))]
    names = [products.get(p, p) for p in counts.index]
    series = [
        {
            "type": "bar", "stack": "all", "name": say.reason(reason), "barMaxWidth": 16,
            "itemStyle": {"color": GOOD if reason == "eligible" else REASONS[(i - 1) % len(REASONS)]},
            "data": [_item(int(n), f"{names[row]} · {say.reason(reason)}: {say.count(n)}")
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
        "yAxis": _names_axis(names, 220),
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
             "data": [_item(int(n), f"{name}: {say.count(n)}",
                            label={"show": True, "position": "inside", "formatter": say.short(n), "color": "#ffffff"})
                      for name, n in zip(names, left, strict=True)]},
            {"type": "bar", "stack": "all", "name": say.t("lost at this step"), "itemStyle": {"color": "#f1c3c1"},
             "data": [_item(int(n), f"{name}: -{say.count(n)}",
                            label={"show": bool(n), "position": "top", "formatter": f"-{say.short(n)}", "color": BAD})
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
             "data": [_item(_plain(v), f"{task} · {name}: {say.figure(v)}", label={"formatter": say.figure(v)})
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
        "yAxis": _names_axis(names, 200),
        "series": [{"type": "bar", "barMaxWidth": 16, "itemStyle": {"color": MODEL},
                    "data": [_item(round(v, 2), f"{n}: {v:.1f} s",
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
        "yAxis": _names_axis(labels, 260),
        "series": [
            {**bar, "silent": True, "itemStyle": {"color": "transparent"}, "tooltip": {"show": False}, "data": _plains(low)},
            {**bar, "data": [_item(_plain(b - a), tip, itemStyle={"color": c, "opacity": 0.35, "borderRadius": 2})
                             for a, b, tip, c in zip(low, high, tips, colours, strict=True)]},
            {"type": "scatter", "symbolSize": 11, "z": 4,
             "data": [_item([_plain(m), y], tip, itemStyle={"color": c},
                            label={"show": True, "position": "top", "distance": 3, "formatter": written(m), "color": INK, "fontSize": 11})
                      for y, (m, tip, c) in enumerate(zip(mid, tips, colours, strict=True))],
             "markLine": {"silent": True, "symbol": "none", "label": {"show": False},
                          "lineStyle": {"color": MUTED, "type": "dashed"}, "data": [{"xAxis": neutral}]}},
        ],
    }  # fmt: skip


def _heatmap(
    cells: list[Chart], heads: list[str], rows: list[str], span: tuple[float, float], colours: Sequence[str],
    legend: str, upward: bool = False,
) -> Chart:  # fmt: skip
    axis = {
        "type": "category",
        "data": heads,
        "position": "top",
        "axisTick": {"show": False},
        "axisLine": {"show": False},
        # as wide as a column can be on a usual screen; longer heads break
        "axisLabel": {"interval": 0, "color": INK, "width": max(58, min(120, 800 // max(len(heads), 1))),
                      "overflow": "break", "lineHeight": 15},
    }  # fmt: skip
    return {
        "tooltip": TIP,
        "grid": {"left": 8, "right": 8, "top": 8, "bottom": 44 if legend else 8, "containLabel": True},
        "xAxis": axis,
        "yAxis": _names_axis(rows, 250, inverse=not upward),
        "visualMap": {"min": span[0], "max": span[1], "show": bool(legend), "orient": "horizontal", "left": 8,
                      "bottom": 0, "itemWidth": 12, "itemHeight": 160, "calculable": False, "precision": 1,
                      "text": [legend, ""], "inRange": {"color": list(colours)}},
        "series": [{"type": "heatmap", "data": cells, "label": {"show": True, "fontSize": 11},
                    "itemStyle": {"borderColor": "#ffffff", "borderWidth": 2, "borderRadius": 3}}],
    }  # fmt: skip


def _names_axis(names: list[str], widest: int, inverse: bool = False) -> Chart:
    return {"type": "category", "data": names, "inverse": inverse, "axisTick": {"show": False},
            "axisLine": {"show": False},
            "axisLabel": {"interval": 0, "width": min(widest, room(names)), "overflow": "break", "color": INK,
                          "lineHeight": 15}}  # fmt: skip


def _value_axis(name: str, shift: int = 0, **options: Any) -> Chart:
    return {"type": "value", "name": name, "nameTextStyle": {"align": "left", "padding": [0, 0, 0, -shift], "color": MUTED},
            "splitLine": {"lineStyle": {"color": FAINT}}, **options}  # fmt: skip


def _item(value: Any, text: str, **style: Any) -> Chart:
    """One mark; its name is what the tooltip says (ECharts escapes names)."""
    return {"value": value, "name": text, **style}


def _plain(value: float) -> float | None:
    return round(float(value), 6) if value is not None and np.isfinite(value) else None


def _plains(values: Any) -> list[float | None]:
    return [_plain(value) for value in values]


def room(labels: Sequence[str]) -> int:
    """Pixels the longest label takes: a Chinese character is as wide as it is high, a Latin one about half that."""
    return max((sum(13 if ord(c) > 0x2E80 else 7 for c in label) for label in labels), default=0) + 4
