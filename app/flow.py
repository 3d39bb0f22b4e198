"""The whole line, top to bottom: clean → features → segments and subgroups → models → eligibility → value → match.

`run` writes one immutable run folder and switches the workspace's `latest` pointer at the end; whatever goes wrong
before that leaves the previous run whole.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

import scenefit
from app import outcome, planning
from app.contactable import contactable
from app.material import Inputs, material, read_inputs, snapshot_days, snapshots_wanted, windows
from app.recs_pinned import pinned_champion
from app.run_case import Chances, chosen_settings, open_channels, run_case, run_id
from app.take_chances import chance_errors, take_chances
from app.tasks import Absent, DefaultLearned, Segmented, Shared, Task, work
from feature_repo import history, quality, quality_tables
from scenefit.contracts.errors import NotEligible
from scenefit.runtime.parallel import Backend, choose, pmap, start_ray
from scenefit.runtime.progress import Steps
from scenefit.runtime.settings import Settings
from scenefit.runtime.store import connect, raw_views, verify
from scenefit.runtime.workspace import Workspace, fresh_folder, write_text
from segmentation.homes import scene_affinity

SERVICES = ("segments_v1", "offers_v1", "default_v1")


@dataclass(frozen=True)
class Finished:
    """A finished run: its folder, manifest and timings."""

    folder: Path
    manifest: dict[str, Any]
    timings: dict[str, Any]


def run(
    workspace: Workspace,
    settings: Settings,
    as_of: pd.Timestamp | None = None,
    backend: Backend | None = None,
    quiet: bool = False,
) -> Finished:
    """From raw tables to a plan, as of a moment (default: the end of the data).

    Raises
    ------
    StoreError, ContractError : the data is missing, damaged or breaks its contract.
    NotEligible, Infeasible : no plan is possible; the message says why.
    """
    steps = Steps(quiet)
    dataset = workspace.dataset()
    end = dataset.until if as_of is None else as_of
    people = dataset.rows.get("customers", 0)
    address = settings.runtime.ray_address
    where = choose(backend or settings.runtime.backend, people, 2 * settings.flow.max_scenes, address)
    session = start_ray(settings.runtime.cores, address) if where == "ray" else None
    with steps.step("clean"):
        verify(workspace)
        edges = windows(dataset, end, settings)
    with steps.step("features"):
        days = snapshot_days(workspace, edges, settings)
        wanted = snapshots_wanted(days, SERVICES)
        history.build(workspace, wanted, memory_limit=settings.runtime.memory_limit, threads=settings.runtime.cores)
        quality_tables.save(workspace, quality.quality(workspace, end, memory_limit=settings.runtime.memory_limit))
    with connect(settings.runtime.memory_limit) as connection:
        raw_views(connection, workspace)
        with steps.step("facts"):
            inputs = read_inputs(connection, workspace, dataset, edges, settings)
            shared, tasks = material(connection, workspace, inputs, settings)
        with steps.step("segments, subgroups, models"):
            if session is not None:
                session.result()
            cores = settings.runtime.cores
            results = pmap(work, tasks, shared, seed=settings.seed, backend=where, cores=cores, address=address)
            found = dict(zip(tasks, results, strict=True))
            shared = shared.after_learning()
        with steps.step("plan"):
            result = decide(connection, workspace, inputs, shared, found, settings)
    with steps.step("report"):
        folder, manifest = save(workspace, inputs, result, settings, outcome.timings(steps.seconds, where))
    timings = outcome.timings(steps.seconds, where)
    write_text(folder / "timings.json", json.dumps(timings, indent=1))
    write_text(workspace.root / "latest", folder.name)
    return Finished(folder, manifest, timings)


def decide(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    inputs: Inputs,
    shared: Shared,
    found: dict[Task, Any],
    settings: Settings,
    pins: bool = True,
) -> outcome.Outcome:
    """Chances, eligibility, value and the plan.

    `pins` says whether a pinned champion decides; without it the run's own model does, as for a moment before the pin.
    """
    end, n = inputs.edges[-1], len(inputs.catalogue.customers)
    products = inputs.catalogue.products
    reach = contactable(connection, workspace, inputs.dataset, inputs.catalogue.customers, end, settings)
    segments = _segments(found, inputs)
    home = planning.homes(n, segments)
    default: DefaultLearned | Absent = found[Task("default")]
    pd_now, pd_error = np.full(n, np.nan), np.zeros(n)
    if isinstance(default, DefaultLearned):
        pd_now, pd_error = default.pd_now, default.logit_error
    items = np.asarray(shared.material.behaviour.items, dtype=object)
    pinned = pinned_champion(workspace, inputs, items) if pins else None
    champion = None if pinned is None else pinned.facts
    found = found if pinned is None else found | {Task("champion"): pinned.learned}
    used = open_channels(reach, settings)
    chances = Chances(
        take_chances(inputs, shared, found, used, home.segment), pd_now, chance_errors(inputs, found), pd_error
    )
    case = run_case(
        connection, workspace, inputs, reach, home, used, chances, settings, run_id(inputs, settings, champion)
    )
    capacity = dict(
        zip(products["product_id"].astype(str), products["capacity"].to_numpy(float, na_value=np.nan), strict=True)
    )
    planned = planning.plan_case(case, settings.limits, capacity)
    # learned already, or there would be no probabilities
    tastes = found[Task("champion")].als.fold_in(shared.material.behaviour.matrix(end))
    return outcome.Outcome(found, segments, home, reach, planned, tastes, champion)


def save(
    workspace: Workspace,
    inputs: Inputs,
    result: outcome.Outcome,
    settings: Settings,
    timings: dict[str, Any],
) -> tuple[Path, dict[str, Any]]:
    """Write the run folder: tables, manifest, models, report; all or nothing."""
    from app.report import write_report

    end = inputs.edges[-1]
    assumed = planning.assumptions(inputs.catalogue.products, settings.value)
    manifest = {
        "run_id": result.planned.case.facts["run_id"],
        "champion": result.champion,
        "version": scenefit.__version__,
        "dataset": outcome.dataset_facts(inputs.dataset, assumed),
        "assumed": assumed,
        "as_of": end.isoformat(),
        "services": {name: end.isoformat() for name in SERVICES},
        "settings": chosen_settings(settings),
        "seed": settings.seed,
        "packages": outcome.packages(),
        "metrics": outcome.metrics(inputs.dataset, inputs.results, result),
    }
    folder = workspace.runs / str(manifest["run_id"])
    workspace.runs.mkdir(parents=True, exist_ok=True)
    with fresh_folder(folder) as place:
        outcome.write_tables(place, inputs.catalogue, result, settings.recommend.top)
        outcome.write_models(place / "models", inputs.catalogue, result)
        outcome.write_plan_parts(place, result.planned)
        (place / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True), "utf8")
        # times without the report itself, so that no moment sees a run without any
        (place / "timings.json").write_text(json.dumps(timings, indent=1), "utf8")
        write_report(place, workspace)
    return folder, manifest


def _segments(found: dict[Task, Any], inputs: Inputs) -> pd.DataFrame:
    """Members of all scenes with segment, confidence and affinity to the scene."""
    parts = [
        pd.DataFrame({"who": s.who, "scene_id": task.scene, "segment_id": s.segment, "confidence": s.confidence})
        for task, s in found.items()
        if isinstance(s, Segmented)
    ]
    if not parts:
        raise NotEligible("segments: no scene could be segmented; see the messages of its tasks")
    members = inputs.members
    who = pd.Index(inputs.catalogue.customers).get_indexer(pd.Index(members["customer_id"]))
    count = members["scene_visits_365d"].fillna(0) + members["scene_purchases_365d"].fillna(0)
    used = pd.DataFrame({"who": who, "scene_id": members["scene_id"], "count": count})[who >= 0]
    codes = used["scene_id"].astype("category").cat.codes.to_numpy(np.int64)
    used = used.assign(affinity=scene_affinity(used["who"].to_numpy(), codes, used["count"].to_numpy(float)))
    return pd.concat(parts, ignore_index=True).merge(
        used[["who", "scene_id", "affinity"]], on=["who", "scene_id"], how="left", validate="1:1"
    )
