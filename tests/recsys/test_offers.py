"""Which product a customer would take: probabilities that add up, from what was taken."""

import numpy as np
import pytest

import recsys.offers
from recsys.offers import Facts, NextOffer, Standard, _temperature
from scenefit.contracts.errors import NotFitted


def facts(n, seed=0):
    rng = np.random.default_rng(seed)
    profile = rng.normal(size=(n, 3))
    profile[rng.random((n, 3)) < 0.1] = np.nan
    return Facts(rng.normal(size=(n, 4)).astype(np.float32), profile, np.zeros((n, 5), np.float32))


def taken_by_taste(known, products, seed=1):
    rng = np.random.default_rng(seed)
    utility = 2 * known.tastes[:, :products] + rng.gumbel(size=(len(known.tastes), products))
    return utility.argmax(axis=1)


def test_probabilities_add_up_to_one():
    known = facts(400)
    p = NextOffer(5).fit(known, taken_by_taste(known, 3)).probabilities(facts(50, seed=2))
    assert p.shape == (50, 5)
    assert (p > 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)


def test_taste_tells_who_takes_what():
    known, fresh = facts(2_000), facts(2_000, seed=5)
    p = NextOffer(4).fit(known, taken_by_taste(known, 4)).probabilities(fresh)
    taken = taken_by_taste(fresh, 4, seed=6)
    assert p[np.arange(2_000), taken].mean() > 0.4
    np.testing.assert_allclose(p.mean(axis=0), np.bincount(taken, minlength=4) / 2_000, atol=0.04)


def test_a_product_never_taken_can_be_tried_as_often_as_the_rarest():
    rng = np.random.default_rng(0)
    nothing_known = Facts(np.zeros((1_000, 2), np.float32), np.zeros((1_000, 1)), np.zeros((1_000, 4), np.float32))
    taken = rng.choice([0, 1, 3], 1_000, p=[0.7, 0.25, 0.05])
    p = NextOffer(4).fit(nothing_known, taken).probabilities(nothing_known)[0]
    assert p[2] == pytest.approx(p[3])
    np.testing.assert_allclose(p[[0, 1]] / p[3], np.bincount(taken)[[0, 1]] / np.bincount(taken)[3], rtol=0.05)


def test_two_products_are_told_apart():
    known = facts(1_000)
    model = NextOffer(2).fit(known, taken_by_taste(known, 2))
    p = model.probabilities(known)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert np.corrcoef(p[:, 1], known.tastes[:, 1] - known.tastes[:, 0])[0, 1] > 0.8


def test_one_product_only_leaves_nothing_to_choose_by():
    p = NextOffer(3).fit(facts(60), np.ones(60, int)).probabilities(facts(2, seed=9))
    np.testing.assert_allclose(p, 1 / 3)


def test_few_takes_without_a_pattern_fall_back_to_popularity():
    rng = np.random.default_rng(3)
    known = Facts(rng.normal(size=(240, 30)).astype("f4"), rng.normal(size=(240, 20)), np.zeros((240, 12), np.float32))
    share = np.arange(12, 0, -1) / 78
    taken = rng.choice(12, 240, p=share)
    judge = np.arange(240) >= 180
    model = NextOffer(12).fit(known, taken, judge)
    assert model.strength_ in model.strengths[:2]
    loose = NextOffer(12, strengths=(10.0,)).fit(known, taken)
    spread = [np.abs(m.probabilities(known) - share).mean() for m in (model, loose)]
    assert spread[0] < spread[1] / 2


def test_temperature_undoes_confidence_that_was_planted():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4_000, 6))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    taken = (p.cumsum(axis=1) > rng.random((4_000, 1))).argmax(axis=1)
    temperature, loss = _temperature(3 * logits, taken)
    assert temperature == pytest.approx(3, rel=0.1)
    assert loss == pytest.approx(-np.log(p[np.arange(4_000), taken]).mean(), abs=0.01)


def test_blocks_of_customers_are_scored_as_all_at_once(monkeypatch):
    known = facts(400)
    model = NextOffer(5).fit(known, taken_by_taste(known, 4))
    whole = model.probabilities(known)
    monkeypatch.setattr(recsys.offers, "BLOCK", 33)
    np.testing.assert_allclose(model.probabilities(known), whole, rtol=1e-12)


def test_it_says_what_is_missing():
    with pytest.raises(NotFitted, match="nothing was taken"):
        NextOffer(3).fit(facts(0), np.zeros(0, int))
    with pytest.raises(NotFitted, match="not fitted"):
        NextOffer(3).probabilities(facts(1))


def test_standard_columns_have_mean_0_and_deviation_1_and_flag_what_is_missing():
    rng = np.random.default_rng(0)
    values = np.column_stack(
        [rng.lognormal(3, 0.5, 500), rng.normal(-5, 2, 500), np.full(500, 7.0), np.full(500, np.nan)]
    )
    values[::10, 1] = np.nan
    standard = Standard().fit(values)
    assert standard.log_.tolist() == [True, False, True, False]
    shaped = standard.transform(values)
    assert shaped.shape == (500, 5)
    np.testing.assert_allclose(shaped[:, 0].mean(), 0, atol=1e-9)
    known = ~np.isnan(values[:, 1])
    np.testing.assert_allclose([shaped[known, 1].mean(), shaped[known, 1].std()], [0, 1], atol=1e-9)
    assert not shaped[:, 2:4].any()
    np.testing.assert_array_equal(shaped[:, 4], ~known)


def test_standard_bounds_what_lies_far_outside():
    standard = Standard().fit(np.arange(10.0)[:, None] - 5)
    assert standard.transform(np.array([[1e9], [-1e9]])).ravel().tolist() == [5, -5]
