"""How well the right product is found on public data: a bank, an insurer, a grocer, and a synthetic few-offers case.

`python -m benchmarks.recsys_datasets` prints the tables; with `--page` it puts each into its own section of
docs/recommenders-data.md, and `--only NAME` measures one data set alone.
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
from benchmarks.recsys_datasets_coupons import coupons
from benchmarks.recsys_datasets_sides import few_offers, insurer, panel, takers, turns
from benchmarks.report import Report, Table, markdown, replace_section

PAGE = ROOT / "docs" / "recommenders-data.md"
NAME = "recsys_datasets"
COMMAND = "python -m benchmarks.recsys_datasets"
MEASURED: dict[str, Callable[[Path], list[list[Any]]]] = {
    "bank": panel, "insurer": insurer, "grocer, next": turns, "grocer, takers": takers,
    "grocer, coupons": coupons, "few offers": few_offers,
}  # fmt: skip
TITLES = {
    "bank": "Bank, acquirers of April 2016: MAP@7, owned products masked",
    "insurer": "Insurer, one hidden product per customer on a held-out fifth: MRR, ties in the middle",
    "grocer, next": "Grocer, categories of the last four weeks: NDCG@10",
    "grocer, takers": "Grocer, who redeems a coupon of campaigns 18 to 22",
    "grocer, coupons": "Grocer, which of the 209 coupons of campaign 18 is redeemed: NDCG@10, ties in the middle",
    "few offers": "Few offers, wide behaviour (synthetic): NDCG@10 as a share of the oracle's",
}
HEADER = ("what", "model", "mean", "spread or 95 % interval", "of")


def report(name: str) -> Report:
    """One data set, in a process of its own."""
    found = compare(TITLES[name], [side(name)], 1)
    table = Table(TITLES[name], HEADER, tuple(_row(*row) for row in found.of(name)[0].answer["rows"]))
    return Report(f"{NAME} {name}", TITLES[name], (found,), (table,), ())


def side(name: str) -> Side:
    """One data set."""
    folder = os.environ.get("SCENEFIT_DATASETS") or os.path.relpath(ROOT.parent / "shared" / "data", ROOT)
    return python_side(name, "benchmarks.recsys_datasets:measured", {"name": name, "folder": folder})


def measured(name: str, folder: str) -> dict[str, Any]:
    """Rows of what, model, figures (of seeds, or low, mean and high of an interval) and how they were drawn."""
    return {"rows": MEASURED[name](Path(folder))}


def _row(what: str, model: str, values: list[float], of: str) -> tuple[str, ...]:
    """Seeds as mean and deviation, resamples as the figure and its interval."""
    if of.startswith("customers"):
        low, figure, high = values
        return what, model, f"{figure:.4f}", f"{low:.4f} to {high:.4f}", of
    spread = f"± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
    return what, model, f"{np.mean(values):.4f}", spread, of


def main() -> int:
    """Print the sections, or put each into the page as soon as it is measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--page", action="store_true", help=f"put the tables into {PAGE.relative_to(ROOT)}")
    parser.add_argument("--only", choices=list(MEASURED), help="measure one data set alone")
    arguments = parser.parse_args()
    for name in [arguments.only] if arguments.only else MEASURED:
        text = markdown(report(name), f'{COMMAND} --only "{name}"')
        if arguments.page:
            replace_section(PAGE, f"{NAME} {name}", text)
        sys.stdout.write(f"{text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
