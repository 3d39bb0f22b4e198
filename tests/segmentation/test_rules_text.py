"""Typed rules: what people write is read, what is wrong is pointed at, and a rule's own text brings it back."""

import re
import time
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenefit.contracts.errors import ContractError
from segmentation.rules import (
    And,
    Between,
    Compare,
    Did,
    In,
    InAudience,
    InScene,
    InSegment,
    Missing,
    Moment,
    Not,
    Or,
    Percentile,
    Rule,
)


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("city_tier >= 3", Compare(column="city_tier", op=">=", value=3)),
        ("x = -0.5", Compare(column="x", op="==", value=-0.5)),
        ("x<>1e3", Compare(column="x", op="!=", value=1000.0)),
        ('city == "a \\"b\\" \\u5357"', Compare(column="city", op="==", value='a "b" 南')),
        ("city = 'it\\'s'", Compare(column="city", op="==", value="it's")),
        ("owner is true", Compare(column="owner", op="==", value=True)),
        ("owner is not FALSE", Compare(column="owner", op="!=", value=False)),
        ("phone is missing", Missing(column="phone")),
        ("phone is not missing", Not(of=Missing(column="phone"))),
        ('c in ("a", "b")', In(column="c", values=("a", "b"))),
        ("x from 1 to below 2.5", Between(column="x", low=1, high=2.5)),
        (
            "at from 2026-01-01 to before 2026-02-01T08:00Z",
            Between(column="at", low=Moment(at="2026-01-01"), high=Moment(at="2026-02-01T08:00Z")),
        ),
        ("x in top 20%", Percentile(column="x", low=0.8, high=1.0)),
        ("x in bottom 12.5%", Percentile(column="x", low=0.0, high=0.125)),
        ("x in 10% to 33.3%", Percentile(column="x", low=0.1, high=0.333)),
        ("did visit within 1 day", Did(events=("visit",), within_days=1)),
        ("did visit at least once within 7 days", Did(events=("visit",), within_days=7)),
        (
            'did (visit, purchase) at least 3 times within 90 days in scene "travel" with product "p" at merchant "m"',
            Did(events=("visit", "purchase"), at_least=3, within_days=90, scene="travel", product="p", merchant="m"),
        ),
        ('in segment "travel/3"', InSegment(segment="travel/3")),
        ('in audience "vip"', InAudience(audience="vip")),
        (
            'in scene "travel" (scene_visits_365d >= 3)',
            InScene(scene="travel", of=Compare(column="scene_visits_365d", op=">=", value=3)),
        ),
        ("`in` = 1", Compare(column="in", op="==", value=1)),
        ("`a ``b`` c` is missing", Missing(column="a `b` c")),
    ],
)
def test_conditions_as_people_type_them(text, condition):
    rule = Rule.parse(text)
    assert rule == Rule(where=condition)
    assert Rule.parse(rule.text()) == rule


A, B, C = (Missing(column=name) for name in "abc")


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("a is missing and b is missing or c is missing", Or(of=(And(of=(A, B)), C))),
        ("a is missing and (b is missing or c is missing)", And(of=(A, Or(of=(B, C))))),
        ("(a is missing and b is missing) and c is missing", And(of=(And(of=(A, B)), C))),
        ("a is missing AND b is missing\n  And c is missing", And(of=(A, B, C))),
        ("not a is missing and b is missing", And(of=(Not(of=A), B))),
        ("not (a is missing and b is missing)", Not(of=And(of=(A, B)))),
        ("not not a is missing", Not(of=Not(of=A))),
        ("all (a is missing)", And(of=(A,))),
        ("any (a is missing, b is missing)", Or(of=(A, B))),
    ],
)
def test_not_binds_before_and_which_binds_before_or(text, condition):
    assert Rule.parse(text) == Rule(where=condition)
    assert Rule.parse(Rule(where=condition).text()) == Rule(where=condition)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("城市 ＝ “北京” 且 非 （ｘ ＞＝ ３ 或 y≠１）", '城市 = "北京" and not (x >= 3 or y != 1)'),
        ("城市 in （「北京」、‘西安’，＂上海＂）", '城市 in ("北京", "西安", "上海")'),
        ("x ≥ −5 并且 y ≤ 2", "x >= -5 and y <= 2"),
        ("x\u3000in　top　２０％", "x in top 20%"),
    ],
)
def test_chinese_words_and_full_width_signs_are_read_as_the_plain_ones(text, plain):
    assert Rule.parse(text) == Rule.parse(plain)
    assert Rule.parse(text).text() == plain


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", "line 1, column 1", "expected a condition: a column, 'did', 'in', 'not' or '(', but the rule ends"),
        ("a =", "line 1, column 4", "expected a value such as 5000"),
        ("a = 1 and\n  b >= and", "line 2, column 8", "or 2026-01-31, but found 'and'"),
        ("a = 1 b", "line 1, column 7", "expected 'and', 'or' or the end of the rule, but found 'b'"),
        ("(a = 1", "line 1, column 7", "expected ')', but the rule ends"),
        ("a = 5,000", "line 1, column 6", "without thousands separators"),
        ("a = 5万", "line 1, column 5", "'5万' is no number or date"),
        ("a = 2026-13-01", "line 1, column 1", "month must be in 1..12"),
        ("a between 1 and 3", "line 1, column 3", "write: x from 1 to below 5"),
        ("a not in (1)", "line 1, column 3", "takes gaps along"),
        ("a from 5 to below 5", "line 1, column 1", "holds nobody"),
        ("b = 1 and a in top 120%", "line 1, column 20", "give 0% to 100%"),
        ("a in top 0%", "line 1, column 1", "from 100% to 100% holds nobody"),
        ("did purchse within 3 days", "line 1, column 1", "Did you mean 'purchase'"),
        ("did visit at least 0 times within 3 days", "line 1, column 20", "give at least 1"),
        ("x = 1 or did visit within 99999 days", "line 1, column 10", "within_days: Input should be less"),
        ('in group "x"', "line 1, column 4", "expected 'segment', 'audience' or 'scene'"),
        ("in segment travel", "line 1, column 12", "a name in quotes"),
        ('a = "x', "line 1, column 5", 'has no end; close it with "'),
        ("`a = 1", "line 1, column 1", "has no end; close it with `"),
        ('a = "\\q"', "line 1, column 6", "a backslash stands before"),
        ("a = NaN", "line 1, column 5", "expected a value"),
        ("a = 1e999", "line 1, column 1", "finite"),
        ("a = 1" + "0" * 500, "line 1, column 1", "finite"),
        ("a = 99999999999999999999", "line 1, column 1", "cannot be told apart"),
        ('a > "x"', "line 1, column 1", "only numbers are ordered"),
        ("a = 1; DROP TABLE customers", "line 1, column 6", "';' (SEMICOLON) has no meaning here"),
        ("c\u0456ty = 1", "line 1, column 1", "CYRILLIC SMALL LETTER BYELORUSSIAN-UKRAINIAN I"),
        ("a\u200b = 1", "line 1, column 2", "ZERO WIDTH SPACE"),
        (
            "(" * 70 + "a = 1" + ")" * 70,
            "line 1, column 61",
            "more than 60 parentheses and 'not' are inside each other",
        ),
        ("not " * 5000 + "a = 1", "line 1, column 241", "more than 60 parentheses"),
        ("not " * 40 + "a = 1", "line 1, column", "nested deeper than 30"),
        ("a = 1 and " * 2000 + "a = 1", "line 1, column 1", "more than 1,000 conditions"),
    ],
)
def test_errors_say_line_column_and_what_was_expected(text, place, message):
    with pytest.raises(ContractError, match=rf"^rule: {place}(?s:.*){re.escape(message)}"):
        Rule.parse(text)


