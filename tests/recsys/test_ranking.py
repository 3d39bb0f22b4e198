"""Ranked offers: nothing ineligible ever, short rows where few are eligible, ties to the lower id."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from recsys.ranking import pack, top_n, unpack
from scenefit.contracts.errors import ContractError

SIZES = st.tuples(st.integers(0, 6), st.integers(1, 130))


@given(st.data())
def test_no_row_holds_an_ineligible_offer_and_none_is_padded(data):
    shape = data.draw(SIZES)
    scores = data.draw(arrays.arrays(np.float64, shape, elements=st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 2.0])))
    mask = data.draw(arrays.arrays(bool, shape))
    n = data.draw(st.integers(1, 140))
    ranking = top_n(scores, n, pack(mask))
    for i in range(shape[0]):
        row = slice(ranking.indptr[i], ranking.indptr[i + 1])
        expected = sorted(np.flatnonzero(mask[i]), key=lambda j: (-scores[i, j], j))[:n]
        assert ranking.ids[row].tolist() == expected
        assert ranking.scores[row].tolist() == scores[i, expected].tolist()


def test_ties_go_to_the_lower_id():
    assert top_n(np.array([[1.0, 2.0, 2.0, 1.0]]), 3).ids.tolist() == [1, 2, 0]


def test_a_customer_with_nothing_eligible_has_an_empty_row():
    ranking = top_n(np.ones((2, 3)), 2, pack(np.array([[False] * 3, [True] * 3])))
    assert ranking.indptr.tolist() == [0, 0, 2]


def test_without_eligibility_everything_is_allowed():
    assert top_n(np.array([[3.0, 1.0, 2.0]]), 10).ids.tolist() == [0, 2, 1]


@pytest.mark.parametrize("offers", [0, 1, 63, 64, 65, 200])
def test_bits_come_back_as_they_were(offers):
    mask = np.random.default_rng(offers).random((5, offers)) < 0.5
    bits = pack(mask)
    assert bits.dtype == np.uint64
    assert bits.shape == (5, (offers + 63) // 64)
    np.testing.assert_array_equal(unpack(bits, offers), mask)


@pytest.mark.parametrize("offer", [0, 1, 7, 8, 63, 64, 65, 127, 128, 199])
def test_offer_j_is_bit_j_mod_64_of_word_j_div_64(offer):
    mask = np.zeros((1, 200), dtype=bool)
    mask[0, offer] = True
    expected = np.zeros(4, dtype=np.uint64)
    expected[offer // 64] = np.uint64(1) << np.uint64(offer % 64)
    np.testing.assert_array_equal(pack(mask)[0], expected)


@pytest.mark.parametrize(
    ("scores", "n", "eligible", "message"),
    [
        (np.ones((1, 3)), 0, None, "n is 0"),
        (np.array([[1.0, np.nan]]), 1, None, "offer 1 for customer 0 is NaN"),
        (np.ones((2, 3)), 1, pack(np.ones((1, 3), bool)), "1 rows of eligibility for 2 customers"),
        (np.ones((1, 65)), 1, pack(np.ones((1, 3), bool)), "2 words per row"),
    ],
)
def test_what_does_not_fit_is_refused(scores, n, eligible, message):
    with pytest.raises(ContractError, match=message):
        top_n(scores, n, eligible)
