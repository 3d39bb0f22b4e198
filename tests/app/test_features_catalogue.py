"""Feature catalogue and charts: what they say about declared features and a report, in two languages."""

from __future__ import annotations

import json

import pandas as pd
import pyarrow as pa
import pytest

from app import feature_charts
from app.feature_facts import FeatureFact, chosen_facts, feature_facts, freshness, stream_freshness
from app.feature_tables import (
    catalogue_table,
    chosen_rows,
    feature_name,
    feature_rows,
    service_name,
    views_table,
    worth_a_look,
)
from app.i18n import Speech
from app.labels import FEATURE_KINDS, LABELS, PURPOSES, UNITS
from feature_repo.quality_tables import Quality, load
from feature_repo.services import SERVICES
from feature_repo.views import VIEWS
from feature_repo.writer import append
from scenefit.contracts.errors import SettingsError
from scenefit.contracts.schema import ANY_PURPOSE
from scenefit.runtime.workspace import Workspace

ZH, EN = Speech("zh"), Speech("en", "USD")
FACTS = feature_facts()


@pytest.fixture(scope="module")
def report(run_workspace: Workspace) -> Quality:
    return load(run_workspace)


def fact(view: str, feature: str) -> FeatureFact:
    (found,) = (fact for fact in FACTS if (fact.view, fact.feature) == (view, feature))
    return found


def row(report: Quality, view: str, feature: str) -> dict[str, object]:
    features = report.features
    return features[(features["view"] == view) & (features["feature"] == feature)].iloc[0].to_dict()


def test_a_feature_knows_its_uses_its_readers_and_its_columns() -> None:
    score = fact("customer_risk", "bureau_score")
    assert (score.purposes, score.columns) == (("risk",), ("bureau.at", "bureau.score"))
    assert "default_v1" in score.services
    assert not [service for service in score.services if SERVICES[service].purpose == "marketing"]


def test_protected_features_are_marked_and_read_by_no_service() -> None:
    age = fact("customer_daily", "age")
    assert age.protected
    assert age.services == ()


def test_ids_are_unique_and_every_code_has_a_name_in_both_languages() -> None:
    assert len({fact.id for fact in FACTS}) == len(FACTS)
    assert {fact.view for fact in FACTS} | {fact.cadence for fact in FACTS} | {f.owner for f in FACTS} <= set(LABELS)
    assert {fact.kind for fact in FACTS} <= set(FEATURE_KINDS)
    assert {fact.unit for fact in FACTS} - {"", "currency", "currency/month"} <= set(UNITS)
    assert set(ANY_PURPOSE) == set(PURPOSES)


def test_the_catalogue_is_narrowed_by_view_service_and_purpose() -> None:
    assert {fact.view for fact in chosen_facts(views=["customer_risk"])} == {"customer_risk"}
    assert {fact.feature for fact in chosen_facts(services=["serving_v1"])} == set(VIEWS["customer_serving"].names)
    assert fact("customer_risk", "bureau_score") not in chosen_facts(purposes=["marketing", "service"])
    assert len(chosen_facts()) == len(FACTS)


@pytest.mark.parametrize("asked", [{"views": ["nope"]}, {"services": ["nope"]}, {"purposes": ["nope"]}])
def test_what_does_not_exist_is_refused_with_what_does(asked: dict[str, list[str]]) -> None:
    with pytest.raises(SettingsError, match="'nope' is unknown; choose among"):
        chosen_facts(**asked)


def test_views_without_snapshots_are_not_fresh(run_workspace: Workspace) -> None:
    found = freshness(run_workspace)
    assert set(found) == set(VIEWS)
    assert {f.newest for f in found.values()} == {None}


def test_a_stream_is_as_fresh_as_its_newest_event(own_workspace: Workspace) -> None:
    view, at = VIEWS["customer_live"], own_workspace.dataset().until
    events = [at - pd.Timedelta(days=3), at - pd.Timedelta(hours=5), at - pd.Timedelta(hours=7)]
    rows = pa.Table.from_pylist(
        [{"customer_id": f"c{i}", "event_timestamp": event, "created": event} for i, event in enumerate(events)],
        schema=view.arrow,
    )
    append(own_workspace.features / view.source, rows, view)

    found = stream_freshness(own_workspace, at)["customer_live"]

    assert (found.newest, found.age_hours) == (events[1], 5)
    table = views_table(load(own_workspace), {"customer_live": found}, EN, "Asia/Shanghai").set_index("View")
    assert table.loc["person, live", "Newest snapshot"] == "2026-06-30 19:00"


def test_what_is_computed_on_demand_inherits_the_uses_of_its_inputs() -> None:
    burden = fact("loan_burden", "loan_instalment")
    assert (burden.purposes, burden.cadence, burden.services) == (("risk",), "request", ("affordability_v1",))
    assert "bureau.total_debt" in burden.columns


def test_alerts_come_first_and_narrow_views_show_the_wide_ones_figures(report: Quality) -> None:
    rows = feature_rows(FACTS, report, EN)
    assert list(rows["id"][:2]) == ["customer_daily:spend_28d", "customer_daily:trend_28d"]
    served = rows[rows["id"] == "customer_serving:spend_90d"].iloc[0]
    assert served["psi"] == row(report, "customer_daily", "spend_90d")["psi"]


def test_every_word_of_a_search_must_be_found(report: Quality) -> None:
    rows = feature_rows(FACTS, report, ZH)
    assert set(chosen_rows(rows, "征信 评分")["feature"]) == {"bureau_score", "bureau_score_change"}
    assert set(chosen_rows(rows, "BUREAU.score 最近一次")["feature"]) == {"bureau_score"}
    assert chosen_rows(rows, "(unbalanced [").empty
    assert len(chosen_rows(rows)) == len(FACTS)


