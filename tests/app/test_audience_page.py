"""The page of audiences over a small synthetic world: an edit answers at once, and page and command say the same."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from app.audience_columns import column_facts, nice_step
from app.audiences import desk
from scenefit.runtime.workspace import Workspace
from segmentation.rules import (
    And,
    Compare,
    Did,
    In,
    InScene,
    InSegment,
    Missing,
    Not,
    Or,
    Percentile,
    Rule,
)
from tests.faults.command_line import Ended


@pytest.fixture(scope="module")
def place(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One copy for all tests of this file: the page keeps one desk per process."""
    return shutil.copytree(small_run, tmp_path_factory.mktemp("page") / "w")


@pytest.fixture
def opened(shown: Callable[..., AppTest], place: Path) -> Callable[..., AppTest]:
    def show(rule: Rule | None = None, lang: str = "en", refused: bool = False) -> AppTest:
        page = shown(Workspace(place), "audiences", lang)
        if rule is not None:
            page.session_state["audience_rule"] = rule.model_dump_json()
            page.session_state["audience_revision"] = 50
            page.run()
        assert not page.exception
        assert bool(page.error) == refused
        return page

    return show


def figure(page: AppTest, name: str) -> str:
    return next(metric.value for metric in page.metric if metric.label == name)


def rule_of(page: AppTest) -> Rule:
    return Rule.read(page.session_state["audience_rule"])


def button(page: AppTest, label: str):
    return next(b for b in page.button if b.label == label)


def test_the_page_says_what_the_command_says(opened, scenefit: Callable[..., Ended], place):
    page = opened()
    told = json.loads(scenefit("audience", "count", "-w", place, "--rule", rule_of(page).text(), "--json").out)
    assert figure(page, "People") == f"{told['customers']:,}"
    assert figure(page, "May be contacted") == f"{told['reachable']:,}"


def test_moving_a_threshold_changes_the_size_exactly(opened, place):
    page = opened()
    frame = desk(Workspace(place)).frame
    page.slider[0].set_value(4.0).run()
    assert not page.exception
    assert rule_of(page) == Rule(where=Compare(column="visits_90d", op=">=", value=4))
    assert figure(page, "People") == f"{int((frame['visits_90d'] >= 4).sum()):,}"


def test_every_kind_of_condition_survives_the_editor(opened, place):
    segment = str(desk(Workspace(place)).store.people.context.segments["segment_id"].iloc[0])
    rule = Rule(
        where=And(
            of=(
                Compare(column="visits_90d", op=">=", value=1),
                In(column="occupation", values=("teacher", "office")),
                Not(of=In(column="region", values=("nowhere", "elsewhere"))),
                Compare(column="is_lead", op="==", value=0),
                Not(of=Missing(column="city_tier")),
                Percentile(column="spend_365d", low=0.7, high=1),
                Did(events=("purchase",), at_least=1, within_days=180),
                Not(of=InSegment(segment=segment)),
                Or(of=(Compare(column="city_tier", op="<=", value=3), Missing(column="household_size"))),
                InScene(scene="travel", of=Compare(column="scene_visits_365d", op=">=", value=1)),
            )
        )
    )
    page = opened(rule)
    assert rule_of(page) == rule
    found = desk(Workspace(place)).store
    assert figure(page, "People") == f"{found.count(rule):,}"


def test_what_no_widget_can_say_is_shown_in_words_and_stays(opened):
    rule = Rule.parse(
        "is_lead >= 1 and city_tier in (1, 2) and visits_90d in 20% to 40% and visits_90d in top 12.5% "
        "and not (not (visits_90d >= 3)) and not (is_lead is missing) and did visit at least 2000 times within 90 days "
        'and spend_365d in top 0.4% and occupation != "teacher"'
    )
    page = opened(rule)
    assert rule_of(page).model_dump_json() == rule.model_dump_json()
    assert sum(note.value == "This condition is edited as text." for note in page.caption) >= 7
    page.run()
    assert rule_of(page).model_dump_json() == rule.model_dump_json()


def test_a_value_of_another_kind_is_refused_in_words_and_the_text_stays_in_reach(opened):
    for text in ('city_tier = "x"', 'in audience "nope"', 'in segment "nope/1"'):
        rule = Rule.parse(text)
        page = opened(rule, refused=True)
        assert rule_of(page) == rule
        typed = next(area for area in page.text_area if area.label == "The rule as text")
        assert typed.value == rule.text()


def test_none_of_one_level_takes_gaps_along(opened):
    alone = Rule(where=Not(of=In(column="occupation", values=("teacher",))))
    page = opened(alone)
    assert rule_of(page) == alone
    page.multiselect[0].set_value(["office"]).run()
    assert rule_of(page) == Rule(where=Not(of=In(column="occupation", values=("office",))))


