"""The sweep over k at 1,000,000 customers against four ways of doing it with scikit-learn; and Ray against threads."""

from __future__ import annotations

from typing import Any

from benchmarks.figures import Comparison, Spread
from benchmarks.harness import Side, compare, python_side
from benchmarks.report import Report, Table
from benchmarks.segmentation_sides import CORES, KS, SAMPLE, SEEDS, customers, labelings
from benchmarks.workspaces import from_root

ROWS = 1_000_000
RAY_ROWS = (250_000, 1_000_000, 4_000_000)
GOAL_SECONDS, GOAL_MB, GOAL_INERTIA, GOAL_PREDICT = 25.0, 2048.0, 1.01, 5e6
GOAL_FITS, GOAL_SILHOUETTES, GOAL_LOOP = 6.0, 40.0, 25.0
OURS, PEER = "ours", "scikit-learn"
LOOP = "loop, one seed"
STRICT = "fits from given starts"


def report(repeats: int | None = None) -> Report:
    """Equal work on a sample, whole jobs on all rows, shards on Ray; all on synthetic customers."""
    rows = customers(ROWS)
    labels = labelings(rows)
    path = from_root(rows)
    equal = compare(
        f"equal work: {len(KS)} k × {SEEDS} seeds on {SAMPLE:,} rows, {len(KS) * SEEDS} silhouettes of 10,000",
        [
            _side(OURS, "equal_work_ours", path=path, labels=from_root(labels)),
            _side(PEER, "equal_work_scikit_learn", path=path, labels=from_root(labels)),
        ],
        repeats or 1,
    )
    whole = compare(
        f"whole job: k = {KS[0]}…{KS[-1]} on {ROWS:,} rows",
        [
            _side(OURS, "sweep", path=path),
            _side("sampled loop", "sampled_loop", path=path),
            _side("MiniBatchKMeans", "mini_batches", path=path),
            _side("loop on all rows", "plain_loop", path=path),
        ],
        repeats or 1,
    )
    spread = [_on_ray(count, repeats or 1) for count in RAY_ROWS]
    return Report(
        "segmentation",
        "sweeps over k (synthetic customers)",
        (equal, whole, *spread),
        (opponents(equal, whole),),
        (*equal_findings(equal), *whole_findings(whole), ray_finding(spread)),
    )


def opponents(equal: Comparison, whole: Comparison) -> Table:
    """Seconds of each opponent for all seeds beside ours; × is opponent ÷ ours."""
    rows = []
    for part in ("fits", STRICT, "silhouettes"):
        ours, theirs = equal.wall(OURS, part).median, equal.wall(PEER, part).median
        rows.append((f"equal work: {part}", _seconds(theirs), _seconds(ours), f"{theirs / ours:.1f}", "measured"))
    ours = whole.wall(OURS, "sweep").median
    for side in whole.sides[1:]:
        once = sum(whole.wall(side, part).median for part in whole.parts(side)[:-1] if part != LOOP)
        measured = len(whole.of(side)[0].answer["silhouettes"])
        theirs = SEEDS * len(KS) / measured * whole.wall(side, LOOP).median + once
        how = f"{measured} k of one seed measured, × {SEEDS * len(KS) / measured:g}"
        rows.append((side, _seconds(theirs), _seconds(ours), f"{theirs / ours:.1f}", how))
    return Table("opponents", ("opponent", "their wall s", "our wall s", "×", "how"), tuple(rows))


def equal_findings(equal: Comparison) -> tuple[str, ...]:
    """Ratios of fits and silhouettes, and that they are as good."""
    ours, theirs = equal.of(OURS)[-1].answer, equal.of(PEER)[-1].answer
    apart = max(abs(a - b) for a, b in zip(ours["silhouettes"], theirs["silhouettes"], strict=True))
    inertia, from_starts = (
        [a / b for a, b in zip(ours[name], theirs[name], strict=True)] for name in ("inertia", "inertia_from_starts")
    )
    return (
        _times("fits of the sample, starts included", equal.ratio(PEER, OURS, "fits"), GOAL_FITS),
        _times("fits from the same given starts", equal.ratio(PEER, OURS, STRICT), GOAL_FITS),
        f"Inertia from the same starts ÷ scikit-learn's, over all fits: {min(from_starts):.6f} to "
        f"{max(from_starts):.6f}",
        _times("silhouettes", equal.ratio(PEER, OURS, "silhouettes"), GOAL_SILHOUETTES),
        f"Largest difference of a silhouette to scikit-learn's: {apart:.1e} (goal < 1e-6: {_kept(apart < 1e-6)})",
        f"Inertia of the best of {SEEDS} seeds on the sample ÷ scikit-learn's, over all k: {min(inertia):.4f} to "
        f"{max(inertia):.4f}",
    )


