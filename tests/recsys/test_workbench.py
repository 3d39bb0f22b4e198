"""A draft is previewed and never decided."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from recsys.case import case_value
from recsys.decide import Decider
from recsys.workbench import DraftProduct, drafted_case, next_state, preview, read_draft
from scenefit.contracts.errors import ContractError
from tests.recsys.made_case import made_case

DRAFT = DraftProduct("new", "New loan", "新贷款", "instalment", "p1", apr=0.2, amount=8_000, amount_min=1_000,
                     amount_max=10_000, tenor=12, tenor_min=3, tenor_max=24, scenes=("travel",), capacity=30,
                     pd_max=0.1)  # fmt: skip


def test_the_draft_is_appended_on_every_channel_of_the_similar_product():
    case = made_case(100)
    new = drafted_case(case, dataclasses.replace(DRAFT, lift=2.0))
    assert new.offers["offer_id"].tolist()[-2:] == ["new@sms", "new@call"]
    assert new.offers["state"].tolist() == ["live"] * 6 + ["draft"] * 2
    np.testing.assert_allclose(new.p_take[:, 6], np.minimum(2 * case.p_take[:, 0], 1))
    allowed = new.allowed[:, 6]
    assert (case.groups["scene_id"][allowed] == "travel").all()
    assert (case.pd_given_take[allowed] <= 0.1).all()
    assert len(case.offers) == 6  # what was given is unchanged


def test_a_preview_keeps_the_capacity_and_says_its_assumption():
    found = preview(made_case(400), DRAFT)
    assert 0 < found.people <= 30
    assert found.capacity_used == found.people
    assert found.low <= found.profit <= found.high
    assert found.gain >= -1e-6  # one more choice never costs value
    assert "p1" in found.assumption_en
    assert "假设" in found.assumption_zh
    assert (found.recipients["people"] >= 20).all()
    assert (found.taken_from["people"] >= 20).all()


def test_the_interval_counts_the_error_of_the_default_model():
    case = made_case(400)
    sure = preview(dataclasses.replace(case, pd_error=np.zeros(400)), DRAFT)
    unsure = preview(dataclasses.replace(case, pd_error=np.full(400, 0.5)), DRAFT)
    assert unsure.profit == pytest.approx(sure.profit)
    assert unsure.low < sure.low
    assert unsure.high > sure.high


def test_nothing_is_told_of_the_risk_of_few_people():
    found = preview(made_case(400), dataclasses.replace(DRAFT, capacity=19))
    assert 0 < found.people < 20
    assert np.isnan([found.loss, found.profit, found.low, found.high, found.gain]).all()
    assert found.recipients.empty
    assert found.taken_from.empty


def test_a_draft_that_is_the_similar_product_again_is_worth_as_much_and_gains_nothing():
    # one in a hundred takes p1 without an offer; no place of p1 is short
    case = made_case(300, reason=np.zeros((300, 6), np.uint8), p_unoffered=np.repeat([0.01, 0.0, 0.0], 2))
    same = dataclasses.replace(DRAFT, scenes=(), capacity=None, pd_max=None, incentive=20.0, apr=0.12)
    margin = case.terms.margin.copy()
    margin[:2] = drafted_case(case, same).terms.margin[-1]
    case = dataclasses.replace(case, terms=case.terms._replace(margin=margin), limits=case.limits[:1])
    new = drafted_case(case, same)
    np.testing.assert_array_equal(new.p_unoffered[6:], case.p_unoffered[:2])
    np.testing.assert_array_equal(case_value(new).value[:, 6:], case_value(case).value[:, :2])
    gain = preview(case, same).gain
    assert np.isnan(gain) or abs(gain) < 1e-4


def test_who_holds_the_similar_product_may_get_the_draft_where_another_offer_is_open():
    # offers p1@sms p1@call p2@sms p2@call p3@sms p3@call; reasons 1 not reachable, 2 already has it
    case = made_case(4)
    reason = np.array([[2, 2, 0, 0, 2, 2], [2, 2, 1, 0, 1, 2], [1, 2, 0, 0, 0, 0], [2, 2, 2, 2, 2, 2]], np.uint8)
    new = drafted_case(dataclasses.replace(case, reason=reason), dataclasses.replace(DRAFT, scenes=(), pd_max=None))
    # 0: p2 is open; 1: on sms p1's own rule came after reach, on call p2 is open; 2: reach is no rule of the product
    assert new.reason[:, 6:].tolist() == [[0, 0], [2, 0], [1, 0], [2, 2]]


def test_age_limits_of_a_draft_leave_out_bands_that_reach_beyond_them():
    bands = pd.DataFrame({"age_band": ["20-29", "30-39", "60-69", ""]})
    case = made_case(4, protected=bands, reason=np.zeros((4, 6), np.uint8))
    new = drafted_case(case, dataclasses.replace(DRAFT, scenes=(), pd_max=None, age_min=20, age_max=65))
    # who turns 20 this year may be 19; 60 to 69 reaches beyond 65
    assert new.allowed[:, 6].tolist() == [False, True, False, False]
    assert new.reasons[new.reason[0, 6]] == "age limits"
    with pytest.raises(ContractError, match=r"no column 'age_band' .* leave age_min and age_max empty"):
        drafted_case(made_case(4), dataclasses.replace(DRAFT, age_min=20))


def test_a_draft_never_reaches_a_decision():
    new = drafted_case(made_case(50), DRAFT)
    with pytest.raises(ContractError, match="'new@sms' is 'draft', not live"):
        Decider(new, {spec.name: 0.0 for spec in new.limits})


def test_the_stored_form_round_trips_and_unknown_fields_are_refused():
    assert read_draft(DRAFT.json()) == DRAFT
    with pytest.raises(ContractError, match="unknown field 'mood'"):
        read_draft('{"mood": 1}')


@pytest.mark.parametrize(
    ("change", "message"),
    [({"apr": 2.0}, "apr is 2"), ({"amount": 50_000}, "amount is 50000"), ({"tenor": 36}, "tenor is 36"),
     ({"name_zh": " "}, "name_zh is empty"), ({"lift": float("nan")}, "lift is nan")],
)  # fmt: skip
def test_a_wrong_field_is_named_with_the_way_out(change, message):
    with pytest.raises(ContractError, match=message):
        dataclasses.replace(DRAFT, **change)


@pytest.mark.parametrize(
    ("stored", "message"),
    [('"product_id": 5', "draft 5: product_id is 5; give a"), ('"amount": Infinity', "amount is inf; give a"),
     ('"amount_max": Infinity', "amount_max is inf"), ('"capacity": NaN', "capacity is nan; give a finite number"),
     ('"apr": "0.2"', "apr is '0.2'; give a finite number"), ('"amount_max": null', "amount_max is None"),
     ('"lift": true', "lift is True"), ('"tenor": 12.5', "tenor is 12.5; give whole months"),
     ('"capacity": 1' + "0" * 400, "capacity is 1000.*; give a finite"),
     ('"capacity": 1' + "0" * 5000, "the file is no JSON"), ('"name_en": null', "name_en is None; give a text"),
     ('"scenes": "travel"', "scenes is 'travel'; give a list"), ('"scenes": [1]', r"scenes is \[1\]")],
    ids=lambda told: told[:24],
)  # fmt: skip
def test_a_stored_draft_of_the_wrong_types_is_refused_by_field(stored, message):
    with pytest.raises(ContractError, match=message):
        read_draft(DRAFT.json()[:-1] + f", {stored}}}")


@pytest.mark.parametrize(
    ("change", "message"),
    [({"similar_to": "p9"}, "'p9' has no offer"), ({"product_id": "p1"}, "taken"), ({"scenes": ("sea",)}, "'sea'")],
)
def test_a_draft_that_does_not_fit_the_case_is_refused(change, message):
    with pytest.raises(ContractError, match=message):
        drafted_case(made_case(20), dataclasses.replace(DRAFT, **change))


def test_a_draft_is_not_approved_without_risk():
    assert next_state("draft", "submitted") == "submitted"
    with pytest.raises(ContractError, match="cannot become 'approved'"):
        next_state("submitted", "approved")
