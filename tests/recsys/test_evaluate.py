"""Metrics by hand: ties, several targets, seen items; probabilities against scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import sparse
from sklearn.metrics import average_precision_score, roc_auc_score

import recsys.evaluate
from recsys.evaluate import evaluate, probability_quality, ranking_quality
from recsys.models import Popularity
from scenefit.contracts.errors import ContractError


def rows(*values):
    return sparse.csr_matrix(np.array(values, dtype=float))


def test_the_second_place_is_worth_one_over_log2_of_three():
    quality = ranking_quality(np.array([[0.9, 0.5, 0.1]]), rows([0, 1, 0]), k=2)
    assert quality.ndcg == pytest.approx(1 / math.log2(3))
    assert (quality.hit, quality.recall, quality.customers) == (1.0, 1.0, 1)


def test_several_targets_are_measured_against_the_best_possible_order():
    quality = ranking_quality(np.array([[4.0, 3.0, 2.0, 1.0]]), rows([1, 0, 1, 1]), k=3)
    gained, ideal = 1 + 1 / math.log2(4), 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert quality.ndcg == pytest.approx(gained / ideal)
    assert quality.recall == pytest.approx(2 / 3)


def test_more_targets_than_places_can_still_be_perfect():
    assert ranking_quality(np.array([[3.0, 2.0, 1.0, 0.0]]), rows([1, 1, 1, 0]), k=2).ndcg == pytest.approx(1)


def test_a_target_in_a_tie_has_the_middle_rank():
    # one item above, four tied: ranks 1 to 4, middle 2.5
    scores, target = np.array([[2.0, 1.0, 1.0, 1.0, 1.0]]), rows([0, 0, 1, 0, 0])
    assert ranking_quality(scores, target, k=3).ndcg == pytest.approx(1 / math.log2(4.5))
    assert ranking_quality(scores, target, k=2).hit == 0.0


def test_scores_that_say_nothing_earn_no_luck():
    assert ranking_quality(np.zeros((1, 100)), rows([1] + [0] * 99), k=10).hit == 0.0


def test_no_more_than_k_tied_targets_count():
    quality = ranking_quality(np.zeros((1, 3)), rows([1, 1, 1]), k=2)
    assert quality.ndcg <= 1
    assert quality.recall == pytest.approx(2 / 3)


def test_seen_items_leave_ranking_and_targets():
    scores, targets, seen = np.array([[3.0, 2.0, 1.0]]), rows([1, 1, 0]), rows([1, 0, 0])
    assert ranking_quality(scores, targets, 1).hit == 1.0
    masked = ranking_quality(scores, targets, 1, seen)
    assert (masked.hit, masked.recall, masked.customers) == (1.0, 1.0, 1)
    assert ranking_quality(scores, rows([1, 0, 0]), 1, seen).customers == 0


def test_customers_without_a_target_do_not_count():
    quality = ranking_quality(np.array([[1.0, 0.0], [1.0, 0.0]]), rows([1, 0], [0, 0]), k=1)
    assert (quality.hit, quality.customers) == (1.0, 1)
    nobody = ranking_quality(np.array([[1.0, 0.0]]), rows([0, 0]))
    assert nobody.customers == 0
    assert math.isnan(nobody.ndcg)


@given(st.data())
def test_the_order_of_items_changes_nothing(data):
    shape = (data.draw(st.integers(1, 5)), data.draw(st.integers(1, 12)))
    scores = data.draw(arrays.arrays(np.float64, shape, elements=st.sampled_from([0.0, 0.5, 1.0, 2.0])))
    targets = data.draw(arrays.arrays(bool, shape))
    order = np.array(data.draw(st.permutations(range(shape[1]))), dtype=int)
    k = data.draw(st.integers(1, 5))
    one = ranking_quality(scores, sparse.csr_matrix(targets), k)
    other = ranking_quality(scores[:, order], sparse.csr_matrix(targets[:, order]), k)
    np.testing.assert_allclose(one, other)
    assert one.customers == 0 or (0 <= one.ndcg <= 1 + 1e-12 and one.recall <= one.hit <= 1)


def test_many_customers_in_blocks_are_measured_as_in_one(monkeypatch):
    rng = np.random.default_rng(0)
    scores, targets = np.round(rng.random((50, 20)), 1), sparse.csr_matrix(rng.random((50, 20)) < 0.1)
    seen = sparse.csr_matrix(rng.random((50, 20)) < 0.2)
    whole = ranking_quality(scores, targets, 5, seen)
    monkeypatch.setattr(recsys.evaluate, "BLOCK", 60)
    np.testing.assert_allclose(ranking_quality(scores, targets, 5, seen), whole)


def test_a_model_is_judged_on_customers_with_targets():
    train = rows([1, 1, 0], [1, 0, 0], [0, 0, 1])
    test = rows([0, 0, 1], [0, 1, 0], [0, 0, 0])
    # seen items aside, popularity ranks item 2 first for customer 0, and ties 1 and 2 for customer 1
    quality = evaluate(Popularity().fit(train), train, test, k=1, mask_seen=True)
    assert quality.customers == 2
    assert quality.hit == pytest.approx((1 + 1) / 2)
    assert evaluate(Popularity().fit(train), train, test, k=1).hit == 0.0


@pytest.mark.parametrize(
    ("scores", "k", "message"),
    [(np.ones((1, 2)), 1, "shapes must agree"), (np.full((1, 3), np.nan), 1, "NaN"), (np.ones((1, 3)), 0, "k 0")],
)
def test_what_cannot_be_measured_is_refused(scores, k, message):
    with pytest.raises(ContractError, match=message):
        ranking_quality(scores, rows([0, 1, 0]), k)


def test_discrimination_is_scikit_learns():
    rng = np.random.default_rng(0)
    p = np.round(rng.random(2_000), 2)
    y = rng.random(2_000) < p
    quality = probability_quality(p, y)
    assert quality.auc == pytest.approx(roc_auc_score(y, p))
    assert quality.ap == pytest.approx(average_precision_score(y, p))
    assert quality.ece < 0.05
    assert quality.base_rate == pytest.approx(y.mean())


def test_calibration_error_by_hand():
    # two bins of two: promised .15 and .85, observed .5 and 1
    quality = probability_quality(np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 1, 1, 1]), bins=2)
    assert quality.ece == pytest.approx((0.35 + 0.15) / 2)


def test_one_promise_for_everybody_is_calibrated_whatever_the_order_of_rows():
    y = np.repeat([0, 1], [80, 20])
    assert probability_quality(np.full(100, 0.2), y).ece == pytest.approx(0)
    assert probability_quality(np.full(100, 0.2), y[::-1]).ece == pytest.approx(0)
    assert probability_quality(np.full(100, 0.5), y).ece == pytest.approx(0.3)


def test_one_outcome_leaves_nothing_to_tell_apart():
    quality = probability_quality(np.array([0.1, 0.3]), np.array([0, 0]))
    assert math.isnan(quality.auc)
    assert quality.ece == pytest.approx(0.2)
    assert probability_quality(np.zeros(0), np.zeros(0)).rows == 0
