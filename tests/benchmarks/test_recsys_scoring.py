"""The sides of the scoring benchmark do the same work; the findings say which goals are kept."""

from __future__ import annotations

from benchmarks.figures import Comparison, Measurement, Part
from benchmarks.recsys_scoring import (
    GEMM,
    IMPLICIT,
    LIKED,
    OURS,
    WORK,
    bare_product,
    finding,
    implicit_free,
    implicit_liked,
    ours,
    streamed,
)


def test_both_sides_rank_the_same_offers():
    one, other = ours(500, 300), implicit_liked(500, 300)
    assert one["first"] == other["first"]
    assert one["sum"] == other["sum"]
    assert {side(500, 300)["parts"][-1][0] for side in (implicit_free, bare_product)} == {WORK}


def test_the_stream_writes_every_customer():
    assert streamed(2_000, 300)["rows"] == 20_000


def test_goals_stand_beside_the_ratios():
    seconds = {OURS: 1.0, LIKED: 20.0, IMPLICIT: 12.0, GEMM: 0.1}
    measured = tuple(Measurement(s, cpu, cpu, 1.0, (Part(WORK, cpu, cpu),), {}) for s, cpu in seconds.items())
    found = Comparison("x", tuple(seconds), ("",) * 4, (measured,), 0.0, 0.0)
    told = finding(found, 300)
    assert f"20.0 × {LIKED} (goal ≥ 15: kept)" in told
    assert f"12.0 × {IMPLICIT} (goal ≥ 15: missed)" in told
    assert f"0.10 × the {GEMM} (goal ≥ 0.2: missed)" in told
