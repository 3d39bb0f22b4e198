"""One decision with its trace: prices keep the budget, the room guards it, the same inputs give the same bytes."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.case import case_limits, case_value, worthwhile
from recsys.coarse import coarse
from recsys.decide import Decider
from recsys.decision import Room, full_room
from recsys.problem import Problem
from scenefit.contracts.errors import ContractError
from tests.recsys.made_case import made_case

AT = pd.Timestamp("2026-07-01 10:00", tz="UTC")


def planned(case):
    value = case_value(case)
    return Problem(value.value, worthwhile(case, value), case_limits(case, value)).solve()


def free(case):
    return Decider(case, {spec.name: 0.0 for spec in case.limits})


def test_without_prices_the_most_valuable_allowed_offers_win():
    case = made_case(50)
    value = np.where(case.allowed, case_value(case).value, -np.inf)
    decider = free(case)
    for row, customer in enumerate(case.customers[:20]):
        decision = decider.decide(customer, at=AT, k=1)
        best = int(value[row].argmax())
        assert decision.offers == ((decider.case.offers["offer_id"][best],) if value[row, best] > 0 else ())


def test_parts_add_up_to_the_value_and_prices_to_the_reduced_value():
    case = made_case(100)
    decider = Decider(case, planned(case).shadow_prices)
    for customer in case.customers[:30]:
        for one in decider.decide(customer, at=AT).trace:
            assert one.margin + one.loss + one.incentive + one.contact == pytest.approx(one.value, abs=1e-4)
            assert one.value - sum(part.amount for part in one.paid) == pytest.approx(one.reduced)


def test_every_offer_says_why_in_both_languages():
    case = made_case(100)
    decider = Decider(case, planned(case).shadow_prices)
    for row, customer in enumerate(case.customers):
        decision = decider.decide(customer, at=AT, k=1)
        assert len(decision.trace) == len(case.offers)
        for one in decision.trace:
            assert one.en
            assert one.zh
            assert "{" not in one.en + one.zh
            said = case.reasons[case.reason[row, one.offer]]
            assert one.rule == ("" if said == "eligible" else said)


@pytest.mark.parametrize("seed", range(3))
def test_online_choices_by_the_prices_follow_the_plan_and_stay_near_its_totals(seed):
    case = made_case(200, seed)
    plan = planned(case)
    decider = Decider(case, plan.shadow_prices)
    decisions = [decider.decide(customer, at=AT, k=1) for customer in case.customers]
    for spec in case.limits:
        used = [one.usage[spec.name] for one in decisions]
        if spec.sense == "<=":
            # as many customers are torn at the prices as limits bind: each may use a limit once too often
            assert sum(used) <= spec.total + max(used) * sum(price != 0 for price in plan.shadow_prices.values())


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.floats(0.0, 0.3))
def test_with_room_handed_on_no_ceiling_is_ever_broken(seed, share):
    case = made_case(80, seed)
    decider = free(case)
    room = full_room(case.limits)
    room = Room({name: amount * share for name, amount in room.left.items()})
    first = dict(room.left)
    used = dict.fromkeys(first, 0.0)
    for customer in case.customers:
        decision = decider.decide(customer, at=AT, k=2, room=room)
        room = room.after(decision)
        for name in used:
            used[name] += decision.usage[name]
    assert all(used[name] <= first[name] * (1 + 1e-6) + 1e-6 for name in used)


def test_no_room_is_said_with_the_limit():
    case = made_case(50)
    decision = next(
        one for one in (free(case).decide(c, at=AT, room=Room({"budget": 0.0})) for c in case.customers)
        if any(t.stage == "room" for t in one.trace)
    )  # fmt: skip
    assert not decision.offers
    assert next(t.en for t in decision.trace if t.stage == "room") == "budget has no room left"


def test_the_same_decision_twice_is_the_same_bytes_and_other_inputs_another_id():
    case = made_case(50)
    one, other = Decider(case, planned(case).shadow_prices), Decider(made_case(50), planned(case).shadow_prices)
    assert one.decide("c000007", at=AT).json(risk=True) == other.decide("c000007", at=AT).json(risk=True)
    ids = {
        one.decide("c000007", at=AT).decision_id, one.decide("c000008", at=AT).decision_id,
        one.decide("c000007", at=AT, channel="sms").decision_id, free(case).decide("c000007", at=AT).decision_id,
    }  # fmt: skip
    assert len(ids) == 4


def test_scene_and_channel_filter_and_their_unknowns_are_refused():
    case = made_case(50)
    case = made_case(50, offers=case.offers.assign(scenes=["travel"] * 2 + ["digital"] * 2 + [""] * 2))
    decider = free(case)
    for customer in case.customers[:20]:
        decision = decider.decide(customer, "travel", "sms", at=AT)
        assert set(decision.offers) <= {"p1@sms", "p3@sms"}
    with pytest.raises(ContractError, match="no scene 'sea'"):
        decider.decide("c000001", "sea", at=AT)
    with pytest.raises(ContractError, match="channel 'fax'"):
        decider.decide("c000001", channel="fax", at=AT)


def test_quiet_hours_hold_calls_back_but_not_a_mandatory_message():
    case = made_case(50)
    calls = (case.offers["channel"] == "call").to_numpy()
    decider = Decider(case, {s.name: 0.0 for s in case.limits}, moment=lambda at: {"quiet hours": calls})
    free_of_rules = case.customers[(case.reason == 0).all(axis=1)][0]
    quiet = decider.decide(free_of_rules, at=AT)
    assert {t.offer_id for t in quiet.trace if t.rule == "quiet hours"} == {"p1@call", "p2@call", "p3@call"}
    assert all(t.stage == "contact" for t in quiet.trace if t.rule)
    assert not any(t.rule for t in decider.decide(free_of_rules, at=AT, message="mandatory").trace)


def test_a_draft_never_reaches_a_decision():
    case = made_case(50)
    case = made_case(50, offers=case.offers.assign(state=["live"] * 5 + ["draft"]))
    with pytest.raises(ContractError, match="'p3@call' is 'draft', not live"):
        free(case)


@pytest.mark.parametrize("state", ["retired", "submitted", None, float("nan"), pd.NA])
def test_only_live_products_are_decided(state):
    case = made_case(50)
    with pytest.raises(ContractError, match=r"'p3@call' is .*, not live"):
        free(made_case(50, offers=case.offers.assign(state=["live"] * 5 + [state])))


def test_a_product_is_decided_from_its_first_moment_to_before_its_last():
    case = made_case(50)
    dated = case.offers.assign(
        state="live", valid_from=["2026-07-01T18:00:00+08:00", "", "", "2026-07-01T10:00:01Z", None, pd.NaT],
        valid_to=["", "2026-07-01T10:00:00Z", "2026-07-01T10:00:01Z", "", None, pd.NaT],
    )  # fmt: skip
    decider = free(made_case(50, offers=dated))
    free_of_rules = case.customers[(case.reason == 0).all(axis=1)][0]
    told = decider.decide(free_of_rules, at=AT, message="mandatory", k=3)
    gone = {t.offer_id: t.stage for t in told.trace if t.rule == "product not live"}
    assert gone == {"p1@call": "eligibility", "p2@call": "eligibility"}
    assert not set(told.offers) & set(gone)
    later = decider.decide(free_of_rules, at=AT + pd.Timedelta(seconds=1))
    assert {t.offer_id for t in later.trace if t.rule} == {"p1@call", "p2@sms"}


def test_a_date_that_cannot_be_read_is_named():
    case = made_case(20)
    with pytest.raises(ContractError, match="decide: offer 'p1@sms' has the valid_to 'soon'; give an instant"):
        free(made_case(20, offers=case.offers.assign(valid_to="soon")))


def test_a_marketer_does_not_see_one_persons_loss():
    told = free(made_case(50)).decide("c000003", at=AT).json()
    assert '"loss"' not in told
    assert '"margin_after_loss"' in told


def test_a_marketer_cannot_divide_one_persons_probability_of_default_out():
    case = made_case(50)
    prices = {s.name: 0.0 if s.sense == ">=" else 0.01 for s in case.limits}
    decision = Decider(case, prices).decide("c000003", at=AT)
    rows = decision.record()["trace"]
    for exact, row in zip(decision.trace, rows, strict=True):
        assert {part.limit for part in exact.paid if part.counts == "loss"} == {"expected loss"}
        assert "expected loss" not in {part["limit"] for part in row["paid"]}
        assert row["rank"] == exact.rank
        figures = [row[name] for name in ("p_take", "margin_after_loss", "incentive", "contact", "value", "reduced")]
        assert all(one == coarse(one) for one in figures + [part["amount"] for part in row["paid"]])
    full = decision.record(risk=True)["trace"][0]
    assert full["loss"] == decision.trace[0].loss
    assert "expected loss" in {part["limit"] for part in full["paid"]}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: d.decide("nobody", at=AT), "no customer 'nobody'"),
        (lambda d: d.decide("c000001", at=pd.Timestamp("2026-07-01")), "no time zone"),
        (lambda d: d.decide("c000001", at=AT, k=0), "k is 0"),
        (lambda d: d.decide("c000001", at=AT, room=Room({"wishes": 1.0})), "'wishes'"),
        (lambda d: Decider(d.case, {"budget": 1.0}), "has no price"),
        (lambda d: Decider(d.case, {s.name: -1.0 for s in d.case.limits}), "not below 0 for a ceiling"),
    ],
)
def test_what_cannot_be_decided_is_refused_by_name(call, message):
    with pytest.raises(ContractError, match=message):
        call(free(made_case(20)))