def test_a_condition_is_added_removed_and_turned_round(opened):
    page = opened()
    button(page, "what people did").click().run()
    assert [c.kind for c in rule_of(page).conditions] == ["compare", "did"]
    next(b for b in page.button if b.label == "✕" and not b.disabled).click().run()
    assert [c.kind for c in rule_of(page).conditions] == ["did"]
    next(c for c in page.checkbox if c.label == "not").check().run()
    assert [c.kind for c in rule_of(page).conditions] == ["not"]
    assert not page.exception


def test_a_typed_rule_is_taken_and_a_mistake_is_pointed_at(opened):
    page = opened()
    typed = next(area for area in page.text_area if area.label == "The rule as text")
    typed.set_value("city_tie >= 2").run()
    button(page, "Use this text").click().run()
    assert "Did you mean 'city_tier'" in page.code[0].value
    assert rule_of(page).columns == ("visits_90d",)
    typed = next(area for area in page.text_area if area.label == "The rule as text")
    typed.set_value("city_tier >= 2 and visits_90d >= 1").run()
    button(page, "Use this text").click().run()
    assert rule_of(page).columns == ("city_tier", "visits_90d")


def test_the_text_follows_the_widgets(opened):
    page = opened()
    page.slider[0].set_value(4.0).run()
    assert next(area for area in page.text_area if area.label == "The rule as text").value == "visits_90d >= 4"


@pytest.mark.parametrize("text", ['in audience "nope"', 'in segment "nope"', "scene_visits_365d >= 1"])
def test_a_name_that_nobody_knows_is_no_rule_yet(opened, text):
    page = opened()
    before = rule_of(page)
    next(area for area in page.text_area if area.label == "The rule as text").set_value(text).run()
    button(page, "Use this text").click().run()
    assert any("no rule yet" in error.value for error in page.error)
    assert not page.exception
    assert rule_of(page) == before


@pytest.mark.parametrize(
    "text",
    ["visits_90d >= 4 and is_lead >= 1", "visits_90d in 20% to 40%", "city_tier in (1) and spend_365d in top 12.5%"],
)
def test_a_relax_button_delivers_what_it_shows(opened, text):
    page = opened(Rule.parse(text))
    before = int(figure(page, "People").replace(",", ""))
    extras = [found[1] for line in page.markdown if (found := re.match(r"\*\*\+([\d,]+)\*\*", line.value))]
    assert extras
    for number, extra in enumerate(extras[:3]):
        page.session_state["audience_rule"] = Rule.parse(text).model_dump_json()
        page.session_state["audience_revision"] += 1
        page.run()
        [b for b in page.button if b.label == "Relax"][number].click().run()
        assert int(figure(page, "People").replace(",", "")) == before + int(extra.replace(",", ""))


def test_a_rule_with_few_outside_can_still_be_relaxed(opened, place):
    frame = desk(Workspace(place)).frame
    low = frame["visits_90d"].min()
    page = opened(Rule(where=Compare(column="visits_90d", op=">=", value=float(low))))
    assert any("Everybody is in it already" in info.value for info in page.info)
    few = frame["spend_365d"].sort_values().iloc[-40]
    page = opened(Rule(where=Compare(column="spend_365d", op="<", value=float(few))))
    assert any(b.label == "Relax" for b in page.button)


def test_relaxing_takes_the_way_that_was_shown(opened):
    page = opened(Rule(where=And(of=(Compare(column="visits_90d", op=">=", value=4),))))
    before = int(figure(page, "People").replace(",", ""))
    button(page, "Relax").click().run()
    assert int(figure(page, "People").replace(",", "")) > before


def test_conditions_that_exclude_each_other_are_named(opened):
    page = opened(Rule.parse("visits_90d >= 4 and visits_90d < 2"))
    assert figure(page, "People") == "0"
    assert any("Nobody fits both" in warning.value for warning in page.warning)


def test_an_audience_is_kept_and_opened_again(opened):
    rule = Rule.parse("visits_90d >= 2 and city_tier >= 2")
    page = opened(rule)
    next(t for t in page.text_input if t.label == "Short name").set_value("busy")
    button(page, "Keep as a version").click().run()
    assert any("busy@1" in done.value for done in page.success)
    page = opened()
    button(page, "Open in the editor").click().run()
    assert rule_of(page).columns == ("visits_90d", "city_tier")


def test_a_refused_name_is_said_on_the_page(opened):
    page = opened()
    next(t for t in page.text_input if t.label == "Short name").set_value("../up")
    button(page, "Keep as a version").click().run()
    assert any("lower-case letters" in error.value for error in page.error)


