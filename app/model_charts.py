"""Charts of the champion and its challengers as plain ECharts dicts: calibration, lift, versions, who is chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.charts import TIP, Chart, item, names_axis
from app.i18n import Speech
from app.labels import mark
from app.palette import BAD, FAINT, INK, MODEL, MUTED, PEER, WARM
from recsys.selection import ALARM

Row = Mapping[str, Any]
TENTHS = mark("tenths of customer × product pairs, most promising first")
TENTHS_OF_OFFERS = mark("tenths of offers made, most promising first")
PAIRS = mark("promised {promised}, observed {observed} ({n} pairs)")


def calibration_chart(curve: Sequence[Row], say: Speech) -> Chart:
    """Promised against observed share per bin with its 95 % interval; on the diagonal every promise is kept."""
    most = max([0.1, *(100 * max(row["promised"], row["observed_high"]) for row in curve)])
    points = [
        item([_percent(row["promised"]), _percent(row["observed"])], say.t(PAIRS).format(
            promised=say.percent(row["promised"], 2), observed=say.percent(row["observed"], 2),
            n=say.count(row["rows"])))
        for row in curve
    ]  # fmt: skip
    quiet = {"type": "line", "symbol": "none", "silent": True, "tooltip": {"show": False}}
    reach = [
        {**quiet, "lineStyle": {"color": MODEL, "opacity": 0.35, "width": 4},
         "data": [[_percent(row["promised"]), _percent(row[end])] for end in ("observed_low", "observed_high")]}
        for row in curve
    ]  # fmt: skip
    return {
        "tooltip": TIP,
        "grid": {"left": 56, "right": 20, "top": 28, "bottom": 44},
        "xAxis": {**_shares(most), "name": say.t("promised, %"), "nameLocation": "middle", "nameGap": 28},
        "yAxis": {**_shares(most), "name": say.t("observed, %")},
        "series": [
            {**quiet, "data": [[0, 0], [most, most]], "lineStyle": {"color": MUTED, "type": "dashed", "width": 1}},
            *reach,
            {"type": "line", "data": points, "symbol": "circle", "symbolSize": 9, "lineStyle": {"color": MODEL},
             "itemStyle": {"color": MODEL}, "z": 4},
        ],
    }  # fmt: skip


def lift_chart(lift: Sequence[Row], say: Speech, axis: str = TENTHS) -> Chart:
    """Times the average by tenth of the pairs, the most promising first; the line is the average.

    `axis` says what the tenths are of.
    """
    bars = [
        item(round(row["lift"] or 0.0, 4), say.t("tenth {n}: {lift} × the average, {share} of all takes so far").format(
            n=row["bin"], lift=say.figure(row["lift"], 2), share=say.percent(row["captured"], 0)),
            itemStyle={"color": MODEL if (row["lift"] or 0) >= 1 else PEER})
        for row in lift
    ]  # fmt: skip
    return {
        "tooltip": TIP,
        "grid": {"left": 44, "right": 16, "top": 28, "bottom": 44},
        "xAxis": {"type": "category", "data": [str(row["bin"]) for row in lift], "axisTick": {"show": False},
                  "name": say.t(axis), "nameLocation": "middle",
                  "nameGap": 28},
        "yAxis": {"type": "value", "name": say.t("times the average"), "splitLine": {"lineStyle": {"color": FAINT}}},
        "series": [
            {"type": "bar", "data": bars, "barWidth": "62%",
             "markLine": {"silent": True, "symbol": "none", "data": [{"yAxis": 1}], "label": {"show": False},
                          "lineStyle": {"color": MUTED, "type": "dashed"}}}
        ],
    }  # fmt: skip


def profit_chart(rows: Sequence[Row], say: Speech) -> Chart:
    """Profit by tenth of the offers as bars, and of all tenths so far as a line; the best depth is marked."""
    labels = [str(row["bin"]) for row in rows]
    bars = [
        item(round(row["profit"], 4), say.t("tenth {n}: {profit}, {each} per contact").format(
            n=row["bin"], profit=say.money(row["profit"]), each=say.money(row["per_contact"])),
            itemStyle={"color": MODEL if row["profit"] >= 0 else BAD})
        for row in rows
    ]  # fmt: skip
    totals = [
        item(round(row["total"], 4), say.t("up to tenth {n}: {profit}").format(
            n=row["bin"], profit=say.money(row["total"])), symbolSize=13 if row["best"] else 6)
        for row in rows
    ]  # fmt: skip
    axis = {"type": "value", "axisLabel": {"show": False}, "splitLine": {"show": False}}
    return {
        "tooltip": TIP,
        "grid": {"left": 16, "right": 16, "top": 28, "bottom": 44},
        "xAxis": {"type": "category", "data": labels, "axisTick": {"show": False}, "name": say.t(TENTHS_OF_OFFERS),
                  "nameLocation": "middle", "nameGap": 28},
        "yAxis": axis,
        "series": [
            {"type": "bar", "data": bars, "barWidth": "62%"},
            {"type": "line", "data": totals, "symbol": "circle", "lineStyle": {"color": WARM},
             "itemStyle": {"color": WARM}, "z": 4},
        ],
    }  # fmt: skip


def versions_chart(versions: Sequence[Row], say: Speech) -> Chart:
    """Each version's gain over popularity with its 95 % interval; left of the line it is none."""
    labels = [_version_label(row, say) for row in versions]
    found = [row["quality"]["ndcg@10"] for row in versions]
    bars = [
        {"type": "line", "symbol": "none", "silent": True, "tooltip": {"show": False},
         "lineStyle": {"color": _colour(row), "opacity": 0.35, "width": 6},
         "data": [[one["low"], label], [one["high"], label]]}
        for row, one, label in zip(versions, found, labels, strict=True)
    ]  # fmt: skip
    points = [
        item([one["difference"], label], say.t("{version}: {gain} [{low}, {high}]").format(
            version=label, gain=say.figure(one["difference"]), low=say.figure(one["low"]),
            high=say.figure(one["high"])),
            itemStyle={"color": _colour(row)})
        for row, one, label in zip(versions, found, labels, strict=True)
    ]  # fmt: skip
    return {
        "tooltip": TIP,
        "grid": {"left": 8, "right": 24, "top": 12, "bottom": 40, "containLabel": True},
        "xAxis": {"type": "value", "scale": False, "name": say.t("NDCG@10 above popularity"), "nameLocation": "middle",
                  "nameGap": 26, "splitLine": {"lineStyle": {"color": FAINT}}},
        "yAxis": names_axis(labels, 200, inverse=True),
        "series": [
            *bars,
            {"type": "scatter", "data": points, "symbolSize": 11, "z": 4,
             "markLine": {"silent": True, "symbol": "none", "data": [{"xAxis": 0}], "label": {"show": False},
                          "lineStyle": {"color": MUTED, "type": "dashed"}}},
        ],
    }  # fmt: skip


