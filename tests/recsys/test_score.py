"""Offers from taste vectors: right, never ineligible, short where few are eligible, equal bytes on any thread count."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import recsys.ranking
import recsys.score
from recsys.exact import product
from recsys.ranking import Ranking, pack, top_n
from recsys.score import offers_table, rankings, schema, stream, top_offers
from scenefit.contracts.errors import ContractError


def tastes(customers, offers, seed=0, factors=8, eligible=0.5):
    rng = np.random.default_rng(seed)
    mask = rng.random((customers, offers)) < eligible
    return (
        rng.standard_normal((customers, factors), np.float32),
        rng.standard_normal((offers, factors), np.float32),
        mask,
    )


def expected(scores, mask, n):
    return [sorted(np.flatnonzero(m), key=lambda j: (-s[j], j))[:n] for s, m in zip(scores, mask, strict=True)]


def split(ranking):
    return [row.tolist() for row in np.split(ranking.ids, ranking.indptr[1:-1])]


@pytest.mark.parametrize(("offers", "n"), [(1, 1), (7, 3), (40, 10), (300, 12), (300, 20), (300, 60), (1_500, 10)])
@pytest.mark.parametrize("eligible", [0.0, 0.02, 0.5, 1.0])
def test_the_best_offers_are_those_of_a_sort(offers, n, eligible):
    customers, items, mask = tastes(90, offers, eligible=eligible)
    ranking = top_offers(customers, items, n, pack(mask))
    scores = product(customers, np.ascontiguousarray(items.T))
    assert split(ranking) == expected(scores, mask, n)
    rows = np.repeat(np.arange(90), np.diff(ranking.indptr))
    np.testing.assert_allclose(ranking.scores, scores[rows, ranking.ids], rtol=1e-5, atol=1e-6)


def test_without_eligibility_everything_is_allowed():
    customers, items, mask = tastes(50, 70)
    free, open_ = top_offers(customers, items, 5), top_offers(customers, items, 5, pack(np.ones_like(mask)))
    assert free.ids.tobytes() == open_.ids.tobytes()
    assert np.diff(free.indptr).tolist() == [5] * 50


def test_a_row_is_as_short_as_its_eligible_offers():
    customers, items, mask = tastes(30, 20)
    mask[3], mask[4] = False, False
    mask[4, 7] = True
    ranking = top_offers(customers, items, 50, pack(mask))
    assert np.diff(ranking.indptr).tolist() == mask.sum(axis=1).tolist()
    assert split(ranking)[3:5] == [[], [7]]


def test_ties_go_to_the_lower_id():
    ranking = top_offers(np.ones((1, 1)), np.array([[1.0], [2.0], [2.0], [1.0]]), 3)
    assert ranking.ids.tolist() == [1, 2, 0]


def test_threads_parts_and_order_of_customers_change_nothing(monkeypatch):
    customers, items, mask = tastes(2_000, 130)
    bits = pack(mask)
    whole = top_offers(customers, items, 10, bits)
    monkeypatch.setattr(recsys.score, "SHARE", 300)
    monkeypatch.setattr(recsys.score, "ROWS", 7)
    monkeypatch.setattr(recsys.score, "TILE", 7 * 130)
    for threads in (1, 2, 5):
        again = top_offers(customers, items, 10, bits, threads)
        assert [part.tobytes() for part in again] == [part.tobytes() for part in whole]
    order = np.random.default_rng(1).permutation(2_000)
    shuffled, rows = split(top_offers(customers[order], items, 10, bits[order])), split(whole)
    assert shuffled == [rows[i] for i in order]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_compiled_and_sorted_rows_are_the_same(data):
    shape = data.draw(st.tuples(st.integers(0, 5), st.integers(1, 150)))
    levels = st.sampled_from([-np.inf, -1.0, -0.0, 0.0, 0.5, 2.0, np.inf])
    scores = data.draw(arrays.arrays(data.draw(st.sampled_from(["f4", "f8"])), shape, elements=levels))
    mask, n = data.draw(arrays.arrays(bool, shape)), data.draw(st.integers(1, 160))
    eligible = data.draw(st.sampled_from([None, pack(mask)]))
    found = []
    for cells in (0, 10**9):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(recsys.ranking, "COMPILED", cells)
            found.append(top_n(scores, n, eligible))
    assert [(part.dtype, part.tolist()) for part in found[0]] == [(part.dtype, part.tolist()) for part in found[1]]


@pytest.mark.parametrize("frozen", [True, False])
def test_compiled_rows_of_broadcast_or_read_only_arrays(monkeypatch, frozen):
    scores, bits = np.broadcast_to(np.arange(200.0), (40, 200)), pack(tastes(40, 200)[2])
    bits.flags.writeable = not frozen
    slow = top_n(scores, 7, bits)
    monkeypatch.setattr(recsys.ranking, "COMPILED", 0)
    monkeypatch.setattr(recsys.ranking, "COPIED", 1_000)
    assert [part.tobytes() for part in top_n(scores, 7, bits)] == [part.tobytes() for part in slow]


def test_wide_rows_with_many_ties_are_sorted_rightly(monkeypatch):
    monkeypatch.setattr(recsys.ranking, "COMPILED", 0)
    scores = np.random.default_rng(0).integers(0, 4, (30, 5_000)).astype(np.float32)
    mask = np.random.default_rng(1).random((30, 5_000)) < 0.3
    assert split(top_n(scores, 10, pack(mask))) == expected(scores, mask, 10)


def no_forbidden(rows, seed, n=3, offers=33):
    """Rows ranked, of which none may hold an ineligible offer, and none may be shorter than it could be."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2**offers, (rows, 1), dtype=np.uint64) & rng.integers(
        0, 2**offers, (rows, 1), dtype=np.uint64
    )
    bits &= rng.integers(0, 2**offers, (rows, 1), dtype=np.uint64)
    customers, items = rng.standard_normal((rows, 4), np.float32), rng.standard_normal((offers, 4), np.float32)
    ranking = top_offers(customers, items, n, bits, threads=2)
    counts = np.diff(ranking.indptr)
    word = np.repeat(bits[:, 0], counts)
    assert ((word >> ranking.ids.astype(np.uint64)) & np.uint64(1)).all()
    np.testing.assert_array_equal(counts, np.minimum(np.bitwise_count(bits[:, 0]), n))
    return rows, int((counts < n).sum())


