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


def test_the_error_of_the_log_odds_is_how_far_they_scatter_over_fresh_data():
    """Sixty models, each of its own 2,000 offers, for one and the same people."""
    people, _ = world(20, 99)
    with threadpool_limits(1):
        fits = [Response(2, c=100.0).fit(*world(2_000, seed)) for seed in range(60)]
    chances = np.array([model.probabilities(people) for model in fits])
    scatter = np.log(chances / (1 - chances)).std(axis=0, ddof=1)
    said = np.mean([model.error_of_logit(people) for model in fits], axis=0)
    # sixty draws know a scatter to about a tenth of itself
    assert np.abs(said / scatter - 1).max() < 0.35
    assert (said / scatter).mean() == pytest.approx(1, abs=0.1)


def test_ten_times_the_data_leave_a_third_of_the_error():
    people, _ = world(50, 99)
    few, many = (Response(2).fit(*world(n, 0)).error_of_logit(people).mean() for n in (3_000, 30_000))
    assert few / many == pytest.approx(np.sqrt(10), rel=0.15)


def test_the_matrix_holds_the_same_errors_product_by_product():
    made, took = world(3_000, 0)
    model = Response(2).fit(made, took)
    fit = np.random.default_rng(2).normal(size=(50, 2))
    whole = model.error_matrix(made.profile[:50], made.kind[:50], fit)
    for product in range(2):
        alone = Offered(made.profile[:50], made.kind[:50], np.full(50, product), fit[:, product])
        np.testing.assert_allclose(whole[:, product], model.error_of_logit(alone), rtol=1e-9)


def test_errors_are_equal_bytes_on_any_number_of_threads():
    made, took = world(30_000, 0)
    answers = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            answers.append(Response(2).fit(made, took).error_of_logit(made).tobytes())
    assert answers[0] == answers[1]


def test_without_a_covariance_there_is_no_error():
    made, _ = world(30, 0)
    with pytest.raises(NotFitted, match="kept without the covariance of its coefficients; call fit first"):
        Response(2).error_of_logit(made)
    with pytest.raises(NotFitted, match="kept without the covariance"):
        Response(2).error_matrix(made.profile, made.kind, np.zeros((30, 2)))
