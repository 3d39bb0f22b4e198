"""Rules: a mask equals a naive reading, JSON brings the rule back, people can read it."""

import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from pydantic import ValidationError

from scenefit.contracts.errors import ContractError
from segmentation.rules import And, Between, Compare, In, Rule

NUMBERS = st.one_of(st.integers(-5, 5), st.floats(-5, 5, allow_nan=False))
TEXTS = st.sampled_from(["north", "south", "西安", ""])
COLUMNS = {"visits": NUMBERS, "city": TEXTS, "owner": st.booleans()}


@st.composite
def conditions(draw, depth=2):
    if depth and draw(st.booleans()):
        return And(of=tuple(draw(st.lists(conditions(depth - 1), min_size=1, max_size=3))))
    column = draw(st.sampled_from(sorted(COLUMNS)))
    value = draw(COLUMNS[column])
    shape = draw(st.sampled_from(["compare", "in", "between"]))
    if shape == "in":
        return In(column=column, values=tuple(draw(st.lists(COLUMNS[column], min_size=1, max_size=3))))
    if shape == "between" and column == "visits":
        low, high = sorted((value, draw(NUMBERS.filter(lambda other: other != value))))
        return Between(column=column, low=low, high=high)
    ops = ["==", "!="] + (["<", "<=", ">", ">="] if column == "visits" else [])
    return Compare(column=column, op=draw(st.sampled_from(ops)), value=value)


@st.composite
def frames(draw):
    rows = draw(st.lists(st.tuples(*(st.none() | COLUMNS[name] for name in COLUMNS)), min_size=1, max_size=12))
    columns = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
    return pd.DataFrame(
        {
            "visits": pd.Series(columns["visits"], dtype="float64"),
            "city": pd.Series(columns["city"], dtype=draw(st.sampled_from([object, pd.StringDtype("pyarrow")]))),
            "owner": pd.Series(columns["owner"], dtype=draw(st.sampled_from([object, "boolean"]))),
        }
    )


def fits(condition, row):
    """One row read one condition at a time, as a person would."""
    if isinstance(condition, And):
        return all(fits(part, row) for part in condition.of)
    value = row[condition.column]
    if value is None:
        return False
    if isinstance(condition, In):
        return value in condition.values
    if isinstance(condition, Between):
        return condition.low <= value < condition.high
    other = condition.value
    return {
        "==": lambda: value == other, "!=": lambda: value != other, "<": lambda: value < other,
        "<=": lambda: value <= other, ">": lambda: value > other, ">=": lambda: value >= other,
    }[condition.op]()  # fmt: skip


def naive_rows(frame):
    for row in frame.astype(object).to_dict("records"):
        yield {
            name: None if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)) else value
            for name, value in row.items()
        }


@settings(max_examples=500, deadline=None)
@given(conditions(), frames())
def test_a_mask_is_what_a_person_reading_row_by_row_would_say(condition, frame):
    before = frame.copy()
    mask = Rule(where=condition).mask(frame)
    assert mask.dtype == bool
    assert mask.tolist() == [fits(condition, row) for row in naive_rows(frame)]
    pd.testing.assert_frame_equal(frame, before)


@settings(max_examples=200, deadline=None)
@given(conditions())
def test_a_stored_rule_comes_back_as_it_was(condition):
    rule = Rule(where=condition)
    again = Rule.read(rule.model_dump_json())
    assert again == rule
    assert again.model_dump_json() == rule.model_dump_json()


@settings(max_examples=100, deadline=None)
@given(conditions(), st.sampled_from(["en", "zh"]))
def test_every_rule_can_be_said(condition, lang):
    assert Rule(where=condition).sentence(lang)


@pytest.mark.parametrize(
    ("condition", "en", "zh"),
    [
        (
            Compare(column="night_share_365d", op=">=", value=0.4),
            "share of night activity at least 40%",
            "夜间活动占比不低于40%",
        ),
        (Compare(column="spend_90d", op="<", value=12000), "spend in 90 days below 12,000", "近90天消费额低于12,000"),
        (Compare(column="home_owner", op="==", value=True), "home owners", "有自有住房"),
        (
            Between(column="visits_28d", low=2, high=5),
            "visits in 28 days from 2 to below 5",
            "近28天到访次数在2（含）至5（不含）之间",
        ),
        (In(column="occupation", values=("教师", "nurse")), "occupation is 教师 or nurse", "职业为教师或nurse"),
        (Compare(column="pets_owned", op="!=", value=1), "pets owned is not 1", "pets owned不为1"),
    ],
)
def test_sentences_in_both_languages(condition, en, zh):
    rule = Rule(where=condition)
    assert rule.sentence("en") == en
    assert rule.sentence("zh") == zh


def test_the_stored_form_is_plain_json():
    rule = Rule(where=And(of=(Compare(column="city_tier", op=">=", value=3), In(column="city", values=("a",)))))
    assert rule.columns == ("city_tier", "city")
    assert rule.model_dump_json() == (
        '{"where":{"kind":"and","of":[{"kind":"compare","column":"city_tier","op":">=","value":3},'
        '{"kind":"in","column":"city","values":["a"]}]}}'
    )


def test_a_column_of_gaps_fits_nothing():
    frame = pd.DataFrame({"city": pd.Series([None, None], dtype=object)})
    assert_array_equal(Rule(where=Compare(column="city", op="!=", value="a")).mask(frame), [False, False])


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (Compare(column="visit", op="==", value=1), "column 'visit' is unknown. Did you mean 'visits'"),
        (Compare(column="zzz", op="==", value=1), "The data has"),
        (Compare(column="visits", op="==", value="many"), "holds number values but is compared with 'many', a text"),
        (Compare(column="visits", op="==", value=True), "holds number values but is compared with True, a bool"),
        (Compare(column="city", op="==", value=3), "holds text values but is compared with 3, a number"),
    ],
)
def test_rules_that_do_not_fit_the_data_are_refused(condition, message):
    frame = pd.DataFrame({"visits": [1, 2], "city": ["a", "b"]})
    with pytest.raises(ContractError, match=message):
        Rule(where=condition).mask(frame)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "the whole text: Invalid JSON"),
        ('{"where":{"kind":"sql","text":"1=1"}}', "where: Input tag 'sql'"),
        ('{"where":{"kind":"compare","column":"a","op":"like","value":1}}', "where.compare.op"),
        ('{"where":{"kind":"compare","column":"a","op":"<","value":"b"}}', "only numbers are ordered"),
        ('{"where":{"kind":"between","column":"a","low":2,"high":2}}', "holds nobody"),
        ('{"where":{"kind":"in","column":"a","values":[]}}', "at least 1 item"),
        ('{"where":{"kind":"compare","column":"a","op":"==","value":1,"extra":2}}', "where.compare.extra"),
        ('{"where":' + '{"kind":"and","of":[' * 5000 + "]}" * 5000 + "}", "recursion limit"),
    ],
)
def test_stored_rules_that_are_none_are_refused_with_the_place(text, message):
    with pytest.raises(ContractError, match=message):
        Rule.read(text)


def test_infinite_bounds_are_refused():
    with pytest.raises(ValidationError, match="finite"):
        Compare(column="a", op="<", value=float("inf"))
