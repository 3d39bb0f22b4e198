"""The feature store against hand-written joins, raw reads and stock Feast; and how building features grows."""

from __future__ import annotations

import benchmarks.features_build as building
import benchmarks.features_offline as offline
import benchmarks.features_online as online
from benchmarks.report import Report


def report(repeats: int | None = None) -> Report:
    """All claims of the feature store."""
    joins = offline.comparisons(repeats or 5)
    served = online.comparisons(repeats or 3)
    table, growth = building.growth()
    return Report(
        "features",
        "what the feature store costs (synthetic data)",
        (*joins[:-1], *served),
        (offline.shares(joins), *online.tables(served), table),
        (*offline.findings(joins), *online.findings(served), *growth),
    )