def test_a_mined_rule_arrives_as_a_draft(shown, place):
    page = shown(Workspace(place), "audiences", "zh")
    rule = Rule(where=InScene(scene="travel", of=Compare(column="scene_visits_365d", op=">=", value=2)))
    page.session_state["audience_draft"] = {
        "rule": rule.model_dump_json(), "name_en": "mined", "name_zh": "挖掘的子群", "origin": {"kind": "subgroup"},
    }  # fmt: skip
    page.run()
    assert rule_of(page).scene_columns == ("scene_visits_365d",)
    assert any("挖掘的子群" in info.value for info in page.info)


def test_a_mined_draft_lends_its_origin_only_while_the_rule_stands_on_it(opened, place):
    mined = Rule(where=InScene(scene="travel", of=Compare(column="scene_visits_365d", op=">=", value=2)))
    more = Rule(where=And(of=(*mined.conditions, Compare(column="visits_90d", op=">=", value=1))))
    other = Rule.parse("visits_90d >= 2")
    for name, rule, origin in (("from-mined", more, "subgroup"), ("from-none", other, "")):
        page = opened(rule)
        page.session_state["audience_draft"] = {
            "rule": mined.model_dump_json(), "name_en": "mined one", "name_zh": "挖掘", "taken": True,
            "origin": {"kind": "subgroup"},
        }  # fmt: skip
        page.run()
        assert any("mined one" in info.value for info in page.info) == bool(origin)
        keep_as(page, name)
        kept = desk(Workspace(place)).store.load(name).version
        assert (kept.origin or {}).get("kind", "") == origin
        assert kept.name_en == ("mined one" if origin else other.sentence("en"))


def keep_as(page: AppTest, name: str) -> None:
    next(t for t in page.text_input if t.label == "Short name").set_value(name)
    button(page, "Keep as a version").click().run()
    assert not page.exception


def test_the_shelf_shows_the_audience_just_kept(opened):
    page = opened(Rule.parse("visits_90d >= 1"))
    keep_as(page, "aa-first")
    keep_as(page, "zz-last")
    assert page.selectbox(key="kept_en").value == "zz-last"


def test_a_receipt_belongs_to_the_audience_it_was_written_for(opened):
    page = opened(Rule.parse("visits_90d >= 1"))
    keep_as(page, "other")
    keep_as(page, "wide")
    next(t for t in page.text_input if t.label == "Who receives it").set_value("partner")
    button(page, "Export with receipt").click().run()
    assert any("released of" in done.value for done in page.success), [e.value for e in page.error]
    assert any(line.value == "**wide@1**" for line in page.markdown)
    page.selectbox(key="kept_en").set_value("other").run()
    assert not any("released of" in done.value for done in page.success)


def test_a_damaged_version_is_named_and_the_page_stays(opened, place):
    page = opened(Rule.parse("visits_90d >= 1"))
    keep_as(page, "broken")
    record = place / "audiences" / "broken" / "v0001.json"
    whole = record.read_text("utf8")
    try:
        record.write_text("{", "utf8")
        page.run()
        assert not page.exception
        assert any("damaged" in warning.value for warning in page.warning)
        assert any("damaged" in error.value for error in page.error)
        assert button(page, "Open in the editor").disabled
        assert figure(page, "People")
    finally:
        record.write_text(whole, "utf8")


def test_a_handful_of_people_is_not_shown_one_by_one(opened, place):
    frame = desk(Workspace(place)).frame
    third = float(frame["spend_365d"].sort_values().iloc[-3])
    page = opened(Rule(where=Compare(column="spend_365d", op=">=", value=third)))
    assert 0 < int(figure(page, "People")) < 20
    assert any("nobody of them is shown" in info.value for info in page.info)
    assert not any("Customer" in table.value.columns for table in page.dataframe)


def test_nobody_saves_over_a_version_that_came_meanwhile(opened, place):
    store = desk(Workspace(place)).store
    page = opened(Rule.parse("visits_90d >= 1"))
    keep_as(page, "shared")
    store.save("shared", Rule.parse("visits_90d >= 3"), name_en="theirs", name_zh="他人", by="somebody",
               at=pd.Timestamp("2026-01-01", tz="UTC"))  # fmt: skip
    keep_as(page, "shared")
    assert any("saved meanwhile" in error.value for error in page.error)
    assert store.load("shared").version.version == 2
    # having read that, the next one is meant
    keep_as(page, "shared")
    assert store.load("shared").version.version == 3


def test_a_slider_steps_in_numbers_a_person_would_choose(place):
    assert [nice_step(size, whole) for size, whole in ((0.0021, False), (0.2, True), (37, True))] == [0.005, 1, 50]
    facts = column_facts(desk(Workspace(place)).frame)
    assert facts["is_lead"].kind == "bool"
    assert facts["occupation"].levels
    for name, found in facts.items():
        if found.kind == "number":
            assert found.low < found.high, name
            assert found.low <= found.usual <= found.high, name
