"""Sums over rounds: medians, spreads and ratios by hand."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figures import WHOLE, Comparison, Measurement, Part, ratio, spread, timed
from benchmarks.processes import Stat, family, stat


def measured(side, wall, cpu=None, parts=()):
    return Measurement(side, wall, wall if cpu is None else cpu, 100.0, tuple(parts), {})


def two_rounds():
    rounds = (
        (
            measured("threads", 2.0, 4.0, [Part("tasks", 1.0, 2.0)]),
            measured("ray", 6.0, 5.0, [Part("tasks", 2.0, 3.0)]),
        ),
        (
            measured("threads", 4.0, 8.0, [Part("tasks", 3.0, 6.0)]),
            measured("ray", 4.0, 9.0, [Part("tasks", 3.0, None)]),
        ),
    )
    return Comparison("map", ("threads", "ray"), ("python a", "python b"), rounds, 0.5, 1.5)


def test_a_spread_is_median_lowest_highest():
    assert spread([5.0, 1.0, 2.0, 4.0]) == (3.0, 1.0, 5.0)


@given(st.lists(st.floats(0.001, 1e6), min_size=1))
def test_the_median_lies_inside_the_spread(values):
    found = spread(values)
    assert found.low <= found.median <= found.high


def test_ratios_are_taken_round_by_round():
    # medians alone would say 5 / 3; the second round met a slower machine on both sides
    assert two_rounds().ratio("ray", "threads") == (2.0, 1.0, 3.0)
    assert ratio([2.0], [0.0]) is None


def test_parts_stand_beside_the_whole_process():
    found = two_rounds()
    assert found.parts("ray") == ["tasks", WHOLE]
    assert found.wall("ray", "tasks") == (2.5, 2.0, 3.0)
    assert found.wall("ray") == (5.0, 4.0, 6.0)
    assert found.cpu("threads") == (6.0, 4.0, 8.0)
    assert found.peak("ray") == (100.0, 100.0, 100.0)


def test_a_figure_that_a_round_lacks_gives_no_ratio():
    assert two_rounds().ratio("ray", "threads", "tasks", "cpu") is None
    assert two_rounds().ratio("ray", "threads", "tasks", "wall") == (1.5, 1.0, 2.0)


def test_a_timed_part_knows_wall_from_cpu():
    parts = []
    with timed("waiting", parts):
        time.sleep(0.1)
    with timed("working", parts):
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass
    waiting, working = parts
    assert (waiting.name, working.name) == ("waiting", "working")
    assert waiting.wall >= 0.1
    assert waiting.cpu < 0.06
    assert working.cpu == pytest.approx(0.1, abs=0.04)  # the clock of other processes ticks at 10 ms


def test_a_process_name_may_hold_spaces_and_parentheses():
    line = "42 (ray::work) (x) R 7 42 42 0 -1 4194304 1 2 3 4 300 100 50 25 20 0 9 0 12345 1 1"
    assert stat(line) == Stat(42, 7, 12345, pytest.approx(4.0), pytest.approx(0.75))


def test_a_family_is_a_process_and_all_below_it():
    table = {pid: Stat(pid, parent, 0, 0.0, 0.0) for pid, parent in {1: 0, 2: 1, 3: 2, 4: 1, 5: 3, 9: 8}.items()}
    assert [p.pid for p in family([2], table)] == [2, 3, 5]
    assert [p.pid for p in family([2, 3, 77], table)] == [2, 3, 5]
