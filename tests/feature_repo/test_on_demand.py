"""What is computed when it is asked for: by hand, and the same through Feast, offline and online."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from feature_repo import history
from feature_repo.definition import EVENT_TIME
from feature_repo.on_demand import LOAN_BURDEN, ON_DEMAND, PRICE_FIT
from scenefit.contracts.errors import ContractError
from scenefit.runtime.workspace import Workspace

from .conftest import D

Firm = Callable[..., Workspace]
ASKED = {"loan_amount": 1_000.0, "loan_apr": 0.12, "loan_months": 2}


def test_an_instalment_is_an_annuity_and_weighs_on_monthly_spend() -> None:
    found = LOAN_BURDEN.values(
        {name: [value] for name, value in ASKED.items()} | {"spend_90d": [300.0], "bureau_debt": [200.0]}
    )
    # two instalments x with x / 1.01 + x / 1.01**2 = 1000; 300 in 90 days are 100 a month
    instalment = 1_000 / (1 / 1.01 + 1 / 1.01**2)
    assert found["loan_instalment"] == pytest.approx([instalment])
    assert found["instalment_to_spend"] == pytest.approx([instalment / 100])
    assert found["debt_after_to_spend"] == pytest.approx([12.0])


def test_without_interest_the_amount_is_paid_in_equal_parts() -> None:
    given = {"loan_amount": [90.0], "loan_apr": [0.0], "loan_months": [3], "spend_90d": [None], "bureau_debt": [None]}
    assert LOAN_BURDEN.values(given)["loan_instalment"] == [30.0]


def test_what_is_unknown_stays_unknown() -> None:
    given = {
        "loan_amount": [90.0, 90.0, None, 90.0], "loan_apr": [0.1, None, 0.1, 0.1], "loan_months": [3, 3, 3, 0],
        "spend_90d": [0.0, 30.0, 30.0, 30.0], "bureau_debt": [1.0, None, 1.0, 1.0],
    }  # fmt: skip
    found = LOAN_BURDEN.values(given)
    assert [value is None for value in found["loan_instalment"]] == [False, True, True, True]
    assert [value is None for value in found["instalment_to_spend"]] == [True, True, True, True]
    assert found["debt_after_to_spend"] == [None, None, None, 9.1]


def test_a_price_is_held_against_the_usual_ticket() -> None:
    given = {"price": [20.0, 20.0, None, 5.0], "purchases_90d": [4, 0, 1, 1], "spend_90d": [40.0, 0.0, 9.0, None]}
    assert PRICE_FIT.values(given)["price_to_ticket"] == [2.0, None, None, None]


def test_an_input_that_is_missing_is_named() -> None:
    with pytest.raises(ContractError, match="on-demand price_fit: input 'spend_90d' is missing; it needs"):
        PRICE_FIT.values({"price": [1.0], "purchases_90d": [1]})


def test_functions_stand_on_their_own_because_feast_keeps_their_text() -> None:
    import inspect

    from feast.transformation.udf_rehydrate import rehydrate_udf_from_source

    for part in ON_DEMAND.values():
        again = rehydrate_udf_from_source(inspect.getsource(part.compute), preferred_name=part.compute.__name__)
        assert again is not None, part.name
        inputs = [f.name for source in part.sources for f in source.features] + [r.name for r in part.request]
        given = {name: [12.0, None] for name in inputs}
        assert again(given) == part.compute(given)
        assert list(part.compute(given)) == part.names


def test_feast_computes_the_same_offline_and_online(firm: Firm) -> None:
    from feature_repo import online
    from feature_repo.store import open_store, quiet_feast

    workspace = firm()
    history.build(workspace, [D], views=["customer_daily", "customer_risk"])
    online.materialize(workspace, D)
    store = open_store(workspace)
    spine = pd.DataFrame({"customer_id": ["ann", "bob"], EVENT_TIME: D} | ASKED)
    with quiet_feast():
        service = store.get_feature_service("affordability_v1")
        offline = store.get_historical_features(entity_df=spine, features=service).to_df().set_index("customer_id")
        asked = spine.drop(columns=EVENT_TIME).to_dict("records")
        served = pd.DataFrame(store.get_online_features(features=service, entity_rows=asked).to_dict())
    # ann spent 350.30 in 90 days and owes 7.50; of bob neither is known
    instalment = 1_000 / (1 / 1.01 + 1 / 1.01**2)
    by_hand = [instalment, instalment / (350.30 / 3), 1_007.5 / (350.30 / 3)]
    for frame in (offline, served.set_index("customer_id")):
        assert frame.loc["ann", LOAN_BURDEN.names].astype(float).tolist() == pytest.approx(by_hand)
        assert frame.loc["bob", "loan_instalment"] == pytest.approx(instalment)
        assert frame.loc["bob", LOAN_BURDEN.names[1:]].isna().all()


@pytest.mark.parametrize(("apr", "instalment"), [(0.0, 100.0), (1e-16, 100.0), (0.12, 106.6185), (-0.1, None)])
def test_a_rate_too_small_to_matter_is_no_interest_and_a_negative_one_no_loan(
    apr: float, instalment: float | None
) -> None:
    found = LOAN_BURDEN.values(
        {"loan_amount": [1200.0], "loan_apr": [apr], "loan_months": [12], "spend_90d": [None], "bureau_debt": [None]}
    )["loan_instalment"]
    assert found == [instalment if instalment is None else pytest.approx(instalment, abs=1e-4)]
