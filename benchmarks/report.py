"""A benchmark's figures as Markdown, as JSON and as a section of docs/benchmarks.md."""

from __future__ import annotations

import dataclasses
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.figures import Comparison, Spread
from scenefit.contracts.errors import ScenefitError


class Table(NamedTuple):
    """Rows of ready text under a title."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Report:
    """What one benchmark found: comparisons, tables drawn from them, and sentences that follow."""

    name: str
    title: str
    comparisons: tuple[Comparison, ...]
    tables: tuple[Table, ...]
    findings: tuple[str, ...]


def markdown(report: Report, command: str) -> str:
    """The report as a section of Markdown."""
    lines = [f"## {report.name}: {report.title}", "", f"    {command}", ""]
    lines += [f"- {finding}" for finding in report.findings]
    for comparison in report.comparisons:
        lines += ["", *_table(figures(comparison))]
    for table in report.tables:
        lines += ["", *_table(table)]
    return "\n".join([*lines, "", machine_line(report), ""])


def figures(comparison: Comparison) -> Table:
    """Seconds and memory of every side and part; × is against the first side, round by round."""
    first = comparison.sides[0]
    rows = []
    for side in comparison.sides:
        for part in comparison.parts(side):
            whole = part == comparison.parts(side)[-1]
            against = [
                "" if side == first else _times(comparison.ratio(side, first, part, figure))
                for figure in ("wall", "cpu")
            ]
            rows.append((
                side, part, seconds(comparison.wall(side, part)), seconds(comparison.cpu(side, part)),
                megabytes(comparison.peak(side)) if whole else "", *against,
            ))  # fmt: skip
    header = ("side", "part", "wall s", "CPU s", "peak MB", "wall ×", "CPU ×")
    rounds = len(comparison.rounds)
    return Table(f"{comparison.name} ({rounds} {'round' if rounds == 1 else 'rounds'})", header, tuple(rows))


def document(reports: Sequence[Report], command: str) -> dict[str, Any]:
    """The reports for machines: every single measurement, and the sums over rounds."""
    return {"command": command, "machine": machine(), "reports": [_plain(report) for report in reports]}


def machine() -> dict[str, Any]:
    """What the figures depend on: cores, architecture, Python."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "system": platform.system(),
    }


def machine_line(report: Report) -> str:
    """Machine and load in one sentence, and a warning when others were at work."""
    facts = machine()
    loads = ", ".join(f"{c.name}: {c.load_before:.1f} → {c.load_after:.1f}" for c in report.comparisons)
    most = max((load for c in report.comparisons for load in (c.load_before, c.load_after)), default=0.0)
    # sides keep every core busy themselves; what goes beyond is somebody else's
    busy = (
        " **Others were at work: wall times are too long and ratios of them uncertain.**"
        if most > facts["cores"] + 1
        else ""
    )
    return (
        f"{facts['cores']} cores ({facts['architecture']}), Python {facts['python']}. "
        f"Load of the machine before → after (1 minute): {loads}.{busy}"
    )


def replace_section(page: Path, name: str, text: str) -> None:
    """Put a benchmark's section between its two markers in a page.

    Raises
    ------
    ScenefitError : the page has no such markers.
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    whole = page.read_text("utf8")
    if whole.count(begin) != 1 or whole.count(end) != 1 or whole.index(begin) > whole.index(end):
        raise ScenefitError(
            f"{page.name}: add the lines {begin} and {end}, once and in this order, to hold the section"
        )
    inside = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    page.write_text(inside.sub(lambda _: f"{begin}\n{text.strip()}\n{end}", whole), "utf8")


def seconds(found: Spread | None) -> str:
    """Median seconds with lowest and highest.

    >>> seconds(Spread(2.0, 1.0, 3.0)), seconds(Spread(0.0123, 0.0123, 0.0123))
    ('2.00 (1.00–3.00)', '0.012')
    """
    if found is None:
        return ""
    digits = 3 if found.median < 1 else 2 if found.median < 10 else 1
    return _with_range(found, digits)


def megabytes(found: Spread) -> str:
    """Median megabytes with lowest and highest.

    >>> megabytes(Spread(1200.4, 1199.9, 1301.0))
    '1,200 (1,200–1,301)'
    """
    return _with_range(found, 0)


def _times(found: Spread | None) -> str:
    return "" if found is None else _with_range(found, 2)


def _with_range(found: Spread, digits: int) -> str:
    median, low, high = (f"{value:,.{digits}f}" for value in found)
    return median if low == high else f"{median} ({low}–{high})"


def _table(table: Table) -> list[str]:
    return [
        f"**{table.title}**",
        "",
        "| " + " | ".join(table.header) + " |",
        "|" + "|".join(["---"] * len(table.header)) + "|",
        *("| " + " | ".join(row) + " |" for row in table.rows),
    ]


def _plain(report: Report) -> dict[str, Any]:
    return {
        "name": report.name,
        "title": report.title,
        "findings": list(report.findings),
        "comparisons": [_figures(comparison) for comparison in report.comparisons],
        "tables": [table._asdict() for table in report.tables],
    }


def _figures(comparison: Comparison) -> dict[str, Any]:
    first = comparison.sides[0]
    sides = {}
    for side, command in zip(comparison.sides, comparison.commands, strict=True):
        parts = {}
        for part in comparison.parts(side):
            found = {"wall": comparison.wall(side, part), "cpu": comparison.cpu(side, part)}
            for figure in ("wall", "cpu"):
                found[f"{figure}_ratio"] = comparison.ratio(side, first, part, figure)
            parts[part] = {name: value._asdict() if value else None for name, value in found.items()}
        measured = [dataclasses.asdict(m) for m in comparison.of(side)]
        for one in measured:
            one.pop("answer")
            one["parts"] = [part._asdict() for part in one["parts"]]
        sides[side] = {"command": command, "parts": parts, "peak_mb": comparison.peak(side)._asdict(), "runs": measured}
    load = {"before": comparison.load_before, "after": comparison.load_after}
    return {"name": comparison.name, "first": first, "load": load, "sides": sides}
