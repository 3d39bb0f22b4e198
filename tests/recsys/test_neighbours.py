"""Item neighbours: by hand, against implicit's own, and where implicit breaks."""

import numpy as np
import pytest
from scipy import sparse

from recsys.neighbours import Bm25Neighbours, ItemNeighbours, TfIdfNeighbours, WalkNeighbours
from scenefit.contracts.errors import SettingsError


def visits(customers=300, items=40, seed=0):
    rng = np.random.default_rng(seed)
    touched = rng.random((customers, items)) < rng.random(items) * 0.3
    return sparse.csr_matrix((touched * rng.integers(1, 6, touched.shape)).astype(np.float32))


def test_cosine_of_two_items_by_hand():
    """Of the three who took 0 and the two who took 1, two took both: 2 / √(3 · 2)."""
    model = ItemNeighbours().fit(sparse.csr_matrix(np.array([[1, 1, 0], [1, 1, 0], [1, 0, 1]])))
    similar = model.similarity_.toarray()
    assert similar[0, 1] == pytest.approx(2 / np.sqrt(6))
    assert similar[1, 2] == 0
    assert (np.diag(similar) == 0).all()


def test_a_walk_by_hand():
    """From 0 half of the walks go to customer 0 and half of those on to 1, who has one fan: ¼, held down by 1⁰."""
    matrix = sparse.csr_matrix(np.array([[1, 1], [1, 0]]))
    similar = WalkNeighbours(alpha=1.0, beta=0.5).fit(matrix).similarity_.toarray()
    np.testing.assert_allclose(similar, [[0, 0.25], [0.5 / np.sqrt(2), 0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("ours", "theirs", "settings"),
    [
        (ItemNeighbours, "CosineRecommender", {}),
        (TfIdfNeighbours, "TFIDFRecommender", {}),
        (Bm25Neighbours, "BM25Recommender", {"K1": 1.5, "B": 0.6}),
    ],
)
@pytest.mark.filterwarnings("ignore:Method expects CSR input")
def test_similarities_are_those_of_implicit_without_the_item_itself(ours, theirs, settings):
    import implicit.nearest_neighbours as peers

    matrix = visits()
    lower = {name.lower(): value for name, value in settings.items()}
    model = ours(neighbours=100, **lower).fit(matrix)
    peer = getattr(peers, theirs)(K=100, num_threads=1, **settings)
    peer.fit(matrix, show_progress=False)
    expected = peer.similarity.toarray()
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(model.similarity_.toarray(), expected, rtol=1e-5, atol=1e-6)


def test_only_the_nearest_stay_and_ties_go_to_the_lower_id():
    together = sparse.csr_matrix(np.ones((3, 5)))
    kept = ItemNeighbours(neighbours=2).fit(together).similarity_.toarray() > 0
    assert np.argwhere(kept)[:, 1].reshape(5, 2).tolist() == [[1, 2], [0, 2], [0, 1], [0, 1], [0, 1]]


def test_blocks_of_items_change_nothing(monkeypatch):
    matrix = visits()
    whole = WalkNeighbours(neighbours=7).fit(matrix).similarity_
    monkeypatch.setattr("recsys.neighbours.CELLS", 100)
    assert (WalkNeighbours(neighbours=7).fit(matrix).similarity_ != whole).nnz == 0


def test_scores_add_up_the_history_by_weight():
    matrix = visits()
    model = Bm25Neighbours(neighbours=5).fit(matrix)
    history = sparse.csr_matrix(([2.0, 1.0], ([0, 0], [3, 4])), shape=(1, 40))
    expected = 2 * model.similarity_[[3]].toarray() + model.similarity_[[4]].toarray()
    np.testing.assert_allclose(model.scores(np.array([0]), history), expected, rtol=1e-6)


def test_items_and_customers_that_tell_nothing_stay_silent():
    """One item nobody touched, one customer who touched everything else: implicit divides by zero here."""
    matrix = sparse.csr_matrix(np.array([[1, 1, 0], [1, 0, 0], [0, 1, 0]], dtype=np.float32))
    for model in (ItemNeighbours(), TfIdfNeighbours(), Bm25Neighbours(), WalkNeighbours()):
        similar = model.fit(matrix).similarity_.toarray()
        assert np.isfinite(similar).all()
        assert not similar[2].any()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (ItemNeighbours(neighbours=0), "neighbours is 0"),
        (Bm25Neighbours(k1=0), "k1 0"),
        (Bm25Neighbours(b=1.5), r"b 1\.5"),
        (WalkNeighbours(alpha=0), "alpha 0"),
        (WalkNeighbours(beta=-1), "beta -1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(model, message):
    with pytest.raises(SettingsError, match=message):
        model.fit(visits())
