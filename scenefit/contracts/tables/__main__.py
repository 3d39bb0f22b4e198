"""Print docs/tables.md: every table with its grain, key and columns."""

from __future__ import annotations

import sys

from scenefit.contracts.schema import ANY_PURPOSE, MEANING, Column, Table
from scenefit.contracts.tables import RAW, RUN

HEAD = """\
<!-- printed by `python -m scenefit.contracts.tables`; change the tables, then print this again -->

# Tables

Amounts are in the currency of the data set, rates per year, shares in [0, 1], moments in UTC with microseconds;
windows are half-open. A column may be empty only where it says so. *Purposes* are the uses a column permits: a
feature, rule, model or export that would use it for another one is refused. *Protected* columns are left out of
models by default; *personal* ones do not leave the workspace unmasked. Brackets give the smallest and largest value
allowed, both included.
"""
RAW_HEAD = """\
## Raw tables

What a workspace holds in `raw/`. An optional table may be absent; what depends on it then says so. Bad rows of an
event stream are set aside in `quarantine/` with a reason; of all other tables a bad row is refused with the whole.
"""
RUN_HEAD = """\
## Tables of a run

What `scenefit run` writes into `runs/<run id>/`, sorted by key.
"""


def document() -> str:
    """The text of docs/tables.md."""
    raw = "\n".join(map(section, RAW.values()))
    run = "\n".join(map(section, RUN.values()))
    return f"{HEAD}\n{RAW_HEAD}\n{raw}\n{RUN_HEAD}\n{run}"


def section(table: Table) -> str:
    """One table: grain, key, columns."""
    facts = [f"{table.grain[0].upper()}{table.grain[1:]}", f"key: {', '.join(f'`{name}`' for name in table.key)}"]
    if table.name in RAW:
        facts.append("optional" if table.optional else "required")
    if table.stream:
        facts.append("event stream")
    rows = "\n".join(map(_row, table.columns))
    return (
        f"### {table.name}\n\n{'; '.join(facts)}.\n\n"
        f"| column | type | unit | may be empty | allowed | marks | purposes | note |\n{'|---' * 8}|\n"
        f"{rows}\n"
    )


def _row(column: Column) -> str:
    marks = [word for word, holds in (("protected", column.protected), ("personal", column.pii)) if holds]
    purposes = "any" if column.purposes == ANY_PURPOSE else ", ".join(sorted(column.purposes))
    cells = (
        f"`{column.name}`",
        MEANING[column.kind].removeprefix("a "),
        column.unit,
        "yes" if column.nullable else "",
        _allowed(column),
        ", ".join(marks),
        purposes,
        column.note,
    )
    return f"| {' | '.join(cells)} |"


def _allowed(column: Column) -> str:
    if column.values:
        return ", ".join(f"`{value}`" for value in column.values)
    if column.low is None and column.high is None:
        return ""
    low = "" if column.low is None else f"{column.low:g}"
    high = "" if column.high is None else f"{column.high:g}"
    return f"[{low}, {high}]" if low and high else f"≥ {low}" if low else f"≤ {high}"


if __name__ == "__main__":
    sys.stdout.write(document())
