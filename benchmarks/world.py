"""Making a synthetic world of 10,000 and 50,000 customers: time, memory, room on disk."""

from __future__ import annotations

import shutil
from functools import partial

from benchmarks.figures import Comparison
from benchmarks.harness import CACHE, Side, check_same, compare
from benchmarks.report import Report
from benchmarks.workspaces import world_command

SIZES = (10_000, 50_000)
GOAL = 20.0  # wall seconds for 50,000 customers on two cores


def report(repeats: int | None = None) -> Report:
    """Worlds of 10 k and 50 k customers, in turns."""
    found = compare("scenefit world", [side(size) for size in SIZES], repeats or 3)
    for name in found.sides:
        # equal fingerprints: every round wrote the same bytes
        check_same(found.of(name), lambda answer: answer["fingerprint"])
    return Report("world", "what making a synthetic world costs", (found,), (), findings(found))


def side(customers: int) -> Side:
    """`scenefit world` into an empty workspace."""
    folder = CACHE / "world" / str(customers)
    prepare = partial(shutil.rmtree, folder, ignore_errors=True)
    return Side(f"{customers // 1000} k customers", world_command(folder, customers), prepare)


def findings(found: Comparison) -> tuple[str, ...]:
    """The goal of the largest size, how cost grows, and how much was written."""
    small, large = found.sides[0], found.sides[-1]
    wall, ratio = found.wall(large).median, found.ratio(large, small)
    sentences = [f"{large}: {wall:.1f} s wall; goal ≤ {GOAL:g} s: {'kept' if wall <= GOAL else 'missed'}"]
    if ratio is not None:
        sentences.append(f"{SIZES[-1] / SIZES[0]:g} × the customers cost {ratio.median:.1f} × the wall time")
    for size, name in zip(SIZES, found.sides, strict=True):
        rows = sum(found.of(name)[0].answer["rows"].values())
        folder = CACHE / "world" / str(size)
        room = sum(file.stat().st_size for file in folder.rglob("*.parquet")) / 1e6
        events = found.of(name)[0].answer["rows"]["events"] / size
        sentences.append(f"{name}: {rows:,} rows, {events:.1f} events a customer, {room:.0f} MB on disk")
    return tuple(sentences)
