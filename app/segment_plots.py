"""Charts of the kept segments as plain ECharts dicts: who moved, who lies near whom, where the value is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from app.charts import TIP, Chart, item
from app.i18n import Speech
from app.palette import BAD, FAINT, GOOD, INK, MODEL, MUTED, WARM
from segmentation.migration import ENTRANTS, LEAVERS

# one per segment, in the order of their numbers; more segments than a team can staff begin anew
COLOURS = (MODEL, GOOD, WARM, "#8b5cf6", "#0ea5b7", BAD, "#a16207", "#db2777")


def segment_colours(ids: Sequence[str]) -> dict[str, str]:
    """A colour for each segment, by id; the same in every chart and, for as long as the number stays, every version."""
    numbers = {segment: segment.rpartition("/")[2] for segment in ids}
    return {s: COLOURS[(int(n) - 1) % len(COLOURS)] if n.isdigit() else MUTED for s, n in numbers.items()}


def migration_sankey(
    moved: pd.DataFrame, names: Mapping[str, str], versions: tuple[int, int], say: Speech
) -> Chart:  # fmt: skip
    """Who went where between two versions of a scene's segments.

    Parameters
    ----------
    moved : see `segmentation.migration.migration`
    names : segment id to name, of both versions
    """
    colours = segment_colours([s for s in {*moved["from_id"], *moved["to_id"]} if s not in (ENTRANTS, LEAVERS)])
    spoken = {**names, ENTRANTS: say.t("newly active"), LEAVERS: say.t("no longer active")}
    nodes, known = [], {}
    for side, version in zip(("from_id", "to_id"), versions, strict=True):
        sums = moved.groupby(side, sort=True)["customers"].sum()
        for segment in sorted(sums.index, key=lambda s: (s in (ENTRANTS, LEAVERS), _number(s), s)):
            text = _called(str(segment), spoken)
            name = f"{text} · v{version}: {say.count(sums[segment])}"
            known[side, segment] = name
            nodes.append({
                "name": name, "depth": 0 if side == "from_id" else 1,
                "itemStyle": {"color": colours.get(str(segment), MUTED)},
                "label": {"formatter": _short(str(segment), spoken),
                          "position": "right" if side == "from_id" else "left"},
            })  # fmt: skip
    links = [
        {"source": known["from_id", row["from_id"]], "target": known["to_id", row["to_id"]], "value": row["customers"],
         # the id is what the tooltip says of a link
         "id": f"{_called(row['from_id'], spoken)} → {_called(row['to_id'], spoken)}: "
               f"{say.count(row['customers'])} ({say.percent(row['share_of_from'])})"}
        for row in moved.to_dict("records")
    ]  # fmt: skip
    return {
        "tooltip": TIP,
        "series": [{
            "type": "sankey", "left": 4, "right": 4, "top": 8, "bottom": 8, "nodeWidth": 14, "nodeGap": 14,
            "layoutIterations": 0, "draggable": False, "emphasis": {"focus": "adjacency"},
            "label": {"color": INK, "fontSize": 12, "width": 160, "overflow": "truncate"},
            "lineStyle": {"color": "source", "opacity": 0.28, "curveness": 0.5},
            "data": nodes, "links": links,
        }],
    }  # fmt: skip


def segment_map(
    points: np.ndarray,
    labels: np.ndarray,
    explained: tuple[float, float],
    names: Sequence[tuple[str, str]],
    say: Speech,
) -> Chart:  # fmt: skip
    """A sample of members, near whom they resemble; no person can be told from it.

    Parameters
    ----------
    labels : position in `names` (id, name), −1 for the small segments together
    """
    colours = segment_colours([segment for segment, _ in names])
    parts = [(i, f"{segment.rpartition('/')[2]}  {name}", colours[segment]) for i, (segment, name) in enumerate(names)]
    parts.append((-1, say.t("segments of fewer than 20 people"), MUTED))
    axes = [
        {"type": "value", "name": say.t("direction {n}: {share} of the differences").format(
            n=n + 1, share=say.percent(explained[n], 0)),
         "nameLocation": "middle", "nameGap": 12, "axisLabel": {"show": False}, "axisTick": {"show": False},
         "axisLine": {"show": False}, "splitLine": {"lineStyle": {"color": FAINT}}, "nameTextStyle": {"color": MUTED},
         "scale": True}
        for n in range(2)
    ]  # fmt: skip
    return {
        "tooltip": {**TIP, "formatter": "{a}"},
        "legend": {"top": 0, "left": 0, "orient": "vertical", "icon": "circle",
                   "textStyle": {"color": INK, "width": 420, "overflow": "truncate"}},
        "grid": {"left": 28, "right": 12, "top": 14 + 24 * (1 + int(np.unique(labels).size)), "bottom": 28},
        "xAxis": axes[0], "yAxis": axes[1],
        "series": [
            {"type": "scatter", "name": name, "symbolSize": 5, "itemStyle": {"color": colour, "opacity": 0.5},
             "data": points[labels == label].tolist()}
            for label, name, colour in parts if (labels == label).any()
        ],
    }  # fmt: skip


def pareto_chart(curve: Sequence[Sequence[float]], top_fifth: float, say: Speech) -> Chart:
    """Share of the value that the most valuable share of customers brings, against the diagonal of equals."""
    points = [
        item([x, y], say.t("the most valuable {customers} bring {value}").format(
            customers=say.percent(x, 0), value=say.percent(y, 0)))
        for x, y in curve
    ]  # fmt: skip
    shares = {"type": "value", "min": 0, "max": 1, "interval": 0.2, "splitLine": {"lineStyle": {"color": FAINT}},
              "axisLabel": {"show": False}, "nameTextStyle": {"color": MUTED}}  # fmt: skip
    mark = item([0.2, top_fifth], say.t("the most valuable fifth: {value}").format(value=say.percent(top_fifth, 0)),
                label={"show": True, "position": "right", "formatter": "{b}", "color": INK})  # fmt: skip
    highest = max(1.0, *(y for _, y in curve))
    return {
        "tooltip": TIP,
        "grid": {"left": 30, "right": 16, "top": 12, "bottom": 30},
        "xAxis": {**shares, "name": say.t("customers, the most valuable first"), "nameLocation": "middle",
                  "nameGap": 14},
        "yAxis": {**shares, "max": highest, "name": say.t("share of the value"), "nameLocation": "middle",
                  "nameGap": 14},
        "series": [
            {"type": "line", "data": points, "symbol": "circle", "symbolSize": 4, "lineStyle": {"color": MODEL},
             "itemStyle": {"color": MODEL}, "areaStyle": {"color": MODEL, "opacity": 0.08}},
            {"type": "line", "data": [[0, 0], [1, 1]], "symbol": "none", "silent": True, "tooltip": {"show": False},
             "lineStyle": {"color": MUTED, "type": "dashed", "width": 1}},
            {"type": "scatter", "data": [mark], "symbolSize": 10, "itemStyle": {"color": WARM}, "z": 4},
        ],
    }  # fmt: skip


def _called(segment: str, names: Mapping[str, str]) -> str:
    name = names.get(segment, "")
    return name if segment in (ENTRANTS, LEAVERS) else f"{segment} {name}".strip()


def _short(segment: str, names: Mapping[str, str]) -> str:
    """Number and name: the scene is known where the chart stands."""
    name = names.get(segment, "")
    return name if segment in (ENTRANTS, LEAVERS) else f"{segment.rpartition('/')[2]}  {name}".strip()


def _number(segment: str) -> int:
    last = segment.rpartition("/")[2]
    return int(last) if last.isdigit() else 0
