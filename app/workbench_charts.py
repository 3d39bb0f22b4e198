"""Charts of the product workbench as plain ECharts dicts: who would get a draft, and what they get without it."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from app.charts import TIP, Chart, item, names_axis
from app.i18n import Speech
from app.palette import GOOD, INK, MODEL, WARM

MOST_BARS = 15


def recipients_chart(recipients: pd.DataFrame, names: Mapping[str, str], say: Speech) -> Chart:
    """People who would get the draft, by scene and segment, the largest group first."""
    rows = recipients.sort_values("people", ascending=False, kind="stable").head(MOST_BARS)
    called = [f"{names.get(scene, scene or say.t('No home scene'))} · {names.get(segment, segment or '–')}"
              for scene, segment in zip(rows["scene_id"], rows["segment_id"], strict=True)]  # fmt: skip
    return _bars(called, rows["people"].tolist(), [MODEL] * len(rows), say)


def scenes_chart(recipients: pd.DataFrame, names: Mapping[str, str], say: Speech) -> Chart:
    """People who would get the draft, by scene."""
    rows = recipients.groupby("scene_id")["people"].sum().sort_values(ascending=False, kind="stable")
    called = [names.get(str(scene), str(scene) or say.t("No home scene")) for scene in rows.index]
    return _bars(called, rows.tolist(), [GOOD] * len(rows), say)


def taken_from_chart(taken: pd.DataFrame, products: Mapping[str, str], say: Speech) -> Chart:
    """What the draft's recipients get without it: another product (orange) or nothing today (green)."""
    rows = taken.sort_values("people", ascending=False, kind="stable").head(MOST_BARS)
    called = [products.get(str(p), str(p)) if p else say.t("no offer today") for p in rows["product_id"]]
    return _bars(called, rows["people"].tolist(), [WARM if p else GOOD for p in rows["product_id"]], say)


def _bars(names: list[str], people: list[int], colours: list[str], say: Speech) -> Chart:
    marks = [
        item(int(n), f"{name}: {say.count(n)}", itemStyle={"color": colour},
             label={"show": True, "position": "right", "formatter": say.count(n), "color": INK})
        for name, n, colour in zip(names, people, colours, strict=True)
    ]  # fmt: skip
    return {
        "tooltip": TIP,
        "grid": {"left": 8, "right": 64, "top": 8, "bottom": 8, "containLabel": True},
        "xAxis": {"type": "value", "show": False},
        "yAxis": names_axis(names, 260, inverse=True),
        "series": [{"type": "bar", "data": marks, "barMaxWidth": 18}],
    }
