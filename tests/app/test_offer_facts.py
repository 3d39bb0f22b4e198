"""What the page of offers works out from a kept case: one customer, stages, what-if, and charts as plain dicts."""

from __future__ import annotations

import json
from itertools import product as every

import numpy as np
import pandas as pd
import pytest

from app import offer_charts
from app.i18n import Speech
from app.offer_case import Kept
from app.offer_facts import (
    FAIL,
    OTHERS,
    PASS,
    STAGES,
    exclusive_groups,
    flows,
    limit_use,
    parts_of,
    ranked_offers,
    ranks_by,
    row_of,
    situations,
    stage_grid,
    with_contacts,
    workable,
)
from app.offer_what_if import Question, answer, change_of
from app.offer_what_if_panel import sides_table
from recsys.coarse import coarse
from recsys.decide import Decider
from recsys.value_factors import Factors, priority
from recsys.value_interval import value_interval
from recsys.what_if import problem_of
from scenefit.contracts.errors import ContractError
from tests.recsys.made_case import made_case

AT = pd.Timestamp("2026-06-30T02:00:00Z")
EN, ZH = Speech("en"), Speech("zh")
NAMES: dict[str, dict[str, str]] = {"en": {}, "zh": {"budget": "预算"}}


@pytest.fixture(scope="module")
def kept() -> Kept:
    case = made_case()
    exclusive = exclusive_groups(case)
    return Kept("made@0", case, problem_of(case, exclusive=exclusive).solve(), exclusive)


@pytest.fixture(scope="module")
def decision(kept: Kept):
    planned = int(np.flatnonzero(kept.plan.assignment >= 0)[0])
    decider = Decider(kept.case, kept.plan.shadow_prices)
    return planned, decider.decide(str(kept.case.customers[planned]), at=AT, k=3)


def digits(amount: float) -> int:
    return len(f"{abs(amount):e}".split("e")[0].rstrip("0").rstrip(".").replace(".", ""))


@pytest.mark.parametrize("on", list(every([True, False], repeat=4)))
def test_one_customer_ranks_as_in_the_whole_case_whatever_is_switched_off(kept: Kept, on) -> None:
    case = kept.case
    lever = np.where(case.offers["product_id"] == "p2", 2.0, 1.0)
    context = np.where(case.offers["channel"] == "sms", 0.5, 1.0)[None, :]
    use = dict(zip(("use_propensity", "use_context", "use_value", "use_lever"), on, strict=True))
    factors = Factors(context, lever, **use)
    mean_take = case.p_take.mean(axis=0, dtype=np.float64)
    whole = priority(case, factors)
    for row in (0, 57, 399):
        np.testing.assert_allclose(ranks_by(case, row, factors, mean_take), whole[row], rtol=1e-12)


def test_parts_add_up_to_the_value_and_never_say_loss_alone(kept: Kept) -> None:
    whole = value_interval(kept.case)
    for row, offer in ((3, 0), (77, 5)):
        parts = {part.code: part for part in parts_of(kept.case, row, offer)}
        assert list(parts) == ["margin after risk", "incentive", "contact", "value"]
        added = sum(parts[code].amount for code in ("margin after risk", "incentive", "contact"))
        exact = whole.value[row, offer]
        rounding = sum(abs(part.amount) for part in parts.values()) * 0.05
        assert added == pytest.approx(exact, abs=rounding)
        assert parts["value"].low <= parts["value"].amount <= parts["value"].high
        assert all(digits(x) <= 2 for part in parts.values() for x in (part.amount, part.low, part.high))


def test_figures_of_one_person_have_two_digits(kept: Kept, decision) -> None:
    row, made = decision
    ranked = ranked_offers(kept.case, made, kept.plan, row)
    assert list(ranked["rank"]) == list(range(1, len(made.offers) + 1))
    assert all(digits(x) <= 2 for column in ("p_take", "value", "low", "high") for x in ranked[column])
    assert ranked["planned"].any()
    assert coarse(98_765.4) == 99_000.0