def whole_findings(whole: Comparison) -> tuple[str, ...]:
    """Seconds, memory, tightness and speed of labelling against the goals."""
    ours, loop = whole.of(OURS)[-1].answer, whole.of("loop on all rows")[-1].answer
    seconds, megabytes = whole.wall(OURS, "sweep").median, whole.peak(OURS).median
    ratios = {k: ours["inertia"][str(k)] / loop["inertia"][str(k)] for k in ours["tie_set"]}
    labelled = 3 * ROWS / whole.wall(OURS, "predict, 3 × all rows").median
    slower = SEEDS * whole.wall("loop on all rows", LOOP).median / seconds
    best = max(loop["silhouettes"], key=loop["silhouettes"].get)
    return (
        f"Sweep on {ROWS:,} rows: {seconds:.1f} s (goal ≤ {GOAL_SECONDS:g} s: {_kept(seconds <= GOAL_SECONDS)}), "
        f"peak {megabytes:,.0f} MB with the data (goal ≤ {GOAL_MB:,.0f}: {_kept(megabytes <= GOAL_MB)})",
        f"The loop on all rows takes {slower:.0f} × as long (one seed measured, × {SEEDS}; goal ≥ {GOAL_LOOP:g}: "
        f"{_kept(slower >= GOAL_LOOP)})",
        f"Tie set {ours['tie_set']}, chosen {ours['k']}; planted 8; the loop's one seed takes {best}",
        "Inertia on all rows ÷ the loop's: "
        + ", ".join(f"k = {k}: {ratio:.4f}" for k, ratio in ratios.items())
        + f" (goal ≤ {GOAL_INERTIA:g}: {_kept(max(ratios.values()) <= GOAL_INERTIA)})",
        f"predict labels {labelled / 1e6:.1f} M rows/s (goal ≥ {GOAL_PREDICT / 1e6:g}: "
        f"{_kept(labelled >= GOAL_PREDICT)}); the same labels as fit: {ours['predicted_as_fitted']}",
    )


def ray_finding(spread: list[Comparison]) -> str:
    """Ray's speed-up by rows, and from where it wins."""
    found = {}
    for rows, comparison in zip(RAY_ROWS, spread, strict=True):
        answers = [{k: v for k, v in m.answer.items() if k != "parts"} for m in comparison.rounds[-1]]
        same = "equal segments" if answers[0] == answers[1] else "DIFFERENT segments"
        ratio = comparison.wall("threads", "fit").median / comparison.wall("ray", "fit").median
        found[rows] = (ratio, same)
    wins = [rows for rows, (ratio, _) in found.items() if ratio > 1]
    told = ", ".join(f"{rows:,} rows: {ratio:.2f} × ({same})" for rows, (ratio, same) in found.items())
    where = f"it wins from {min(wins):,} rows" if wins else "it wins at none of these sizes"
    return f"Ray on {CORES} workers against {CORES} threads of one process, start-up left out: {told}; {where}"


def _on_ray(rows: int, repeats: int) -> Comparison:
    path = from_root(customers(rows))
    return compare(
        f"shards of {rows:,} rows, k = 8",
        [
            _side(name, "sharded", path=path, rows=rows, backend=backend)
            for name, backend in (("threads", "local"), ("ray", "ray"))
        ],
        repeats,
    )


def _side(name: str, function: str, **arguments: Any) -> Side:
    return python_side(name, f"benchmarks.segmentation_sides:{function}", arguments)


def _times(what: str, ratio: Spread | None, goal: float) -> str:
    if ratio is None:
        return f"{what}: no ratio"
    kept = _kept(ratio.median >= goal)
    return f"scikit-learn takes {ratio.median:.1f} × our time for the {what} (goal ≥ {goal:g}: {kept})"


def _seconds(value: float) -> str:
    return f"{value:,.1f}" if value >= 10 else f"{value:.2f}"


def _kept(kept: bool) -> str:
    return "kept" if kept else "missed"
