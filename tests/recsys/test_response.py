"""Who takes when offered: planted causes come back, and the promised shares come true."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from recsys.evaluate import probability_quality
from recsys.response import Offered, Response
from scenefit.contracts.errors import NotFitted

CHANCE = {"base": -2.0, "eager": 0.8, "call": 0.7, "product": (0.9, -0.9), "fit": 0.6}


def world(n, seed):
    """Offers made: the first profile column makes eager, the second says nothing; calls work better than messages."""
    rng = np.random.default_rng(seed)
    profile, kind, product = rng.normal(size=(n, 2)), rng.integers(0, 2, n), rng.integers(-1, 2, n)
    fit = np.where(product >= 0, rng.normal(size=n), 0.0)
    own = np.where(product == 0, CHANCE["product"][0], np.where(product == 1, CHANCE["product"][1], 0.0))
    logits = CHANCE["base"] + CHANCE["eager"] * profile[:, 0] + CHANCE["call"] * kind + own + CHANCE["fit"] * fit
    return Offered(profile, np.eye(2)[kind], product, fit), rng.random(n) < 1 / (1 + np.exp(-logits))


def test_planted_causes_have_their_sign_and_size():
    made, took = world(20_000, 0)
    eager, nothing, message, call, first, second, fit = Response(2).fit(made, took).coef_
    assert eager == pytest.approx(CHANCE["eager"], abs=0.1)
    assert nothing == pytest.approx(0, abs=0.1)
    assert call - message == pytest.approx(CHANCE["call"], abs=0.15)
    assert first - second == pytest.approx(1.8, abs=0.2)
    assert fit == pytest.approx(CHANCE["fit"], abs=0.1)


def test_what_is_promised_comes_true_on_new_offers():
    made, took = world(20_000, 0)
    fresh, came = world(20_000, 1)
    quality = probability_quality(Response(2).fit(made, took).probabilities(fresh), came)
    assert quality.ece < 0.015
    assert quality.auc > 0.7


def test_the_matrix_holds_the_same_probabilities_product_by_product():
    made, took = world(3_000, 0)
    model = Response(2).fit(made, took)
    rng = np.random.default_rng(2)
    fit = rng.normal(size=(50, 2))
    whole = model.matrix(made.profile[:50], made.kind[:50], fit)
    for product in range(2):
        alone = Offered(made.profile[:50], made.kind[:50], np.full(50, product), fit[:, product])
        np.testing.assert_allclose(whole[:, product], model.probabilities(alone), rtol=1e-12)


def test_equal_bytes_on_any_number_of_threads():
    made, took = world(3_000, 0)
    model = Response(2).fit(made, took)
    many = np.random.default_rng(0).normal(size=(150_001, 2))
    answers = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            answers.append(model.matrix(many, np.tile([1.0, 0.0], (150_001, 1)), many).tobytes())
    assert answers[0] == answers[1]


@pytest.mark.parametrize("took", [np.zeros(30, bool), np.ones(30, bool)])
def test_both_outcomes_are_needed(took):
    made, _ = world(30, 0)
    with pytest.raises(NotFitted, match=r"of 30 offers were taken; both outcomes are needed"):
        Response(2).fit(made, took)
    with pytest.raises(NotFitted, match="not fitted"):
        Response(2).probabilities(made)