def selection_chart(rows: Sequence[Row], named: Sequence[str], say: Speech) -> Chart:
    """Share of each protected group that the plan offers something; the mark is four fifths of the most chosen one."""
    texts = [
        say.t("{group}: {rate} of {n} people, {ratio} of the most chosen group").format(
            group=name, rate=say.percent(row["rate"]), n=say.count(row["people"]), ratio=say.percent(row["ratio"], 0))
        for name, row in zip(named, rows, strict=True)
    ]  # fmt: skip
    bars = [
        item(round(row["rate"], 6), text, itemStyle={"color": WARM if row["ratio"] < ALARM else MODEL},
             label={"show": True, "position": "right", "formatter": say.percent(row["rate"]), "color": INK})
        for row, text in zip(rows, texts, strict=True)
    ]  # fmt: skip
    highest = max((row["rate"] for row in rows), default=0.0)
    return {
        "tooltip": TIP,
        "grid": {"left": 8, "right": 60, "top": 8, "bottom": 8, "containLabel": True},
        "xAxis": {"type": "value", "min": 0, "max": max(highest * 1.05, 0.001), "axisLabel": {"show": False},
                  "splitLine": {"show": False}},
        "yAxis": names_axis(list(named), 200, inverse=True),
        "series": [
            {"type": "bar", "data": bars, "barWidth": 14,
             "markLine": {"silent": True, "symbol": "none", "data": [{"xAxis": ALARM * highest}],
                          "label": {"show": False}, "lineStyle": {"color": BAD, "type": "dashed"}}}
        ],
    }  # fmt: skip


def _version_label(row: Row, say: Speech) -> str:
    label = f"v{row['version']}"
    return f"{label} · {say.t('champion')}" if row["champion"] else label


def _colour(row: Row) -> str:
    return MODEL if row["champion"] else MUTED


def _percent(share: float) -> float:
    return round(100 * share, 4)


def _shares(most: float) -> Chart:
    return {"type": "value", "min": 0, "max": most * 1.05, "axisLabel": {"showMaxLabel": False},
            "splitLine": {"lineStyle": {"color": FAINT}},
            "nameTextStyle": {"color": MUTED}}  # fmt: skip
