"""pysubgroup's side of the subgroup benchmark, run by the interpreter of its own environment: knows nothing of ours."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np


def main() -> None:
    """`… file depth top`: print pysubgroup's best rules by weighted relative accuracy, and the seconds, as JSON."""
    path, depth, top = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with np.load(path) as file:
        codes, outcome = file["codes"], file["outcome"]
    found, parts = searched(codes[:, :2_000], outcome[:2_000], 2, top)
    parts = [("first use", *parts[-1][1:])]
    found, searching = searched(codes, outcome, depth, top)
    print(json.dumps({"parts": [*parts, *searching], "best": found}))


def searched(codes: np.ndarray, outcome: np.ndarray, depth: int, top: int) -> tuple[list[Any], list[Any]]:
    """Best rules as [quality, [[attribute, value], …]], and seconds: depth first on bitsets, its fastest way."""
    import pandas as pd
    import pysubgroup

    frame = pd.DataFrame({f"a{i}": column for i, column in enumerate(codes)})
    frame["outcome"] = outcome
    space = [
        pysubgroup.EqualitySelector(f"a{i}", value) for i, column in enumerate(codes) for value in np.unique(column)
    ]
    task = pysubgroup.SubgroupDiscoveryTask(
        frame, pysubgroup.BinaryTarget("outcome", True), space, result_set_size=top, depth=depth,
        qf=pysubgroup.WRAccQF(),
    )  # fmt: skip
    wall, cpu = time.perf_counter(), time.process_time()
    result = pysubgroup.DFS(pysubgroup.BitSetRepresentation).execute(task)
    parts = [("masks and search", time.perf_counter() - wall, time.process_time() - cpu)]
    rules = [
        [float(quality), sorted([int(s.attribute_name[1:]), int(s.attribute_value)] for s in rule.selectors)]
        for quality, rule, _ in result.results
    ]
    return rules, parts