def test_every_product_has_one_row_that_stops_at_one_stage_at_most(kept: Kept, decision) -> None:
    _, made = decision
    grid = stage_grid(made, kept.case.offers)
    assert sorted(grid["product_id"]) == ["p1", "p2", "p3"]
    states = grid[list(STAGES)].to_numpy(int)
    assert ((states == FAIL).sum(axis=1) <= 1).all()
    assert (states[0] == PASS).all()
    for row in states:
        stopped = np.flatnonzero(row == FAIL)
        assert (row[: stopped[0]] == PASS).all() if len(stopped) else (row == PASS).all()


def test_a_rule_is_where_its_stage_says(kept: Kept) -> None:
    case = kept.case
    row = int(np.flatnonzero((case.reason == case.reasons.index("already has it")).any(axis=1))[0])
    made = Decider(case, kept.plan.shadow_prices).decide(str(case.customers[row]), at=AT)
    grid = stage_grid(made, case.offers).set_index("product_id")
    owned = case.offers["product_id"].iloc[int(np.flatnonzero(case.reason[row] == 2)[0])]
    assert grid.loc[owned, "stage"] == "applicability"
    assert grid.loc[owned, "en"] == "holds the product already"


def test_situations_are_what_they_are_called(kept: Kept) -> None:
    found = situations(kept.case, kept.plan)
    assert {"planned", "crowded out"} <= set(found)
    rows = {code: row_of(kept.case, customer) for code, customer in found.items()}
    assert kept.plan.assignment[rows["planned"]] >= 0
    assert kept.plan.assignment[rows["crowded out"]] == -1
    assert row_of(kept.case, "nobody") is None


def test_changes_of_few_people_are_one_row() -> None:
    offers = made_case(n=40).offers
    before = np.array([0] * 25 + [2] * 5 + [-1] * 3 + [4] * 7)
    after = np.array([2] * 25 + [4] * 5 + [0] * 3 + [4] * 7)
    found = flows(offers, before, after)
    assert found.to_dict("records") == [
        {"before": "p1", "after": "p2", "customers": 25}, {"before": OTHERS, "after": OTHERS, "customers": 8},
    ]  # fmt: skip
    assert flows(offers, before, before).empty


def test_money_of_few_people_is_not_shown() -> None:
    sides = {"segment_id": ["s"], "offers_before": [40], "offers_after": [7], "customers_before": [40],
             "customers_after": [7], "value_before": [900.0], "value_after": [70.0], "loss_before": [80.0],
             "loss_after": [9.0]}  # fmt: skip
    row = sides_table(pd.DataFrame(sides), "segment_id", {}, EN).iloc[0]
    assert row.tolist() == ["s", "40 → 7", "¥900 → –", "¥80 → –"]


def test_limits_stand_in_order_of_what_they_cost(kept: Kept) -> None:
    use = limit_use(kept.case.limits, kept.plan.usage, kept.plan.shadow_prices)
    worth = (use["price"] * use["total"]).abs().round(9).tolist()
    assert worth == sorted(worth, reverse=True)
    assert sorted(use["name"]) == sorted(spec.name for spec in kept.case.limits)


def test_more_budget_is_worth_more(kept: Kept) -> None:
    found = answer(kept, Question((("budget", 320.0),)), NAMES)
    assert found.before is not None
    assert found.after is not None
    assert found.after.value > found.before.value
    assert found.after.cost <= 320.0 + 1e-6
    assert int(found.flows["customers"].sum()) <= found.changed


def test_a_channel_without_a_limit_gets_one(kept: Kept) -> None:
    case, totals = with_contacts(kept.case, "sms", 30)
    assert totals == {"contacts sms": 30}
    assert case.limits[-1].offers == {"channel": ["sms"]}
    found = answer(kept, Question(contacts=("sms", 30.0)), NAMES)
    assert found.after is not None
    assert found.after.offers <= 30 + kept.case.limits[3].total


