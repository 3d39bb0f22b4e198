"""Coupons of a booklet: what is bought of their products leads, and nothing after the mailing is looked at."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from recsys.coupons import Mailing, NextCoupon, Redemptions
from recsys.interactions import Interactions, microseconds
from scenefit.contracts.errors import ContractError, NotFitted

START = pd.Timestamp("2025-01-01", tz="UTC")
DAY = pd.Timedelta(days=1)
CUSTOMERS, PRODUCTS = 120, 6
COVERS = sparse.csr_matrix(np.array([[1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1]], np.float32))
EVERYBODY = np.arange(CUSTOMERS)


def purchases():
    """Each customer buys one product weekly, of the pair of one coupon; a few have never bought anything."""
    favourite = EVERYBODY[:-6] % 3 * 2
    weeks = range(20)
    at = np.concatenate([np.full(len(favourite), microseconds(START + week * 7 * DAY)) for week in weeks])
    names = [str(n) for n in EVERYBODY], [str(n) for n in range(PRODUCTS)]
    return Interactions(*names, np.tile(EVERYBODY[:-6], 20), np.tile(favourite, 20), at, START + 200 * DAY)


def mailing(day):
    return Mailing(COVERS, START + day * DAY, EVERYBODY)


def ended(day=60):
    redeemed = np.zeros((CUSTOMERS, 3), dtype=bool)
    redeemed[EVERYBODY[:-6], EVERYBODY[:-6] % 3] = True
    return Redemptions(mailing(day), EVERYBODY, redeemed)


def test_the_coupon_over_what_a_customer_buys_leads():
    bought = purchases()
    p = NextCoupon().fit(bought, [ended()]).probabilities(bought, mailing(100), EVERYBODY[:-6])
    assert (p.argmax(axis=1) == EVERYBODY[:-6] % 3).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)


def test_without_own_purchases_what_others_buy_decides():
    rng = np.random.default_rng(0)
    # coupon 2 is bought and redeemed by most
    taste = rng.choice(3, CUSTOMERS - 6, p=[0.1, 0.2, 0.7])
    at = np.full(len(taste), microseconds(START))
    names = [str(n) for n in EVERYBODY], [str(n) for n in range(PRODUCTS)]
    bought = Interactions(*names, EVERYBODY[:-6], taste * 2, at, START + 200 * DAY)
    redeemed = np.zeros((CUSTOMERS, 3), dtype=bool)
    redeemed[EVERYBODY[:-6], taste] = True
    redeemed[-6:, 2] = True
    model = NextCoupon().fit(bought, [Redemptions(mailing(60), EVERYBODY, redeemed)])
    assert (model.probabilities(bought, mailing(60), EVERYBODY[-6:]).argmax(axis=1) == 2).all()


def test_purchases_after_the_mailing_change_nothing():
    bought = purchases()
    model = NextCoupon().fit(bought, [ended()])
    early = bought.at < microseconds(mailing(80).start)
    known = Interactions(
        bought.customers, bought.items, bought.who[early], bought.what[early], bought.at[early], START + 80 * DAY
    )
    whole = model.probabilities(bought, mailing(80), EVERYBODY)
    np.testing.assert_array_equal(model.probabilities(known, mailing(80), EVERYBODY), whole)
    np.testing.assert_array_equal(NextCoupon().fit(bought, [ended()]).weights_, model.weights_)


def test_blocks_score_as_all_at_once(monkeypatch):
    bought = purchases()
    model = NextCoupon().fit(bought, [ended()])
    whole = model.probabilities(bought, mailing(80), EVERYBODY)
    monkeypatch.setattr("recsys.coupons.BLOCK", 30)
    np.testing.assert_allclose(model.probabilities(bought, mailing(80), EVERYBODY), whole, rtol=1e-12)


def test_a_customer_who_redeemed_nothing_teaches_nothing():
    bought, past = purchases(), ended()
    some = past.redeemed.any(axis=1)
    shorter = Redemptions(past.mailing, past.who[some], past.redeemed[some])
    assert not some.all()
    np.testing.assert_array_equal(
        NextCoupon().fit(bought, [past]).weights_, NextCoupon().fit(bought, [shorter]).weights_
    )


@pytest.mark.parametrize(
    ("attempt", "error", "message"),
    [
        (lambda m, b: m.fit(b, []), NotFitted, "nobody redeemed a coupon"),
        (lambda m, b: m.fit(b, [ended()._replace(redeemed=np.ones((2, 3), bool))]), ContractError, "one row per cust"),
        (lambda m, b: m.fit(b, [ended()._replace(mailing=mailing(9)._replace(covers=COVERS[:, :4]))]), ContractError,
         "coupons over 4 products, purchases of 6"),
        (lambda m, b: m.probabilities(b, mailing(9), EVERYBODY), NotFitted, "call fit first"),
    ],
)  # fmt: skip
def test_bad_input_is_named(attempt, error, message):
    with pytest.raises(error, match=message):
        attempt(NextCoupon(), purchases())
