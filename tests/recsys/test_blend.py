"""The blend: convex weights, chosen where nobody has looked yet."""

import numpy as np
import pytest
from scipy import sparse

from recsys.blend import Blend, Validation, hidden, mixture, scaled
from recsys.models import Ease, FrequencyScaledAls, ItemNeighbours, Popularity
from scenefit.contracts.errors import ContractError, SettingsError


class Fixed:
    """A model that says the same whatever it is shown."""

    def __init__(self, said):
        self.said = np.asarray(said, np.float32)
        self.shown = []

    def fit(self, matrix):
        self.shown.append(matrix.nnz)
        return self

    def scores(self, users, history):
        return self.said[users]


def tastes(customers=300, items=40, seed=0):
    rng = np.random.default_rng(seed)
    chance = rng.dirichlet(np.ones(4) * 0.3, customers) @ rng.dirichlet(np.ones(items) * 0.2, 4)
    return sparse.csr_matrix((rng.random((customers, items)) < 8 * chance).astype(np.float32))


def test_weights_are_shares_that_add_up_to_one():
    model = Blend({"ease": Ease(), "popular": Popularity()}).fit(tastes())
    assert sum(model.weights_.values()) == pytest.approx(1)
    assert min(model.weights_.values()) >= 0
    assert model.weights_["ease"] > model.weights_["popular"]


def test_whoever_ranks_the_hidden_first_is_heard_alone():
    matrix = tastes()
    right = Fixed(9 * matrix.toarray() + np.random.default_rng(1).random(matrix.shape))
    wrong = Fixed(-matrix.toarray() + np.random.default_rng(0).random(matrix.shape))
    model = Blend({"wrong": wrong, "right": right}).fit(matrix)
    assert model.weights_ == {"wrong": 0.0, "right": 1.0}
    assert list(model.members_) == ["right"]


def test_two_halves_of_the_truth_are_worth_more_together():
    """One model knows the left items, one the right ones; each ranks the other half at random."""
    rng = np.random.default_rng(0)
    truth = rng.random((200, 20)) < 0.2
    noise = rng.random((2, 200, 20)) * 0.2
    left, right = (truth * half + noise[i] for i, half in enumerate((np.arange(20) < 10, np.arange(20) >= 10)))
    nothing, after = sparse.csr_matrix(truth.shape), sparse.csr_matrix(truth.astype(float))
    parts = {name: scaled(said, nothing, "standard") for name, said in (("left", left), ("right", right))}
    weights = mixture(parts, after, nothing, 5)
    assert 0.3 < weights["left"] < 0.7
    assert sum(weights.values()) == pytest.approx(1)


def test_members_learn_from_everything_after_the_weights_are_chosen():
    matrix = tastes()
    watched = Fixed(matrix.toarray())
    Blend({"one": watched}).fit(matrix)
    assert len(watched.shown) == 2
    assert watched.shown[0] == pytest.approx(0.9 * matrix.nnz, rel=0.05)
    assert watched.shown[1] == matrix.nnz


def test_later_behaviour_is_what_the_weights_are_chosen_on():
    before, after = tastes(seed=1), tastes(seed=2)
    right, wrong = Fixed(after.toarray()), Fixed(before.toarray() - after.toarray())
    whole = sparse.csr_matrix(before.maximum(after))
    model = Blend({"right": right, "wrong": wrong}).fit(whole, Validation(before, after))
    assert model.weights_["right"] == 1.0


def test_given_weights_are_brought_to_a_sum_of_one_and_nobody_learns_twice():
    matrix = tastes()
    one, other = Fixed(matrix.toarray()), Fixed(np.ones(matrix.shape))
    model = Blend({"one": one, "other": other}, weights={"one": 3, "other": 1}).fit(matrix)
    assert model.weights_ == {"one": 0.75, "other": 0.25}
    assert one.shown == [matrix.nnz]
    users = np.arange(300)
    expected = 0.75 * scaled(matrix.toarray(), matrix, "standard")
    np.testing.assert_allclose(model.scores(users, matrix), expected, rtol=1e-5)


