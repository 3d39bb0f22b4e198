"""The rule editor: it says what its widgets can say, and leaves every other condition as it is."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from app.audience_columns import ColumnFacts
from app.audience_values import editable
from segmentation.rules import (
    And,
    Between,
    Compare,
    Condition,
    Did,
    In,
    InAudience,
    InScene,
    InSegment,
    Missing,
    Not,
    Or,
    Percentile,
    Rule,
)

COLUMNS = {
    "visits": ColumnFacts("number", 0.0, 50.0, 1.0, 4.0, whole=True),
    "spend": ColumnFacts("number", 0.0, 2000.0, 20.0, 100.0),
    "lead": ColumnFacts("bool", truths=(0, 1)),
    "job": ColumnFacts("text", levels=("teacher", "nurse", "driver")),
}


def random_condition(dice: random.Random, depth: int = 0) -> Condition:
    """Any kind of condition, with values that fit the widgets and values that do not."""
    column = dice.choice([*COLUMNS, "gone"])
    number = dice.choice([0, 1, 3, 40, 55, 4.0, 12.5, -7, 100, 1980.0, 1e9, 2**53 - 1, 0.123456789012345])
    value = dice.choice([number, number, "teacher", "nobody", True, False])
    texts = dice.sample(["teacher", "nurse", "driver", "nobody"], dice.randint(1, 3))
    operations = ["==", "!="] if isinstance(value, str | bool) else ["==", "<", ">=", "!="]
    end = min(number, 2_000)
    place = dice.choice([0.8, 0.875, 0.996, 0.2, 0.71])
    simple: list[Callable[[], Condition]] = [
        lambda: Compare(column=column, op=dice.choice(operations), value=value),
        lambda: Between(column=column, low=end - dice.choice([1, 0.25, 20, 1e7]), high=end),
        lambda: In(column=column, values=tuple(dice.choice([texts, [1, 2], [True], ["teacher", "teacher"]]))),
        lambda: Missing(column=column),
        lambda: Percentile(column=column, low=0.0, high=dice.choice([0.2, 0.125, 0.004, 1.0, 0.29, 0.995])),
        lambda: Percentile(column=column, low=place, high=dice.choice([1.0, 0.9999])),
        lambda: Did(events=tuple(dice.sample(["purchase", "visit", "repay"], 2)), at_least=dice.choice([1, 1000, 1001]),
                    within_days=dice.choice([1, 90, 3660]), scene=dice.choice([None, "travel", "moon"]),
                    product=dice.choice([None, None, "P1"])),
        lambda: InSegment(segment=dice.choice(["travel/1", "gone/9"])),
        lambda: InAudience(audience=dice.choice(["kept", "gone"])),
        lambda: InScene(scene="travel", of=Compare(column="scene_visits_365d", op=">=", value=1)),
    ]  # fmt: skip
    if depth < 4 and dice.random() < 0.4:
        parts = tuple(random_condition(dice, depth + 1) for _ in range(dice.randint(1, 2)))
        return dice.choice([And(of=parts), Or(of=parts), Not(of=parts[0]), Not(of=Not(of=parts[0]))])
    return dice.choice(simple)()


def edited_on_display(rules: list[str], columns: dict) -> None:
    """A page that shows the editor for each rule and keeps those that it changed."""
    import streamlit as st

    from app.audience_editor import Vocabulary, put_rule, tree_editor
    from app.i18n import Speech
    from segmentation.rules import Rule

    words = Vocabulary(columns, {"travel": "travel"}, {"travel/1": "travellers"}, ["kept"])
    changed = []
    for text in rules:
        put_rule(Rule.read(text))
        found = tree_editor(Rule.read(text), words, Speech("en")).model_dump_json()
        if found != text or st.session_state["audience_rule"] != text:
            changed.append((text, found))
    st.session_state["changed"] = changed


def test_showing_a_rule_never_changes_it():
    dice = random.Random(20)
    rules = [Rule(where=random_condition(dice)) for _ in range(120)]
    texts = [rule.model_dump_json() for rule in rules]
    assert {part.kind for rule in rules for part in rule.conditions} >= {"compare", "between", "in", "not", "did", "or"}
    page = AppTest.from_function(edited_on_display, default_timeout=60, kwargs={"rules": texts, "columns": COLUMNS})
    page.run()
    assert not page.exception
    assert page.session_state["changed"] == []


@pytest.mark.parametrize(
    ("text", "by_widgets"),
    [
        ("visits >= 4", True),
        ("visits >= 4.5", True),
        ("visits from 1 to below 5", True),
        ("visits from 1 to below 5.5", False),
        ("visits from 1 to below 99", False),
        ("visits in (1, 2)", False),
        ("visits in top 12%", True),
        ("visits in top 12.5%", False),
        ("visits in bottom 99.5%", False),
        ("visits in 20% to 40%", False),
        ('visits = "x"', False),
        ("lead = true", True),
        ("lead != 0", True),
        ("lead >= 1", False),
        ("lead = 2", False),
        ("lead is not missing", True),
        ('job = "nurse"', True),
        ('job != "nurse"', False),
        ('not (job in ("nurse"))', True),
        ('job in ("nurse", "nobody")', False),
        ("gone >= 1", False),
        ("did visit at least 1000 times within 3660 days", True),
        ("did visit at least 1001 times within 90 days", False),
        ('did visit within 90 days at merchant "M1"', False),
        ('in scene "travel" (visits >= 1)', False),
    ],
)
def test_widgets_are_drawn_only_where_they_say_the_same(text, by_widgets):
    assert editable(Rule.parse(text).where, COLUMNS) is by_widgets
