"""What customers are worth: bands, present values by hand, the Pareto curve."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from scenefit.contracts.errors import ContractError, NotEligible, SettingsError
from segmentation.rfm import rfm_scores
from segmentation.value import customer_values, pareto, present_values

AS_OF = pd.Timestamp("2026-01-01", tz="UTC")


def accounts(*rows):
    return pd.DataFrame(
        [(a, c, AS_OF - pd.Timedelta(days=400), pd.NaT, balance, apr, "open") for a, c, balance, apr in rows],
        columns=["account_id", "customer_id", "opened_at", "closed_at", "balance", "apr", "status"],
    ).assign(closed_at=lambda f: pd.to_datetime(f.closed_at, utc=True))


def dues(*rows):
    frame = pd.DataFrame(rows, columns=["account_id", "days_ago", "due", "paid"])
    due_at = AS_OF - pd.to_timedelta(frame.days_ago, unit="D")
    return pd.DataFrame({"account_id": frame.account_id, "due_at": due_at, "due": frame.due,
                         "paid_at": due_at.where(frame.paid)})  # fmt: skip


def test_ten_customers_fall_into_five_bands_of_two():
    found = rfm_scores(np.arange(10), np.arange(10), np.arange(10))
    assert found.r.tolist() == [5, 5, 4, 4, 3, 3, 2, 2, 1, 1]
    assert found.f.tolist() == found.m.tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert found.rfm.tolist()[0] == "511"


def test_customers_who_did_the_same_share_the_lowest_band_of_their_tie():
    found = rfm_scores(np.zeros(10), np.array([1] * 6 + [2] * 3 + [9]), np.zeros(10))
    assert found.f.tolist() == [1] * 6 + [4] * 3 + [5]
    assert found.r.tolist() == [1] * 10


def test_groups_have_names():
    found = rfm_scores(np.array([1, 2, 300, 400, 30]), np.array([20, 1, 18, 1, 5]), np.array([900, 5, 800, 4, 50]))
    assert found.group_en.tolist() == [
        "Champions", "Recent, still small", "Good customers leaving", "Asleep", "Loyal",
    ]  # fmt: skip
    assert found.group_zh[0] == "核心客户"


def test_a_gap_has_no_score():
    found = rfm_scores(np.array([1.0, np.nan]), np.array([3, 0]), np.array([10.0, 0.0]))
    assert found.r.isna().tolist() == [False, True]
    assert found.loc[1, ["rfm", "group_en", "group_zh"]].isna().all()


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.integers(2, 9))
def test_more_is_never_worse(values, bands):
    f = rfm_scores(np.zeros(len(values)), np.array(values), np.zeros(len(values)), bands).f.to_numpy(dtype=int)
    order = np.argsort(values, kind="stable")
    assert (np.diff(f[order]) >= 0).all()
    assert f.min() == 1
    assert f.max() <= bands


def test_rfm_refuses_what_it_cannot_score():
    with pytest.raises(ContractError, match=r"\[2, 1, 2\] values"):
        rfm_scores(np.zeros(2), np.zeros(1), np.zeros(2))
    with pytest.raises(SettingsError, match="10 bands; give 2 to 9"):
        rfm_scores(np.zeros(2), np.zeros(2), np.zeros(2), bands=10)
    with pytest.raises(ContractError, match="money is infinite in row 1"):
        rfm_scores(np.zeros(2), np.zeros(2), np.array([1, np.inf]))


def test_two_months_of_margin_and_loss_by_hand():
    held = accounts(("a", "c1", 1000.0, 0.24))
    paid = dues(("a", 10, 515.05, True))
    risk = pd.Series({"c1": 1 - 0.99**12})  # 1 % a month
    found = present_values(held, paid, AS_OF, 0.12, 0.0, 0.5, risk).iloc[0]
    # balances 1000 and 1000 · 1.02 - 515.05 = 504.95; 1 % a month on each while alive
    margin = 0.99 * 1000 * 0.01 + 0.99**2 * 504.95 * 0.01
    loss = 0.01 * 0.5 * 1000 + 0.99 * 0.01 * 0.5 * 504.95
    assert_allclose([found.margin, found.loss, found.value, found.months], [margin, loss, margin - loss, 2], rtol=1e-9)


def test_later_months_are_discounted():
    held = accounts(("a", "c1", 1000.0, 0.24))
    found = present_values(held, dues(("a", 10, 2000.0, True)), AS_OF, 0.12, 0.21, 0.5).iloc[0]
    assert_allclose(found.margin, 10 * 1.21 ** (-1 / 12))


def test_a_balance_without_instalments_is_kept_for_a_year():
    held = accounts(("a", "c1", 1200.0, 0.15))
    found = present_values(held, dues(), AS_OF, 0.03, 0.0, 0.5).iloc[0]
    assert_allclose([found.margin, found.loss, found.months], [1200 * 0.12, 0, 12])


def test_three_months_in_arrears_is_in_default():
    held = accounts(("a", "c1", 1000.0, 0.24), ("b", "c2", 1000.0, 0.24))
    owed = dues(("a", 91, 500.0, False), ("b", 89, 500.0, False))
    found = present_values(held, owed, AS_OF, 0.12, 0.0, 0.5).set_index("account_id")
    assert found.loc["a", ["margin", "loss", "months"]].tolist() == [0, 500, 0]
    assert found.loc["b", "loss"] == 0
    charged = present_values(held.assign(status="charged off"), dues(), AS_OF, 0.12, 0.0, 0.5)
    assert charged.value.tolist() == [-500, -500]


def test_what_was_not_yet_known_does_not_count():
    held = accounts(("a", "c1", 1000.0, 0.24), ("later", "c1", 500.0, 0.24), ("closed", "c1", 500.0, 0.24))
    held.loc[1, "opened_at"] = AS_OF
    held.loc[2, "closed_at"] = AS_OF - pd.Timedelta(days=1)
    future = pd.concat([dues(("a", 30, 515.05, True)), dues(("a", -30, 9999.0, True))])
    found = present_values(held, future, AS_OF, 0.12, 0.0, 0.5)
    assert found[["account_id", "months"]].to_numpy().tolist() == [["a", 2]]


def test_customers_sum_their_accounts_and_holders_of_none_have_no_value():
    held = accounts(("a", "c1", 1200.0, 0.15), ("b", "c1", 600.0, 0.15), ("d", "c2", 600.0, 0.03))
    values = present_values(held, dues(), AS_OF, 0.03, 0.0, 0.5)
    assert_allclose(customer_values(values, pd.Index(["c2", "c1", "c3"])), [0, 1800 * 0.12, np.nan], atol=1e-12)
    shuffled = customer_values(values.iloc[::-1], pd.Index(["c1"]))
    assert shuffled[0] == customer_values(values, pd.Index(["c1"]))[0]


def test_the_terms_are_checked():
    held = accounts(("a", "c1", 1000.0, 0.24))
    with pytest.raises(SettingsError, match=r"lgd 1\.5"):
        present_values(held, dues(), AS_OF, 0.12, 0.0, 1.5)
    with pytest.raises(ContractError, match=r"accounts lack .'apr'"):
        present_values(held.drop(columns="apr"), dues(), AS_OF, 0.12, 0.0, 0.5)
    with pytest.raises(ContractError, match=r"default 3 of customer 'c1'"):
        present_values(held, dues(), AS_OF, 0.12, 0.0, 0.5, pd.Series({"c1": 3.0}))


def test_a_fifth_of_the_customers_bring_most_of_the_value():
    found = pareto(np.array([6.0, np.nan, 2.0, 1.0, 1.0, 0.0]))
    assert found.top_fifth == 0.6
    assert found.curve.share_of_value.tolist() == [0, 0.6, 0.8, 0.9, 1, 1]
    assert_allclose(found.gini, 0.52)


def test_alike_is_0_one_holder_is_almost_1_and_costs_lift_it_above():
    assert pareto(np.ones(50)).gini == pytest.approx(0)
    assert pareto(np.r_[1.0, np.zeros(99)]).gini == pytest.approx(0.99)
    assert pareto(np.array([10.0, -9.0])).gini > 1


def test_without_a_positive_total_there_is_no_share():
    with pytest.raises(NotEligible, match="3 customers with a total value of 0"):
        pareto(np.zeros(3))
    with pytest.raises(NotEligible, match="0 customers"):
        pareto(np.array([np.nan]))
