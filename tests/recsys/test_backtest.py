"""The last campaign planned again: overlap, expectations at equal size, and lists that are refused."""

import numpy as np
import pandas as pd
import pytest

from recsys.backtest import Listed, expected, extra, moved, overlap, replanned, same_size, their_offers
from recsys.backtest_list import past_list
from recsys.case import case_value
from recsys.limits import broken
from scenefit.contracts.errors import ContractError, EmptyArm, NotEligible
from tests.recsys.made_case import made_case

UNTIL = pd.Timestamp("2026-07-01", tz="UTC")


def made_list(case, rows, **columns):
    """A random old list of some people, all by text message."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {
            "customer_id": case.customers[rows],
            "contacted_at": "2026-05-01T10:00:00+08:00",
            "took": (rng.random(len(rows)) < 0.1).astype(int),
            "product_id": "p2",
            "channel": "sms",
        }
    )
    return frame.assign(**columns)


def checked(frame, case, **kept):
    return past_list(frame, case.customers, UNTIL, **kept)


@pytest.fixture(scope="module")
def case():
    return made_case(600)


def test_two_lists_in_common():
    segment = pd.Series(["a", "a", "b", "b", "b"])
    found = overlap(np.array([0, 1, 2]), np.array([1, 2, 3, 4]), segment)
    assert (found.theirs, found.ours, found.both) == (3, 4, 2)
    assert found.jaccard == pytest.approx(2 / 5)
    assert found.by_segment.set_index("segment_id").loc["b", ["theirs", "ours", "both"]].tolist() == [1, 3, 1]
    assert found.by_segment["jaccard"].tolist() == pytest.approx([1 / 2, 1 / 3])


def test_expectations_by_hand():
    case = made_case(3, p_take=np.full((3, 6), 0.1, np.float32), pd_given_take=np.array([0.1, 0.3, 0.2]))
    past = checked(made_list(case, [0, 1]), case)
    value = case_value(case)
    found = expected(case, value, their_offers(case, past, value))
    assert found.contacts == 2
    assert found.takers == pytest.approx(0.2, rel=1e-6)
    assert found.bad_rate == pytest.approx(0.2, rel=1e-6)
    assert found.performing == pytest.approx(0.2 * 0.8, rel=1e-6)
    # 0.1·PD·0.6·5000 each
    assert found.loss == pytest.approx(0.1 * 0.4 * 0.6 * 5_000, rel=1e-6)
    assert found.cost == pytest.approx(2 * 0.05 + 0.2 * 10, rel=1e-6)


def test_ours_makes_no_more_contacts_and_is_worth_more(case):
    past = checked(made_list(case, np.arange(0, 600, 8)), case)
    found = replanned(case, past, np.random.default_rng(0))
    ours, theirs = found.expected["ours"], found.expected["theirs"]
    assert theirs.contacts == 75
    assert ours.contacts <= 75
    assert ours.value > theirs.value
    assert case.allowed[found.ours.who, found.ours.offer].all()
    assert found.dropped == ("budget", "reach digital/1")
    assert sum(found.forbidden.values()) == int((~case.allowed[found.theirs.who, found.theirs.offer]).sum())
    value = next(one for one in found.extra if one.name == "value")
    assert value.value == pytest.approx(ours.value - theirs.value, rel=1e-6)
    assert value.low < value.value < value.high


def test_the_safe_list_has_no_larger_bad_rate(case):
    risk = np.argsort(case.pd_given_take)
    safest = made_list(case, np.sort(risk[:150]))
    found = replanned(case, checked(safest, case), np.random.default_rng(0))
    assert found.expected["ours"].bad_rate > found.expected["theirs"].bad_rate
    assert found.expected["as_safe"].bad_rate <= found.expected["theirs"].bad_rate
    assert found.expected["as_safe"].value > found.expected["theirs"].value
    assert found.expected["as_safe"].value <= found.expected["ours"].value


def test_stated_costs_bind_too(case):
    frame = made_list(case, np.arange(100), cost=0.01)
    found = replanned(case, checked(frame, case), np.random.default_rng(0))
    value = case_value(case)
    spent = 100 * 0.01 + value.expected_incentive[found.theirs.who, found.theirs.offer].sum()
    assert found.expected["ours"].cost <= spent * (1 + 1e-9)


def test_the_remaining_limits_of_the_case_are_kept(case):
    from recsys.case import case_limits

    past = checked(made_list(case, np.arange(300)), case)
    found = replanned(case, past, np.random.default_rng(0))
    assignment = np.full(600, -1)
    assignment[found.ours.who] = found.ours.offer
    kept = tuple(spec for spec in case.limits if spec.name not in found.dropped)
    assert kept
    assert not broken(assignment, case_limits(case, case_value(case), kept))


def test_an_unstated_product_speaks_for_the_old_list(case):
    rows = np.arange(50)
    frame = made_list(case, rows)
    value = case_value(case)
    known, unknown = (
        expected(case, value, their_offers(case, checked(one, case), value))
        for one in (frame, frame.drop(columns=["product_id", "channel"]))
    )
    assert unknown.value >= known.value
    assert unknown.value == pytest.approx(value.value[rows].max(axis=1).sum())


def test_the_same_seed_gives_the_same_interval(case):
    past = checked(made_list(case, np.arange(100)), case)
    one, two = (replanned(case, past, np.random.default_rng(3)).extra for _ in range(2))
    assert one == two


def test_no_probability_moves_out_of_0_to_1():
    p = moved(np.array([0.0, 0.3, 1.0]), np.array([5.0, 50.0, -5.0]))
    assert p.tolist() == pytest.approx([0, 1, 1])


def test_a_list_without_outcome_is_refused(case):
    with pytest.raises(ContractError, match=r"no outcome column \(one of took, approved.*it has customer_id"):
        checked(made_list(case, [1]).drop(columns="took"), case)


def test_an_empty_list_is_refused(case):
    with pytest.raises(EmptyArm, match="no rows"):
        checked(made_list(case, [1]).iloc[:0], case)


def test_people_named_twice_are_refused(case):
    frame = pd.concat([made_list(case, [1, 2, 3]), made_list(case, [2])])
    with pytest.raises(ContractError, match=r"2 of 4 rows stand on it more than once.*first: c000002"):
        checked(frame, case)


def test_unknown_people_are_counted_and_too_many_refused(case):
    frame = made_list(case, np.arange(20))
    frame.loc[:1, "customer_id"] = ["x1", "x2"]
    found = checked(frame, case)
    assert (found.unknown, found.unknown_first, len(found.customers)) == (2, ("x1", "x2"), 18)
    with pytest.raises(ContractError, match=r"2 of 20 people are not in the data \(first: x1, x2\), at most 5%"):
        checked(frame, case, unknown_most=0.05)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"contacted_at": "2026-07-01T00:00:00Z"}, "at or after the end of the data"),
        ({"contacted_at": "soon"}, "is no date"),
        ({"took_at": "2026-04-01T00:00:00Z"}, "took before they were contacted"),
        ({"took_at": "2027-04-01T00:00:00Z"}, "took at or after the end of the data"),
        ({"propensity": 0.0}, r"propensity outside \(0, 1\]"),
        ({"propensity": 1.5}, r"propensity outside \(0, 1\]"),
        ({"propensity": "half"}, "propensity that is no number"),
        ({"cost": -1.0}, "negative cost"),
        ({"took": "maybe"}, "neither 1 nor 0"),
        ({"took": 0, "went_bad": 1}, "went bad without having taken"),
        ({"customer_id": None}, "have no customer_id"),
    ],
)
def test_bad_rows_are_named(case, change, said):
    frame = made_list(case, np.arange(1)).assign(**change)
    with pytest.raises(ContractError, match=said):
        checked(frame, case)


def test_products_that_were_not_on_offer_are_named(case):
    past = checked(made_list(case, [1], product_id="p9"), case)
    with pytest.raises(ContractError, match="product_id 'p9' was not on offer then; there were p1, p2, p3"):
        replanned(case, past, np.random.default_rng(0))


def test_a_list_of_controls_only_is_refused(case):
    with pytest.raises(EmptyArm, match="nobody on it was contacted"):
        checked(made_list(case, [1], arm="control"), case)


def test_no_offer_of_then_worth_making_is_said(case):
    nothing = made_case(600, p_take=np.zeros((600, 6), np.float32))
    with pytest.raises(NotEligible, match="no offer of then is both allowed and worth"):
        replanned(nothing, checked(made_list(case, [1]), case), np.random.default_rng(0))


def test_equal_lists_of_different_people_are_not_surely_equal():
    even = made_case(
        400, p_take=np.full((400, 6), 0.05, np.float32), pd_given_take=np.full(400, 0.05),
        logit_error=np.full(400, 0.5), pd_error=np.full(400, 0.5),
    )  # fmt: skip
    first, second = Listed(np.arange(100), np.zeros(100, int)), Listed(np.arange(100, 200), np.zeros(100, int))
    found = {one.name: one for one in extra(even, first, second, np.random.default_rng(0))}
    # each list errs by a common shift of its own; the two draws are known by simulation
    rng = np.random.default_rng(1)
    by_list = [moved(np.full(2, 0.05), 0.5 * rng.normal(size=2)) @ [100.0, -100.0] for _ in range(4_000)]
    low, high = np.percentile(by_list, [2.5, 97.5])
    takers = found["takers"]
    assert takers.value == pytest.approx(0)
    assert takers.low <= low < high <= takers.high
    assert all(one.low < 0 < one.high for one in found.values())


def test_a_list_against_itself_differs_surely_by_nothing(case):
    same = Listed(np.arange(50), np.zeros(50, int))
    assert all((one.value, one.low, one.high) == (0, 0, 0) for one in extra(case, same, same, np.random.default_rng(0)))


def test_the_interval_holds_the_one_of_a_common_shift(case):
    past = checked(made_list(case, np.arange(0, 600, 8)), case)
    found = replanned(case, past, np.random.default_rng(0))
    moves = np.random.default_rng(0).normal(size=(400, 2))
    totals = []
    for who, offer in (found.ours, found.theirs):
        p = case.p_take[who, offer].astype(float)
        totals.append([moved(p, by * case.logit_error[who]).sum() for by, _ in moves])
    low, high = np.percentile(np.subtract(*totals), [2.5, 97.5])
    takers = found.extra[0]
    assert takers.low <= low + 1e-9
    assert takers.high >= high - 1e-9


def test_money_spent_on_people_who_are_not_in_the_case_is_not_ours(case):
    strangers = [f"z{i}" for i in range(50)]
    frame = made_list(case, np.arange(50), cost=1.0)
    more = pd.concat([frame, frame.assign(customer_id=strangers)])
    value = case_value(case)
    pasts = [past_list(one, np.r_[case.customers, strangers], UNTIL) for one in (frame, more)]
    plans = [same_size(case, value, their_offers(case, past, value), past, ()) for past in pasts]
    assert plans[0].usage == plans[1].usage
    incentives = value.expected_incentive[:50, 2].sum()
    assert plans[1].usage["cost of the list"] <= 50 * 1.0 + incentives + 1e-9
