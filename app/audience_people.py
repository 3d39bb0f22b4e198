"""The people that audiences are built from: features as of a moment, and what their conditions may look at beside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from app.scene_maps import made_scenes, scene_frames
from feature_repo import history
from feature_repo.purposes import feature_purposes, feature_sources
from scenefit.contracts.errors import StoreError
from scenefit.contracts.schema import check_arrow, frame_of
from scenefit.contracts.tables import RUN
from scenefit.runtime.store import connect, raw_views, read_parquet
from scenefit.runtime.workspace import Workspace
from segmentation.rule_context import RuleContext

if TYPE_CHECKING:
    from segmentation.audience import People
    from segmentation.rules import Did, Rule

SERVICE = "offers_v2"
PURPOSE = "marketing"


class SceneRows(Mapping[str, pd.DataFrame]):
    """Scene id to the features of its active people, made scenes too; read when the first condition asks."""

    def __init__(self, workspace: Workspace, at: pd.Timestamp) -> None:
        self.workspace = workspace
        self.at = at
        self._rows: dict[str, pd.DataFrame] | None = None

    def __getitem__(self, scene: str) -> pd.DataFrame:
        return self._read()[scene]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def _read(self) -> dict[str, pd.DataFrame]:
        if self._rows is None:
            made = made_scenes(self.workspace, self.at)
            self._rows = scene_frames(self.workspace, self.at, made)
        return self._rows


def people(workspace: Workspace, at: pd.Timestamp, memory_limit: str = "2GB", threads: int = 1) -> People:
    """Everybody known at a moment, with expected profit and loss of the latest run where it is of that moment.

    Raises
    ------
    StoreError : there is no usable snapshot; the message says how to build one.
    """
    from segmentation.audience import People

    frame = history.as_of(at, SERVICE, workspace, purpose=PURPOSE).drop(columns="event_timestamp")
    frame = frame.sort_values("customer_id", kind="stable", ignore_index=True)
    customers = frame["customer_id"].to_numpy(object)
    context = RuleContext(
        customers=customers,
        as_of=at,
        event_counts=event_counter(workspace, customers, at, memory_limit, threads),
        scenes=SceneRows(workspace, at),
        segments=kept_segments(workspace),
    )
    value, loss = best_offers(workspace, customers)
    return People(frame, context, value, loss, workspace.dataset().fingerprint, at)


def require_marketing(rule: Rule) -> None:
    """Refuse a rule that reads a feature which marketing may not use.

    Raises
    ------
    PurposeError : names the feature and the raw columns that forbid it.
    """
    rule.require(PURPOSE, feature_purposes(), feature_sources())


def best_offers(workspace: Workspace, customers: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Expected profit and loss of each customer's best offer in the latest run; 0 where no offer is worth making.

    None where there is no run; the loss is None too for a run of an older version.
    """
    scores = run_table(workspace, "scores")
    if scores is None:
        return None, None
    best = scores[(scores["rank"] == 1) & (scores["value"] > 0)].set_index("customer_id").reindex(customers)
    known = not scores["expected_loss"].isna().all()
    return (
        best["value"].fillna(0.0).to_numpy(float),
        best["expected_loss"].fillna(0.0).to_numpy(float) if known else None,
    )


def kept_segments(workspace: Workspace) -> pd.DataFrame | None:
    """Members of the kept segments, else of the latest run's: customer_id, segment_id; None where there are none."""
    from app import segment_store

    scenes = segment_store.fitted_scenes(workspace)
    if not scenes:
        rows = run_table(workspace, "segments")
        return None if rows is None else rows[["customer_id", "segment_id"]]
    members = [segment_store.read_version(workspace, scene).members for scene in scenes]
    return pd.concat([m.reset_index().set_axis(["customer_id", "segment_id"], axis=1) for m in members])


def run_table(workspace: Workspace, name: str) -> pd.DataFrame | None:
    """A table of the latest run; None before the first run."""
    try:
        folder: Path = workspace.latest()
    except StoreError:
        return None
    return frame_of(check_arrow(read_parquet(folder / f"{name}.parquet"), RUN[name]))


def event_counter(
    workspace: Workspace, customers: np.ndarray, at: pd.Timestamp, memory_limit: str, threads: int
) -> Callable[[Did], np.ndarray]:
    """How many events of a kind each customer had in a window before a moment, counted in DuckDB.

    Only events that were known at the moment count.
    """
    index = pd.Index(customers)

    def counts(did: Did) -> np.ndarray:
        wanted = {"scene_id": did.scene, "product_id": did.product, "merchant_id": did.merchant}
        asked = {name: value for name, value in wanted.items() if value is not None}
        conditions = [f"{name} = ${name}" for name in asked]
        query = (
            "SELECT customer_id, count(*) AS n FROM events WHERE list_contains($kinds, kind) "
            'AND "at" >= $since AND "at" < $until AND ingested_at < $until '
            + "".join(f"AND {condition} " for condition in conditions)
            + "GROUP BY customer_id"
        )
        values = {"kinds": list(did.events), "since": at - pd.Timedelta(days=did.within_days), "until": at, **asked}
        with connect(memory_limit) as connection:
            connection.execute(f"SET threads = {int(threads)}")
            raw_views(connection, workspace)
            rows = connection.execute(query, values).fetchnumpy()
        found = np.zeros(len(index), dtype=np.int64)
        position = index.get_indexer(pd.Index(np.asarray(rows["customer_id"], dtype=object)))
        inside = position >= 0
        found[position[inside]] = rows["n"][inside]
        return found

    return counts
