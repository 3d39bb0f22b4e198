"""Metrics of each customer and of the catalogue by hand, fair to ties, per subgroup."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import sparse

import recsys.evaluate
from recsys.evaluate import EVERYBODY, evaluate, judged, quality_table, worst_to_best
from recsys.metrics import exposure, mid_ranks, per_customer, spread
from recsys.models import Popularity
from scenefit.contracts.errors import ContractError


def rows(*values):
    return sparse.csr_matrix(np.array(values, dtype=float))


def one(scores, *targets, k=10):
    wanted = np.zeros(len(scores))
    wanted[list(targets)] = 1
    return per_customer(np.array([scores], dtype=float), rows(wanted), k)


def test_average_precision_by_hand():
    # targets at places 1, 3 and 6: (1/1 + 2/3 + 3/6) / 3
    assert one([9, 8, 7, 6, 5, 4, 3], 0, 2, 5).map[0] == pytest.approx((1 + 2 / 3 + 3 / 6) / 3)


def test_average_precision_looks_at_seven_places():
    scores = list(range(20, 0, -1))
    assert one(scores, 7).map[0] == 0.0
    assert one(scores, 6).map[0] == pytest.approx(1 / 7)
    # nine targets, all seven places right: perfect
    assert one(scores, *range(9)).map[0] == pytest.approx(1.0)


def test_precision_in_a_tie_counts_half_of_the_others():
    # one target above, then four tied (places 2 to 5, middle 3.5) of which two are targets
    found = one([9, 5, 5, 5, 5, 1], 0, 1, 2)
    precise = (1 + 1 + 1 / 2) / 3.5
    assert found.map[0] == pytest.approx((1 + 2 * precise) / 3)


def test_reciprocal_rank_is_that_of_the_best_target_however_far():
    assert one(list(range(300, 0, -1)), 199, 250).mrr[0] == pytest.approx(1 / 200)
    assert one([1.0, 1.0, 1.0], 2).mrr[0] == pytest.approx(1 / 2)


def test_scores_that_say_nothing_earn_the_middle():
    found = one([0.0] * 9, 4, k=4)
    assert (found.hit[0], found.ndcg[0], found.mrr[0]) == (0.0, 0.0, pytest.approx(1 / 5))


@given(st.data())
def test_ranks_are_those_above_and_half_of_the_tied(data):
    shape = (data.draw(st.integers(1, 4)), data.draw(st.integers(1, 40)))
    scores = data.draw(arrays.arrays("f4", shape, elements=st.sampled_from([-np.inf, -1.0, 0.0, 0.25, 3.0])))
    who, what = np.nonzero(np.ones(shape))
    own = scores[who, what][:, None]
    above, tied = (scores[who] > own).sum(axis=1), (scores[who] == own).sum(axis=1) - 1
    np.testing.assert_array_equal(mid_ranks(scores, who, own[:, 0]), above + tied / 2)


@given(st.data())
def test_all_metrics_lie_between_nothing_and_perfect_and_forget_the_order_of_items(data):
    shape = (data.draw(st.integers(1, 4)), data.draw(st.integers(1, 15)))
    scores = data.draw(arrays.arrays(float, shape, elements=st.sampled_from([0.0, 0.5, 1.0, 2.0])))
    targets = data.draw(arrays.arrays(bool, shape))
    order = np.array(data.draw(st.permutations(range(shape[1]))), dtype=int)
    k = data.draw(st.integers(1, 6))
    found = per_customer(scores, sparse.csr_matrix(targets), k)
    moved = per_customer(scores[:, order], sparse.csr_matrix(targets[:, order]), k)
    for name in ("ndcg", "recall", "map", "mrr", "hit"):
        values = getattr(found, name)
        assert ((values >= 0) & (values <= 1 + 1e-12)).all()
        np.testing.assert_allclose(values, getattr(moved, name))
    perfect = per_customer(targets.astype(float) + np.arange(shape[1]) / 100, sparse.csr_matrix(targets), shape[1])
    for name in ("ndcg", "recall", "map", "mrr", "hit"):
        np.testing.assert_allclose(getattr(perfect, name), 1)


def test_the_last_places_are_shared_among_the_tied():
    held = exposure(np.array([[3.0, 1.0, 1.0, 1.0, 0.0]]), 2)
    np.testing.assert_allclose(held, [[1, 1 / 3, 1 / 3, 1 / 3, 0]])


def test_seen_items_are_never_shown():
    held = exposure(np.array([[3.0, 2.0, 1.0]]), 2, rows([1, 0, 1]))
    assert held.tolist() == [[0, 1, 0]]


@given(st.data())
def test_each_customer_is_shown_k_items_in_all(data):
    shape = (data.draw(st.integers(1, 4)), data.draw(st.integers(1, 12)))
    scores = data.draw(arrays.arrays(float, shape, elements=st.sampled_from([0.0, 0.5, 1.0])))
    k = data.draw(st.integers(1, 15))
    np.testing.assert_allclose(exposure(scores, k).sum(axis=1), min(k, shape[1]))


def test_coverage_gini_and_novelty_by_hand():
    # items known to 3, 1 and 0 of 3 customers; places shown 3, 1, 0
    found = spread(np.array([3.0, 1.0, 0.0]), np.array([3, 1, 0]), 3)
    assert found.coverage == pytest.approx(2 / 3)
    # Gini of 0, 1, 3: 2·(1·0 + 2·1 + 3·3)/(3·4) − 4/3
    assert found.gini == pytest.approx(2 * 11 / 12 - 4 / 3)
    assert found.novelty == pytest.approx((3 * 0 + 1 * 1) / 4)
    assert spread(np.ones(5), np.ones(5), 9).gini == pytest.approx(0)


def test_nothing_shown_covers_nothing():
    assert spread(np.zeros(3), np.ones(3), 3).coverage == 0
    assert math.isnan(spread(np.zeros(3), np.ones(3), 3).gini)


def world():
    rng = np.random.default_rng(0)
    train, test = (sparse.csr_matrix((rng.random((60, 12)) < share).astype("f4")) for share in (0.3, 0.2))
    return train, test, np.array(["old", "new", "cold"])[np.arange(60) % 3]


def test_the_table_holds_everybody_and_each_group():
    train, test, groups = world()
    model = Popularity().fit(train)
    table = quality_table(model, train, test, 5, groups).set_index("group")
    assert table.index.tolist() == [EVERYBODY, "cold", "new", "old"]
    whole = evaluate(model, train, test, 5, mask_seen=True)
    assert table.loc[EVERYBODY, ["ndcg", "hit", "recall", "customers"]].tolist() == pytest.approx(list(whole))
    parts = table.drop(index=EVERYBODY)
    assert parts["customers"].sum() == whole.customers
    assert (parts["ndcg"] * parts["customers"]).sum() / whole.customers == pytest.approx(whole.ndcg)
    alone = quality_table(model, train[groups == "old"], test[groups == "old"], 5)
    for metric in ("ndcg", "recall", "map", "mrr", "hit", "coverage", "gini"):
        assert table.loc["old", metric] == pytest.approx(alone.loc[0, metric])


def test_scores_are_judged_as_their_model_is(monkeypatch):
    train, test, groups = world()
    model = Popularity().fit(train)
    scores = model.scores(np.arange(60), train)
    whole = quality_table(model, train, test, 5, groups)
    monkeypatch.setattr(recsys.evaluate, "BLOCK", 100)
    again = quality_table(scores, train, test, 5, groups)
    np.testing.assert_allclose(again.drop(columns="group"), whole.drop(columns="group"))


def test_customers_are_told_apart_so_that_models_can_be_paired():
    train, test, _ = world()
    found = judged(Popularity().fit(train), train, test, 5).each
    targets = (test.toarray() > 0) & (train.toarray() == 0)
    assert found.users.tolist() == np.flatnonzero(targets.any(axis=1)).tolist()


def test_the_worst_group_over_the_best_one_leaves_small_groups_out():
    table = quality_table(*judged_by_hand(), k=1, mask_seen=False, groups=["a", "a", "b", "b", "c"])
    assert table["ndcg"].tolist() == [pytest.approx(0.6), 1.0, pytest.approx(0.5), 0.0]
    assert worst_to_best(table, smallest=2)["ndcg"] == pytest.approx(0.5)
    assert worst_to_best(table, smallest=1)["ndcg"] == 0
    assert worst_to_best(table, smallest=3).isna().all()


def judged_by_hand():
    """Customers 0, 1, 2 find their item first; 3 and 4 do not."""
    scores, wanted = np.tile([2.0, 1.0], (5, 1)), np.zeros((5, 2))
    wanted[[0, 1, 2], 0] = 1
    wanted[[3, 4], 1] = 1
    return scores, rows(*np.zeros((5, 2))), rows(*wanted)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 0}, "k be positive"),
        ({"train": sparse.csr_matrix((5, 3))}, "shapes must agree"),
        ({"scored": np.ones((5, 3))}, "scores of 3 items, test of 2"),
        ({"groups": ["a", "b", None, "b", "a"]}, "1 customers without a group, the first in row 2"),
        ({"groups": ["a"]}, "1 groups for 5 customers"),
        ({"scored": np.full((5, 2), np.nan)}, "some scores are NaN"),
    ],
)
def test_what_cannot_be_judged_is_refused(change, message):
    scores, train, test = judged_by_hand()
    with pytest.raises(ContractError, match=message):
        quality_table(**{"scored": scores, "train": train, "test": test, **change})


def test_nobody_to_judge():
    table = quality_table(np.ones((2, 3)), sparse.csr_matrix((2, 3)), sparse.csr_matrix((2, 3)))
    assert table["customers"].tolist() == [0]
    assert math.isnan(table["ndcg"][0])
    assert table["coverage"][0] == 0
