"""Stored rules: JSON brings them back, people can read and edit them, and what is no rule is refused with its place."""

from functools import reduce

import pytest
from pydantic import ValidationError

from scenefit.contracts.errors import ContractError, PurposeError
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
    leaves,
    replace,
    within,
    without,
)


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
        (
            Compare(column="registered_at", op=">=", value=Moment(at="2026-01-31")),
            "registered not before 2026-01-31",
            "注册时间不早于2026-01-31",
        ),
        (
            Between(column="registered_at", low=Moment(at="2026-01-01"), high=Moment(at="2026-02-01T09:30")),
            "registered from 2026-01-01 to before 2026-02-01 09:30",
            "注册时间在2026-01-01（含）至2026-02-01 09:30（不含）之间",
        ),
        (Not(of=Missing(column="phone")), "phone is known", "手机号已知"),
        (Missing(column="phone"), "phone is missing", "手机号缺失"),
        (Percentile(column="spend_90d", low=0.8, high=1.0), "spend in 90 days in the top 20%", "近90天消费额处于前20%"),
        (
            Percentile(column="spend_90d", low=0.0, high=0.1),
            "spend in 90 days in the bottom 10%",
            "近90天消费额处于后10%",
        ),
        (
            Percentile(column="spend_90d", low=0.4, high=0.6),
            "spend in 90 days from the 40% place to the 60% place counted from the lowest",
            "近90天消费额由低到高位于40%至60%",
        ),
        (
            Did(events=("purchase",), at_least=3, within_days=90, scene="travel"),
            "purchased at least 3 times within the last 90 days in scene travel",
            "近90天内在场景travel购买至少3次",
        ),
        (
            Did(events=("visit", "browse"), within_days=1),
            "visited or browsed at least once within the last day",
            "近1天内到访或浏览至少1次",
        ),
        (InSegment(segment="travel/3"), "in segment travel/3", "属于客群travel/3"),
        (InAudience(audience="vip"), "in audience vip", "属于人群包vip"),
        (
            InScene(scene="travel", of=Compare(column="scene_visits_365d", op=">=", value=3)),
            "in scene travel (visits in this scene at least 3)",
            "在场景travel中（本场景到访次数不低于3）",
        ),
        (
            Or(
                of=(
                    And(of=(Compare(column="city_tier", op="==", value=1), Missing(column="phone"))),
                    InAudience(audience="vip"),
                )
            ),
            "(city tier is 1 and phone is missing) or in audience vip",
            "（城市级别为1，且手机号缺失），或属于人群包vip",
        ),
        (
            And(
                of=(
                    Or(of=(Missing(column="phone"), InAudience(audience="vip"))),
                    Not(of=Compare(column="city_tier", op="<", value=3)),
                )
            ),
            "(phone is missing or in audience vip) and not (city tier below 3)",
            "（手机号缺失，或属于人群包vip），且不满足（城市级别低于3）",
        ),
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


RULE = Rule(where=And(of=(
    Compare(column="a", op=">", value=1),
    Or(of=(Missing(column="b"), Not(of=In(column="c", values=("x",))))),
    InScene(scene="travel", of=And(of=(Missing(column="d"), Missing(column="e")))),
)))  # fmt: skip


def test_a_rule_names_the_customers_columns_and_those_of_scenes_apart():
    assert RULE.columns == ("a", "b", "c")
    assert RULE.scene_columns == ("d", "e")
    with pytest.raises(PurposeError, match="rule > e"):
        RULE.require("marketing", {name: {"marketing"} for name in "abcd"} | {"e": {"risk"}})


def test_every_part_of_a_rule_can_be_found_replaced_and_left_out():
    assert [place for place, _ in leaves(RULE)] == [(0,), (1, 0), (1, 1, 0), (2,)]
    assert RULE.conditions == RULE.where.of
    assert Rule(where=Missing(column="a")).conditions == (Missing(column="a"),)
    for place, part in leaves(RULE):
        assert within(RULE, place) == part
        assert replace(RULE, place, part) == RULE
        changed = replace(RULE, place, InAudience(audience="vip"))
        assert within(changed, place) == InAudience(audience="vip")
    assert within(RULE, (2, 0, 1)) == Missing(column="e")
    assert within(replace(RULE, (2, 0, 1), Missing(column="f")), (2, 0, 1)) == Missing(column="f")
    assert replace(RULE, (), Missing(column="f")) == Rule(where=Missing(column="f"))


