"""EASE: known answers by hand, the formula in plain NumPy, the cap, and offers behind wide behaviour."""

import numpy as np
import pytest
from scipy import sparse

from recsys.ease import Ease
from scenefit.contracts.errors import ContractError, SettingsError


def plain(strength=1.0, **settings):
    """EASE as it was first published."""
    return Ease(strength, dropout=0.0, damping=0.0, **settings)


def visits(customers=200, items=12, seed=0):
    rng = np.random.default_rng(seed)
    taste = rng.random((customers, 3)) @ rng.random((3, items))
    return sparse.csr_matrix((rng.random((customers, items)) < taste / 3).astype(np.float32))


def weights_by_the_formula(matrix, strength, dropout, damping):
    x = matrix.toarray().astype(float)
    touched = (x > 0).sum(axis=1)
    share = np.where(touched > 0, (np.maximum(touched, 1) / touched[touched > 0].mean()) ** -damping, 0)
    gram = x.T @ (share[:, None] * x)
    inverse = np.linalg.inv(gram + np.diag(strength + dropout / (1 - dropout) * np.diag(gram)))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


def test_two_items_that_go_together_speak_for_each_other_as_by_hand():
    """XᵀX + I = [[4, 2], [2, 3]], its inverse [[3, −2], [−2, 4]] / 8: item 0 says ½ for 1, and 1 says ⅔ for 0."""
    model = plain().fit(sparse.csr_matrix(np.array([[1, 1], [1, 1], [1, 0]])))
    alone = model.scores(np.array([0, 1]), sparse.csr_matrix(np.eye(2)))
    np.testing.assert_allclose(alone, [[0, 1 / 2], [2 / 3, 0]], rtol=1e-6)


@pytest.mark.parametrize(("dropout", "damping"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.7), (0.4, 1.0)])
def test_the_weights_are_those_of_the_formula_and_not_their_transpose(dropout, damping):
    matrix = visits()
    model = Ease(20.0, dropout, damping).fit(matrix)
    expected = weights_by_the_formula(matrix, 20.0, dropout, damping)
    np.testing.assert_allclose(model.weights_, expected, atol=1e-5)
    assert np.abs(expected - expected.T).max() > 0.01
    np.testing.assert_allclose(model.scores(np.arange(200), matrix), matrix.toarray() @ expected, atol=1e-4)


def test_a_busy_customer_counts_less_by_damping():
    """One customer touched everything; whoever is damped fully speaks as loudly as anybody else."""
    few = np.kron(np.ones((5, 1)), np.kron(np.eye(5), np.ones((1, 2))))
    matrix = sparse.csr_matrix(np.vstack([few, np.ones((3, 10))]))
    across = [abs(Ease(1.0, 0.0, damping).fit(matrix).weights_[0, 2]) for damping in (0.0, 1.0)]
    assert across[1] < across[0]


def test_offers_behind_wide_behaviour_are_scored_as_the_last_columns_of_the_whole():
    matrix = visits()
    whole, offers = Ease(20.0).fit(matrix), Ease(20.0, columns=3).fit(matrix)
    users = np.arange(200)
    np.testing.assert_array_equal(offers.scores(users, matrix), whole.scores(users, matrix)[:, -3:])
    assert set(offers.recommend(users, 9).ids) == {0, 1, 2}


def test_the_cap_keeps_the_most_frequent_behaviour_and_every_offer():
    matrix = visits()
    capped = plain(columns=2, most=4).fit(matrix)
    frequent = np.sort(np.argsort(-np.asarray(matrix[:, :10].sum(axis=0)).ravel(), kind="stable")[:4])
    assert capped.kept_.tolist() == [*frequent.tolist(), 10, 11]
    expected = plain(columns=2).fit(sparse.csr_matrix(matrix[:, capped.kept_])).weights_
    np.testing.assert_array_equal(capped.weights_, expected)
    assert capped.scores(np.arange(200), matrix).shape == (200, 2)


def test_rare_behaviour_beyond_the_cap_changes_nothing():
    matrix = visits()
    rare = sparse.csr_matrix(sparse.hstack([sparse.csr_matrix((200, 1)), matrix], format="csr"))
    rare = sparse.csr_matrix(rare + sparse.csr_matrix(([1.0], ([0], [0])), shape=rare.shape))
    one = plain(columns=2, most=10).fit(rare).weights_
    np.testing.assert_array_equal(one, plain(columns=2).fit(matrix).weights_)


@pytest.mark.parametrize(
    "settings",
    [
        {"strength": 0},
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"damping": -1},
        {"columns": 0},
        {"columns": 13},
        {"most": -1},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(SettingsError, match=r"strength must be above 0, dropout in \[0, 1\)"):
        Ease(**settings).fit(visits())


def test_a_history_of_other_items_is_refused():
    with pytest.raises(ContractError, match="12 items that it was fitted on"):
        Ease().fit(visits()).scores(np.array([0]), sparse.csr_matrix((1, 5)))
