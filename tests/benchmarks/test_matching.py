"""The matching benchmark recounts plans by itself; hand-made lists keep their limits; findings say what is kept."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.figures import Comparison, Measurement, Part
from benchmarks.matching import IPM, IPM_VERTEX, OURS, PLAN, again_findings, exact_finding, whole_finding
from benchmarks.matching_hands import Known, Room, by_take_rate, by_value, by_value_per_cost
from benchmarks.matching_peers import linear_programme
from benchmarks.matching_problems import kept, limits_of, made, read, recounted
from benchmarks.matching_shards import shard_of
from benchmarks.matching_sides import COLD, FRONTIER, LESS, MORE
from benchmarks.matching_value import judged, world
from scenefit.contracts.errors import ScenefitError

# two offers, three people: offer 0 may be made once
KNOWN = Known(
    chance=np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.3]]),
    value=np.array([[5.0, 1.0], [9.0, 2.0], [1.0, 3.0]]),
    cost=np.array([[1.0, 1.0], [9.0, 1.0], [1.0, 1.0]]),
    loss=np.zeros((3, 2)),
    allowed=np.ones((3, 2), bool),
    group=np.array([0, 0, 1]),
)


def room(budget=100.0, floor=(0, 0), capacity=(1, 3)):
    return Room(np.array(capacity), budget, 1.0, np.array(floor))


def test_a_problem_has_36_limits_and_is_the_same_from_its_file(tmp_path):
    again = read(kept(300, tmp_path))
    assert len(limits_of(again)) == 36
    assert all(np.array_equal(a, b) for a, b in zip(again, made(300), strict=True))


def test_the_recount_finds_what_is_broken():
    problem = made(300)
    nothing = recounted(problem, np.full(300, -1))
    assert (nothing.value, nothing.broken) == (0.0, int((problem.floor > 0).sum()))
    barred = np.full(300, -1)
    who = int(np.flatnonzero(~problem.eligible[:, 3])[0])
    barred[who] = 3
    assert recounted(problem, barred).broken == nothing.broken + 1
    everybody = recounted(problem, np.zeros(300, int))
    assert everybody.worst == pytest.approx((300 - problem.capacity[0]) / problem.capacity[0])


def test_the_peers_solve_the_programme_that_is_recounted():
    problem = made(200)
    worth, upper, rows = linear_programme(problem._asdict())
    assert rows.shape == (36 + 200, int(problem.eligible.sum()))
    plan = np.where(problem.eligible.any(axis=1), problem.eligible.argmax(axis=1), -1)
    who, offer = np.nonzero(problem.eligible)
    chosen = (plan[who] == offer).astype(float)
    assert worth @ chosen == pytest.approx(recounted(problem, plan).value, rel=1e-6)
    over = (rows @ chosen > upper + 1e-9).sum()
    assert over == recounted(problem, plan).broken


def test_lists_made_by_hand_go_by_their_own_order():
    assert by_take_rate(KNOWN, room()).tolist() == [0, 1, 1]
    assert by_value(KNOWN, room()).tolist() == [1, 0, 1]


def test_value_per_cost_fills_floors_first():
    # money for one offer alone: the second group has to be reached
    assert by_value_per_cost(KNOWN, room(budget=1.0, floor=(0, 1))).tolist() == [-1, -1, 1]
    assert by_value(KNOWN, room(budget=1.0)).tolist() == [0, -1, -1]


def test_estimates_are_calibrated_and_plans_are_judged_by_the_truth():
    one = world(0, 0.5, 20_000)
    assert one.believed.chance.mean() == pytest.approx(one.true.chance.mean(), rel=0.02)
    assert one.default_believed.mean() == pytest.approx(one.default_true.mean(), rel=0.03)
    plan = np.full(20_000, -1)
    plan[:2] = 0
    found = judged(one, plan)
    assert found.profit == pytest.approx(one.true.value[:2, 0].sum())
    takes = one.true.chance[:2, 0]
    assert found.bad_rate == pytest.approx((takes * one.default_true[:2]).sum() / takes.sum())
    assert (found.offers, found.missed) == (2, 2)


def comparison(sides, answers):
    measured = tuple(
        Measurement(side, cpu, cpu, 1.0, (Part(PLAN, cpu, cpu),), answer)
        for (side, cpu), answer in zip(sides.items(), answers, strict=True)
    )
    return Comparison("x", tuple(sides), ("",) * len(sides), (measured,), 0.0, 0.0)


def test_a_broken_limit_gives_no_figures():
    fine = {"broken": 0, "gap": 2e-8, "inputs_mb": 500.0, "over_inputs_mb": 600.0}
    told = whole_finding(comparison({OURS: 6.0}, [fine]))
    assert "2.0e-08 (goal ≤ 1e-06: kept)" in told
    assert "6.0 CPU-s (goal ≤ 10: kept)" in told
    with pytest.raises(ScenefitError, match="finds 2 broken limits"):
        whole_finding(comparison({OURS: 6.0}, [fine | {"broken": 2}]))


def test_another_optimum_is_told():
    sides = {OURS: 1.0, IPM: 9.0, IPM_VERTEX: 7.0}
    answers = [
        {"bound": 100.0},
        {"status": "Optimal", "value": 100.0},
        {"status": "Optimal", "value": 99.0},
    ]
    told = exact_finding(comparison(sides, answers))
    assert "HiGHS IPM takes 9.0 × (goal ≥ 8: kept)" in told
    assert "7.0 × (goal ≥ 8: missed)" in told
    assert "1.0e-02 from our bound (goal ≤ 1e-08: missed)" in told


def test_a_frontier_is_told_beside_one_plan_from_nothing():
    def measured(**cpu):
        parts = tuple(Part(name, seconds, seconds) for name, seconds in cpu.items())
        bounds = {MORE: 100.0, LESS: 90.0}
        answer = {"broken": 0, "gaps": [1e-8], "bounds": bounds, "frontier": [[1.0, 5.0]]}
        return Measurement(OURS, 9, 9, 9, parts, answer)

    found = Comparison("x", (OURS,), ("",), ((measured(**{COLD: 2.0, MORE: 0.5, LESS: 1.0, FRONTIER: 8.0}),),), 0, 0)
    sides = (Measurement(MORE, 1, 1, 1, (), {"bound": 100.0}), Measurement(LESS, 1, 1, 1, (), {"bound": 90.0}))
    colds = Comparison("y", (MORE, LESS), ("", ""), (sides,), 0, 0)
    more, less, curve, gap = again_findings(found, colds)
    assert "0.25 × the CPU of a plan from nothing (goal ≤ 0.4: kept)" in more
    assert "0.50 × the CPU of a plan from nothing (goal ≤ 0.4: missed)" in less
    assert "4.0 × the CPU of one plan from nothing, 0.20 × for each point" in curve
    assert "largest certified gap of all re-plans 1.0e-08" in gap


def test_shards_are_other_people_under_the_same_offers():
    base = made(400)
    one, other = shard_of(base, 0), shard_of(base, 1)
    assert np.array_equal(one.values, shard_of(base, 0).values)
    assert not np.array_equal(one.values, other.values)
    assert np.array_equal(one.capacity, base.capacity)
    assert set(map(tuple, one.cost)) <= set(map(tuple, base.cost))
