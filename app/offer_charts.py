"""Charts of offers as plain ECharts dicts: use of limits, groups, stages, contributions, frontier, steadiness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from app.charts import LONG_TIP, TIP, Chart, item, names_axis
from app.i18n import Speech
from app.labels import mark
from app.offer_facts import FAIL, PASS, STAGES, Part
from app.palette import BAD, FAINT, GOOD, INK, MODEL, MUTED, PEER, SEQUENTIAL, WARM

STAGE_NAMES = {
    "eligibility": mark("eligibility (law, age)"),
    "applicability": mark("applicability (owns it)"),
    "suitability": mark("suitability (affordable)"),
    "contact": mark("contact policy"),
    "scene": mark("scene asked for"),
    "channel": mark("channel asked for"),
    "value": mark("worth its cost"),
    "price": mark("worth its limits"),
    "arbitration": mark("arbitration"),
}
PART_NAMES = {
    "margin after risk": mark("margin after risk"),
    "incentive": mark("incentive"),
    "contact": mark("cost of contact"),
    "value": mark("expected value"),
}
LONGEST = 1.5
STOPPED, PASSED, SILENT = "#f1b3b0", "#bfe3d2", "#f3f5f8"


def usage_chart(use: pd.DataFrame, names: Mapping[str, str], say: Speech) -> Chart:
    """How full each limit is, the dearest first; floors in orange, limits that cost value in full colour."""
    called = [names.get(name, name) for name in use["name"]]
    # a bar ends at one and a half; its label says the true share
    share = use["share"].fillna(0.0)
    marks = [
        item(round(min(float(s), LONGEST), 4), f"{name}: {say.count(used)} {sense} {say.count(total)}",
             itemStyle={"color": WARM if sense == ">=" else MODEL, "opacity": 1.0 if abs(price) > 1e-9 else 0.35},
             label={"show": True, "position": "right", "color": INK, "formatter": say.percent(s, 0)})
        for s, name, used, sense, total, price in zip(
            share, called, use["used"], use["sense"], use["total"], use["price"], strict=True)
    ]  # fmt: skip
    return {
        "tooltip": TIP,
        "grid": {"left": 8, "right": 56, "top": 4, "bottom": 4, "containLabel": True},
        "xAxis": {"type": "value", "show": False, "min": 0, "max": LONGEST},
        "yAxis": names_axis(called, 250, inverse=True),
        "series": [{"type": "bar", "barMaxWidth": 14, "data": marks,
                    "markLine": {"silent": True, "symbol": "none", "label": {"show": False},
                                 "lineStyle": {"color": MUTED, "type": "dashed"}, "data": [{"xAxis": 1}]}}],
    }  # fmt: skip


def groups_chart(table: pd.DataFrame, names: Mapping[str, str], say: Speech) -> Chart:
    """Share of the eligible that is offered anything, by group."""
    called = [names.get(str(group), str(group)) for group in table["group"]]
    share = table["served_share"].to_numpy(float)
    marks = [
        item(round(float(s), 4) if np.isfinite(s) else 0, say.t("{name}: {offered} of {eligible} eligible").format(
                 name=name, offered=say.count(offered), eligible=say.count(eligible)),
             label={"show": True, "position": "right", "color": INK, "formatter": say.percent(s)})
        for s, name, offered, eligible in zip(share, called, table["offered"], table["eligible"], strict=True)
    ]  # fmt: skip
    return {
        "tooltip": TIP,
        "grid": {"left": 8, "right": 56, "top": 4, "bottom": 4, "containLabel": True},
        "xAxis": {"type": "value", "show": False, "min": 0},
        "yAxis": names_axis(called, 200, inverse=True),
        "series": [{"type": "bar", "barMaxWidth": 16, "itemStyle": {"color": GOOD}, "data": marks}],
    }  # fmt: skip


def stage_chart(grid: pd.DataFrame, names: Mapping[str, str], say: Speech) -> Chart:
    """Product × stage: passed, stopped here, not asked any more; the tip says the rule."""
    rows = [names.get(p, p) for p in grid["product_id"]]
    heads = [say.t(STAGE_NAMES[s]) for s in STAGES]
    states = grid[list(STAGES)].to_numpy()
    words = {PASS: say.t("passed"), FAIL: say.t("stopped"), -1: say.t("not asked any more")}
    why = grid["zh" if say.lang == "zh" else "en"].tolist()
    cells = [
        item([x, y, int(state)],
             f"{rows[y]} · {heads[x]}: {why[y] if state == FAIL else words[int(state)]}",
             label={"formatter": "✓" if state == PASS else "✕" if state == FAIL else "", "color": INK})
        for y, row in enumerate(states) for x, state in enumerate(row)
    ]  # fmt: skip
    return {
        "tooltip": LONG_TIP,
        "grid": {"left": 8, "right": 8, "top": 8, "bottom": 8, "containLabel": True},
        "xAxis": {"type": "category", "data": heads, "position": "top", "axisTick": {"show": False},
                  "axisLine": {"show": False}, "axisLabel": {"interval": 0, "color": INK, "width": 74,
                                                             "overflow": "break", "lineHeight": 15}},
        "yAxis": names_axis(rows, 200, inverse=True),
        "visualMap": {"type": "piecewise", "show": False, "dimension": 2,
                      "pieces": [{"value": PASS, "color": PASSED}, {"value": FAIL, "color": STOPPED},
                                 {"value": -1, "color": SILENT}]},
        "series": [{"type": "heatmap", "data": cells, "label": {"show": True, "fontSize": 12},
                    "itemStyle": {"borderColor": "#ffffff", "borderWidth": 2, "borderRadius": 3}}],
    }  # fmt: skip


def parts_chart(parts: Sequence[Part], say: Speech) -> Chart:
    """What an offer brings and costs, with 95 % intervals as thin lines."""
    names = [say.t(PART_NAMES[part.code]) for part in parts]
    colours = [MODEL if p.code == "value" else GOOD if p.amount >= 0 else BAD for p in parts]
    tips = [f"{name}: {say.money(p.amount)} [{say.money(p.low)}, {say.money(p.high)}]"
            for name, p in zip(names, parts, strict=True)]  # fmt: skip
    return {
        "tooltip": TIP,
        "grid": {"left": 8, "right": 72, "top": 8, "bottom": 28, "containLabel": True},
        "xAxis": {"type": "value", "splitLine": {"lineStyle": {"color": FAINT}}, "axisLabel": {"hideOverlap": True}},
        "yAxis": names_axis(names, 140, inverse=True),
        "series": [
            {"type": "bar", "barMaxWidth": 16,
             "data": [item(p.amount, tip, itemStyle={"color": colour}) for p, tip, colour in
                      zip(parts, tips, colours, strict=True)]},
            *[{"type": "line", "symbol": "rect", "symbolSize": [2, 10], "silent": True, "tooltip": {"show": False},
               "lineStyle": {"color": INK, "width": 1.2}, "itemStyle": {"color": INK},
               "data": [[p.low, y], [p.high, y]]} for y, p in enumerate(parts)],
            {"type": "scatter", "symbolSize": 0, "silent": True,
             "data": [item([max(p.high, p.amount), y], tip,
                           label={"show": True, "position": "right", "color": INK, "formatter": say.money(p.amount)})
                      for y, (p, tip) in enumerate(zip(parts, tips, strict=True))]},
        ],
    }  # fmt: skip


def frontier_chart(points: pd.DataFrame, now: float, title: str, say: Speech) -> Chart:
    """Profit and expected loss by the total of one limit; where the plan stands now is dashed."""
    # what few people bring and lose is not told
    rows = points[points["feasible"].astype(bool) & points["value"].notna()]
    series = []
    for column, name, colour in (("value", say.t("expected value"), MODEL), ("expected_loss", say.t("expected loss"),
                                                                              BAD)):  # fmt: skip
        data = [
            item([round(float(x), 2), round(float(y), 2)],
                 say.t("{limit} {total}: {name} {amount}; one more unit earns {price}").format(
                     limit=title, total=say.money(x), name=name, amount=say.money(y), price=say.money(price)))
            for x, y, price in zip(rows["total"], rows[column], rows["marginal_price"], strict=True)
        ]  # fmt: skip
        series.append({"type": "line", "name": name, "data": data, "symbolSize": 9, "lineStyle": {"color": colour},
                       "itemStyle": {"color": colour}})  # fmt: skip
    series[0]["markLine"] = {"silent": True, "symbol": "none", "label": {"formatter": say.t("now"), "color": MUTED},
                             "lineStyle": {"color": MUTED, "type": "dashed"}, "data": [{"xAxis": now}]}  # fmt: skip
    return {
        "tooltip": LONG_TIP,
        "legend": {"top": 0, "left": 0, "icon": "roundRect"},
        "grid": {"left": 8, "right": 24, "top": 40, "bottom": 34, "containLabel": True},
        "xAxis": {"type": "value", "name": title, "nameLocation": "middle", "nameGap": 28, "min": 0,
                  "splitLine": {"lineStyle": {"color": FAINT}}, "axisLabel": {"hideOverlap": True}},
        "yAxis": {"type": "value", "min": 0, "splitLine": {"lineStyle": {"color": FAINT}}},
        "series": series,
    }  # fmt: skip


def inertia_chart(curve: pd.DataFrame, goal: float, say: Speech) -> Chart:
    """Share of changed offers and value given up, by how much holding on to an offer counts."""
    names = [say.money(at) for at in curve["inertia"]]
    shown = (
        ("churn", say.t("offers that change"), MODEL, "top"),
        ("value_given_up", say.t("value given up"), WARM, "bottom"),
    )
    series: list[Chart] = [
        {"type": "line", "name": name, "symbolSize": 9, "lineStyle": {"color": colour}, "itemStyle": {"color": colour},
         "data": [item(round(float(v), 5), f"{at} · {name}: {say.percent(v, 2)}",
                       label={"show": True, "position": side, "color": INK, "formatter": say.percent(v, 1)})
                  for at, v in zip(names, curve[column], strict=True)]}
        for column, name, colour, side in shown
    ]  # fmt: skip
    series[0]["markLine"] = {"silent": True, "symbol": "none", "lineStyle": {"color": MUTED, "type": "dashed"},
                             "label": {"formatter": say.t("goal"), "color": MUTED},
                             "data": [{"yAxis": goal}]}  # fmt: skip
    # room below zero for the labels of the lower line
    below = -0.25 * max(float(curve["churn"].max()) if len(curve) else 0.0, 0.01)
    return {
        "tooltip": TIP,
        "legend": {"top": 0, "left": 0, "icon": "roundRect"},
        "grid": {"left": 8, "right": 40, "top": 40, "bottom": 34, "containLabel": True},
        "xAxis": {"type": "category", "data": names, "name": say.t("inertia added to the current offer"),
                  "nameLocation": "middle", "nameGap": 28},
        "yAxis": {"type": "value", "min": round(below, 4), "show": False},
        "series": series,
    }  # fmt: skip


def change_chart(table: pd.DataFrame, names: Mapping[str, str], say: Speech, most: int = 20) -> Chart:
    """Offers before and after by product, those that change most first (columns key, before, after)."""
    table = table[(table["before"] > 0) | (table["after"] > 0)]
    moved = (table["after"] - table["before"]).abs()
    rows = table.loc[moved.sort_values(ascending=False, kind="stable").index[:most]]
    called = [names.get(str(key), str(key)) for key in rows["key"]]
    return {
        "tooltip": TIP,
        "legend": {"top": 0, "left": 0, "icon": "roundRect"},
        "grid": {"left": 8, "right": 56, "top": 36, "bottom": 4, "containLabel": True},
        "xAxis": {"type": "value", "show": False},
        "yAxis": names_axis(called, 200, inverse=True),
        "series": [
            {"type": "bar", "name": title, "barMaxWidth": 9, "itemStyle": {"color": colour},
             "data": [item(int(n), f"{name} · {title}: {say.count(n)}",
                           label={"show": True, "position": "right", "color": INK, "fontSize": 10,
                                  "formatter": say.short(n)})
                      for name, n in zip(called, rows[column], strict=True)]}
            for column, title, colour in (("before", say.t("before"), PEER), ("after", say.t("after"), MODEL))
        ],
    }  # fmt: skip


def subgroups_chart(
    cells: pd.DataFrame, groups: Mapping[str, str], products: Mapping[str, str], words: Mapping[str, str], say: Speech
) -> Chart:
    """Product × subgroup: people offered it; the tip of an empty cell says what keeps most from it."""
    total = cells.groupby("product_id")["planned"].sum().sort_index().sort_values(ascending=False, kind="stable")
    rows, columns = list(total.index), [g for g in groups if g in set(cells["subgroup"])]
    heads, called = [groups[g] for g in columns], [products.get(p, p) for p in rows]
    top = max(float(cells["planned"].max()), 1.0) if len(cells) else 1.0
    items = []
    for row in cells.to_dict("records"):
        if row["subgroup"] not in groups:
            continue
        x, y, n = columns.index(row["subgroup"]), rows.index(row["product_id"]), row["planned"]
        known = not pd.isna(n)
        told = say.count(n) if known else say.t("fewer than 20 people")
        why = str(row["blocked_by"]) if known and isinstance(row["blocked_by"], str) else ""
        tail = f" · {words.get(why, why)}" if why else ""
        text = "" if not known else say.short(n) if n else "·"
        style = {"formatter": text, "color": "#ffffff" if known and n > 0.6 * top else INK}
        items.append(item([x, y, float(n) if known else 0.0], f"{called[y]} × {heads[x]}: {told}{tail}", label=style))
    return {
        "tooltip": LONG_TIP,
        "grid": {"left": 8, "right": 8, "top": 8, "bottom": 8, "containLabel": True},
        "xAxis": {"type": "category", "data": heads, "position": "top", "axisTick": {"show": False},
                  "axisLine": {"show": False},
                  "axisLabel": {"interval": 0, "color": INK, "width": max(56, min(120, 760 // max(len(heads), 1))),
                                "overflow": "break", "lineHeight": 15}},
        "yAxis": names_axis(called, 200, inverse=True),
        "visualMap": {"min": 0, "max": top, "show": False, "inRange": {"color": list(SEQUENTIAL)}},
        "series": [{"type": "heatmap", "data": items, "label": {"show": True, "fontSize": 11},
                    "itemStyle": {"borderColor": "#ffffff", "borderWidth": 2, "borderRadius": 3}}],
    }  # fmt: skip
