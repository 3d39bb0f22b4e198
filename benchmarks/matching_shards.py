"""A plan of ten million customers from shards on disk: CPU, memory, certificate and an independent recount (synthetic).

python -m benchmarks.matching_shards                       # ten shards of a million; 4 GB of disk
python -m benchmarks.matching_shards --shards 2            # two of them
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures import Comparison, Part
from benchmarks.harness import CACHE, Side, compare, python_side
from benchmarks.matching_problems import BUDGET, LOSS, OFFERS, Made, kept, limits_of, read
from benchmarks.matching_sides import PLAN, forget_peak, megabytes, precisely
from benchmarks.report import Report, markdown
from scenefit.contracts.errors import ScenefitError

NAME, OURS = "matching_shards", "shards"
SHARDS, EACH = 10, 1_000_000
# other people of the same kind: values of a shard stand this far, as standard deviation of their logarithm, from others
APART = 0.1
GOAL_GAP = 1e-6


def report(repeats: int | None = None, shards: int = SHARDS, each: int = EACH) -> Report:
    """One plan over all shards in a process of its own."""
    found = compared(shards, each, repeats or 1)
    return Report(NAME, "the best plan from shards on disk (synthetic problems)", (found,), (), (finding(found),))


def compared(shards: int, each: int, rounds: int) -> Comparison:
    """The plan over shards that are written before the clock starts."""
    kept(each)
    write(shards, each)
    name = f"a plan from {shards} shards, {shards * each:,} × {OFFERS}"
    return compare(name, [side(shards, each)], rounds)


def side(shards: int, each: int) -> Side:
    """One plan over all shards."""
    return python_side(OURS, "benchmarks.matching_shards:planned", {"shards": shards, "each": each})


def shard_of(base: Made, number: int) -> Made:
    """People drawn from a problem, with values of their own; the offers and their costs are the same everywhere."""
    r = np.random.default_rng([7, number])
    n = len(base.values)
    row = r.integers(0, n, n)
    values = base.values[row]
    values *= np.exp(np.float32(APART) * r.standard_normal(values.shape, dtype=np.float32))
    return base._replace(
        values=values, cost=base.cost[row], loss=base.loss[row], eligible=base.eligible[row], group=base.group[row]
    )


def write(shards: int, each: int) -> list[Path]:
    """Folders of the shards in the cache; those that are there stay."""
    from recsys.match_shard import write_shard
    from recsys.ranking import pack

    paths = [CACHE / f"matching-shards-{each}" / str(number) for number in range(shards)]
    missing = [number for number, path in enumerate(paths) if not (path / "done").is_file()]
    base = read(kept(each)) if missing else None
    for number in missing:
        assert base is not None
        one = shard_of(base, number)
        write_shard(paths[number], one.values, pack(one.eligible), limits_of(one))
        (paths[number] / "done").touch()
    return paths


def planned(shards: int, each: int) -> dict[str, Any]:
    """The plan, its certificate, what it took, and a recount from the shards' people."""
    from recsys.match_shards import solve_shards

    base = read(kept(each))
    limits, paths = limits_of(base), write(shards, each)
    totals = [shards * limit.total for limit in limits]
    names = [limit.name for limit in limits]
    senses = [limit.sense for limit in limits]
    del base, limits
    parts: list[Part] = []
    before = megabytes("VmRSS")
    forget_peak()
    with precisely(PLAN, parts):
        plan = solve_shards(paths, totals, backend="local", cores=1)
    peak = megabytes("VmHWM")
    start = time.perf_counter()
    value, used, barred = recounted(shards, each)
    over = [
        (used[name] - total if sense == "<=" else total - used[name]) / max(1.0, abs(total))
        for name, sense, total in zip(names, senses, totals, strict=True)
    ]
    return {
        "parts": [list(part) for part in parts],
        "gap": (plan.upper_bound - value) / abs(plan.upper_bound),
        "broken": barred + int((np.array(over) > 1e-9).sum()),
        "peak_mb": peak - before,
        "disk_mb": sum(file.stat().st_size for path in paths for file in path.iterdir()) / 2**20,
        "offered": plan.offered,
        "recount_s": time.perf_counter() - start,
    }


def recounted(shards: int, each: int) -> tuple[float, dict[str, float], int]:
    """Value, use of every limit and pairs that are not eligible, added up from the people alone."""
    base = read(kept(each))
    value, barred = 0.0, 0
    used = {limit.name: 0.0 for limit in limits_of(base)}
    for number, path in enumerate(write(shards, each)):
        one, plan = shard_of(base, number), np.load(path / "plan.npy")
        who = np.flatnonzero(plan >= 0)
        offer = plan[who]
        value += float(one.values[who, offer].sum(dtype=np.float64))
        barred += int((~one.eligible[who, offer]).sum())
        used[BUDGET] += float(one.cost[who, offer].sum(dtype=np.float64))
        used[LOSS] += float(one.loss[who, offer].sum(dtype=np.float64))
        for j, count in enumerate(np.bincount(offer, minlength=OFFERS)):
            used[f"capacity {j}"] += float(count)
        for g, count in enumerate(np.bincount(one.group[who], minlength=len(one.floor))):
            used[f"reach of group {g}"] += float(count)
    return value, used, barred


def finding(found: Comparison) -> str:
    """Gap, CPU-seconds and memory, or the refusal to print any.

    Raises
    ------
    ScenefitError : the plan breaks a limit.
    """
    answers = [measured.answer for measured in found.of(OURS)]
    if any(answer["broken"] for answer in answers):
        raise ScenefitError(f"matching: the recount finds broken limits or rules in {found.name}; no figures")
    gap, cpu, first = max(answer["gap"] for answer in answers), found.cpu(OURS, PLAN), answers[0]
    seconds = float("nan") if cpu is None else cpu.median
    return (
        f"{found.name}: certified gap {gap:.1e} (goal ≤ {GOAL_GAP:g}: {'kept' if gap <= GOAL_GAP else 'missed'}), no "
        f"limit broken by an independent recount, {first['offered']:,} offers, {seconds:.1f} CPU-s of one process, "
        f"{first['peak_mb']:,.0f} MB at most, pages of its {first['disk_mb']:,.0f} MB of files included"
    )


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.matching_shards", description=__doc__)
    parser.add_argument("--shards", type=int, default=SHARDS)
    parser.add_argument("--each", type=int, default=EACH)
    asked = parser.parse_args()
    command = f"python -m benchmarks.matching_shards --shards {asked.shards} --each {asked.each}"
    print(markdown(report(None, asked.shards, asked.each), command))


if __name__ == "__main__":
    main()
