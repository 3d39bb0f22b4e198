"""Sentences and tables drawn from measurements, by hand; equal results recognised."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from benchmarks import ray, run
from benchmarks.figures import Comparison, Measurement, Part
from benchmarks.fingerprint import fingerprint
from scenefit.contracts.errors import ScenefitError


def a_run(wall, cpu, peak, **steps):
    manifest = {"metrics": {"plan": {"offered": 1234}}}
    return Measurement("x", wall, cpu, peak, (), {"timings": {"seconds": steps}, "manifest": manifest})


def test_growth_is_told_against_linear():
    wall, cpu, peak = run.growth([a_run(10, 20, 1000)], [a_run(44, 100, 2000)], 4)
    assert wall == "4 × the customers: 10 → 44 s wall, 4.40 × (1.10 × linear; goal ≤ 1.2 ×: kept)"
    assert cpu == "4 × the customers: 20 → 100 s CPU, 5.00 × (1.25 × linear; goal ≤ 1.2 ×: missed)"
    assert peak == "4 × the customers: 1,000 → 2,000 MB peak memory, 2.00 × (0.50 × linear)"


def test_steps_stand_beside_what_lies_outside_of_them():
    measured = {
        10_000: [a_run(5, 5, 1, clean=1.0, plan=3.0)],
        50_000: [a_run(11, 5, 1, clean=2.0, plan=8.0), a_run(13, 5, 1, clean=4.0, plan=8.0)],
        200_000: [a_run(30, 5, 1, clean=12.0, plan=16.0)],
    }
    table = run.step_table(measured)
    assert table.header == ("step, wall s", "10 k", "50 k", "200 k", "200 k ÷ 50 k", "× linear")
    assert table.rows == (
        ("plan", "3.00", "8.00", "16.00", "2.0", "0.50"),
        ("clean", "1.00", "3.00", "12.00", "4.0", "1.00"),
        (run.OUTSIDE, "1.00", "1.00", "2.00", "2.0", "0.50"),
    )
    assert run.planned(measured).endswith("10 k: 1,234, 50 k: 1,234, 200 k: 1,234")


def test_steps_that_outgrow_the_customers_are_named():
    middle, large = [a_run(5, 5, 1, clean=1.0, plan=2.0)], [a_run(20, 5, 1, clean=5.0, plan=8.0)]
    assert run.steeper(middle, large, 4) == "Steps that grow faster than 1.2 × linear: clean (+4.0 s)"
    assert run.steeper(middle, middle, 4) == "Steps that grow faster than 1.2 × linear: none"


def against(local, ray_seconds, start):
    rounds = tuple(
        (
            Measurement("local", 9, 9, 9, (Part("tasks", mine, None),), {}),
            Measurement("ray", 9, 9, 9, (Part("Ray start-up", start, None), Part("tasks", theirs, None)), {}),
        )
        for mine, theirs in zip(local, ray_seconds, strict=True)
    )
    return Comparison("work", ("local", "ray"), ("", ""), rounds, 0, 0)


@pytest.mark.parametrize(
    ("local", "ray_seconds", "start", "sentence"),
    [
        ([10, 10], [20, 22], 4, "work: Ray loses, 2.10 × the time of threads, and its start-up of 4.0 s on top"),
        ([10, 10], [9, 11], 4, "work: a tie within the spread; Ray loses by its start-up of 4.0 s"),
        ([10, 10], [8, 8], 4, "work: Ray takes 0.80 × the time of threads, but more than threads once one adds its"),
        ([20, 20], [10, 10], 4, "work: Ray takes 0.50 × the time of threads, less than threads even with its start-up"),
    ],
)
def test_the_verdict_says_where_ray_loses(local, ray_seconds, start, sentence):
    assert ray.verdict(against(local, ray_seconds, start)).startswith(sentence)


def test_tasks_for_ray_do_what_they_say():
    rng = np.random.default_rng(0)
    assert ray.no_work(4, "local")["found"] == [0, 1, 2, 3]
    # 837,799 has the longest chain below a million: 524 steps
    assert ray._collatz(837_800, None, rng) == 524
    with pytest.raises(ValueError, match="none of"):
        ray.no_work(1, "cluster")


class Fitted:
    def __init__(self, weights):
        self.weights_ = weights


def test_equal_results_have_one_fingerprint_and_others_do_not():
    def result(last):
        frame = pd.DataFrame({"id": ["a", "b"], "p": [0.5, np.nan], "on": pd.array([True, None], dtype="boolean")})
        matrix = sparse.csr_matrix(np.array([[0.0, 1.0], [2.0, 0.0]]))
        return {"frame": frame, "model": Fitted(np.array([1.0, last])), "matrix": matrix, "names": (None, "x")}

    assert fingerprint(result(2.0)) == fingerprint(result(2.0))
    assert fingerprint(result(2.0)) != fingerprint(result(np.nextafter(2.0, 3)))


@pytest.mark.parametrize(("one", "other"), [
    (np.zeros(2), np.zeros(2, dtype=np.float32)),
    (np.zeros((2, 1)), np.zeros((1, 2))),
    ([1, [2]], [1, 2]),
    (["ab"], ["a", "b"]),
    ({"a": 1}, {"b": 1}),
])  # fmt: skip
def test_types_and_shapes_count(one, other):
    assert fingerprint(one) != fingerprint(other)


def test_a_result_that_cannot_be_read_is_refused():
    with pytest.raises(ScenefitError, match="type object cannot be compared"):
        fingerprint([object()])
