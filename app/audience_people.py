"""The people that audiences are built from: features as of a moment, and what their conditions may look at beside."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from app.audience_names import scene_tree
from app.scene_maps import Remade, remade_scenes, scene_frames
from feature_repo import history
from feature_repo.purposes import feature_purposes, feature_sources
from scenefit.contracts.errors import ContractError, StoreError
from scenefit.contracts.schema import check_arrow, frame_of
from scenefit.contracts.tables import RUN
from scenefit.runtime.store import connect, raw_views, read_parquet
from scenefit.runtime.workspace import Workspace
from segmentation.rule_context import RuleContext
from segmentation.rule_scenes import with_below

if TYPE_CHECKING:
    from segmentation.audience import People
    from segmentation.rules import Did, Rule

SERVICE = "offers_v2"
PURPOSE = "marketing"


class RunFigures(NamedTuple):
    """What the latest run expects of each customer's best offer, or why it says nothing.

    value, loss : (n,) expected profit and loss, 0 where no offer is worth making, NaN for people the run does not
        know (no offer scored, in no segment); None where it says nothing, the loss also for a run of an older version
    p_take : (n,) P(take and approved), likewise
    """

    value: np.ndarray | None = None
    loss: np.ndarray | None = None
    p_take: np.ndarray | None = None
    why_en: str = ""
    why_zh: str = ""


class SceneRows(Mapping[str, pd.DataFrame]):
    """Scene id to the features of its active people, made scenes too; read when the first condition asks.

    A scene of the data that nobody is active in has no rows. A made scene that cannot be read any more is refused
    when it is asked for, and by nothing else.
    """

    def __init__(self, workspace: Workspace, at: pd.Timestamp) -> None:
        self.workspace = workspace
        self.at = at
        self._rows: dict[str, pd.DataFrame] | None = None
        self._problems: dict[str, str] = {}

    def __getitem__(self, scene: str) -> pd.DataFrame:
        rows = self._read()
        if scene in self._problems:
            raise ContractError(f"rule: {Remade([], {scene: self._problems[scene]}).notes[0]}")
        return rows[scene]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def _read(self) -> dict[str, pd.DataFrame]:
        if self._rows is None:
            made = remade_scenes(self.workspace, self.at)
            rows = scene_frames(self.workspace, self.at, made.scenes)
            nobody = next(iter(rows.values())).iloc[:0] if rows else pd.DataFrame({"customer_id": []}, dtype=object)
            tree = scene_tree(self.workspace)
            self._rows = {name: nobody for name, above in tree.items() if above is None} | rows
            self._problems = made.problems
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
    figures = best_offers(workspace, customers, at)
    return People(frame, context, figures.value, figures.loss, workspace.dataset().fingerprint, at)


def require_marketing(rule: Rule) -> None:
    """Refuse a rule that reads a feature which marketing may not use.

    Raises
    ------
    PurposeError : names the feature and the raw columns that forbid it.
    """
    rule.require(PURPOSE, feature_purposes(), feature_sources())


def best_offers(workspace: Workspace, customers: np.ndarray, at: pd.Timestamp) -> RunFigures:
    """What the latest run expects of each customer's best offer, where it is a run of this moment and this data."""
    try:
        manifest = json.loads((workspace.latest() / "manifest.json").read_text("utf8"))
    except (StoreError, OSError, ValueError):
        return RunFigures(
            why_en="there is no run; start one with `scenefit run`", why_zh="尚无运行，请先 `scenefit run`"
        )
    if pd.Timestamp(manifest["as_of"]) != at:
        return RunFigures(why_en="the run is of another moment", why_zh="最近一次运行属于另一时点")
    if manifest["dataset"].get("fingerprint") != workspace.dataset().fingerprint:
        return RunFigures(why_en="the data changed since the run", why_zh="运行之后数据已变化")
    scores, segments = run_table(workspace, "scores"), run_table(workspace, "segments")
    assert scores is not None
    known = scores["customer_id"] if segments is None else pd.concat([scores["customer_id"], segments["customer_id"]])
    best = scores[(scores["rank"] == 1) & (scores["value"] > 0)].set_index("customer_id").reindex(customers)
    unknown = ~pd.Index(customers).isin(known)

    def figures(name: str) -> np.ndarray:
        values = best[name].fillna(0.0).to_numpy(float, copy=True)
        values[unknown] = np.nan
        return values

    has_loss = not scores["expected_loss"].isna().all()
    return RunFigures(figures("value"), figures("expected_loss") if has_loss else None, figures("p_take"))


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

    Only events that were known at the moment count; a scene takes those below it along.
    """
    index = pd.Index(customers)

    def counts(did: Did) -> np.ndarray:
        wanted = {"product_id": did.product, "merchant_id": did.merchant}
        asked: dict[str, list[str]] = {name: [value] for name, value in wanted.items() if value is not None}
        if did.scene is not None:
            asked["scene_id"] = list(with_below(did.scene, scene_tree(workspace)))
        conditions = [f"{name} IN (SELECT unnest(${name}))" for name in asked]
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
