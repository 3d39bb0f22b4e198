"""Purposes bind: what is made of several columns may be used only for what all of them permit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenefit.contracts.errors import ContractError, PurposeError
from scenefit.contracts.purposes import permitted, require, require_columns, source_column
from scenefit.contracts.schema import ANY_PURPOSE
from scenefit.contracts.tables import RAW

COLUMNS = [f"{table}.{column.name}" for table, contract in RAW.items() for column in contract.columns]
PURPOSES = sorted(ANY_PURPOSE)


def test_the_bureau_is_for_risk_and_a_purchase_for_anything():
    assert permitted(["bureau.score"]) == {"risk"}
    assert permitted(["events.amount"]) == ANY_PURPOSE
    assert permitted(["events.amount", "bureau.score", "addresses.text"]) == {"risk"}
    assert permitted(["bureau.score", "customers.phone"]) == frozenset()
    assert permitted([]) == ANY_PURPOSE


@given(st.lists(st.sampled_from(COLUMNS), max_size=6), st.sampled_from(PURPOSES))
def test_a_use_is_refused_exactly_when_some_column_forbids_it(columns, purpose):
    forbidding = [name for name in columns if purpose not in source_column(name).purposes]
    if not forbidding:
        require("model churn", purpose, permitted(columns), columns)
        return
    with pytest.raises(PurposeError) as refused:
        require("model churn", purpose, permitted(columns), columns)
    assert str(refused.value).startswith(f"model churn: made of {forbidding}, which permit")
    assert f"not {purpose!r}" in str(refused.value)


@pytest.mark.parametrize("purpose", ["", "sales", "Marketing"])
def test_an_unknown_purpose_is_never_permitted_whatever_the_column_says(purpose):
    with pytest.raises(
        PurposeError, match=r"plan: the purpose is not .*name one of \['marketing', 'risk', 'service'\]"
    ):
        require("plan", purpose, {"marketing", ""})


def test_a_feature_may_be_declared_for_less_than_its_columns_permit():
    with pytest.raises(PurposeError, match=r"made of \['repayments.paid_at'\] and declared for \['risk'\], not 'marke"):
        require("rule > late_share", "marketing", {"risk"}, ["repayments.paid_at"])
    with pytest.raises(PurposeError, match=r"rule > late_share: permits \['risk'\], not 'marketing'; leave it out"):
        require("rule > late_share", "marketing", {"risk"})


def test_a_column_of_unknown_purposes_is_refused():
    known = {"spend": ANY_PURPOSE, "debt": frozenset(("risk",))}
    require_columns("rule", "marketing", ["spend"], known)
    require_columns("rule", "risk", ["spend", "debt"], known)
    with pytest.raises(PurposeError, match=r"rule > debt: made of \['bureau.total_debt'\]"):
        require_columns("rule", "marketing", ["spend", "debt"], known, {"debt": ["bureau.total_debt"]})
    with pytest.raises(PurposeError, match="rule > mood: what it may be used for is not known"):
        require_columns("rule", "marketing", ["spend", "mood"], known)


def test_a_column_outside_the_contract_is_named():
    for wrong in ("events.price", "event.amount", "amount"):
        with pytest.raises(ContractError, match=rf"'{wrong}' is not in the contract; write 'table.column'"):
            permitted([wrong])
