"""The champion of a workspace and its challengers: fitted as of a moment, judged, registered, promoted, rolled back."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from app.material import Inputs, material, numeric_columns, read_inputs, snapshot_days, snapshots_wanted, windows
from app.model_tables import MODEL, models_folder
from app.recs_documents import quality_document
from app.tasks import Shared
from feature_repo import history
from recsys import champions
from recsys.champions import Event, Judged
from recsys.cold import ShrunkenRates
from recsys.judging import JudgedOffers, judged_offers, validation_quality
from recsys.kept_champion import champion_parts
from recsys.training import Material, learn_next_offer
from recsys.tune import Range, Search, search
from scenefit.contracts.errors import StoreError
from scenefit.contracts.schema import check_arrow, frame_of
from scenefit.contracts.tables import SEGMENTS
from scenefit.runtime.parallel import Backend, pmap
from scenefit.runtime.settings import Settings
from scenefit.runtime.store import connect, raw_views, read_parquet
from scenefit.runtime.workspace import Workspace, write_text

BEST = "best.json"
# facts by which a version predicts; nobody reads them
INNER = ("temperature", "taste_scale", "cold")
SERVICES = ("segments_v1", "offers_v1", "default_v1")
SPACE = {
    "factors": Range(8, 96, log=True, whole=True),
    "regularization": Range(1.0, 200.0, log=True),
    "alpha": Range(1.0, 20.0, log=True),
    "iterations": Range(5, 20, whole=True),
}


class Taught(NamedTuple):
    """What the champion learns from, as of a moment."""

    inputs: Inputs
    shared: Shared


def taught(workspace: Workspace, settings: Settings, as_of: pd.Timestamp | None) -> Taught:
    """Facts and features in time order, as a run reads them; snapshots that are missing are built.

    Raises
    ------
    StoreError, SettingsError, NotEligible : as a run would.
    """
    dataset = workspace.dataset()
    edges = windows(dataset, dataset.until if as_of is None else as_of, settings)
    wanted = snapshots_wanted(snapshot_days(workspace, edges, settings), SERVICES)
    limit = settings.runtime.memory_limit
    history.build(workspace, wanted, memory_limit=limit, threads=settings.runtime.cores)
    with connect(limit) as connection:
        raw_views(connection, workspace)
        inputs = read_inputs(connection, workspace, dataset, edges, settings)
        shared, _ = material(connection, workspace, inputs, settings)
    return Taught(inputs, shared)


def fit(
    workspace: Workspace,
    settings: Settings,
    as_of: pd.Timestamp | None,
    changes: dict[str, Any],
    at: str,
    by: str,
) -> dict[str, Any]:
    """Fit the champion's recipe as of a moment, judge it on the last window and register it as a challenger.

    `changes` are settings of ALS that differ from the workspace's. Without any it is the model of a run as of then.

    Raises
    ------
    NotFitted : nothing was taken in the learning or the judged window.
    """
    found = taught(workspace, settings, as_of)
    learnt = replace(found.shared.material, als={**found.shared.material.als, **changes})
    _load_implicit()
    # as in a run: one thread each, so that the bytes are the same
    judged, learned = pmap(_learned, ("judged", "now"), learnt, backend="local", cores=settings.runtime.cores)
    arrays, parts = champion_parts(learned)
    inputs = found.inputs
    products = inputs.catalogue.products["product_id"].astype(str).tolist()
    homes = home_segments(workspace, inputs.catalogue.customers)
    facts = {
        **parts, "model": MODEL, "products": products, "features": numeric_columns(inputs.now),
        "service": "offers_v1", "registered_at": at, "registered_by": by,
        "data": {"name": inputs.dataset.name, "fingerprint": inputs.dataset.fingerprint,
                 "synthetic": inputs.dataset.synthetic, "currency": inputs.dataset.currency},
        "as_of": learnt.edges[-1].isoformat(), "edges": [edge.isoformat() for edge in learnt.edges],
        "seed": learnt.seed, "takes": len(learnt.labels.who), "customers": len(learnt.behaviour.customers),
        "cold": cold_rates(learnt, homes).parts(),
        "quality": quality_document(judged, products, homes[judged.customers], learnt.seed),
    }  # fmt: skip
    arrays = {**arrays, "items": learnt.behaviour.items.astype(str)}
    pairs = _judged(judged, learnt.behaviour.customers, inputs, learnt.edges[-2])
    number = champions.register(models_folder(workspace), arrays, facts, pairs, at, by)
    return version_document(workspace, number)


def tune(
    workspace: Workspace,
    settings: Settings,
    as_of: pd.Timestamp | None,
    folder: Path,
    trials: int,
    backend: Backend,
) -> Search:
    """The best settings of ALS for the champion, judged one window before the last; resumed where it stopped."""
    found = taught(workspace, settings, as_of)
    learnt = found.shared.material
    _load_implicit()
    # ties would otherwise be settled by the order of trials: the settings in use come first
    used = {name: learnt.als[name] for name in SPACE}
    described = (
        f"{found.inputs.dataset.fingerprint}, {len(learnt.edges) - 1} windows from {learnt.edges[0].isoformat()} to "
        f"{learnt.edges[-1].isoformat()}, {len(learnt.behaviour.items)} items"
    )
    return search(
        validation_quality, SPACE, folder, learnt, trials=trials, seed=settings.seed, fingerprint=described,
        first=[used], backend=backend, cores=settings.runtime.cores,
    )  # fmt: skip


def tune_document(
    workspace: Workspace,
    settings: Settings,
    as_of: pd.Timestamp | None,
    folder: Path,
    trials: int,
    backend: Backend,
) -> dict[str, Any]:
    """A search as plain values: the best settings, the trials of the last rung, those that failed."""
    found = tune(workspace, settings, as_of, folder, trials, backend)
    rung = max(trial.rung for trial in found.trials)
    last = [trial for trial in found.trials if trial.rung == rung and trial.score is not None]
    document = {
        "best": found.best, "score": found.score, "trials": trials, "runs": len(found.trials), "folder": str(folder),
        "last": [trial._asdict() for trial in sorted(last, key=lambda trial: (-(trial.score or 0.0), trial.number))],
        "failed": [trial._asdict() for trial in found.failed],
    }  # fmt: skip
    write_text(folder / BEST, json.dumps(found.best, indent=1, sort_keys=True))
    return document


def best_settings(folder: Path) -> dict[str, Any]:
    """The best settings of a finished search.

    Raises
    ------
    StoreError : no finished search there.
    """
    try:
        found: dict[str, Any] = json.loads((folder / BEST).read_text("utf8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{folder}: no finished search ({error}); run `scenefit recs tune --out {folder}`") from error
    return found


def promote(workspace: Workspace, number: int, reason: str, force: bool, at: str, by: str) -> Event:
    """Make a version the champion; see `champions.promote`. The interval is drawn by the version's own seed."""
    rng = np.random.default_rng(number)
    return champions.promote(models_folder(workspace), number, at, by, rng, reason, force)


