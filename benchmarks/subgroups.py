"""Subgroup search against pysubgroup with the identical best rules, permutations, and the whole of the miner."""

from __future__ import annotations

from typing import Any

from benchmarks.environments import environment
from benchmarks.figures import Comparison
from benchmarks.harness import Side, check_same, compare, python_side
from benchmarks.report import Report
from benchmarks.subgroups_sides import ATTRIBUTES, VALUES, customers
from benchmarks.workspaces import from_root

PEER_PINS = ("numpy==1.26.4", "pysubgroup==0.9.0")
OURS, PEER = "ours", "pysubgroup"
SIZES = (20_000, 100_000, 1_000_000)
DEPTH, TOP = 3, 10
PERMUTED_ROWS, PERMUTATIONS = 100_000, 100
MINED_ROWS = 200_000
GOAL_SECONDS, GOAL_TIMES, GOAL_PERMUTED = 1.0, 50.0, 10.0
BOTH = "masks and search"


def report(repeats: int | None = None) -> Report:
    """The same search on both sides at three sizes; permutations and the miner alone. All customers are synthetic."""
    against = [against_pysubgroup(rows, repeats) for rows in SIZES]
    permuted = compare(
        f"{PERMUTATIONS} permutations, {PERMUTED_ROWS:,} rows, depth {DEPTH}",
        [_side("permutations", PERMUTED_ROWS, depth=DEPTH, times=PERMUTATIONS)],
        repeats or 3,
    )
    mined = compare(f"the miner on {MINED_ROWS:,} rows, depth 2", [_side("mined", MINED_ROWS, depth=2)], repeats or 3)
    findings = [*(finding(one, rows) for one, rows in zip(against, SIZES, strict=True)), search_finding(against[-1])]
    findings += [permuted_finding(permuted), mined_finding(mined)]
    return Report("subgroups", "subgroup search (synthetic customers)", (*against, permuted, mined), (),
                  tuple(findings))  # fmt: skip


def against_pysubgroup(rows: int, repeats: int | None) -> Comparison:
    """Both sides on the same file; the best rules and their quality must be the same.

    Raises
    ------
    ScenefitError : the peer's environment cannot be made, or the rules differ.
    """
    path = from_root(customers(rows))
    code = "from benchmarks.subgroups_peer import main; main()"
    python = str(environment("pysubgroup", PEER_PINS))
    sides = [
        _side("best", rows, depth=DEPTH, top=TOP),
        Side(PEER, (python, "-c", code, path, str(DEPTH), str(TOP))),
    ]
    # the peer takes half a minute for a million rows, and its time varies little
    found = compare(
        f"{rows:,} rows × {ATTRIBUTES * VALUES} selectors, depth {DEPTH}, best {TOP} by WRAcc",
        sides,
        repeats or (3 if rows < SIZES[-1] else 1),
    )
    check_same([measured for round_ in found.rounds for measured in round_], best_told)
    return found


def best_told(answer: dict[str, Any]) -> list[Any]:
    """Rules with their quality to twelve digits, as both sides must tell them."""
    return [[round(quality, 12), rule] for quality, rule in answer["best"]]


def finding(found: Comparison, rows: int) -> str:
    """How many times our CPU seconds the peer takes, masks included."""
    ratio, wall = found.ratio(PEER, OURS, BOTH, "cpu"), found.ratio(PEER, OURS, BOTH)
    if wall is None:
        return f"{rows:,} rows: our side is too quick for the clock"
    if ratio is None:
        return (
            f"{rows:,} rows: pysubgroup takes {wall.median:.0f} × our wall time (our CPU time is below the step of the "
            f"clock); the best {TOP} are identical"
        )
    goal = f", goal ≥ {GOAL_TIMES:g}: {_kept(ratio.median >= GOAL_TIMES)}" if rows == SIZES[-1] else ""
    return (
        f"{rows:,} rows: pysubgroup takes {ratio.median:.0f} × our CPU time ({wall.median:.0f} × wall{goal}); "
        f"the best {TOP} are identical"
    )


def search_finding(found: Comparison) -> str:
    """Seconds of the search after packing at the largest size."""
    seconds, rules = found.wall(OURS, "search after packing").median, found.of(OURS)[-1].answer["rules"]
    every = found.wall(OURS, "every rule after packing").median
    return (
        f"{SIZES[-1]:,} rows × {ATTRIBUTES * VALUES} selectors, depth {DEPTH}, after packing: {seconds:.2f} s for the "
        f"best {TOP}, {every:.2f} s for the counts of all {rules:,} rules (goal < {GOAL_SECONDS:g} s: "
        f"{_kept(max(seconds, every) < GOAL_SECONDS)})"
    )


def permuted_finding(found: Comparison) -> str:
    """Seconds of the permutations."""
    seconds, answer = found.wall(OURS, f"{PERMUTATIONS} permutations").median, found.of(OURS)[-1].answer
    return (
        f"{PERMUTATIONS} Westfall–Young permutations, {PERMUTED_ROWS:,} rows, {answer['rules']:,} rules: "
        f"{seconds:.1f} s (goal ≤ {GOAL_PERMUTED:g}: {_kept(seconds <= GOAL_PERMUTED)}); a rule needs "
        f"p ≤ {answer['critical']:.1e}, by Bonferroni {0.05 / answer['rules']:.1e}"
    )


def mined_finding(found: Comparison) -> str:
    """Seconds of the whole fit."""
    answer = found.of(OURS)[-1].answer
    return (
        f"SubgroupMiner.fit on {MINED_ROWS:,} rows: {found.wall(OURS, 'fit').median:.1f} s, {answer['tried']:,} rules "
        f"tried, {answer['confirmed']} confirmed"
    )


def _side(function: str, rows: int, **arguments: Any) -> Side:
    asked = {"path": from_root(customers(rows)), **arguments}
    return python_side(OURS, f"benchmarks.subgroups_sides:{function}", asked)


def _kept(kept: bool) -> str:
    return "kept" if kept else "missed"
