"""iALS: the equations solved exactly, in plain NumPy, against the compiled loop."""

import numba
import numpy as np
import pytest
from scipy import sparse

from recsys.ials import FrequencyScaledAls
from scenefit.contracts.errors import NotFitted, SettingsError


def visits(customers=120, items=30, seed=0, weights=False):
    rng = np.random.default_rng(seed)
    taste = rng.random((customers, 3)) @ rng.random((3, items))
    touched = rng.random((customers, items)) < taste / 3
    return sparse.csr_matrix((touched * (rng.integers(1, 5, touched.shape) if weights else 1)).astype(np.float32))


def solved(history, items, regularization, unobserved, exponent):
    """Vectors of customers by the normal equations of Rendle et al., one after the other, in float64."""
    items = items.astype(float)
    found = np.zeros((history.shape[0], items.shape[1]))
    for u, row in enumerate(history.toarray().astype(float)):
        entries = (row > 0).sum()
        ridge = regularization * (entries + unobserved * len(items)) ** exponent
        left = unobserved * items.T @ items + (items.T * row) @ items + ridge * np.eye(items.shape[1])
        found[u] = np.linalg.solve(left, items.T @ row) if entries else 0
    return found


def loss(model, matrix):
    """What the paper minimises."""
    x, items = matrix.toarray(), model.item_factors_.astype(float)
    users = model.fold_in(matrix).astype(float)
    scores = users @ items.T
    fit = (x * (1 - scores) ** 2).sum() + model.unobserved * (scores**2).sum()
    ridge = sum(
        (((side > 0).sum(axis=1) + model.unobserved * side.shape[1]) ** model.exponent * (vectors**2).sum(axis=1)).sum()
        for side, vectors in ((x, users), (x.T, items))
    )
    return fit + model.regularization * ridge


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("exponent", [1.0, 0.5])
def test_customers_are_folded_in_by_the_exact_equations(weights, exponent):
    matrix = visits(weights=weights)
    model = FrequencyScaledAls(factors=8, regularization=0.05, unobserved=0.2, exponent=exponent, epochs=4).fit(matrix)
    expected = solved(matrix, model.item_factors_, 0.05, 0.2, exponent)
    np.testing.assert_allclose(model.fold_in(matrix), expected, atol=2e-4)


def test_more_rounds_never_fit_worse():
    matrix = visits()
    losses = [loss(FrequencyScaledAls(factors=6, epochs=epochs, steps=8).fit(matrix), matrix) for epochs in (1, 3, 9)]
    assert losses[0] > losses[1] > losses[2]


def test_few_steps_a_round_reach_what_exact_rounds_reach():
    matrix = visits()
    few, exact = (loss(FrequencyScaledAls(factors=6, epochs=20, steps=s).fit(matrix), matrix) for s in (3, 20))
    assert few == pytest.approx(exact, rel=0.01)


def test_a_larger_exponent_holds_frequent_items_shorter():
    matrix = visits(customers=400)
    often = np.argsort(np.asarray(matrix.sum(axis=0)).ravel())
    lengths = []
    for exponent, ridge in ((0.0, 1.0), (1.0, 1.0 / 40)):
        model = FrequencyScaledAls(factors=6, regularization=ridge, exponent=exponent).fit(matrix)
        length = np.linalg.norm(model.item_factors_, axis=1)
        lengths.append(length[often[-8:]].mean() / length[often[:8]].mean())
    assert lengths[1] < lengths[0]


def test_any_number_of_threads_gives_the_same_vectors():
    matrix = visits(customers=3_000, items=200)
    before, found = numba.get_num_threads(), []
    try:
        for threads in (1, numba.config.NUMBA_NUM_THREADS):
            numba.set_num_threads(threads)
            found.append(FrequencyScaledAls(factors=16, epochs=2).fit(matrix).item_factors_.tobytes())
    finally:
        numba.set_num_threads(before)
    assert found[0] == found[1]


def test_a_seed_is_a_result():
    matrix = visits()
    one, same, other = (FrequencyScaledAls(factors=4, seed=s).fit(matrix).item_factors_ for s in (0, 0, 1))
    assert (one == same).all()
    assert (one != other).any()


def test_many_customers_at_once_are_as_one_by_one():
    matrix = visits()
    model = FrequencyScaledAls(factors=8).fit(matrix)
    apart = np.vstack([model.fold_in(matrix[[i]]) for i in range(matrix.shape[0])])
    np.testing.assert_array_equal(model.fold_in(matrix), apart)


def test_nobody_is_folded_in_before_it_has_learned():
    with pytest.raises(NotFitted, match="call fit"):
        FrequencyScaledAls().fold_in(visits())


@pytest.mark.parametrize("setting", ["factors", "regularization", "unobserved", "epochs", "steps"])
def test_settings_that_make_no_sense_are_refused(setting):
    with pytest.raises(SettingsError, match=f"{setting} 0.*all must be above 0"):
        FrequencyScaledAls(**{setting: 0}).fit(visits())