def test_filters_are_ids_and_hold_together(report: Quality) -> None:
    rows = feature_rows(FACTS, report, EN)
    found = chosen_rows(rows, views=["customer_daily"], services=["offers_v1"], alerts=["alert", "watch"])
    assert list(found["feature"]) == ["spend_28d", "trend_28d"]
    assert chosen_rows(rows, purposes=["risk"], services=["serving_v1"], views=["merchant_daily"]).empty


def test_money_is_in_the_currency_of_the_data(report: Quality) -> None:
    table = catalogue_table(feature_rows(FACTS, report, EN), EN).set_index("Code")
    assert table.loc["spend_28d", "Unit"] == "USD"
    assert table.loc["bureau_score", "May be used for"] == "risk"
    assert table.loc["age", "Marks"] == "protected"


def test_a_catalogue_without_report_is_a_catalogue() -> None:
    table = catalogue_table(feature_rows(FACTS, None, EN), EN)
    assert len(table) == len(FACTS)
    assert {word for words in table["Status"] for word in words} == {"unrated"}


def test_what_to_look_at_is_named_with_its_reason(report: Quality) -> None:
    found = worth_a_look(report, feature_rows(FACTS, report, ZH), ZH)
    assert list(found["where"]) == ["商户", "个人（每日） · 消费额（28天）", "个人（每日） · 活跃趋势"]
    assert found["why"].str.len().min() > 0


def test_a_view_past_its_time_to_live_fills_its_bar(report: Quality) -> None:
    table = views_table(report, {}, EN, "Asia/Shanghai").set_index("View")
    assert table.iloc[0].name == "merchant"
    assert table.loc["merchant", "Of its time to live"] == 1
    assert table.loc["person, daily", "Age, days"] == 0


def test_names_are_short_enough_for_a_line() -> None:
    assert [name for fact in FACTS if len(name := feature_name(fact, EN)) > 32] == []
    assert [name for fact in FACTS if len(name := feature_name(fact, ZH)) > 18] == []


def test_names_are_words_in_both_languages() -> None:
    assert feature_name(fact("customer_daily", "night_share_365d"), ZH) == "夜间占比"
    assert feature_name(fact("product_daily", "product_applies_90d"), ZH) == "90 天申请次数"
    assert feature_name(fact("product_daily", "product_applies_90d"), EN) == "Applications in 90 days"
    assert service_name("offers_v1", EN) == "offers_v1 · Recommenders and audiences"
    assert service_name("offers_v1", ZH) == "offers_v1 · 推荐与人群"


def test_a_distribution_shows_both_moments_and_the_gaps(report: Quality) -> None:
    chart = feature_charts.distribution_chart(row(report, "customer_daily", "trend_28d"), {}, EN)
    assert chart is not None
    now, before = chart["series"]
    assert (now["name"], before["name"]) == ("now", "baseline")
    assert chart["xAxis"]["data"][-1] == "no value"
    assert sum(item["value"] for item in now["data"]) == pytest.approx(100, abs=0.1)
    assert now["data"][-1]["value"] > before["data"][-1]["value"]


def test_levels_are_shown_by_name(report: Quality) -> None:
    chart = feature_charts.distribution_chart(row(report, "customer_daily", "top_scene_id"), {"travel": "旅行"}, ZH)
    assert chart is not None
    assert chart["yAxis"]["data"][-1] == "旅行"


def test_rare_levels_are_the_others() -> None:
    top = json.dumps([["a", 0.6], [None, 0.4]])
    chart = feature_charts.distribution_chart({"top": top, "histogram": ""}, {}, EN)
    assert chart is not None
    assert chart["yAxis"]["data"] == ["all others", "a"]


@pytest.mark.parametrize(
    ("top", "histogram"), [("[]", ""), ("[]", '{"edges": [], "shares": [], "before": null}'), ("", "")]
)
def test_nothing_to_show_is_no_chart(top: str, histogram: str) -> None:
    assert feature_charts.distribution_chart({"top": top, "histogram": histogram}, {}, EN) is None


def test_narrow_bins_can_be_told_apart() -> None:
    assert feature_charts.bin_labels([0.1304, 0.1305, 0.2], "float", EN) == ["0.1304 – 0.1305", "0.13 – 0.20"]
    assert feature_charts.bin_labels([5, 5], "int", EN) == ["5"]


@pytest.mark.parametrize(("psi", "colour"), [(0.05, "#2f9e77"), (0.1, "#e08a2e"), (0.25, "#d9534f"), (8.1, "#d9534f")])
def test_the_stability_index_has_the_colour_of_its_band(psi: float, colour: str) -> None:
    mark = feature_charts.stability_band(psi, 0.1, 0.25, EN)["series"][-1]
    assert mark["itemStyle"]["color"] == colour
    # however far it moved, the bands stay readable
    assert mark["data"][0]["value"][0] <= 0.75


@pytest.mark.parametrize("say", [ZH, EN])
def test_every_feature_has_a_lineage(say: Speech) -> None:
    for found in FACTS:
        chart = feature_charts.lineage_chart(found, (feature_name(found, say), say.label(found.view)), say)
        ids = [node["id"] for node in chart["series"][0]["data"]]
        assert len(set(ids)) == len(ids)
        ends = {link[side] for link in chart["series"][0]["links"] for side in ("source", "target")}
        assert ends <= set(ids)
        assert len(chart["series"][0]["links"]) == len(found.columns) + 1 + len(found.services)
        json.dumps(chart)


def test_reports_keep_their_moments(report: Quality) -> None:
    assert report.as_of == pd.Timestamp("2026-06-30 16:00", tz="UTC")
