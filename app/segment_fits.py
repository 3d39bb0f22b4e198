"""Segments of a feature snapshot: found for the first time, carried on or found anew, and compared between versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from app.material import BLOCKS, LEFT_OUT
from app.segment_names import read_names
from app.segment_store import Kept, Version, newest, read_version
from feature_repo import history
from feature_repo.purposes import feature_purposes, feature_sources
from feature_repo.services import SERVICES
from feature_repo.views import STORED
from scenefit.contracts.errors import NotEligible, SettingsError
from scenefit.runtime.parallel import pmap, stop_ray
from scenefit.runtime.settings import Settings
from scenefit.runtime.workspace import Workspace
from segmentation.describe import Description, describe
from segmentation.encoders import CustomerEncoder
from segmentation.identity import EVENT_COLUMNS
from segmentation.lifecycle import SegmentModel, event_rows, first_model, next_model, steady_k, version_row
from segmentation.migration import kept_share, migration
from segmentation.names import Names
from segmentation.news import News, carried_centers, news
from segmentation.projection import projection
from segmentation.rules import Rule
from segmentation.sweep import SegmentSweep

SERVICE = "segments_v1"
KEYS = {"scene_id", "event_timestamp"}


class Snapshot(NamedTuple):
    """Features of the people of each scene at one instant, by customer id; scenes with most people first."""

    instant: pd.Timestamp
    scenes: dict[str, pd.DataFrame]


class FitInputs(NamedTuple):
    """What the fits of all scenes share: features, versions before, names, sweep settings, moments."""

    frames: Mapping[str, pd.DataFrame]
    before: Mapping[str, Kept | None]
    names: Mapping[str, Names]
    sweep: Mapping[str, Any]
    instant: pd.Timestamp
    fitted_at: pd.Timestamp
    anew: bool


class Sought(NamedTuple):
    """Centres of a fit, how they came about, and what the sweep said of every k."""

    centers: np.ndarray
    why: str
    tie_set: list[int]
    criteria: list[dict[str, Any]]
    notes: list[str]


def lacking_views(workspace: Workspace, at: pd.Timestamp) -> list[str]:
    """Stored views behind the segments that have no usable snapshot at a moment."""
    sources = {view.source for view in SERVICES[SERVICE].views}
    return [
        view.name
        for view in STORED
        if view.name in sources
        and not any(at - view.ttl <= instant <= at for instant in history.snapshots(workspace, view.name))
    ]


def snapshot(workspace: Workspace, at: pd.Timestamp) -> Snapshot:
    """The newest features at or before a moment, scene by scene.

    Raises
    ------
    StoreError : there is no snapshot within the TTL.
    """
    frame = history.as_of(at, SERVICE, workspace, purpose="marketing")
    instant = frame["event_timestamp"].max() if len(frame) else at
    columns = [name for name in frame.columns if name not in KEYS | LEFT_OUT]
    # as ids come back from a kept version: an index of another text type equals none
    frame["customer_id"] = frame["customer_id"].astype(object)
    parts = {str(scene): part for scene, part in frame.groupby("scene_id", sort=True)}
    ordered = sorted(parts, key=lambda scene: (-len(parts[scene]), scene))
    return Snapshot(instant, {scene: parts[scene][columns].set_index("customer_id") for scene in ordered})


def chosen_scenes(found: Snapshot, scenes: Sequence[str] | None, settings: Settings) -> Snapshot:
    """The snapshot with only the scenes to segment: those named, else the large ones.

    Raises
    ------
    SettingsError : a named scene does not occur.
    NotEligible : a named scene, or every scene, has too few people.
    """
    least = settings.flow.scene_members
    for scene in scenes or ():
        if scene not in found.scenes:
            raise SettingsError(f"scene {scene!r}: nobody is active in it; choose among {sorted(found.scenes)}")
        if len(found.scenes[scene]) < least:
            raise NotEligible(
                f"scene {scene!r}: {len(found.scenes[scene]):,} active people, flow.scene_members asks for {least:,}; "
                "lower it or bring more data"
            )
    if scenes:
        return found._replace(scenes={scene: found.scenes[scene] for scene in dict.fromkeys(scenes)})
    large = [scene for scene, frame in found.scenes.items() if len(frame) >= least][: settings.flow.max_scenes]
    if not large:
        most = max(map(len, found.scenes.values()), default=0)
        raise NotEligible(
            f"scenes: none has {least:,} active people (largest: {most:,}); lower flow.scene_members or bring more data"
        )
    return found._replace(scenes={scene: found.scenes[scene] for scene in large})


def fitted(
    workspace: Workspace,
    found: Snapshot,
    settings: Settings,
    fitted_at: pd.Timestamp,
    k_max: int | None = None,
    anew: bool = False,
) -> list[Version]:
    """The next version of each scene's segments, not kept yet.

    Raises
    ------
    SettingsError : `k_max` is below the least k, or a scene's segments are of a later moment.
    PurposeError : a segment's rule would read a feature that marketing may not.
    """
    runtime, sweep = settings.runtime, settings.segments
    most = sweep.k_max if k_max is None else k_max
    if most < sweep.k_min:
        raise SettingsError(f"--k-max {most} is below segments.k_min, which is {sweep.k_min}; raise the one or lower "
                            "the other")  # fmt: skip
    frames, instant = found.scenes, found.instant
    asked = {
        "k_range": range(sweep.k_min, most + 1), "n_seeds": sweep.seeds, "smallest": sweep.smallest,
        "sample": sweep.sample, "seed": settings.seed, "cores": max(1, runtime.cores // len(frames)),
    }  # fmt: skip
    before = {scene: newest(workspace, scene) for scene in frames}
    _check_forward(before, instant)
    names = {scene: read_names(workspace, scene) for scene in frames}
    shared = FitInputs(frames, before, names, asked, instant, fitted_at, anew)
    people = max(map(len, frames.values()))
    try:
        made = pmap(version_of_scene, list(frames), shared, settings.seed, runtime.backend, size=people,
                    cores=runtime.cores, address=runtime.ray_address)  # fmt: skip
    finally:
        stop_ray()
    require_permitted(made)
    return made


def require_permitted(versions: Sequence[Version]) -> None:
    """Refuse versions whose rules read a feature that marketing may not.

    Raises
    ------
    PurposeError : names the feature and the raw columns that forbid it.
    """
    permitted, sources = feature_purposes(), feature_sources()
    for version in versions:
        for row in version.kept.facts["segments"]:
            if row.get("rule"):
                Rule.read(row["rule"]).require("marketing", permitted, sources)


def version_of_scene(scene: str, shared: FitInputs, rng: np.random.Generator | None = None) -> Version:  # noqa: ARG001
    """The next version of one scene's segments; its seed is the settings', so that no other scene changes it."""
    frame, before = shared.frames[scene], shared.before[scene]
    blocks = {name: [c for c in columns if c in frame.columns] for name, columns in BLOCKS.items()}
    encoder = CustomerEncoder(blocks={name: columns for name, columns in blocks.items() if columns})
    points = encoder.fit_transform(frame)
    heard = None if before is None else _heard(before.model, frame)
    sought = _sought(before, heard, encoder, frame, points, shared)
    matched, share, moved = "first", float("nan"), None
    if before is None:
        model = first_model(scene, encoder, points, sought.centers)
        assigned = model.assign(frame)
    else:
        refit = next_model(before.model, encoder, frame, sought.centers, list(frame.index), before.members)
        model, moved, matched = refit.model, refit.succession, refit.succession.by
        assigned = model.assign(frame, held=before.members)
    members = assigned["segment_id"].astype(object)
    if before is not None:
        share = kept_share(migration(before.members, members))
    labels = pd.Index(model.ids).get_indexer(pd.Index(members))
    told = describe(frame.reset_index(drop=True), labels, scene, ids=model.ids, names=shared.names[scene].of(model.ids),
                    seed=shared.sweep["seed"])  # fmt: skip
    facts = {
        "as_of": shared.instant.isoformat(), "fitted_at": shared.fitted_at.isoformat(), "service": SERVICE,
        "why": sought.why, "news": None if heard is None else heard._asdict(), "tie_set": sought.tie_set,
        "criteria": sought.criteria, "notes": sought.notes, "matched_by": matched, "kept_share": plain(share),
        "map": projection(points, labels).facts(), **_told(told),
    }  # fmt: skip
    stability = next((row["stability"] for row in sought.criteria if row["k"] == len(model.ids)), None)
    row = version_row(model, shared.fitted_at, shared.instant, len(frame), sought.tie_set,
                      float("nan") if stability is None else stability, matched, share)  # fmt: skip
    return Version(Kept(model, members, facts), row, event_rows(model, moved))


def version_document(version: Version) -> dict[str, Any]:
    """A new version as one JSON value: k, criteria, sizes, names, events."""
    model, facts = version.kept.model, version.kept.facts
    keys = ("segment_id", "size", "share", "name_en", "name_zh")
    said = ("as_of", "why", "news", "tie_set", "criteria", "notes", "matched_by", "kept_share")
    return {
        "scene_id": model.scene_id, "version": model.version, "n": len(version.kept.members), "k": len(model.ids),
        "segments": [{key: row[key] for key in keys} for row in facts["segments"]],
        "events": records(version.events[EVENT_COLUMNS]),
        **{name: facts[name] for name in said},
    }  # fmt: skip


def people_at(workspace: Workspace, scenes: Sequence[str], at: pd.Timestamp) -> tuple[pd.Timestamp, pd.DataFrame]:
    """The instant of a snapshot, and its people in the kept segments; one row per scene and customer.

    Who has a segment stays in it while no other is clearly nearer.
    """
    found = snapshot(workspace, at)
    parts = []
    for scene in scenes:
        if scene not in found.scenes:
            continue
        kept = read_version(workspace, scene)
        placed = kept.model.assign(found.scenes[scene], held=kept.members).reset_index()
        parts.append(placed.assign(scene_id=scene, version=kept.model.version))
    if not parts:
        raise NotEligible(f"scenes {list(scenes)}: nobody is active in them as of {found.instant.isoformat()}")
    columns = ["scene_id", "customer_id", "segment_id", "confidence", "far", "version"]
    return found.instant, pd.concat(parts, ignore_index=True)[columns]


def assigned_counts(people: pd.DataFrame) -> list[dict[str, Any]]:
    """People, mean confidence and those far from every member, by segment."""
    # sorted: equal means whatever the order of the people
    table = people.sort_values("confidence").groupby(["scene_id", "segment_id"], sort=True)
    counts = table.agg(people=("customer_id", "size"), confidence=("confidence", "mean"), far=("far", "sum"))
    return records(counts.reset_index())


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain JSON values; a gap is null."""
    return [{str(name): plain(value) for name, value in row.items()} for row in frame.to_dict("records")]


