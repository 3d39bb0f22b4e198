"""Heat maps of the segments of the public data sets, as pictures for docs/segments.md.

`python -m benchmarks.segments_plots` writes docs/images/segments_NAME.png.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.harness import ROOT
from benchmarks.segments_tables import TABLES

IMAGES = ROOT / "docs" / "images"
# beyond this a colour says no more
LIMIT = 1.5
LONGEST = 16


def heat(name: str, folder: Path) -> pd.DataFrame:
    """Distance from the base in standard deviations: features by segments, the most telling features first."""
    from segmentation.columns import in_days
    from segmentation.encoders import CustomerEncoder
    from segmentation.profile import profiles
    from segmentation.sweep import SegmentSweep

    customers = TABLES[name](folder)
    sweep = SegmentSweep().fit(CustomerEncoder(as_of=customers.as_of).fit_transform(customers.frame))
    frame = customers.frame if customers.as_of is None else in_days(customers.frame, customers.as_of)
    table = profiles(frame, sweep.labels_, name)
    called = table["name_en"].str.replace(", ", ",\n")
    sizes = table["size"].map(lambda size: f"{size:,} customers")
    table["segment"] = table["segment_id"] + "\n" + called + "\n" + sizes
    wide = table.pivot(index="feature", columns="segment", values="z")[table["segment"].unique()]
    return wide.loc[wide.abs().max(axis=1).sort_values(ascending=False, kind="stable").index[:LONGEST]]


def drawn(wide: pd.DataFrame, title: str) -> Any:
    """The heat map as a matplotlib figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.2 + 2.1 * wide.shape[1], 1.7 + 0.3 * len(wide)), dpi=110, layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(wide.to_numpy(), cmap="RdBu_r", vmin=-LIMIT, vmax=LIMIT, aspect="auto")
    axes.set_xticks(range(wide.shape[1]), wide.columns, fontsize=8)
    axes.set_yticks(range(len(wide)), [name.replace("_", " ") for name in wide.index], fontsize=8)
    for row, values in enumerate(wide.to_numpy()):
        for column, value in enumerate(values):
            axes.text(column, row, f"{value:+.1f}", ha="center", va="center", fontsize=7,
                      color="white" if abs(value) > 0.9 else "black")  # fmt: skip
    axes.set_title(title, fontsize=10)
    figure.colorbar(image, ax=axes, label="distance from the base, standard deviations", shrink=0.8)
    return figure


def main() -> int:
    """Write one picture per data set."""
    folder = Path(os.environ.get("SCENEFIT_DATASETS") or ROOT.parent / "shared" / "data")
    for name in TABLES:
        target = IMAGES / f"segments_{name}.png"
        # no date and no version inside: the same picture, the same bytes
        drawn(heat(name, folder), f"{name}: what sets the segments apart").savefig(target, metadata={"Software": None})
        print(target.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
