"""Heat maps as plain ECharts dicts: what sets segments apart, and what the plan gives to whom."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from app.charts import TIP, Chart, item, names_axis
from app.i18n import Speech
from app.palette import DIVERGING, INK, SEQUENTIAL

MOST_PRODUCTS = 30
MOST_FEATURES = 10


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
        item([x, y, round(float(value), 3)], f"{names[y]} · {labels[x]}: {value:+.2f}",
              label={"formatter": f"{value:+.1f}", "color": "#ffffff" if abs(value) > 1.4 else INK})
        for y, row in enumerate(z.to_numpy(dtype=float)) for x, value in enumerate(row) if np.isfinite(value)
    ]  # fmt: skip
    return _heatmap(cells, labels, names, (-2.0, 2.0), DIVERGING, say.t("standard deviations from the scene's mean"))


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
        item([x, y, round(float(v), 2)], f"{heads[x]} × {rows[y]}: {written(float(v))}",
              label={"formatter": written(float(v)), "color": "#ffffff" if v > 0.6 * top else INK})
        for y, row in enumerate(values) for x, v in enumerate(row) if np.isfinite(v)
    ]  # fmt: skip
    return _heatmap(items, heads, rows, (0.0, max(top, 1e-9)), SEQUENTIAL, "", upward=True)


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
        "axisLabel": {"interval": 0, "color": INK, "width": max(56, min(120, 680 // max(len(heads), 1))),
                      "overflow": "break", "lineHeight": 15},
    }  # fmt: skip
    return {
        "tooltip": TIP,
        "grid": {"left": 8, "right": 8, "top": 8, "bottom": 44 if legend else 8, "containLabel": True},
        "xAxis": axis,
        "yAxis": names_axis(rows, 200, inverse=not upward),
        "visualMap": {"min": span[0], "max": span[1], "show": bool(legend), "orient": "horizontal", "left": 8,
                      "bottom": 0, "itemWidth": 12, "itemHeight": 160, "calculable": False, "precision": 1,
                      "text": [legend, ""], "inRange": {"color": list(colours)}},
        "series": [{"type": "heatmap", "data": cells, "label": {"show": True, "fontSize": 11},
                    "itemStyle": {"borderColor": "#ffffff", "borderWidth": 2, "borderRadius": 3}}],
    }  # fmt: skip