def plain(value: Any) -> Any:
    """A cell as a JSON value."""
    if value is None or value is pd.NA or (isinstance(value, float | np.floating) and not np.isfinite(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value


def _check_forward(before: Mapping[str, Kept | None], instant: pd.Timestamp) -> None:
    for scene, kept in before.items():
        if kept is not None and pd.Timestamp(kept.facts["as_of"]) > instant:
            raise SettingsError(
                f"scene {scene!r}: its segments are as of {kept.facts['as_of']}, later than the features of "
                f"{instant.isoformat()}; choose a later --at, or remove models/segments/{scene} to begin again"
            )


def _heard(model: SegmentModel, frame: pd.DataFrame) -> News | None:
    """What the present customers say of the segments; None where the features are others than at the fit."""
    if set(model.encoder.columns_) != set(frame.columns):
        return None
    return news(model, model.assign(frame))


def _sought(
    before: Kept | None,
    heard: News | None,
    encoder: CustomerEncoder,
    frame: pd.DataFrame,
    points: np.ndarray,
    shared: FitInputs,
) -> Sought:
    """Centres: carried on where nothing changed, else by a sweep in which a good enough k stays."""
    asked = shared.sweep["k_range"]
    if before is not None and heard is not None and not (heard.changed or shared.anew):
        within = len(before.model.ids) in asked
        if within and set(before.model.assign(frame)["segment_id"]) == set(before.model.ids):
            facts, centers = before.facts, carried_centers(before.model, encoder, frame)
            return Sought(centers, "carried on", facts["tie_set"], facts["criteria"], facts["notes"])
    sweep = SegmentSweep(**shared.sweep).fit(points)
    k = sweep.k_ if before is None else steady_k(before.model, sweep.report_)
    # a steady k may lie just outside the tie set, where the sweep keeps no centres of all rows
    of_k = sweep if k in sweep.centers_by_k_ else SegmentSweep(**{**shared.sweep, "k_range": [k]}).fit(points)
    centers = of_k.centers_by_k_[k]
    criteria = sweep.report_.merge(sweep.criteria_, on="k", validate="1:1").assign(chosen=lambda table: table["k"] == k)
    why = "first" if before is None else "found anew"
    return Sought(centers, why, list(sweep.tie_set_), records(criteria), list(sweep.notes_))


def _told(told: Description) -> dict[str, Any]:
    segments = told.segments.dropna(axis=1, how="all")
    tree = {name: plain(getattr(told.surrogate, name)) for name in ("fidelity", "baseline", "held_out")}
    return {"segments": records(segments), "lifts": records(told.lifts), "surrogate": tree}
