"""From models to a plan, by hand: homes, offers, what they are worth, which limits hold."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from app.plan_limits import limit_specs
from app.planning import homes, offer_table, plan_case, product_terms
from recsys.case import Case, case_value
from recsys.value import Terms, discounted_margin
from scenefit.contracts.errors import ContractError
from scenefit.runtime.settings import LimitSettings, ValueSettings
from tests.recsys.made_case import made_case


def products(**columns):
    names = ["apr", "funding_cost", "margin", "incentive", "tenor_min", "tenor_max", "age_min", "age_max", "pd_max"]
    size = len(next(iter(columns.values())))
    said = {"state": ["live"] * size, "scenes": [None] * size, "valid_to": [pd.NaT] * size}
    said["valid_from"] = [pd.Timestamp("2026-01-01", tz="UTC")] * size
    return pd.DataFrame({name: [np.nan] * size for name in names} | said | columns)


def test_home_is_the_scene_of_largest_affinity_the_first_where_equal():
    segments = pd.DataFrame({
        "who": [0, 0, 2, 2, 3], "scene_id": ["travel", "home", "travel", "home", "home"],
        "segment_id": ["t/0", "h/0", "t/1", "h/1", "h/0"], "affinity": [0.2, 0.7, 0.4, 0.4, np.nan],
    })  # fmt: skip
    found = homes(4, segments)
    assert found.scene.tolist() == ["home", "", "home", "home"]
    assert found.segment.tolist() == ["h/0", "", "h/1", "h/0"]


def test_a_stated_margin_goes_before_the_rate_and_the_rate_before_the_assumption():
    table = products(
        apr=[0.12, 0.12, np.nan], funding_cost=[0.03, 0.03, 0.03], margin=[0.07, np.nan, np.nan],
        incentive=[5.0, np.nan, 1.0], tenor_min=[6.0, 6.0, np.nan], tenor_max=[18.0, 18.0, np.nan],
    )  # fmt: skip
    amounts = np.array([1_000.0, 1_000.0, 200.0])
    found = product_terms(table, amounts, ValueSettings(margin=0.25, discount_rate=0.05))
    loan = discounted_margin(np.array([1_000.0]), np.array([0.12]), np.array([0.03]), np.array([12]), 0.05)[0]
    assert found.margin.tolist() == pytest.approx([70.0, loan, 50.0])
    assert found.incentive.tolist() == [5, 0, 1]
    assert found.amount is amounts


def test_offers_are_every_product_on_every_channel_product_by_product():
    table = products(
        apr=[0.1, np.nan], funding_cost=[0.02, np.nan], tenor_min=[6.0, np.nan], tenor_max=[12.0, np.nan],
        age_min=[21.0, np.nan], pd_max=[np.nan, 0.1], scenes=[None, np.array(["travel", "home"], object)],
    ).assign(product_id=["P1", "P2"], kind="loan", name_en=["One", "Two"], name_zh=["一", "二"])  # fmt: skip
    found = offer_table(table, ["sms", "call"], np.array([1_000.0, 50.0]), funding_cost=0.03, discount_rate=0.05)
    assert found["offer_id"].tolist() == ["P1@sms", "P1@call", "P2@sms", "P2@call"]
    assert found["amount"].tolist() == [1_000, 1_000, 50, 50]
    assert found["tenor_months"].tolist() == [9, 9, 12, 12]
    assert found["funding_cost"].tolist() == [0.02, 0.02, 0.03, 0.03]
    assert found["discount_rate"].tolist() == [0.05] * 4
    assert found["scenes"].tolist() == ["", "", "travel,home", "travel,home"]
    assert found["state"].tolist() == ["live"] * 4
    assert found["valid_from"].tolist() == ["2026-01-01T00:00:00+00:00"] * 4
    assert found["valid_to"].tolist() == [""] * 4
    assert found["age_min"].dropna().tolist() == [21, 21]
    assert found["pd_max"].dropna().tolist() == [0.1, 0.1]
    assert found["age_max"].isna().all()


def test_a_draft_never_reaches_a_live_plan():
    case = made_case(n=60)
    drafted = replace(case, offers=case.offers.assign(state=["live"] * 5 + ["draft"]))
    with pytest.raises(ContractError, match=r"plan: offer 'p3@call' is 'draft', not live; only a preview may use it"):
        plan_case(drafted, LimitSettings(), {})


def two_products(allowed, p_take, loss_of=None, **changes):
    """A case of two products on one channel whose values are easy to see."""
    n = len(allowed)
    offers = pd.DataFrame({
        "offer_id": ["P1@sms", "P2@sms"], "product_id": ["P1", "P2"], "channel": "sms", "kind": "loan",
        "name_en": ["One", "Two"], "name_zh": ["一", "二"],
    })  # fmt: skip
    fields = {
        "customers": np.array([f"c{i}" for i in range(n)], object), "offers": offers,
        "p_take": np.asarray(p_take, np.float32), "p_unoffered": np.zeros(2),
        "pd_given_take": np.zeros(n) if loss_of is None else np.asarray(loss_of, float),
        "terms": Terms(np.array([100.0, 200.0]), np.array([90.0, 90.0]), np.zeros(2)),
        "contact_cost": np.array([0.5, 0.5]), "lgd": 1.0, "reason": (~np.asarray(allowed)).astype(np.uint8),
        "reasons": ("eligible", "hard stop"), "groups": pd.DataFrame({"segment_id": [""] * n}),
        "protected": pd.DataFrame(index=range(n)), "limits": (), "logit_error": np.zeros(n), "pd_error": np.zeros(n),
    }  # fmt: skip
    return Case(**{**fields, **changes})


ALLOWED = np.array([[True, True], [True, False], [True, True], [False, False], [True, True]])


def test_limits_by_hand():
    # nobody may offer 3 anything; offering is worth nothing to 2
    p = [[0.5, 0.5], [0.5, 0.5], [0, 0], [0.5, 0.5], [0.5, 0.5]]
    home = pd.DataFrame({"segment_id": ["s/0", "s/0", "s/0", "s/1", ""]})
    case = two_products(ALLOWED, p, [0.1, 0.2, 0.1, 0.1, 0.0], groups=home)
    settings = LimitSettings(
        budget_per_person=0.8, loss_share=0.5, reach_floor=0.5, reach_ceiling=0.9,
        channel_budget={"sms": 7.0, "call": 3.0}, channel_contacts={"sms": 2},
    )  # fmt: skip
    found = limit_specs(case, case_value(case), settings, {"P1": 3.0, "P2": np.nan})
    assert [(x.name, x.sense, x.total, x.of) for x in found] == [
        ("budget", "<=", 0.8 * 4, "cost"),
        # everybody's best product, always the first: 0.5 x 0.1 x 100 + 0.5 x 0.2 x 100, nothing from 2 and 4
        ("expected loss", "<=", pytest.approx(7.5), "loss"),
        ("capacity P1", "<=", 3.0, "offers"),
        # no offer goes by call
        ("spend sms", "<=", 7.0, "cost"),
        ("contacts sms", "<=", 2.0, "offers"),
        # two of s/0 are worth an offer; nobody of s/1 may get one, and no segment has no floor
        ("reach s/0", ">=", 1.0, "offers"),
        ("ceiling s/0", "<=", 1.0, "offers"),
    ]
    assert found[2].offers == {"product_id": ["P1"]}
    assert found[5].where == {"segment_id": ["s/0"]}


def test_without_expected_loss_there_is_no_loss_limit():
    case = two_products(ALLOWED, np.full((5, 2), 0.5))
    assert [x.name for x in limit_specs(case, case_value(case), LimitSettings(), {})] == ["budget"]


def test_where_nothing_is_worth_its_cost_nobody_is_offered_anything():
    case = two_products(ALLOWED, np.zeros((5, 2)))
    found = plan_case(case, LimitSettings(), {"P1": 3.0})
    assert (found.plan.assignment == -1).all()
    assert (found.plan.value, found.greedy_value, found.plan.gap) == (0, 0, 0)
    assert [spec.name for spec in found.case.limits] == list(found.plan.usage)


def test_a_plan_keeps_rules_budget_and_capacity_and_beats_the_plan_by_hand():
    case = made_case(n=300)
    found = plan_case(case, LimitSettings(budget_per_person=0.4, channel_contacts={"call": 20}), {"p1": 25.0})
    given = np.flatnonzero(found.plan.assignment >= 0)
    what = found.plan.assignment[given]
    assert case.allowed[given, what].all()
    p, terms = case.p_take[given, what].astype(float), case.terms
    spent = (case.contact_cost[what] + p * terms.incentive[what]).sum()
    assert spent == pytest.approx(found.plan.usage["budget"])
    assert spent <= 0.4 * case.allowed.any(axis=1).sum() + 1e-6
    assert (case.offers["product_id"].to_numpy()[what] == "p1").sum() <= 25
    assert (case.offers["channel"].to_numpy()[what] == "call").sum() <= 20
    loss = case.pd_given_take[given] * 0.6 * terms.amount[what]
    earned = p * (terms.margin[what] - loss - terms.incentive[what]) - case.contact_cost[what]
    assert found.plan.value == pytest.approx(earned.sum())
    assert found.plan.value >= found.greedy_value > 0
