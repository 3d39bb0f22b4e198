"""Recommenders against their peers: masked ranking, EASE, fold-in; and a million customers streamed to Parquet."""

from __future__ import annotations

import benchmarks.recsys_models as fitting
import benchmarks.recsys_scoring as scoring
from benchmarks.report import Report


def report(repeats: int | None = None) -> Report:
    """All speed claims of the recommenders; their accuracy stands in docs/recommenders.md."""
    scored, fitted = scoring.report(repeats), fitting.report(repeats)
    return Report(
        "recsys",
        "what recommenders cost",
        (*scored.comparisons, *fitted.comparisons),
        (*scored.tables, *fitted.tables),
        (*scored.findings, *fitted.findings),
    )
