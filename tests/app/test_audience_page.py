"""The page of audiences over a small synthetic world: an edit answers at once, and page and command say the same."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.audience_columns import column_facts, nice_step
from app.audiences import desk
from scenefit.runtime.workspace import Workspace
from segmentation.rules import And, Compare, Did, In, InScene, InSegment, Missing, Not, Or, Percentile, Rule
from tests.faults.command_line import Ended


@pytest.fixture(scope="module")
def place(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One copy for all tests of this file: the page keeps one desk per process."""
    return shutil.copytree(small_run, tmp_path_factory.mktemp("page") / "w")


@pytest.fixture
def opened(shown: Callable[..., AppTest], place: Path) -> Callable[..., AppTest]:
    def show(rule: Rule | None = None, lang: str = "en") -> AppTest:
        page = shown(Workspace(place), "audiences", lang)
        if rule is not None:
            page.session_state["audience_rule"] = rule.model_dump_json()
            page.session_state["audience_revision"] = 50
            page.run()
        assert not page.exception
        assert not page.error
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


def test_a_slider_steps_in_numbers_a_person_would_choose(place):
    assert [nice_step(size, whole) for size, whole in ((0.0021, False), (0.2, True), (37, True))] == [0.005, 1, 50]
    facts = column_facts(desk(Workspace(place)).frame)
    assert facts["is_lead"].kind == "bool"
    assert facts["occupation"].levels
    for name, found in facts.items():
        if found.kind == "number":
            assert found.low < found.high, name
            assert found.low <= found.usual <= found.high, name