def test_a_million_rows_hold_nothing_ineligible():
    rows, short = no_forbidden(1_000_000, seed=0)
    assert (rows, short > 10_000) == (1_000_000, True)


@pytest.mark.slow
def test_ten_million_rows_hold_nothing_ineligible():
    assert sum(no_forbidden(1_000_000, seed)[0] for seed in range(10)) == 10_000_000


def test_a_stream_writes_the_rows_of_the_whole(tmp_path):
    customers, items, mask = tastes(1_000, 40, eligible=0.1)
    ids, offers = [f"c{i:04d}" for i in range(1_000)], [f"p{j:02d}" for j in range(40)]
    bits = pack(mask)
    path = tmp_path / "offers.parquet"
    with pq.ParquetWriter(path, schema(ids, offers)) as writer:
        written = stream(rankings(customers, items, 5, bits, chunk=300), writer, ids, offers)
    table, whole = pq.read_table(path), offers_table(top_offers(customers, items, 5, bits), 0, ids, offers)
    assert written == table.num_rows == whole.num_rows
    assert table.equals(whole)
    first = table.slice(0, 5).to_pandas()
    assert first["rank"].tolist()[:2] == [1, 2]
    assert (first["customer_id"] == "c0000").sum() == min(5, mask[0].sum())


def test_any_models_scores_can_be_streamed(tmp_path):
    scores = np.random.default_rng(0).random((10, 4))
    path = tmp_path / "offers.parquet"
    with pq.ParquetWriter(path, schema()) as writer:
        stream((top_n(scores[start : start + 4], 2) for start in range(0, 10, 4)), writer)
    table = pq.read_table(path)
    assert table.schema.types == [pa.int64(), pa.int32(), pa.int32(), pa.float32()]
    assert table["customer_id"].to_pylist() == np.repeat(np.arange(10), 2).tolist()
    assert table["offer_id"].to_pylist() == top_n(scores, 2).ids.tolist()


@pytest.mark.parametrize(
    ("customers", "items", "n", "eligible", "message"),
    [
        (np.ones((2, 3)), np.ones((4, 2)), 1, None, "a vector each, of equal length"),
        (np.ones((2, 3)), np.ones((4, 3)), 0, None, "n is 0"),
        (np.ones((2, 3)), np.ones((4, 3)), 1, pack(np.ones((3, 4), bool)), "3 rows of eligibility for 2 customers"),
        (np.ones((2, 3)), np.ones((4, 3)), 1, np.ones((2, 2), np.uint64), "1 words per row"),
        (np.array([[1.0], [np.nan]]), np.ones((4, 1)), 1, None, "offer 0 for customer 1 is NaN"),
        (np.array([[1.0], [np.inf]]), np.array([[1.0], [0.0]]), 1, None, "offer 1 for customer 1 is NaN"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in matmul")
def test_what_does_not_fit_is_refused(customers, items, n, eligible, message):
    with pytest.raises(ContractError, match=message):
        top_offers(customers, items, n, eligible)


def test_more_customers_than_ids_are_refused():
    with pytest.raises(ContractError, match="customer 1 is ranked, but there are 1 ids"):
        offers_table(Ranking(np.array([0, 1, 2]), np.array([0, 0]), np.ones(2)), 0, ["a"])


def test_nobody_and_no_offer():
    assert top_offers(np.ones((0, 3)), np.ones((4, 3)), 2).indptr.tolist() == [0]
    assert top_offers(np.ones((2, 3)), np.ones((0, 3)), 2).indptr.tolist() == [0, 0, 0]
