"""Computing features from raw tables: how time and memory grow to 1,000,000 customers and 20 M events."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from benchmarks.figures import Measurement, Part, timed
from benchmarks.harness import measure, python_side
from benchmarks.report import Table
from benchmarks.workspaces import from_root, world

SIZES = (50_000, 200_000, 1_000_000)
MEMORY_GOAL = 6 * 1024  # MB
FIRST, NEXT = "first day, all views", "one more day"


def growth() -> tuple[Table, tuple[str, ...]]:
    """One day of all views from nothing, then one more day, by size."""
    measured = {size: measure(_side(size)) for size in SIZES}
    smallest = measured[SIZES[0]]
    rows = []
    for size, found in measured.items():
        first, more = _part(found, FIRST), _part(found, NEXT)
        linear = first.wall / _part(smallest, FIRST).wall / (size / SIZES[0])
        rows.append((
            f"{size:,}", f"{found.answer['events']:,}", f"{found.answer['rows']:,}", f"{first.wall:.1f}",
            f"{first.cpu or 0:.1f}", f"{more.wall:.1f}", f"{found.peak:,.0f}", f"{linear:.2f}",
        ))  # fmt: skip
    header = (
        "customers",
        "events",
        "feature rows",
        f"{FIRST}, wall s",
        "CPU s",
        f"{NEXT}, wall s",
        "peak MB",
        "× linear",
    )
    peak = measured[SIZES[-1]].peak
    kept = "kept" if peak <= MEMORY_GOAL else "missed"
    return (
        Table("Features of one day, computed from raw tables (once per size)", header, tuple(rows)),
        (f"{SIZES[-1]:,} customers: peak memory {peak / 1024:.1f} GiB; goal ≤ {MEMORY_GOAL // 1024} GiB: {kept}",),
    )


def build(workspace: str) -> dict[str, Any]:
    """All views at the end of the data, then a week earlier."""
    import pandas as pd

    from feature_repo import history
    from scenefit.runtime.workspace import Workspace

    place = Workspace(Path(workspace))
    shutil.rmtree(place.features, ignore_errors=True)
    dataset = place.dataset()
    parts: list[Part] = []
    with timed(FIRST, parts):
        rows = history.build(place, [dataset.until], threads=2)
    with timed(NEXT, parts):
        history.build(place, [dataset.until - pd.Timedelta(days=1)], threads=2)
    return {"parts": parts, "rows": sum(rows.values()), "events": dataset.rows["events"]}


def _side(size: int) -> Any:
    return python_side(f"{size:,}", "benchmarks.features_build:build", {"workspace": from_root(world(size))})


def _part(found: Measurement, name: str) -> Part:
    part = found.part(name)
    assert part is not None, "the side tells both parts"
    return part
