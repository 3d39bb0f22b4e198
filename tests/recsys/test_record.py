"""A customer's own record with offers: only what was known when the next one began."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recsys.record import Offers, own_record

DAY = 86_400_000_000


def offers():
    """Customer 0 took one of two letters on day 4, customer 1 took a call on day 12, when day 10 is asked for."""
    who, kind = np.array([0, 0, 1, 0, 1]), np.array([0, 0, 1, 1, 1])
    starts, closes = np.array([0, 5, 2, 10, 10]) * DAY, np.array([6, 20, 9, 30, 30]) * DAY
    return Offers(who, kind, starts, closes, np.array([4, np.inf, 12, np.inf, np.inf]) * DAY)


def test_the_record_by_hand():
    first, second = own_record(offers(), np.array([3, 4]), kinds=2)
    rate = 1 / 3
    np.testing.assert_allclose(first, [2, 1, (1 + rate / 2) / 2.5, 6, 1, 2, 1, 0, 0])
    np.testing.assert_allclose(second, [1, 0, (rate / 2) / 1.5, np.nan, 0, 0, 0, 1, 0])


@given(st.integers(0, 4), st.floats(10, 99))
def test_nothing_after_its_start_changes_a_record(row, day):
    made = offers()
    later = np.where(made.took >= 10 * DAY, day * DAY, made.took)
    before = own_record(made, np.array([3, 4]), 2)
    np.testing.assert_array_equal(before, own_record(made._replace(took=later), np.array([3, 4]), 2))
    assert np.isfinite(own_record(made, np.array([row]), 2)[:, :3]).all()