def test_the_caret_stands_under_the_place():
    with pytest.raises(ContractError) as error:
        Rule.parse("a = 1 and\ncity >= and b = 2")
    assert str(error.value).splitlines()[1:] == ["  city >= and b = 2", "          ^"]
    with pytest.raises(ContractError) as error:
        Rule.parse("城市 = and")
    # two columns for each Chinese character
    assert str(error.value).splitlines()[1:] == ["  城市 = and", "         ^"]


def test_columns_that_are_known_are_checked_while_reading():
    columns = {"city_tier", "spend_90d"}
    assert Rule.parse("city_tier = 1", columns).columns == ("city_tier",)
    with pytest.raises(
        ContractError, match=r"line 1, column 18: column 'spend_9d' is unknown\. Did you mean 'spend_90d'"
    ):
        Rule.parse("city_tier = 1 or spend_9d > 3", columns)


def test_the_deepest_rule_there_is_survives_being_typed():
    rule = Rule(where=reduce(lambda deep, _: Not(of=deep), range(29), InAudience(audience="vip")))
    assert Rule.parse(rule.text()) == rule
    mixed = Missing(column="a")
    for i in range(14):
        mixed = And(of=(Or(of=(mixed, Missing(column=f"b{i}"))),))
    assert Rule.parse(Rule(where=mixed).text()) == Rule(where=mixed)


def test_a_long_text_is_refused_and_a_long_rule_read_at_once():
    with pytest.raises(ContractError, match="at most 100,000 are read"):
        Rule.parse("a" * 100_001)
    started = time.perf_counter()
    rule = Rule.parse(f"x in ({', '.join(map(str, range(10_000)))})")
    assert len(rule.where.values) == 10_000
    # generous: a quadratic reader would need minutes
    assert time.perf_counter() - started < 5


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)


@given(NAMES, st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20))
def test_any_name_and_any_text_survive_being_typed(name, value):
    rule = Rule(where=And(of=(Compare(column=name, op="==", value=value), InAudience(audience=name))))
    assert Rule.parse(rule.text()) == rule
    assert Rule.read(rule.model_dump_json()) == rule


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_number_survives_being_typed(value):
    rule = Rule(where=Compare(column="x", op="<", value=value))
    assert repr(Rule.parse(rule.text()).where.value) == repr(value)


@given(st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_min=True))
def test_any_share_survives_being_typed(low, high):
    if low < high:
        rule = Rule(where=Percentile(column="x", low=low, high=high))
        assert Rule.parse(rule.text()) == rule


@given(st.text(max_size=60) | st.text(st.sampled_from(list("ab=<>()\"'`,%-.\\ 1\n且非")), max_size=40))
def test_whatever_is_typed_is_a_rule_or_a_located_refusal(text):
    said = None
    try:
        Rule.parse(text)
    except ContractError as error:
        said = str(error)
    assert said is None or re.match(r"rule: line \d+, column \d+: ", said)
