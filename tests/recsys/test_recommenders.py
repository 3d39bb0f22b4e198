"""The contract that every recommender keeps, and the known answers of popularity and ALS."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from threadpoolctl import threadpool_limits

from recsys.evaluate import evaluate
from recsys.models import RECOMMENDERS, AlternatingLeastSquares, GroupPopularity, Popularity
from recsys.ranking import pack
from scenefit.contracts.errors import ContractError, NotFitted, SettingsError


@pytest.fixture(params=sorted(RECOMMENDERS))
def recommender(request):
    return RECOMMENDERS[request.param]


def checkerboard(n=40, missing=0.0):
    """Customers and items of equal parity belong together, as in implicit's own tests."""
    rng = np.random.default_rng(0)
    mask = (np.arange(n)[:, None] + np.arange(n)[None, :]) % 2 == 0
    mask &= rng.random((n, n)) >= missing
    return sparse.csr_matrix(mask.astype(np.float32))


def test_recommends_only_what_is_eligible(recommender):
    matrix = checkerboard(missing=0.3)
    mask = np.random.default_rng(1).random(matrix.shape) < 0.2
    mask[0] = False
    users = np.arange(matrix.shape[0])
    ranking = recommender().fit(matrix).recommend(users, 10, pack(mask))
    rows = np.repeat(users, np.diff(ranking.indptr))
    assert mask[rows, ranking.ids].all()
    assert np.diff(ranking.indptr).tolist() == np.minimum(mask.sum(axis=1), 10).tolist()


def test_is_refused_before_it_has_learned(recommender):
    with pytest.raises(NotFitted, match=r"not fitted; call fit"):
        recommender().recommend(np.array([0]), 3)
    with pytest.raises(NotFitted, match=r"not fitted; call fit"):
        recommender().scores(np.array([0]), sparse.csr_matrix((1, 3)))


def test_reads_arrays_that_may_not_be_written(recommender):
    matrix, frozen = checkerboard(missing=0.3), checkerboard(missing=0.3)
    for part in (frozen.data, frozen.indices, frozen.indptr):
        part.flags.writeable = False
    users = np.arange(matrix.shape[0])
    plain = recommender().fit(matrix).scores(users, matrix)
    np.testing.assert_array_equal(recommender().fit(frozen).scores(users, frozen), plain)


def test_says_for_which_threads_its_bytes_are_equal_and_keeps_it(recommender):
    matrix = sparse.random_array((1500, 200), density=0.02, rng=np.random.default_rng(0), format="csr", dtype="f4")
    assert recommender.reproducible in ("any threads", "one thread")
    answers = []
    before = numba.get_num_threads()
    try:
        for threads in (1, 2, 2) if recommender.reproducible == "any threads" else (1, 1):
            numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
            with threadpool_limits(threads):
                answers.append(recommender().fit(matrix).scores(np.arange(1500), matrix).tobytes())
    finally:
        numba.set_num_threads(before)
    assert set(answers) == {answers[0]}


def test_customers_without_history_get_an_answer(recommender):
    matrix = checkerboard().tolil()
    matrix[3] = 0
    matrix = sparse.csr_matrix(matrix)
    scores = recommender().fit(matrix).scores(np.array([3]), matrix[[3]])
    assert np.isfinite(scores).all()


def test_nobody_did_anything(recommender):
    nothing = sparse.csr_matrix((4, 6), dtype=np.float32)
    assert recommender().fit(nothing).recommend(np.arange(4), 2).ids.tolist() == [0, 1] * 4


def test_there_is_nobody(recommender):
    model = recommender().fit(sparse.csr_matrix((0, 6), dtype=np.float32))
    assert model.recommend(np.arange(0), 2).indptr.tolist() == [0]
    assert np.isfinite(model.scores(np.array([0]), sparse.csr_matrix(np.array([[1.0, 0, 0, 0, 0, 0]])))).all()


def test_a_single_item_can_be_ranked(recommender):
    one = sparse.csr_matrix(np.array([[1.0], [0.0], [1.0]]))
    assert recommender().fit(one).recommend(np.array([1]), 1).ids.tolist() == [0]


def test_fitting_leaves_the_counts_alone(recommender):
    matrix = checkerboard(missing=0.3)
    before = matrix.data.tobytes()
    recommender().fit(matrix)
    assert matrix.data.tobytes() == before


@pytest.mark.parametrize("wrong", [np.nan, -1.0, np.inf])
def test_a_weight_that_is_no_amount_is_refused_with_its_place(recommender, wrong):
    matrix = checkerboard()
    matrix.data[21] = wrong
    with pytest.raises(ContractError, match=r"1 weights are NaN.*for customer 1 and item 3; leave out"):
        recommender().fit(matrix)
    model = recommender().fit(checkerboard())
    with pytest.raises(ContractError, match=r"weights are NaN, infinite or negative"):
        model.scores(np.arange(40), matrix)


