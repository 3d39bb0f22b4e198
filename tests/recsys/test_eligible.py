"""Four stages of rules: the first that says no is the reason, and what each stage says stays visible."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.eligible import STAGES, Applied, OfferRule, first_failures, grid_of, stage_grid
from recsys.offer_rules import RULES
from recsys.ranking import unpack
from risk.policy import Ruling, decide
from scenefit.contracts.errors import ContractError

NOW = pd.Timestamp("2026-06-30", tz="UTC")
DAY = pd.Timedelta(days=1)


def rule(code, stage="eligibility", **changes):
    return OfferRule(**{"code": code, "stage": stage, "en": "no", "zh": "否", "source": "test", **changes})


def applied(code, stage, rows, **changes):
    return Applied(rule(code, stage, **changes), np.array(rows, bool))


THREE = [
    applied("cap", "contact", [[1, 1]], bypass=("service", "mandatory")),
    applied("owns", "applicability", [[0, 0], [1, 0], [0, 0]]),
    applied("blocked", "eligibility", [[1], [0], [0]], hard_stop=True),
    applied("debt", "suitability", [[0, 1], [1, 1], [0, 0]]),
]


def test_stages_speak_in_their_order_whatever_the_order_given():
    grid = stage_grid(THREE, 3, 2, NOW)
    assert grid.reasons == ("eligible", "blocked", "owns", "debt", "cap")
    assert grid.reason.tolist() == [[1, 1], [2, 3], [4, 4]]
    assert grid.reason.dtype == np.uint8
    assert grid.stage.tolist() == [[1, 1], [2, 3], [4, 4]]
    assert not grid.allowed.any()
    assert grid.rule_of(1, 1).code == "debt"


def test_every_stage_is_asked_for_one_customer():
    table = grid_of(1, THREE, 3, 2, NOW)
    assert list(table.columns) == list(STAGES)
    assert table.to_numpy().tolist() == [["", "owns", "debt", "cap"], ["", "", "debt", "cap"]]


def test_a_message_of_service_passes_caps_and_nothing_else():
    grid = stage_grid(THREE, 3, 2, NOW, ["marketing", "service"])
    codes = np.array(grid.reasons)[grid.reason].tolist()
    assert codes == [["blocked", "blocked"], ["owns", "debt"], ["cap", "eligible"]]
    assert unpack(grid.bits, 2).tolist() == grid.allowed.tolist()
    assert grid.rule_of(2, 1) is None


@pytest.mark.parametrize(
    ("stage", "hard", "said"), [("contact", True, "is a hard stop"), ("eligibility", False, "is a rule of eligibility")]
)
def test_nothing_passes_a_hard_stop(stage, hard, said):
    with pytest.raises(ContractError, match=rf"rule 'court' {said} and declares a bypass; only caps"):
        rule("court", stage, hard_stop=hard, bypass=("mandatory",))
    with pytest.raises(ContractError, match="lets 'marketing' messages pass"):
        rule("court", "contact", bypass=("marketing",))


def test_a_rule_holds_from_its_first_day_until_before_its_last():
    dated = applied("law", "eligibility", [[1]], valid_from=NOW, valid_to=NOW + DAY)
    held = [not stage_grid([dated], 1, 1, NOW + shift).allowed.all() for shift in (-DAY, 0 * DAY, DAY - DAY / 24, DAY)]
    assert held == [False, True, True, False]
    assert stage_grid([dated], 1, 1, NOW + DAY).reasons == ("eligible",)


def test_a_version_ends_where_the_next_begins():
    old = applied("law", "eligibility", [[0, 1]], valid_to=NOW)
    new = applied("law", "eligibility", [[1, 0]], valid_from=NOW)
    assert stage_grid([old, new], 1, 2, NOW - DAY).allowed.tolist() == [[True, False]]
    assert stage_grid([old, new], 1, 2, NOW).allowed.tolist() == [[False, True]]
    later = Applied(replace(old.rule, valid_to=NOW + DAY), old.forbids)
    # refused also at a moment at which only one of them holds
    with pytest.raises(ContractError, match="two versions of rule 'law' hold at once"):
        stage_grid([later, new], 1, 2, NOW - DAY)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stage": "taste"}, "has the stage 'taste'; the stages are eligibility, applicability"),
        ({"zh": " "}, "has no zh"),
        ({"code": "eligible"}, "named like passing every rule"),
        ({"valid_from": NOW, "valid_to": NOW}, "the end must lie after the start"),
        ({"valid_from": pd.Timestamp("2026-01-01")}, "give a moment in UTC"),
        ({"valid_to": pd.NaT}, "give a moment in UTC"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(changes, said):
    with pytest.raises(ContractError, match=said):
        rule(**{"code": "odd", "stage": "contact", **changes})


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ([Applied(rule("a"), np.zeros((4, 1), bool))], r"rule 'a' has shape \(4, 1\); use \(3, 1\), \(1, 2\)"),
        ([Applied(rule("a"), np.zeros(3, bool))], r"rule 'a' has shape \(3,\)"),
        ([Applied(rule("a"), np.array([[np.nan]]))], "rule 'a' gives float64 values; it must say true or false"),
        (
            [Applied(rule(str(i)), np.zeros((1, 1), bool)) for i in range(256)],
            "256 rules in force, a reason code counts",
        ),
    ],
)
def test_rules_that_do_not_fit_are_named(rules, said):
    with pytest.raises(ContractError, match=said):
        stage_grid(rules, 3, 2, NOW)


def test_as_many_rules_as_there_are_codes():
    rules = [Applied(rule(str(i)), np.array([[i == 254]])) for i in range(255)]
    assert stage_grid(rules, 1, 1, NOW).reason.tolist() == [[255]]


def test_what_is_asked_must_make_sense():
    with pytest.raises(ContractError, match="message of kind 'gossip'; the kinds are marketing, service, mandatory"):
        stage_grid(THREE, 3, 2, NOW, "gossip")
    with pytest.raises(ContractError, match="3 kinds of message for 2 offers"):
        stage_grid(THREE, 3, 2, NOW, ["service"] * 3)
    with pytest.raises(ContractError, match="has no time zone"):
        stage_grid(THREE, 3, 2, pd.Timestamp("2026-06-30"))
    with pytest.raises(ContractError, match="customer 3 of 3; count from 0"):
        grid_of(3, THREE, 3, 2, NOW)


MASK = st.lists(st.booleans(), min_size=6, max_size=6)


@given(st.lists(st.tuples(st.sampled_from(STAGES), MASK), max_size=6))
def test_the_reason_is_the_first_of_all_stages_and_agrees_with_the_policy(drawn):
    rules = [applied(f"rule {i}", stage, np.reshape(mask, (2, 3))) for i, (stage, mask) in enumerate(drawn)]
    grid = stage_grid(rules, 2, 3, NOW)
    failed = first_failures(rules, [0, 1], 2, 3, NOW)
    # a later stage has the higher numbers
    first = np.where(failed == 0, 255, failed).min(axis=2)
    np.testing.assert_array_equal(np.where(first == 255, 0, first), grid.reason)
    ordered = sorted(rules, key=lambda one: STAGES.index(one.rule.stage))
    same = decide([Ruling(one.rule.code, one.forbids) for one in ordered], 2, 3)
    np.testing.assert_array_equal(same.reason, grid.reason)
    assert same.reasons == grid.reasons
    np.testing.assert_array_equal(same.allowed, grid.allowed)


def test_the_standing_rules_are_in_the_order_of_the_stages_and_say_no_probability():
    stages = [STAGES.index(one.stage) for one in RULES.values()]
    assert stages == sorted(stages)
    assert (RULES["likely default"].en, RULES["likely default"].zh) == (
        "kept from it by the risk rules",
        "未通过风控规则",
    )
    assert {code for code, one in RULES.items() if one.bypass} == {
        "contact cap reached", "channel cap reached", "quiet hours", "hold-out"
    }  # fmt: skip
