"""The contract that every recommender keeps, and the known answers of each."""

import numpy as np
import pytest
from scipy import sparse
from threadpoolctl import threadpool_limits

from recsys.evaluate import evaluate
from recsys.models import RECOMMENDERS, AlternatingLeastSquares, Popularity
from recsys.ranking import pack
from scenefit.contracts.errors import NotFitted


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


def test_gives_equal_bytes_on_any_number_of_threads_and_again(recommender):
    matrix = sparse.random_array((3000, 400), density=0.02, rng=np.random.default_rng(0), format="csr", dtype="f4")
    matrix = sparse.csr_matrix(matrix)
    answers = []
    for threads in (1, 2, 2):
        with threadpool_limits(threads):
            answers.append(recommender().fit(matrix).scores(np.arange(3000), matrix).tobytes())
    assert answers[0] == answers[1] == answers[2]


def test_customers_without_history_get_an_answer(recommender):
    matrix = checkerboard().tolil()
    matrix[3] = 0
    matrix = sparse.csr_matrix(matrix)
    scores = recommender().fit(matrix).scores(np.array([3]), matrix[[3]])
    assert np.isfinite(scores).all()


def test_nobody_did_anything(recommender):
    nothing = sparse.csr_matrix((4, 6), dtype=np.float32)
    assert recommender().fit(nothing).recommend(np.arange(4), 2).ids.tolist() == [0, 1] * 4


def test_fitting_leaves_the_counts_alone(recommender):
    matrix = checkerboard(missing=0.3)
    before = matrix.data.tobytes()
    recommender().fit(matrix)
    assert matrix.data.tobytes() == before


def test_popularity_counts_customers_not_visits():
    visits = sparse.csr_matrix(np.array([[9, 1, 0], [0, 1, 2], [0, 1, 1]]))
    ranking = Popularity().fit(visits).recommend(np.array([0, 2]), 3)
    assert ranking.ids.tolist() == [1, 2, 0, 1, 2, 0]
    assert ranking.scores.tolist() == [3, 2, 1, 3, 2, 1]


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
def test_als_beats_popularity_on_what_people_watch_later(datasets):
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
    popular, als = (
        evaluate(model.fit(train), train, test, 10, mask_seen=True)
        for model in (Popularity(), AlternatingLeastSquares(regularization=50.0))
    )
    assert als.customers == popular.customers > 100
    assert als.ndcg > 1.1 * popular.ndcg
