"""Charts are plain dicts that say what the tables say."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from app import charts, heatmaps
from app.finished_run import FinishedRun, read_finished_run
from app.i18n import Speech
from app.tables import home_scenes
from scenefit.runtime.workspace import Workspace

ZH, EN = Speech("zh"), Speech("en")


@pytest.fixture(scope="module")
def run(run_workspace: Workspace) -> FinishedRun:
    return read_finished_run(run_workspace.latest(), run_workspace)


def every_chart(run: FinishedRun, say: Speech) -> dict[str, charts.Chart]:
    profiles, subgroups = run.table("segment_profiles", "travel"), run.table("subgroups", "travel")
    segments, products, metrics = run.segments_of("travel"), run.product_names(say.lang), run.metrics
    quality = pd.DataFrame({"task": ["offers"], "model": [0.3], "popularity": [0.2]})
    features, cells, scenes = heatmaps.distinctive(profiles), run.table("plan_cells"), home_scenes(run, say)
    return {
        "criteria": charts.criteria_chart(run.table("segment_criteria", "travel"), say),
        "profile": heatmaps.profile_heatmap(profiles, segments, features, say),
        "lift": charts.lift_intervals(subgroups, say),
        "need": charts.need_reach(subgroups, say),
        "plan": heatmaps.plan_heatmap(cells, "scene_id", scenes, products, "value", say),
        "eligibility": charts.eligibility_bars(run.table("eligibility"), products, say),
        "reach": charts.reach_waterfall(pd.DataFrame(metrics["reach"]), say),
        "models": charts.model_bars(quality, say),
        "effects": charts.effect_intervals(pd.DataFrame(metrics["effects"]), say),
        "seconds": charts.seconds_bars(run.timings["seconds"], say),
    }  # fmt: skip


@pytest.mark.parametrize("say", [ZH, EN], ids=["zh", "en"])
def test_every_chart_is_plain_json(run: FinishedRun, say: Speech) -> None:
    for chart in every_chart(run, say).values():
        json.dumps(chart, allow_nan=False)


def test_the_chosen_number_of_segments_is_named_and_the_tie_set_filled(run: FinishedRun) -> None:
    points = charts.criteria_chart(run.table("segment_criteria", "travel"), EN)["series"][2]["data"]
    assert [p["symbol"] for p in points] == ["circle", "diamond", "circle", "circle", "circle", "circle"]
    assert [p["itemStyle"]["color"] != "#ffffff" for p in points] == [False, True, True, False, False, False]


def test_a_criterion_without_seeds_has_no_band() -> None:
    rows = pd.DataFrame({"k": [2], "silhouette": [0.5], "silhouette_se": [np.nan], "stability": [np.nan],
                         "tied": [True], "chosen": [True]})  # fmt: skip
    series = charts.criteria_chart(rows, EN)["series"]
    assert (series[0]["data"], series[1]["data"], series[3]["data"][0]["value"]) == ([0.5], [0.0], None)


def test_intervals_span_from_low_to_high(run: FinishedRun) -> None:
    chart = charts.effect_intervals(pd.DataFrame(run.metrics["effects"]), EN)
    low, width, point = chart["series"]
    assert low["data"] == [-1.1, 0.2]  # bottom first: the renovation letter, in percentage points
    assert [d["value"] for d in width["data"]] == pytest.approx([1.6, 1.8])
    assert [d["value"][0] for d in point["data"]] == pytest.approx([-0.3, 1.1])


def test_bars_of_the_waterfall_add_up_to_the_step_before(run: FinishedRun) -> None:
    left, lost = charts.reach_waterfall(pd.DataFrame(run.metrics["reach"]), EN)["series"]
    left, lost = ([d["value"] for d in s["data"]] for s in (left, lost))
    assert left == [600, 560, 548, 495, 470]
    assert [a + b for a, b in zip(left[1:], lost[1:], strict=True)] == left[:-1]


def test_the_plan_heat_map_holds_the_whole_plan(run: FinishedRun) -> None:
    cells = run.table("plan_cells")
    chart = heatmaps.plan_heatmap(cells, "scene_id", home_scenes(run, EN), run.product_names("en"), "customers", EN)
    assert sum(c["value"][2] for c in chart["series"][0]["data"]) == cells["customers"].sum()
    assert chart["xAxis"]["data"] == ["Travel", "Home renovation", "Education"]


def test_eligible_people_come_first_and_all_people_are_counted(run: FinishedRun) -> None:
    series = charts.eligibility_bars(run.table("eligibility"), run.product_names("zh"), ZH)["series"]
    assert series[0]["name"] == "可办理"
    assert sum(d["value"] for s in series for d in s["data"]) == run.table("eligibility")["customers"].sum()


def test_charts_know_no_page() -> None:
    code = "import sys, app.charts, app.heatmaps; print('streamlit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