def test_a_dearer_product_earns_more_where_takers_do_not_mind(kept: Kept) -> None:
    case = made_case(facts={"discount_rate": 0.05, "funding_cost": 0.03, "as_of": "2026-06-30T00:00:00+00:00"})
    case = workable(Kept("", case, kept.plan, kept.exclusive).case)
    assert {"discount_rate", "funding_cost"} <= set(case.offers.columns)
    stated = kept._replace(case=made_case(offers=case.offers.assign(months=12), facts=case.facts))
    found = answer(stated, Question(apr=("p1", 0.30)), NAMES)
    assert found.after is not None
    assert found.before is not None
    assert found.after.value > found.before.value


def test_terms_that_are_not_stated_are_asked_for(kept: Kept) -> None:
    with pytest.raises(ContractError, match="new APR of 'p1' cannot be valued"):
        answer(kept, Question(apr=("p1", 0.2)), NAMES)


def test_limits_that_cannot_be_met_are_named_with_the_way_out(kept: Kept) -> None:
    found = answer(kept, Question((("budget", 0.1),)), NAMES)
    assert found.after is None
    assert "“budget” at most ¥0.1" in found.conflict_en[0]
    assert any(line.startswith("raise “budget”") for line in found.conflict_en)
    assert "“预算”至多" in found.conflict_zh[0]


def test_an_empty_question_changes_nothing(kept: Kept) -> None:
    _, change = change_of(kept.case, Question())
    assert change.keeps_values
    found = answer(kept, Question(), NAMES)
    assert found.changed_share < 0.02


@pytest.mark.parametrize("say", [EN, ZH], ids=["en", "zh"])
def test_charts_are_plain_json_and_speak_the_language(kept: Kept, decision, say: Speech) -> None:
    row, made = decision
    grid = stage_grid(made, kept.case.offers)
    use = limit_use(kept.case.limits, kept.plan.usage, kept.plan.shadow_prices)
    served = pd.DataFrame({"group": ["a"], "served_share": [0.2], "offered": [20], "eligible": [100]})
    points = pd.DataFrame({"total": [1.0, 2.0], "feasible": [True, False], "value": [5.0, np.nan],
                           "expected_loss": [1.0, np.nan], "marginal_price": [2.0, np.nan]})  # fmt: skip
    curve = pd.DataFrame({"inertia": [0.0, 5.0], "churn": [0.1, 0.02], "value_given_up": [0.0, 0.001]})
    sides = pd.DataFrame({"key": ["p1", "p2"], "before": [3, 0], "after": [9, 0]})
    cells = pd.DataFrame({"product_id": ["p1", "p2"], "subgroup": ["s", "s"], "planned": [4.0, np.nan],
                          "blocked_by": ["limit budget", np.nan]})  # fmt: skip
    charts = [
        offer_charts.usage_chart(use, {}, say),
        offer_charts.groups_chart(served, {"a": "A"}, say),
        offer_charts.stage_chart(grid, {"p1": "P"}, say),
        offer_charts.parts_chart(parts_of(kept.case, row, 0), say),
        offer_charts.frontier_chart(points, 1.0, "Budget", say),
        offer_charts.inertia_chart(curve, 0.1, say),
        offer_charts.change_chart(sides, {}, say),
        offer_charts.subgroups_chart(cells, {"s": "S"}, {"p1": "P", "p2": "Q"}, {"limit budget": "the budget"}, say),
    ]
    for chart in charts:
        assert json.loads(json.dumps(chart, allow_nan=False))
    assert len(charts[4]["series"][0]["data"]) == 1
    assert charts[6]["yAxis"]["data"] == ["p1"]
    assert charts[7]["series"][0]["data"][0]["name"].endswith("the budget")
