"""A rule of seven edited at 1,000,000 customers, and the overlap of 200 stored audiences of 10,000,000 ids."""

from __future__ import annotations

from typing import Any

from benchmarks.audiences_sides import AT_ONCE, AUDIENCES, CORES, EVERY, stored
from benchmarks.figures import Comparison
from benchmarks.harness import Side, compare, python_side
from benchmarks.report import Report, Table
from benchmarks.workspaces import from_root

ROWS, ROUNDS = 1_000_000, 5
IDS = 10_000_000
GOAL_EDIT, GOAL_DUCKDB, GOAL_POLARS = 0.010, 50.0, 10.0
GOAL_OVERLAP, GOAL_MB = 2.0, 300.0
OURS, PEERS, PLAIN = "ours", ("DuckDB", "Polars"), "DuckDB, 14 counts"


def report(repeats: int | None = None) -> Report:
    """Edits by three engines in one process, overlap of all pairs, and of some pairs by three ways; synthetic data."""
    folder = from_root(stored(IDS))
    edits = compare(
        f"rule edits: 7 rules, {ROWS:,} customers, waterfall and leave-one-out (seconds per edit)",
        [_side("edits", "edits", rows=ROWS, rounds=ROUNDS)],
        repeats or 3,
    )
    whole = compare(
        f"overlap of {AUDIENCES} audiences of {IDS:,} ids", [_side(OURS, "overlap", folder=folder)], repeats or 3
    )
    some = compare(
        f"overlap of every {EVERY}th of these audiences", [_side("pairs", "overlap_part", folder=folder)], repeats or 1
    )
    return Report(
        "audiences",
        "edited rules and many audiences (synthetic customers)",
        (edits, whole, some),
        (edit_table(edits), pair_table(some)),
        (*edit_findings(edits), overlap_finding(whole)),
    )


def edit_table(edits: Comparison) -> Table:
    """Milliseconds per edit of each engine; × is engine ÷ ours, both in the same process."""
    rows = [
        (name, *(f"{1000 * _part(edits, name, figure):.2f}" for figure in ("wall", "cpu")),
         *("" if name == OURS else f"{_times(edits, name, figure):.1f}" for figure in ("wall", "cpu")))
        for name in (OURS, *PEERS, PLAIN)
    ]  # fmt: skip
    title = f"one edit: the same 14 counts ({AT_ONCE} edits at a time, in turns; {CORES} threads for the peers)"
    return Table(title, ("engine", "wall ms", "CPU ms", "wall ×", "CPU ×"), tuple(rows))


def pair_table(some: Comparison) -> Table:
    """Seconds of some pairs by each way; × is the way ÷ ours."""
    pairs = some.of("pairs")[0].answer["pairs"]
    rows = [
        (name, f"{_part(some, name, 'wall', 'pairs'):.3f}", f"{_part(some, name, 'cpu', 'pairs'):.3f}",
         "" if name == OURS else f"{_times(some, name, 'wall', 'pairs'):.0f}")
        for name in (OURS, "NumPy", "Polars")
    ]  # fmt: skip
    return Table(f"the same {pairs} pairs", ("way", "wall s", "CPU s", "wall ×"), tuple(rows))


def edit_findings(edits: Comparison) -> tuple[str, ...]:
    """The time of an edit and its ratios against the goals."""
    wall, cpu = _part(edits, OURS, "wall"), _part(edits, OURS, "cpu")
    sentences = [
        f"One edit at {ROWS:,} customers: {1000 * wall:.2f} ms ({1000 * cpu:.2f} ms CPU; goal ≤ "
        f"{1000 * GOAL_EDIT:g} ms: {_kept(wall <= GOAL_EDIT)})"
    ]
    for name, goal in zip(PEERS, (GOAL_DUCKDB, GOAL_POLARS), strict=True):
        times = _times(edits, name, "cpu")
        sentences.append(
            f"{name} takes {times:.1f} × the CPU seconds and {_times(edits, name, 'wall'):.1f} × the wall time "
            f"(goal ≥ {goal:g} × CPU: {_kept(times >= goal)}); same counts"
        )
    plain = f"Written as fourteen filtered counts, DuckDB takes {_times(edits, PLAIN, 'cpu'):.0f} × the CPU seconds"
    return (*sentences, f"{plain}; its ratio above is that of its fastest form, grouped by which conditions hold")


def overlap_finding(whole: Comparison) -> str:
    """Seconds and memory of the overlap matrix against the goals."""
    found, peak = whole.of(OURS)[0].answer, whole.peak(OURS).median
    wall = whole.wall(OURS, "overlap").median
    return (
        f"Overlap of {found['pairs']:,} pairs with {found['members'] / 1e6:.0f} M members: {wall:.2f} s "
        f"(goal ≤ {GOAL_OVERLAP:g}: {_kept(wall <= GOAL_OVERLAP)}), peak {peak:,.0f} MB of the whole process "
        f"(goal ≤ {GOAL_MB:,.0f}: {_kept(peak <= GOAL_MB)})"
    )


def _side(name: str, function: str, **arguments: Any) -> Side:
    return python_side(name, f"benchmarks.audiences_sides:{function}", arguments)


def _part(comparison: Comparison, name: str, figure: str, side: str | None = None) -> float:
    measure = comparison.wall if figure == "wall" else comparison.cpu
    found = measure(side or comparison.sides[0], name)
    return 0.0 if found is None else found.median


def _times(comparison: Comparison, name: str, figure: str, side: str | None = None) -> float:
    return _part(comparison, name, figure, side) / max(_part(comparison, OURS, figure, side), 1e-9)


def _kept(kept: bool) -> str:
    return "kept" if kept else "missed"
