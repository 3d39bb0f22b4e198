"""Contradictions: two conditions that nobody can fit together are named, and no others are."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation.rule_contradictions import contradictions
from segmentation.rules import Rule, within


@pytest.mark.parametrize(
    "text",
    [
        "x > 5 and x < 3",
        "x > 5 and x <= 5",
        "x = 1 and x = 2",
        "x = 1 and x != 1",
        "x in (1, 2) and x in (3, 4)",
        "x in (1, 2) and x from 3 to below 9",
        "x from 1 to below 3 and x >= 3",
        'city = "a" and city = "b"',
        'city in ("a", "b") and city in ("c")',
        'city = "a" and not city in ("a", "b")',
        "owner = true and owner = false",
        "owner = true and owner != true",
        "owner = true and owner = 0",
        "x is missing and x > 1",
        "x is missing and x is not missing",
        "x is missing and x != 3",
        "x > 5 and (y = 1 and x < 3)",
        "not x > 5 and x = 7",
        "joined < 2026-01-01 and joined = 2026-01-01",
        "joined <= 2026-01-31 and joined >= 2026-02-01",
        "joined = 2026-01-31 and joined >= 2026-01-31T16:00Z",
        "x in top 20% and x in bottom 30%",
        'in audience "vip" and not in audience "vip"',
        'in scene "t" (x > 5) and in scene "t" (x < 3)',
        'in scene "t" (x > 5 and x < 3)',
        'x = "a" and x = 3',
    ],
)
def test_conditions_that_exclude_each_other(text):
    rule = Rule.parse(text)
    (found,) = contradictions(rule)
    assert found.everybody
    assert (found.first, found.second) == tuple(within(rule, place) for place in found.positions)


@pytest.mark.parametrize(
    "text",
    [
        "x > 5 and x < 6",
        "x >= 5 and x <= 5",
        "x > 5 or x < 3",
        "x > 5 and y < 3",
        "owner = true and owner = 1",
        "owner = false and owner < 1",
        "x != 1 and x != 2",
        "not x > 5 and x is missing",
        "not x = 1 and not x = 2",
        "x is not missing and x > 3",
        "not (x is not missing) and x is missing",
        'city != "a" and city = "b"',
        'city != "a" and city in ("a", "b")',
        "joined <= 2026-01-31 and joined >= 2026-01-31T15:00Z",
        "x in top 20% and x in bottom 81%",
        "x > 5 and x in bottom 10%",
        'x > 5 and in scene "t" (x < 3)',
        'in scene "t" (x > 5) and in scene "u" (x < 3)',
        "not (x > 5 and x < 3)",
        'in segment "t/1" and in segment "u/1"',
        "did visit within 3 days and not did visit within 2 days",
    ],
)
def test_conditions_that_somebody_can_fit(text):
    assert contradictions(Rule.parse(text)) == ()


def test_a_dead_branch_of_or_is_named_but_does_not_empty_the_rule():
    rule = Rule.parse("y = 1 or (x > 5 and x < 3)")
    (found,) = contradictions(rule)
    assert not found.everybody
    assert found.positions == ((1, 0), (1, 1))
    assert found.sentence("en") == "'x above 5' and 'x below 3' exclude each other: this part of the rule holds nobody"
    assert found.sentence("zh") == "“x高于5”与“x低于3”互相排斥，规则的这一部分不含任何人"


def test_the_sentence_says_when_nobody_is_left_at_all():
    (found,) = contradictions(Rule.parse("age >= 30 and age < 30"))
    assert found.sentence("en") == "'age at least 30' and 'age below 30' exclude each other: the rule holds nobody"
    assert found.sentence("zh") == "“年龄不低于30”与“年龄低于30”互相排斥，规则不含任何人"


def test_every_pair_is_named():
    assert len(contradictions(Rule.parse("x = 1 and x = 2 and x = 3"))) == 3


VALUES = st.integers(0, 3)
SIMPLE = st.one_of(
    st.tuples(st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), VALUES).map(lambda pair: f"x {pair[0]} {pair[1]}"),
    st.lists(VALUES, min_size=1, max_size=3).map(lambda some: f"x in ({', '.join(map(str, some))})"),
    VALUES.map(lambda low: f"x from {low} to below {low + 1}"),
    st.just("x is missing"),
)
CONDITIONS = st.one_of(SIMPLE, SIMPLE.map("not ({})".format), SIMPLE.map("not not ({})".format))
# between and beyond all literals, and a gap
EVERYTHING = pd.DataFrame({"x": [*np.arange(-1, 5.5, 0.5), np.nan]})


@given(CONDITIONS, CONDITIONS)
def test_a_pair_is_called_contradictory_just_when_no_value_fits_both(first, second):
    rule = Rule.parse(f"({first}) and ({second})")
    mask = rule.mask(EVERYTHING)
    alone = [part.mask(EVERYTHING).any() for part in rule.conditions]
    assert bool(contradictions(rule)) == (not mask.any())
    assert all(alone) or not mask.any()
