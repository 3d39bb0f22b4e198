"""How well the right product is found on public data: a bank, an insurer, a grocer, and a synthetic few-offers case.

`python -m benchmarks.recsys_datasets` prints the tables; with `--page` it puts them into docs/recommenders-data.md.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import ROOT, Side, compare, python_side
from benchmarks.recsys_datasets_sides import few_offers, insurer, panel, takers, turns
from benchmarks.report import Report, Table, markdown, replace_section

PAGE = ROOT / "docs" / "recommenders-data.md"
NAME = "recsys_datasets"
COMMAND = "python -m benchmarks.recsys_datasets"
MEASURED: dict[str, Callable[[Path], list[list[Any]]]] = {
    "bank": panel, "insurer": insurer, "grocer, next": turns, "grocer, takers": takers, "few offers": few_offers,
}  # fmt: skip
TITLES = {
    "bank": "Bank, acquirers of April 2016: MAP@7, owned products masked",
    "insurer": "Insurer, one hidden product per customer on a held-out fifth: MRR, ties in the middle",
    "grocer, next": "Grocer, categories of the last four weeks: NDCG@10",
    "grocer, takers": "Grocer, who redeems a coupon of campaigns 18 to 22",
    "few offers": "Few offers, wide behaviour (synthetic): NDCG@10 as a share of the oracle's",
}
HEADER = ("what", "model", "mean", "spread or 95 % interval", "of")


def report(repeats: int | None = None) -> Report:
    """Every data set in a process of its own."""
    found = compare("recommenders on public data", [side(name) for name in MEASURED], repeats or 1)
    tables = tuple(_table(name, found.of(name)[0].answer["rows"]) for name in found.sides)
    return Report(NAME, "recommenders on public data", (found,), tables, ())


def side(name: str) -> Side:
    """One data set."""
    folder = os.environ.get("SCENEFIT_DATASETS") or os.path.relpath(ROOT.parent / "shared" / "data", ROOT)
    return python_side(name, "benchmarks.recsys_datasets:measured", {"name": name, "folder": folder})


def measured(name: str, folder: str) -> dict[str, Any]:
    """Rows of what, model, figures (of seeds, or low, mean and high of an interval) and how they were drawn."""
    return {"rows": MEASURED[name](Path(folder))}


def _table(name: str, rows: list[list[Any]]) -> Table:
    return Table(TITLES[name], HEADER, tuple(_row(*row) for row in rows))


def _row(what: str, model: str, values: list[float], of: str) -> tuple[str, ...]:
    """Seeds as mean and deviation, resamples as the figure and its interval."""
    if of.startswith("customers"):
        low, figure, high = values
        return what, model, f"{figure:.4f}", f"{low:.4f} to {high:.4f}", of
    spread = f"± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
    return what, model, f"{np.mean(values):.4f}", spread, of


def main() -> int:
    """Print the section, or put it into the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--page", action="store_true", help=f"put the tables into {PAGE.relative_to(ROOT)}")
    arguments = parser.parse_args()
    text = markdown(report(), COMMAND)
    if arguments.page:
        replace_section(PAGE, NAME, text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
