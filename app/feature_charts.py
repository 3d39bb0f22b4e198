"""Charts of one feature as plain ECharts dicts: its distribution, how far it moved, and where it comes from."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from app.charts import TIP, Chart, item, names_axis, room
from app.feature_facts import FeatureFact
from app.i18n import Speech
from app.palette import BAD, FAINT, GOOD, INK, MODEL, MUTED, PEER, WARM

# what a node of the lineage is filled with, column by column
FILLS = ("#f4f7fd", "#dbe7fd", "#e3f1ec", "#fdf0e1")
WIDEST = 230


def distribution_chart(row: Mapping[str, Any], names: Mapping[str, str], say: Speech) -> Chart | None:
    """Share of rows per bin or level, now and in the baseline; None where the report shows no values.

    Parameters
    ----------
    row : a row of the quality report
    names : names of ids that are levels, such as scenes
    """
    if row["top"] not in ("", "[]"):
        return _levels(json.loads(row["top"]), names, say)
    histogram = json.loads(row["histogram"]) if row["histogram"] else {"edges": []}
    return _histogram(row, histogram, say) if histogram["edges"] else None


def _histogram(row: Mapping[str, Any], histogram: dict[str, Any], say: Speech) -> Chart:
    labels = bin_labels(histogram["edges"], str(row["kind"]), say)
    sides = [(say.t("now"), MODEL, histogram["shares"], row["null_share"])]
    if histogram["before"] is not None:
        sides.append((say.t("baseline"), PEER, histogram["before"], row["null_share_before"]))
    # people without a value belong to the picture: PSI counts them as a bin
    if any(empty for _, _, _, empty in sides):
        labels = [*labels, say.t("no value")]
        sides = [(name, colour, [*shares, empty or 0.0], empty) for name, colour, shares, empty in sides]
    return {
        "tooltip": TIP,
        "legend": {"top": 0, "right": 0, "icon": "roundRect"},
        "grid": {"left": 8, "right": 12, "top": 34, "bottom": 8, "containLabel": True},
        "xAxis": {"type": "category", "data": labels, "axisTick": {"show": False},
                  "axisLabel": {"interval": 0, "color": INK, "rotate": 30 if max(map(len, labels)) > 8 else 0}},
        "yAxis": {"type": "value", "name": say.t("% of rows"), "min": 0, "splitLine": {"lineStyle": {"color": FAINT}},
                  "nameTextStyle": {"align": "left", "padding": [0, 0, 0, -16], "color": MUTED}},
        "series": [
            {"type": "bar", "name": name, "itemStyle": {"color": colour}, "barMaxWidth": 30,
             "data": [item(round(100 * share, 3), f"{label} · {name}: {say.percent(share)}")
                      for label, share in zip(labels, shares, strict=True)]}
            for name, colour, shares, _ in sides
        ],
    }  # fmt: skip


def bin_labels(edges: Sequence[float], kind: str, say: Speech) -> list[str]:
    """What each half-open bin holds; the last one holds its upper edge too.

    >>> bin_labels([0, 0.5, 2.5, 9], "int", Speech("en")), bin_labels([0, 0.5, 1], "bool", Speech("en"))
    (['0', '1 – 2', '3 – 9'], ['no', 'yes'])
    """
    bins = list(itertools.pairwise(edges))
    if kind == "float":
        return [say.short(low) if low == high else _between(low, high, say) for low, high in bins]
    ends = [(math.ceil(low), math.ceil(high) - 1) for low, high in bins[:-1]]
    whole = [*ends, (math.ceil(bins[-1][0]), math.floor(bins[-1][1]))]
    if kind == "bool":
        return [" – ".join(dict.fromkeys(say.t("yes") if end else say.t("no") for end in ends)) for ends in whole]
    return [say.short(low) if high <= low else f"{say.short(low)} – {say.short(high)}" for low, high in whole]


def _between(low: float, high: float, say: Speech) -> str:
    """A span of numbers; narrow ones with as many digits as tell the ends apart."""
    ends = (say.short(low), say.short(high))
    return " – ".join(ends) if ends[0] != ends[1] else f"{low:.4g} – {high:.4g}"


def _levels(top: list[tuple[str | None, float]], names: Mapping[str, str], say: Speech) -> Chart:
    rows = [(say.t("all others") if level is None else names.get(level, level), share) for level, share in top][::-1]
    return {
        "tooltip": TIP,
        "grid": {"left": 8, "right": 64, "top": 8, "bottom": 8, "containLabel": True},
        "xAxis": {"type": "value", "show": False},
        "yAxis": names_axis([name for name, _ in rows], 240),
        "series": [
            {"type": "bar", "barMaxWidth": 18, "itemStyle": {"color": MODEL},
             "data": [item(round(100 * share, 3), f"{name}: {say.percent(share)}",
                            label={"show": True, "position": "right", "formatter": say.percent(share), "color": INK})
                      for name, share in rows]}
        ],
    }  # fmt: skip


def stability_band(psi: float, watch: float, alert: float, say: Speech) -> Chart:
    """Where the stability index lies: stable, worth a look, moved."""
    most = 3 * alert
    zones = ((0.0, watch, GOOD), (watch, alert, WARM), (alert, most, BAD))
    colour = GOOD if psi < watch else WARM if psi < alert else BAD
    # far beyond the alert the exact place says nothing more: the mark stays at the end, its label tells the figure
    text = say.figure(psi) if psi < most else f"{say.figure(psi)} →"
    return {
        "tooltip": TIP,
        "grid": {"left": 12, "right": 24, "top": 26, "bottom": 22},
        "xAxis": {"type": "value", "min": 0, "max": round(most, 3), "splitLine": {"show": False},
                  "axisLabel": {"hideOverlap": True, "showMaxLabel": False}},
        "yAxis": {"type": "category", "data": [""], "show": False},
        "series": [
            *({"type": "bar", "stack": "zones", "silent": True, "barWidth": 10, "tooltip": {"show": False},
               "itemStyle": {"color": shade, "opacity": 0.3}, "data": [round(high - low, 4)]}
              for low, high, shade in zones),
            {"type": "scatter", "symbol": "diamond", "symbolSize": 16, "itemStyle": {"color": colour}, "z": 4,
             "data": [item([round(min(psi, most), 4), 0], f"PSI {say.figure(psi)}",
                            label={"show": True, "position": "top", "formatter": text, "color": INK,
                                   "fontWeight": 600})]},
        ],
    }  # fmt: skip


def lineage_chart(fact: FeatureFact, names: tuple[str, str], say: Speech) -> Chart:
    """From raw columns over the feature and its view to the services that read it; `names`: of feature and view."""
    columns = (
        (say.t("raw columns"), list(fact.columns)),
        (say.t("feature"), [names[0]]),
        (say.t("view"), [names[1]]),
        (say.t("services"), list(fact.services) or [say.t("none yet")]),
    )
    tall = max(len(labels) for _, labels in columns)
    nodes: list[Chart] = []
    for x, (head, labels) in enumerate(columns):
        nodes.append(
            {"id": f"{x}", "name": head, "value": [x, tall], "symbolSize": 1, "itemStyle": {"color": "transparent"},
             "label": {"show": True, "formatter": head, "color": MUTED}}
        )  # fmt: skip
        gap = (tall - len(labels)) / 2
        for y, label in enumerate(labels):
            width = min(WIDEST, room([label]) + 18)
            nodes.append(
                {"id": f"{x}/{y}", "name": label, "value": [x, tall - 1 - gap - y], "symbol": "roundRect",
                 "symbolSize": [width, 24], "itemStyle": {"color": FILLS[x], "borderColor": FAINT, "borderWidth": 1},
                 "label": {"show": True, "color": INK, "width": width - 10, "overflow": "truncate"}}
            )  # fmt: skip
    sides = [[f"{x}/{y}" for y in range(len(labels))] for x, (_, labels) in enumerate(columns)]
    links = [
        {"source": source, "target": target}
        for left, right in itertools.pairwise(sides)
        for source, target in itertools.product(left, right)
        if fact.services or not target.startswith("3/")
    ]
    hidden = {"type": "value", "show": False}
    return {
        "tooltip": TIP,
        "grid": {"left": 0, "right": 0, "top": 6, "bottom": 6},
        "xAxis": {**hidden, "min": -0.5, "max": 3.5},
        "yAxis": {**hidden, "min": -0.6, "max": tall + 0.4},
        "series": [
            {"type": "graph", "coordinateSystem": "cartesian2d", "data": nodes, "links": links,
             "lineStyle": {"color": PEER, "width": 1.2, "curveness": 0}}
        ],
    }  # fmt: skip


def lineage_height(fact: FeatureFact) -> int:
    """Pixels the lineage needs."""
    return 44 + 32 * max(len(fact.columns), len(fact.services), 1)
