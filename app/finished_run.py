"""A finished run as pages and report read it: tables, names, manifest, timings. Read-only."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from scenefit.contracts.errors import StoreError
from scenefit.contracts.schema import check_arrow, frame_of
from scenefit.contracts.tables import RUN
from scenefit.runtime.store import read, read_parquet
from scenefit.runtime.workspace import Workspace

NAMES = {"scenes": "scene_id", "products": "product_id"}


@dataclass(frozen=True)
class FinishedRun:
    """What one run found, as it lies in its folder."""

    folder: Path
    manifest: dict[str, Any]
    timings: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    scenes: pd.DataFrame
    products: pd.DataFrame
    timezone: str

    @property
    def run_id(self) -> str:
        return str(self.manifest["run_id"])

    @property
    def dataset(self) -> dict[str, Any]:
        """Name, currency, synthetic or not, assumptions of the data the run read."""
        return dict(self.manifest["dataset"])

    @property
    def metrics(self) -> dict[str, Any]:
        return dict(self.manifest["metrics"])

    def table(self, name: str, scene_id: str | None = None) -> pd.DataFrame:
        """A table of the run, all of it or the rows of one scene."""
        frame = self.tables[name]
        return frame if scene_id is None else frame[frame["scene_id"] == scene_id].reset_index(drop=True)

    def scene_names(self, lang: str) -> dict[str, str]:
        """Scene id to name."""
        return dict(zip(self.scenes["scene_id"], self.scenes[f"name_{lang}"], strict=True))

    def product_names(self, lang: str) -> dict[str, str]:
        """Product id to name."""
        return dict(zip(self.products["product_id"], self.products[f"name_{lang}"], strict=True))

    def segment_names(self, lang: str) -> dict[str, str]:
        """Segment id to name."""
        rows = self.tables["segment_profiles"].drop_duplicates("segment_id")
        return dict(zip(rows["segment_id"], rows[f"name_{lang}"], strict=True))

    def segments_of(self, scene_id: str) -> pd.DataFrame:
        """Segments of a scene, largest first: segment_id, size, share, name_en, name_zh."""
        rows = self.table("segment_profiles", scene_id).drop_duplicates("segment_id")
        rows = rows.sort_values(["size", "segment_id"], ascending=[False, True], ignore_index=True)
        shown = rows[["segment_id", "size", "name_en", "name_zh"]].copy()
        shown["share"] = shown["size"] / max(int(shown["size"].sum()), 1)
        return shown

    def scenes_by_size(self) -> list[str]:
        """Scenes that were segmented, most members first."""
        sizes = self.tables["segment_profiles"].drop_duplicates("segment_id").groupby("scene_id")["size"].sum()
        return [str(s) for s in sizes.sort_index().sort_values(ascending=False, kind="stable").index]


def read_finished_run(folder: Path, workspace: Workspace) -> FinishedRun:
    """Everything pages and report show of the run in `folder`.

    Raises
    ------
    StoreError : a file is missing or damaged.
    """
    manifest, timings = _json(folder / "manifest.json"), folder / "timings.json"
    names = {name: _newest(frame_of(read(workspace, name)), key) for name, key in NAMES.items()}
    return FinishedRun(
        folder=folder,
        manifest=manifest,
        timings=_json(timings) if timings.is_file() else {},
        tables={
            name: frame_of(check_arrow(read_parquet(folder / f"{name}.parquet"), table)) for name, table in RUN.items()
        },
        scenes=names["scenes"],
        products=names["products"],
        timezone=workspace.dataset().timezone,
    )


def _newest(frame: pd.DataFrame, key: str) -> pd.DataFrame:
    """One row per id; of several versions of a product the newest speaks."""
    by = [key, "version"] if "version" in frame else [key]
    return frame.sort_values(by, kind="stable").drop_duplicates(key, keep="last").reset_index(drop=True)


def _json(file: Path) -> dict[str, Any]:
    try:
        values = json.loads(file.read_text("utf8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{file}: cannot be read ({error}); start the run again with `scenefit run`") from error
    if not isinstance(values, dict):
        raise StoreError(f"{file}: is not a JSON object; start the run again with `scenefit run`")
    return values