def test_pairs_given_twice_are_added_up(recommender):
    matrix = checkerboard(missing=0.3)
    pairs = matrix.tocoo()
    twice = sparse.csr_matrix(matrix.shape, dtype=np.float32)
    halves = np.concatenate([pairs.data / 2, pairs.data / 2])
    order = np.argsort(np.concatenate([pairs.row, pairs.row]), kind="stable")
    twice.data, twice.indices = halves[order], np.concatenate([pairs.col, pairs.col])[order].astype(np.int32)
    twice.indptr = matrix.indptr * 2
    users = np.arange(40)
    np.testing.assert_array_equal(
        recommender().fit(twice).scores(users, twice), recommender().fit(matrix).scores(users, matrix)
    )
    assert twice.nnz == 2 * matrix.nnz


def test_stored_zeros_are_as_if_they_were_not_there(recommender):
    matrix = checkerboard(missing=0.3)
    zeros = matrix + sparse.csr_matrix(([1.0], ([0], [1])), shape=matrix.shape, dtype=np.float32)
    zeros[0, 1] = 0.0
    assert zeros.nnz == matrix.nnz + 1
    users = np.arange(40)
    np.testing.assert_array_equal(
        recommender().fit(zeros).scores(users, zeros), recommender().fit(matrix).scores(users, matrix)
    )


def test_items_that_were_not_fitted_are_refused(recommender):
    model = recommender().fit(checkerboard())
    with pytest.raises(ContractError, match=r"shape \(1, 41\) for 1 users and the 40 items"):
        model.scores(np.array([0]), sparse.csr_matrix((1, 41), dtype=np.float32))
    with pytest.raises(ContractError, match=r"one row per user"):
        model.scores(np.array([0, 1]), sparse.csr_matrix((1, 40), dtype=np.float32))


@pytest.mark.parametrize("stranger", [40, -1])
def test_customers_that_were_not_fitted_are_pointed_to_scores(recommender, stranger):
    model = recommender().fit(checkerboard())
    with pytest.raises(ContractError, match=rf"users \[{stranger}\] are no rows.*top_n\(model.scores"):
        model.recommend(np.array([0, stranger]), 3)
    assert model.scores(np.array([40]), checkerboard()[[0]]).shape == (1, 40)


def test_a_row_is_short_when_more_is_asked_than_there_is(recommender):
    model = recommender().fit(checkerboard(missing=0.3))
    assert np.diff(model.recommend(np.array([0, 1]), 100).indptr).tolist() == [40, 40]
    with pytest.raises(ContractError, match="at least one"):
        model.recommend(np.array([0]), 0)


def test_eligibility_of_other_customers_is_refused(recommender):
    model = recommender().fit(checkerboard())
    with pytest.raises(ContractError, match="3 rows of eligibility for 2 users; give one each"):
        model.recommend(np.array([0, 1]), 3, pack(np.ones((3, 40), bool)))


def test_the_order_of_those_asked_for_changes_no_score(recommender):
    matrix = checkerboard(missing=0.3)
    model = recommender().fit(matrix)
    users = np.random.default_rng(0).permutation(40)
    together = model.scores(np.arange(40), matrix)
    np.testing.assert_allclose(model.scores(users, matrix[users]), together[users], rtol=1e-4, atol=1e-5)


def test_anything_that_is_not_a_sparse_matrix_of_items_is_refused(recommender):
    with pytest.raises(ContractError, match=r"this is ndarray of shape \(3, 3\)"):
        recommender().fit(np.eye(3))
    with pytest.raises(ContractError, match="at least one item"):
        recommender().fit(sparse.csr_matrix((3, 0), dtype=np.float32))


def test_any_sparse_form_and_number_type_is_read(recommender):
    matrix = checkerboard(missing=0.3)
    users = np.arange(40)
    plain = recommender().fit(matrix).scores(users, matrix)
    wide = matrix.copy()
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    for other in (matrix.tocoo(), matrix.astype(np.float64), matrix.astype(np.int64), sparse.csr_array(matrix), wide):
        model = recommender().fit(other)
        np.testing.assert_array_equal(model.scores(users, other), plain)
        assert len(model.recommend(users, 2).ids) == 80


@given(st.integers(1, 8), st.integers(1, 6), st.integers(0, 2**31), st.integers(1, 9))
@settings(max_examples=25, deadline=None)
def test_popularity_never_recommends_what_is_not_eligible(customers, items, seed, n):
    rng = np.random.default_rng(seed)
    matrix = sparse.csr_matrix((rng.random((customers, items)) < 0.4).astype(np.float32))
    mask = rng.random((customers, items)) < 0.5
    for name in ("popularity", "group_popularity", "cosine", "ease"):
        ranking = RECOMMENDERS[name]().fit(matrix).recommend(np.arange(customers), n, pack(mask))
        assert mask[np.repeat(np.arange(customers), np.diff(ranking.indptr)), ranking.ids].all()


def test_popularity_counts_customers_not_visits():
    visits = sparse.csr_matrix(np.array([[9, 1, 0], [0, 1, 2], [0, 1, 1]]))
    ranking = Popularity().fit(visits).recommend(np.array([0, 2]), 3)
    assert ranking.ids.tolist() == [1, 2, 0, 1, 2, 0]
    assert ranking.scores.tolist() == [3, 2, 1, 3, 2, 1]


