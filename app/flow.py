"""The whole line, top to bottom: clean → features → segments and subgroups → models → eligibility → value → match.

`run` writes one immutable run folder and switches the workspace's `latest` pointer at the end; whatever goes wrong
before that leaves the previous run whole.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

import scenefit
from app import facts, outcome, planning
from app.contactable import channels, contactable
from app.material import Inputs, material, read_inputs, snapshot_days, snapshots_wanted, windows
from app.tasks import Absent, DefaultLearned, Segmented, Shared, Task, work
from feature_repo import history, quality, quality_tables
from recsys.training import Learned, ResponseLearned, next_offer_probabilities, product_fit
from scenefit.contracts.errors import NotEligible
from scenefit.contracts.reach import Reach
from scenefit.contracts.schema import frame_of
from scenefit.runtime.parallel import Backend, choose, pmap, start_ray
from scenefit.runtime.progress import Steps
from scenefit.runtime.settings import Settings
from scenefit.runtime.store import connect, raw_views, read, verify
from scenefit.runtime.workspace import Workspace, fresh_folder, write_text
from segmentation.homes import scene_affinity

# people by whose weight a control group is drawn to the mean of all
CONTROL_WEIGHT = 500
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
) -> outcome.Outcome:
    """Eligibility, value and the plan."""
    end, products = inputs.edges[-1], inputs.catalogue.products
    n, m = len(inputs.catalogue.customers), len(products)
    reach = contactable(connection, workspace, inputs.dataset, inputs.catalogue.customers, end, settings)
    segments = _segments(found, inputs)
    home = planning.homes(n, segments)
    default: DefaultLearned | Absent = found[Task("default")]
    pd_now = default.pd_now if isinstance(default, DefaultLearned) else np.full(n, np.nan)
    birth_year = frame_of(read(workspace, "customers", ["customer_id", "birth_year"])).set_index("customer_id")
    decision = planning.eligibility(
        products, reach, _active(inputs), facts.read_open_accounts(connection, end, (n, m)),
        birth_year["birth_year"].reindex(inputs.catalogue.customers).to_numpy(float, na_value=np.nan), pd_now,
        end.tz_convert(inputs.dataset.timezone).year, settings.limits.pd_max,
    )  # fmt: skip
    p_take = take_probabilities(inputs, shared, found, reach, settings)
    names = channels(settings)
    costs = np.array([settings.value.contact_cost[c] for c in names])
    capacity = pd.Series(products["capacity"].to_numpy(float, na_value=np.nan), index=products["product_id"])
    terms = planning.product_terms(products, facts.read_amounts(connection, end, products), settings.value)
    contact = costs[np.maximum(reach.channel, 0)]
    planned = planning.plan_offers(
        p_take,
        _unoffered(inputs),
        terms,
        pd_now,
        contact,
        decision,
        home,
        capacity,
        settings.limits,
        settings.value.lgd,
    )
    # learned already, or there would be no probabilities
    tastes = found[Task("champion")].als.fold_in(shared.material.behaviour.matrix(end))
    return outcome.Outcome(found, segments, home, reach, names, p_take, planned, tastes)


def take_probabilities(
    inputs: Inputs, shared: Shared, found: dict[Task, Any], reach: Reach, settings: Settings
) -> np.ndarray:
    """P(take and approved | offered) of every customer and product."""
    champion, response = found[Task("champion")], found[Task("response")]
    n = len(inputs.catalogue.customers)
    if not isinstance(champion, Learned):
        raise NotEligible(f"offers: {champion.absent}. Without takes there is nothing to match by")
    which = next_offer_probabilities(shared.material, champion, np.arange(n), inputs.profile, inputs.edges[-1])
    if not isinstance(response, ResponseLearned):
        # no campaign to learn from: the share of people who take anything in a window stands in for P(take)
        labels = shared.material.labels
        takers = np.unique(np.stack([labels.window, labels.who]), axis=1).shape[1]
        assumed: np.ndarray = which * takers / max(1, n) / (len(inputs.edges) - 1)
        return assumed
    # the campaign will be of the usual mix of kinds, on the channel each person is planned for
    known = np.asarray(response.channels, dtype=object)
    planned = np.asarray(channels(settings), dtype=object)[np.maximum(reach.channel, 0)]
    kind = np.hstack([np.tile(response.usual, (n, 1)), (planned[:, None] == known[None, :]).astype(float)])
    fit = product_fit(which, champion.head.counts_)
    if response.by_product:
        return response.model.matrix(inputs.profile, kind, fit)
    anything = response.model.matrix(inputs.profile, kind, np.zeros_like(fit))[:, :1]
    share: np.ndarray = anything * which
    return share


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
    chosen = settings.model_dump(mode="json", exclude={"runtime", "features"})
    identity = json.dumps([inputs.dataset.fingerprint, end.isoformat(), chosen, scenefit.__version__], sort_keys=True)
    assumed = planning.assumptions(inputs.catalogue.products, settings.value)
    run_id = f"{end:%Y%m%d}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"
    manifest = {
        "run_id": run_id,
        "version": scenefit.__version__,
        "dataset": outcome.dataset_facts(inputs.dataset, assumed),
        "assumed": assumed,
        "as_of": end.isoformat(),
        "services": {name: end.isoformat() for name in SERVICES},
        "settings": chosen,
        "seed": settings.seed,
        "packages": outcome.packages(),
        "metrics": outcome.metrics(inputs.dataset, inputs.results, result),
    }
    folder = workspace.runs / run_id
    workspace.runs.mkdir(parents=True, exist_ok=True)
    with fresh_folder(folder) as place:
        outcome.write_tables(place, inputs.catalogue, result, settings.recommend.top)
        outcome.write_models(place / "models", inputs.catalogue.customers, result)
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


def _active(inputs: Inputs) -> np.ndarray:
    """Whether each person is active in a scene of each product; products without scenes fit everybody."""
    customers, products = inputs.catalogue.customers, inputs.catalogue.products
    who = pd.Index(customers).get_indexer(pd.Index(inputs.active["customer_id"]))
    active = np.zeros((len(customers), len(products)), dtype=bool)
    for j, scenes in enumerate(products["scenes"]):
        if scenes is None or not len(scenes):
            active[:, j] = True
        else:
            inside = inputs.active["scene_id"].isin(list(scenes)).to_numpy(bool) & (who >= 0)
            active[who[inside], j] = True
    return active


def _unoffered(inputs: Inputs) -> np.ndarray:
    """Share of people who take each product without being offered it, from randomised control groups.

    Small groups are drawn to the mean of all by the weight of `CONTROL_WEIGHT` people, products that no group tested
    stand at the mean: a product is not more incremental for never having been tested. 0 where nothing was randomised.
    """
    drawn = inputs.results[inputs.results["randomised"].astype(bool)]
    products = inputs.catalogue.products["product_id"]
    if drawn.empty:
        return np.zeros(len(products))
    mean = drawn["takers_control"].sum() / drawn["control"].sum()
    sums = drawn.groupby("product_id", sort=True)[["takers_control", "control"]].sum().reindex(products).fillna(0.0)
    shrunk = (sums["takers_control"] + CONTROL_WEIGHT * mean) / (sums["control"] + CONTROL_WEIGHT)
    shares: np.ndarray = shrunk.to_numpy(float)
    return shares
