"""What comes next after what is held: nobody is offered what they own, what was given up comes again."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from recsys.acquisition import Holder, NextProduct, Seen, map_at, remembered
from scenefit.contracts.errors import ContractError, NotFitted

PRODUCTS = 4


def bank(n=600, seed=0):
    """Whoever holds the account takes the card, all others take the account; the fourth product is never taken."""
    rng = np.random.default_rng(seed)
    held = np.zeros((n, PRODUCTS), dtype=bool)
    held[:, 0] = rng.random(n) < 0.5
    held[:, 3] = rng.random(n) < 0.3
    acquired = np.zeros_like(held)
    acquired[np.arange(n), np.where(held[:, 0], 1, 0)] = True
    unknown = np.full(held.shape, np.nan)
    return Holder(held, unknown, unknown, rng.normal(size=(n, 1))), acquired


def quick(**settings):
    return NextProduct(rounds=20, rate=0.2, columns=1.0, **settings)


def test_what_was_acquired_counts_and_not_what_is_owned():
    customers, acquired = bank()
    p = quick().fit(customers, acquired).probabilities(customers)
    account = customers.held[:, 0]
    assert (p[account].argmax(axis=1) == 1).all()
    assert (p[~account].argmax(axis=1) == 0).all()
    # a third owns the fourth product, nobody has acquired it
    assert p[:, 3].max() < 0.02


def test_what_is_owned_has_no_chance_and_the_rest_share_all():
    customers, acquired = bank()
    p = quick().fit(customers, acquired).probabilities(customers)
    assert (p[customers.held] == 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)


def test_who_owns_everything_gets_nothing():
    customers, acquired = bank()
    model = quick().fit(customers, acquired)
    everything = Holder(np.ones((1, 4), bool), *(np.full((1, 4), np.nan),) * 2, np.zeros((1, 1)))
    assert (model.probabilities(everything) == 0).all()


def test_what_was_given_up_comes_again():
    n, rng = 600, np.random.default_rng(1)
    lost = rng.integers(0, 3, n)
    before = np.zeros((n, PRODUCTS))
    before[np.arange(n), lost] = 1
    held = np.zeros((n, PRODUCTS), dtype=bool)
    customers = Holder(held, before, np.zeros((n, PRODUCTS)), np.zeros((n, 0)))
    p = quick().fit(customers, before > 0).probabilities(customers)
    assert (p.argmax(axis=1) == lost).all()


def test_the_latest_period_that_saw_a_customer_is_remembered():
    january = Seen(np.array([1, 2]), np.array([[1, 0], [1, 0]]), np.array([[1, 0], [0, 0]]))
    march = Seen(np.array([2, 5]), np.array([[1, 1], [0, 1]]), np.array([[0, 1], [0, 1]]))
    now = remembered(np.array([1, 2, 9]), np.zeros((3, 2), bool), [january, march], np.zeros((3, 0)))
    np.testing.assert_array_equal(now.before, [[1, 0], [1, 1], [np.nan, np.nan]])
    np.testing.assert_array_equal(now.acquired_before, [[1, 0], [0, 1], [np.nan, np.nan]])


def test_average_precision_by_hand():
    scores = np.array([[0.9, 0.8, 0.7, 0.6], [0.9, 0.8, 0.7, 0.6], [1.0, 0.0, 0.0, 0.0]])
    held = np.array([[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], dtype=bool)
    acquired = np.array([[0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0]], dtype=bool)
    # first: ranks 1 and 3 of what is not owned; second: rank 3; the third acquired nothing and does not count
    np.testing.assert_allclose(map_at(scores, held, acquired), [(1 + 2 / 3) / 2, 1 / 3])
    np.testing.assert_allclose(map_at(scores, held, acquired, k=1), [1.0, 0.0])


def test_equal_bytes_on_any_number_of_threads():
    customers, acquired = bank()
    answers = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            answers.append(quick(seed=3).fit(customers, acquired).probabilities(customers).tobytes())
    assert answers[0] == answers[1]


def test_it_says_what_is_wrong():
    customers, acquired = bank()
    with pytest.raises(NotFitted, match="not fitted"):
        quick().probabilities(customers)
    with pytest.raises(ContractError, match="acquisitions of what was held already"):
        quick().fit(customers, acquired | customers.held)
    with pytest.raises(ContractError, match="shapes must agree"):
        quick().fit(customers, acquired[:, :2])
    with pytest.raises(NotFitted, match="1 products were acquired 20 times or more"):
        quick().fit(customers, acquired & ~customers.held & (np.arange(PRODUCTS) == 1))
    model = quick().fit(customers, acquired)
    with pytest.raises(ContractError, match="profile columns"):
        model.probabilities(customers._replace(profile=np.zeros((len(acquired), 3))))
    with pytest.raises(ContractError, match="holdings of 2 products, fitted on 4"):
        model.probabilities(Holder(*(block[:, :2] for block in customers[:3]), customers.profile))
