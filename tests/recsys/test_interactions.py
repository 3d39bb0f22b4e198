"""As-of cuts of behaviour and takes, checked against counting one by one."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.interactions import Interactions, Takes, microseconds
from scenefit.contracts.errors import ContractError

DAY = pd.Timedelta(days=1)
START = pd.Timestamp("2026-01-01", tz="UTC")
UNTIL = START + 12 * DAY
EVENTS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 11)), max_size=25)


def at(days):
    return microseconds(START) + np.asarray(days, dtype=np.int64) * microseconds(pd.Timestamp(0) + DAY)


def interactions(events):
    who, what, days = (np.array([e[i] for e in events], dtype=np.int64) for i in range(3))
    return Interactions(["a", "b", "c", "d"], ["x", "y", "z"], who, what, at(days), UNTIL)


@given(EVENTS, st.integers(0, 12), st.none() | st.integers(0, 12), st.none() | st.lists(st.integers(0, 3), max_size=6))
def test_a_matrix_counts_what_happened_since_and_before(events, before, since, rows):
    counted = np.zeros((4, 3))
    for who, what, day in events:
        counted[who, what] += (since is None or since <= day) and day < before
    wanted = None if rows is None else np.array(rows, dtype=int)
    found = interactions(events).matrix(START + before * DAY, None if since is None else START + since * DAY, wanted)
    np.testing.assert_array_equal(found.toarray(), counted if wanted is None else counted[wanted])


def test_the_order_of_events_does_not_matter():
    events = [(0, 1, 5), (2, 0, 3), (0, 1, 1), (3, 2, 8)]
    one, other = interactions(events), interactions(events[::-1])
    assert (one.matrix(UNTIL) != other.matrix(UNTIL)).nnz == 0


def test_the_future_is_refused():
    with pytest.raises(ContractError, match=r"1 events at or after 2026-01-13.*cut the events first"):
        interactions([(0, 0, 3), (1, 1, 12)])


@given(EVENTS, st.integers(0, 12), st.lists(st.integers(0, 3), max_size=5))
def test_what_was_held_is_what_was_taken_before(events, before, rows):
    events = sorted(events, key=lambda e: e[2])
    who, what, days = (np.array([e[i] for e in events], dtype=np.int64) for i in range(3))
    takes = Takes(who, what, at(days), np.ones(len(events), dtype=bool))
    counted = np.zeros((4, 3))
    for customer, product, day in events:
        counted[customer, product] += day < before
    wanted = np.array(rows, dtype=int)
    np.testing.assert_array_equal(takes.held(START + before * DAY, wanted, 4, 3), counted[wanted])


@given(EVENTS, st.integers(0, 12), st.integers(0, 12), st.data())
def test_distinct_draws_of_a_window_are_half_open_and_leave_accounts_out(events, start, end, data):
    events = sorted(events, key=lambda e: e[2])
    drawn = np.array([data.draw(st.booleans()) for _ in events], dtype=bool)
    who, what, days = (np.array([e[i] for e in events], dtype=np.int64) for i in range(3))
    expected = sorted({(w, p) for (w, p, d), yes in zip(events, drawn, strict=True) if yes and start <= d < end})
    found = Takes(who, what, at(days), drawn).between(START + start * DAY, START + end * DAY)
    assert list(zip(*(side.tolist() for side in found), strict=True)) == expected


def test_takes_out_of_order_are_refused():
    with pytest.raises(ContractError, match="not sorted by time"):
        Takes(np.zeros(2, int), np.zeros(2, int), np.array([2, 1]), np.ones(2, bool))
