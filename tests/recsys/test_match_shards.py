"""A plan over shards on disk is the plan of everybody at once."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from recsys.limits import Limit, broken
from recsys.match_shard import write_shard
from recsys.match_shards import solve_shards
from recsys.problem import Problem
from recsys.ranking import pack
from scenefit.contracts.errors import ContractError, Infeasible, StoreError


def crowd(n=12_000, m=8, seed=0):
    """Values (float32) with a budget, capacities, floors by group, a count within a group and one by person."""
    rng = np.random.default_rng(seed)
    p = 0.2 * rng.random((n, m)) ** 3
    cost = (0.05 + p * rng.integers(0, 30, m)).astype(np.float32)
    values = (p * rng.integers(50, 300, m) - cost).astype(np.float32)
    group = rng.integers(0, 4, n)
    limits = [
        Limit("budget", "<=", 0.3 * n, cost),
        *(Limit(f"capacity {j}", "<=", n // 20, np.eye(m)[[j]]) for j in range(3)),
        *(Limit(f"reach {g}", ">=", n // 40, np.ones((1, 1)), group == g) for g in range(4)),
        Limit("two offers there", "<=", n // 100, (np.arange(m) < 2).astype(float)[None, :], group == 1),
        Limit("visits", "<=", 0.4 * n, 0.5 + np.arange(n)[:, None] % 3),
    ]
    return values, pack(rng.random((n, m)) < 0.6), limits


def part(limit, rows):
    """A limit for some customers."""
    weight = limit.weight if limit.weight.shape[0] == 1 else limit.weight[rows]
    return replace(limit, weight=weight, where=None if limit.where is None else limit.where[rows])


def written(folder, values, eligible, limits, shards):
    edges = np.linspace(0, len(values), shards + 1).astype(int)
    return [
        write_shard(folder / f"shard{k}", values[r], eligible[r], [part(x, r) for x in limits])
        for k, r in enumerate(slice(a, b) for a, b in itertools.pairwise(edges))
    ]


@pytest.mark.parametrize("shards", [1, 3])
def test_the_plan_of_the_shards_is_worth_what_the_plan_of_everybody_is(tmp_path, shards):
    values, eligible, limits = crowd()
    folders = written(tmp_path, values, eligible, limits, shards)
    found = solve_shards(folders, [limit.total for limit in limits])
    whole = Problem(values, eligible, limits).solve()
    assert found.upper_bound == pytest.approx(whole.upper_bound, rel=1e-6)
    assert found.value == pytest.approx(whole.value, rel=1e-5)
    assert 0 <= found.gap < 1e-5
    plan = np.concatenate([np.load(folder / "plan.npy") for folder in folders])
    assert not broken(plan, limits)
    who = np.flatnonzero(plan >= 0)
    assert values[who, plan[who]].sum(dtype=float) == pytest.approx(found.value)
    assert (found.customers, found.offered) == (len(values), len(who))
    for limit in limits:
        assert found.usage[limit.name] == pytest.approx(whole.usage[limit.name], rel=1e-2, abs=5)


def test_the_same_shards_give_the_same_bytes(tmp_path):
    values, eligible, limits = crowd(6_000)
    folders = written(tmp_path, values, eligible, limits, 3)
    totals = [limit.total for limit in limits]
    first = solve_shards(folders, totals), [(f / "plan.npy").read_bytes() for f in folders]
    second = solve_shards(folders, totals, cores=1), [(f / "plan.npy").read_bytes() for f in folders]
    assert first == second


def test_limits_that_cannot_be_met_over_all_shards_are_named(tmp_path):
    values, eligible, limits = crowd(6_000)
    folders = written(tmp_path, values, eligible, limits, 2)
    totals = [limit.total for limit in limits]
    totals[0], totals[4:8] = 10.0, [1_000.0] * 4
    with pytest.raises(Infeasible, match=r"'(budget|reach 0)' .* would have to move by"):
        solve_shards(folders, totals)


def test_shards_that_do_not_belong_together_are_refused(tmp_path):
    values, eligible, limits = crowd(400)
    folders = written(tmp_path, values, eligible, limits, 2)
    with pytest.raises(ContractError, match="9 totals for 10 limits"):
        solve_shards(folders, [1.0] * 9)
    with pytest.raises(ContractError, match="no shards"):
        solve_shards([], [])
    described = json.loads((folders[1] / "shard.json").read_text("utf8"))
    (folders[1] / "shard.json").write_text(json.dumps({**described, "limits": []}), "utf8")
    with pytest.raises(ContractError, match="shard shard1 has other limits than shard0"):
        solve_shards(folders, [limit.total for limit in limits])
    (folders[1] / "shard.json").unlink()
    with pytest.raises(StoreError, match="a shard cannot be read"):
        solve_shards(folders, [limit.total for limit in limits])
    bad = values.copy()
    bad[3, 1] = np.nan
    with pytest.raises(ContractError, match="a value in s is not finite"):
        write_shard(tmp_path / "s", bad, eligible, limits)


def test_a_shard_that_lost_an_array_says_so(tmp_path):
    values, eligible, limits = crowd(400)
    folders = written(tmp_path, values, eligible, limits, 2)
    (folders[0] / "values.npy").unlink()
    with pytest.raises(StoreError, match="the shard shard0 cannot be read"):
        solve_shards(folders, [limit.total for limit in limits])


@pytest.mark.ray
def test_shards_on_ray_give_the_same_bytes_as_here(tmp_path):
    from scenefit.runtime.parallel import stop_ray

    values, eligible, limits = crowd(4_000)
    folders = written(tmp_path, values, eligible, limits, 2)
    totals = [limit.total for limit in limits]
    here = solve_shards(folders, totals), [(f / "plan.npy").read_bytes() for f in folders]
    try:
        there = solve_shards(folders, totals, backend="ray"), [(f / "plan.npy").read_bytes() for f in folders]
    finally:
        stop_ray()
    assert here == there