def roll_back(workspace: Workspace, reason: str, at: str, by: str) -> Event:
    """Make the champion before this one decide again; see `champions.roll_back`."""
    return champions.roll_back(models_folder(workspace), at, by, reason)


def pin(workspace: Workspace, reason: str, at: str, by: str) -> Event:
    """Let the champion decide in runs; see `champions.pin`."""
    return champions.pin(models_folder(workspace), at, by, reason)


def unpin(workspace: Workspace, reason: str, at: str, by: str) -> Event:
    """Let every run decide by its own model; see `champions.unpin`."""
    return champions.unpin(models_folder(workspace), at, by, reason)


def version_document(workspace: Workspace, number: int) -> dict[str, Any]:
    """One version: whether it decides, its facts, and how it compares with the champion."""
    folder = models_folder(workspace)
    saved = champions.read_version(folder, number)
    plain = {name: value for name, value in saved.facts.items() if name not in INNER}
    return {"version": number, "champion": champions.champion(folder) == number, **plain}


def listed(workspace: Workspace) -> dict[str, Any]:
    """Every version of the champion and what happened to them."""
    folder = models_folder(workspace)
    return {
        "model": MODEL,
        "champion": champions.champion(folder),
        "pinned": champions.pinned(folder),
        "versions": [version_document(workspace, number) for number in champions.version_numbers(folder)],
        "history": [event._asdict() for event in champions.history(folder)],
    }


def home_segments(workspace: Workspace, customers: np.ndarray) -> np.ndarray:
    """The segment of the newest run in which each person lies most surely; '' without one; shape (customers,)."""
    homes = np.full(len(customers), "", dtype=object)
    try:
        table = frame_of(check_arrow(read_parquet(workspace.latest() / "segments.parquet"), SEGMENTS))
    except StoreError:
        # before the first run nobody has a segment
        return homes
    order = table.sort_values(["customer_id", "confidence", "scene_id"], ascending=[True, False, True], kind="stable")
    best = order.drop_duplicates("customer_id")
    rows = pd.Index(customers).get_indexer(pd.Index(best["customer_id"].astype(object)))
    homes[rows[rows >= 0]] = best["segment_id"].to_numpy(object)[rows >= 0]
    return homes


def cold_rates(learnt: Material, homes: np.ndarray) -> ShrunkenRates:
    """Which product people of a segment take when they take one; the answer for who did nothing yet."""
    labels = learnt.labels
    took = np.zeros((len(labels.who), learnt.products))
    took[np.arange(len(labels.who)), labels.product] = 1
    return ShrunkenRates().fit(took, scene_and_segment(homes[labels.who]))


def scene_and_segment(homes: np.ndarray) -> list[np.ndarray]:
    """The levels of home segments, the scene first; '' without one."""
    return [np.array([home.rpartition("/")[0] for home in homes], dtype=object), homes]


def _load_implicit() -> None:
    # a library that a task is the first to load escapes the task's limit of one thread
    import_module("implicit.cpu.als")


def _learned(what: str, learnt: Material, rng: np.random.Generator) -> Any:  # noqa: ARG001
    return judged_offers(learnt) if what == "judged" else learn_next_offer(learnt, 1, len(learnt.edges) - 1)


def _judged(judged: JudgedOffers, customers: np.ndarray, inputs: Inputs, since: pd.Timestamp) -> Judged:
    on = f"{inputs.dataset.name} {_short(inputs.dataset.fingerprint)}, {since.isoformat()} to "
    on += inputs.edges[-1].isoformat()
    return Judged(on, customers[judged.customers], judged.quality, judged.baseline)


def _short(fingerprint: str) -> str:
    return hashlib.sha256(fingerprint.encode()).hexdigest()[:8]