def test_standardised_scores_have_mean_zero_and_width_one_over_what_is_new():
    rng = np.random.default_rng(0)
    scores, history = 100 + 7 * rng.random((20, 30)), sparse.csr_matrix((rng.random((20, 30)) < 0.2).astype(float))
    fresh = history.toarray() == 0
    found = scaled(scores, history, "standard")
    for row, new in zip(found, fresh, strict=True):
        assert row[new].mean() == pytest.approx(0, abs=1e-5)
        assert row[new].std() == pytest.approx(1, rel=1e-5)


def test_ranks_are_shares_of_items_beaten_with_ties_by_half():
    found = scaled(np.array([[5.0, 9.0, 5.0, 1.0]]), sparse.csr_matrix((1, 4)), "rank")
    np.testing.assert_allclose(found, [[0.5, 1.0, 0.5, 0.0]])


def test_a_model_that_scores_everything_alike_says_nothing():
    nothing = sparse.csr_matrix((2, 3))
    assert not scaled(np.full((2, 3), 7.0), nothing, "standard").any()


def test_offers_behind_wide_behaviour_are_blended_as_well():
    matrix = tastes()
    members = {"strong": Ease(columns=5), "weak": Ease(1000.0, columns=5)}
    model = Blend(members).fit(matrix)
    assert model.scores(np.arange(300), matrix).shape == (300, 5)
    assert set(model.recommend(np.arange(300), 5).ids) == set(range(5))


def test_hiding_keeps_every_entry_once():
    matrix = tastes()
    before, after = hidden(matrix, 0.1, 0)
    assert (before + after != matrix).nnz == 0
    assert before.multiply(after).nnz == 0
    assert after.nnz == pytest.approx(0.1 * matrix.nnz, rel=0.4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"members": {}}, "at least one member"),
        ({"scaling": "odds"}, "scaling 'odds'"),
        ({"weights": {"ease": 1.0}}, "for members"),
        ({"weights": {"ease": 1.0, "ials": -1.0, "bm25": 1.0}}, "at least 0"),
        ({"weights": {"ease": 0.0, "ials": 0.0, "bm25": 0.0}}, "some above 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(SettingsError, match=message):
        Blend(**settings).fit(tastes())


def test_a_validation_about_others_is_refused():
    matrix = tastes()
    with pytest.raises(ContractError, match=r"validation of shapes \(300, 40\) and \(299, 40\)"):
        Blend().fit(matrix, Validation(matrix, matrix[:-1]))


@pytest.mark.data
@pytest.mark.slow
def test_the_blend_beats_every_member_on_movies_by_more_than_chance(datasets):
    """MovieLens-1M, UltraGCN's split: goals of docs/recommenders.md."""
    import pandas as pd

    from recsys.metrics import per_customer

    halves = [pd.read_parquet(datasets / "ml1m_ultragcn_split" / f"{part}.parquet") for part in ("train", "test")]
    shape = tuple(max(half[name].max() for half in halves) + 1 for name in ("user", "item"))
    train, test = (
        sparse.csr_matrix((np.ones(len(half), np.float32), (half["user"], half["item"])), shape=shape)
        for half in halves
    )
    users = np.arange(shape[0])
    ease, ials = Ease(300.0, 0.4), FrequencyScaledAls()
    found = {
        name: per_customer(model.fit(train).scores(users, train), test, 20, train)
        for name, model in (("ease", ease), ("ials", ials), ("blend", Blend({"ease": ease, "ials": ials})))
    }
    for name, recall, ndcg in (("ease", 0.283, 0.269), ("ials", 0.283, 0.268), ("blend", 0.286, 0.273)):
        assert found[name].recall.mean() >= recall, name
        assert found[name].ndcg.mean() >= ndcg, name
    gain = found["blend"].ndcg - found["ease"].ndcg
    assert gain.mean() > 2 * gain.std() / np.sqrt(len(gain))


def test_members_of_any_kind_can_be_asked():
    model = Blend({"popular": Popularity(), "near": ItemNeighbours()}, scaling="rank").fit(tastes())
    assert len(model.recommend(np.array([0]), 5).ids) == 5