def test_a_group_of_two_leans_on_everybody_as_the_prior_says():
    """Three of four took item 0; in the group of two both did: (2 + 2 · 3/6) / (2 + 2)."""
    takes = sparse.csr_matrix(np.array([[1, 0], [1, 0], [1, 1], [0, 1]]))
    model = GroupPopularity(np.array([7, 7, 9, 9]), strength=2.0).fit(takes)
    assert model.rates(np.array([7])).tolist() == [[0.75, pytest.approx(1 / 6)]]
    assert model.scores(np.array([0, 2]), takes[[0, 2]])[:, 0].tolist() == [0.75, 0.5]


def test_a_segment_leans_on_its_scene_and_the_scene_on_everybody():
    takes = sparse.csr_matrix(np.array([[1], [1], [0], [0]]))
    codes = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    model = GroupPopularity(codes, strength=1.0).fit(takes)
    everybody, scene = 2 / 5, (2 + 2 / 5) / 3
    assert model.rates(np.array([[0, 1]])).item() == pytest.approx((1 + scene) / 2)
    assert model.rates(np.array([[0, 5]])).item() == pytest.approx(scene)
    assert model.rates(np.array([[0, -1]])).item() == pytest.approx(scene)
    assert model.rates(np.array([[4, 0]])).item() == pytest.approx(everybody)
    assert model.rates(np.array([[-1, -1]])).item() == pytest.approx(everybody)


def test_new_customers_of_unknown_group_are_offered_what_everybody_takes():
    takes = sparse.csr_matrix(np.array([[1, 0], [1, 0], [1, 0], [0, 1]]))
    model = GroupPopularity(np.array([0, 0, 0, 1]), strength=1.0).fit(takes)
    new = model.scores(np.array([99]), sparse.csr_matrix((1, 2), dtype=np.float32))
    assert new.tolist() == [[pytest.approx(3 / 5), pytest.approx(1 / 5)]]


def test_groups_that_do_not_fit_are_refused():
    takes = sparse.csr_matrix(np.eye(3))
    with pytest.raises(ContractError, match=r"groups of shape \(2,\).*for 3 customers"):
        GroupPopularity(np.array([0, 1])).fit(takes)
    with pytest.raises(ContractError, match="whole numbers"):
        GroupPopularity(np.array([0.0, 1.0, 2.0])).fit(takes)
    with pytest.raises(SettingsError, match="strength is 0"):
        GroupPopularity(strength=0).fit(takes)
    with pytest.raises(ContractError, match="2 levels of groups, fitted on 1"):
        GroupPopularity().fit(takes).rates(np.zeros((1, 2), np.int64))


def test_als_finds_the_blocks_of_a_checkerboard():
    full, seen = checkerboard(), checkerboard(missing=0.3)
    hidden = full - seen
    model = AlternatingLeastSquares(factors=2, regularization=1.0).fit(seen)
    scores = model.scores(np.arange(40), seen)
    scores[seen.toarray() > 0] = -np.inf
    hidden_items = hidden.toarray() > 0
    other_items = full.toarray() == 0
    assert all(scores[i, hidden_items[i]].min() > scores[i, other_items[i]].max() for i in range(40))


def test_als_folds_in_all_customers_at_once_as_one_by_one():
    matrix = checkerboard(missing=0.3)
    model = AlternatingLeastSquares(factors=4).fit(matrix)
    together = model.fold_in(matrix)
    apart = np.vstack([model.fold_in(matrix[[i]]) for i in range(matrix.shape[0])])
    np.testing.assert_allclose(together, apart, rtol=1e-5, atol=1e-7)


def test_als_with_another_seed_is_another_model():
    matrix = checkerboard(missing=0.3)
    one, other = (AlternatingLeastSquares(factors=4, seed=seed).fit(matrix).item_factors_ for seed in (0, 1))
    assert (one != other).any()


@pytest.mark.data
def test_every_model_beats_popularity_on_what_people_watch_later(datasets):
    """MovieLens 100K, cut in time: learned before, judged on titles first watched after (people known before)."""
    import pandas as pd

    seen = pd.read_parquet(datasets / "ml100k" / "inter.parquet").astype(float)
    cut = seen["timestamp"].quantile(0.8)
    shape = (int(seen["user_id"].max()) + 1, int(seen["item_id"].max()) + 1)

    def counts(rows):
        codes = (rows["user_id"].astype(int), rows["item_id"].astype(int))
        return sparse.csr_matrix((np.ones(len(rows), np.float32), codes), shape=shape)

    train, test = counts(seen[seen["timestamp"] < cut]), counts(seen[seen["timestamp"] >= cut])
    known = np.flatnonzero(np.diff(train.indptr) > 0)
    train, test = train[known], test[known]
    quality = {
        name: evaluate(RECOMMENDERS[name]().fit(train), train, test, 10, mask_seen=True)
        for name in ("popularity", "als", "ease", "ials", "walk")
    }
    assert quality["popularity"].customers > 100
    for name in ("als", "ease", "ials", "walk"):
        assert quality[name].ndcg > 1.05 * quality["popularity"].ndcg, name