def test_what_is_left_of_a_pair_stands_alone():
    assert within(without(RULE, (1, 0)), (1,)) == Not(of=In(column="c", values=("x",)))
    assert without(RULE, (1, 1, 0)) == without(RULE, (1, 1))
    assert len(without(RULE, (2,)).conditions) == 2
    with pytest.raises(ContractError, match="nothing is left"):
        without(Rule(where=Not(of=Missing(column="a"))), (0,))
    with pytest.raises(ContractError, match=r"no condition at \(0, 4\): \(0,\) has 0 parts"):
        within(RULE, (0, 4))


def test_rules_beyond_what_people_read_are_refused_before_anything_breaks():
    wide = '{"where":{"kind":"and","of":[' + ",".join(['{"kind":"missing","column":"a"}'] * 10_000) + "]}}"
    with pytest.raises(ContractError, match="more than 1,000 conditions or is nested deeper than 30"):
        Rule.read(wide)
    with pytest.raises(ValidationError, match="nested deeper than 30"):
        reduce(lambda deep, _: Not(of=deep), range(10_000), Missing(column="a"))
    with pytest.raises(ContractError, match="at most 4,000,000 are read"):
        Rule.read(" " * 5_000_000)
    assert Rule.read(Rule(where=And(of=(Missing(column="a"),) * 999)).model_dump_json()).columns == ("a",)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ('{"kind":"compare","column":"a","op":"<","value":NaN}', "Invalid JSON|finite"),
        ('{"kind":"compare","column":"a","op":"<","value":1e999}', "finite"),
        ('{"kind":"compare","column":"a","op":"<","value":9007199254740993}', "cannot be told apart"),
        ('{"kind":"compare","column":"a","op":"<","value":1' + "0" * 400 + "}", "cannot be told apart|Invalid JSON"),
        ('{"kind":"compare","column":"a","op":"<","value":true}', "only numbers are ordered"),
        ('{"kind":"compare","column":"a","op":"==","value":null}', "a value is a number, a text, true, false"),
        ('{"kind":"compare","column":"a","op":"==","value":[1]}', "a value is a number, a text, true, false"),
        ('{"kind":"compare","column":"a","op":"==","value":{"at":"31.1.2026"}}', "no date or time"),
        ('{"kind":"compare","column":"a","op":"==","value":{"at":"2026-02-30"}}', "day is out of range"),
        ('{"kind":"compare","column":"a","op":"==","value":{"at":"1066-10-14"}}', "check the year"),
        ('{"kind":"compare","column":"","op":"==","value":1}', "at least 1 character"),
        ('{"kind":"compare","column":"a","op":"==","value":"\\u0000"}', "NUL or half a character"),
        ('{"kind":"between","column":"a","low":1,"high":{"at":"2026-01-01"}}', "two numbers or two moments"),
        ('{"kind":"between","column":"a","low":"1","high":"2"}', "between"),
        ('{"kind":"percentile","column":"a","low":0.5,"high":0.5}', "holds nobody"),
        ('{"kind":"percentile","column":"a","low":-0.5,"high":0.5}', "low: Input should be greater"),
        ('{"kind":"did","events":["buy"],"within_days":3}', "event kind 'buy' is unknown"),
        ('{"kind":"did","events":["visit","visit"],"within_days":3}', "name one twice"),
        ('{"kind":"did","events":["visit"],"within_days":0}', "within_days: Input should be greater"),
        ('{"kind":"did","events":["visit"],"within_days":2.5}', "within_days"),
        ('{"kind":"did","events":["visit"],"within_days":3,"at_least":true}', "at_least"),
        ('{"kind":"or","of":[]}', "at least 1 item"),
        ('{"kind":"not","of":{"kind":"sql"}}', "where.not.of"),
    ],
)
def test_stored_values_of_a_wrong_kind_are_refused(condition, message):
    with pytest.raises(ContractError, match=message):
        Rule.read(f'{{"where":{condition}}}')


def test_infinite_bounds_are_refused():
    with pytest.raises(ValidationError, match="finite"):
        Compare(column="a", op="<", value=float("inf"))
