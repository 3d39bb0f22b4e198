"""Charts of kept segments: every customer in the picture once, no text that a chart could run."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from app.i18n import Speech
from app.segment_plots import COLOURS, migration_sankey, pareto_chart, segment_colours, segment_map
from app.segment_tables import drift_table, event_sentences, outcome_cells
from segmentation.migration import migration

SAY = Speech("en")


def test_every_customer_flows_once():
    before = pd.Series({"a": "t/1", "b": "t/1", "c": "t/2", "d": "t/10"})
    after = pd.Series({"a": "t/1", "b": "t/2", "d": "t/10", "e": "t/1"})
    chart = migration_sankey(migration(before, after), {"t/1": "Owls", "t/2": "Larks"}, (3, 4), SAY)
    [series] = chart["series"]
    assert sum(link["value"] for link in series["links"]) == 5
    names = [node["name"] for node in series["data"]]
    assert len(set(names)) == len(names)
    assert {link["source"] for link in series["links"]} | {link["target"] for link in series["links"]} == set(names)
    # by number, not by letters; those who came or went stand last
    assert names[:4] == ["t/1 Owls · v3: 2", "t/2 Larks · v3: 1", "t/10 · v3: 1", "newly active · v3: 1"]
    assert "t/1 Owls → t/2 Larks: 1 (50.0%)" in [link["id"] for link in series["links"]]
    json.dumps(chart)


def test_a_segment_has_one_colour_wherever_it_stands():
    colours = segment_colours(["t/2", "t/1", "t/9", "odd"])
    assert colours["t/1"] == COLOURS[0]
    assert colours["t/2"] == COLOURS[1]
    assert colours["t/9"] == COLOURS[8 % len(COLOURS)]
    chart = migration_sankey(migration({"a": "t/2"}, {"a": "t/2"}), {}, (1, 2), SAY)
    assert {node["itemStyle"]["color"] for node in chart["series"][0]["data"]} == {COLOURS[1]}


def test_the_map_shows_every_point_and_no_id():
    points, labels = np.arange(20.0).reshape(10, 2), np.array([0, 0, 1, 1, 1, 1, 1, 1, -1, -1])
    chart = segment_map(points, labels, (0.4, 0.2), [("t/1", "Owls"), ("t/3", "Larks")], SAY)
    assert [series["name"] for series in chart["series"]] == ["1  Owls", "3  Larks", "segments of fewer than 20 people"]
    assert sum(len(series["data"]) for series in chart["series"]) == 10
    assert chart["xAxis"]["name"] == "direction 1: 40% of the differences"
    json.dumps(chart)


def test_the_pareto_curve_names_the_fifth():
    chart = pareto_chart([[0, 0], [0.5, 1.1], [1, 1]], 0.7, SAY)
    assert chart["yAxis"]["max"] == pytest.approx(1.1)
    assert chart["series"][2]["data"][0]["name"] == "the most valuable fifth: 70%"
    assert chart["series"][0]["data"][1]["name"] == "the most valuable 50% bring 110%"


def test_that_a_segment_lives_on_is_no_news():
    events = [
        {"segment_id": "t/1", "event": "same", "other_id": "t/1"},
        {"segment_id": "t/4", "event": "split", "other_id": "t/1"},
        {"segment_id": "t/2", "event": "dead", "other_id": None},
    ]
    assert event_sentences(events, {"t/4": "Owls"}, SAY) == ["t/4 Owls was split from t/1", "t/2 is no more"]
    assert event_sentences(events[:1], {}, SAY) == ["Every segment lives on with its number."]


def test_the_strongest_drift_stands_first():
    alerts = [
        {"segment_id": "", "feature": "visits_90d", "psi": 0.12, "band": "watch"},
        {"segment_id": "t/1", "feature": "(segment sizes)", "psi": 0.4, "band": "alarm"},
    ]
    table = drift_table(alerts, SAY)
    assert table["PSI"].tolist() == ["0.400", "0.120"]
    assert table["Segment"].tolist() == ["t/1", "(everybody)"]
    assert table["Feature"][0] == "size of the segments"


def test_an_unknown_figure_is_a_dash_and_not_nought():
    row = {"size": 30, "share": 0.3, "value_mean": None, "value_share": None, "risk": None, "reach": 0.0}
    cells = outcome_cells(row, SAY)
    assert (cells["Value"], cells["Risk"], cells["Contacted"], cells["Reachable"]) == ("–", "–", "0.0%", "–")
