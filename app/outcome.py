"""What a run found, as the tables, models and figures of its folder."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from app.eligibility import by_product
from app.facts import Catalogue
from app.kept_case import write_case, write_plan
from app.planning import Homes, Planned
from app.recs_response import response_parts
from app.tasks import Absent, DefaultLearned, Segmented, Task
from campaign.effect import lift, sample_ratio_p
from recsys.case import Case
from recsys.kept_champion import champion_parts
from recsys.ranking import pack, top_n
from recsys.training import Compared, Learned, ResponseLearned
from risk.default import DefaultModel
from scenefit.contracts.reach import Reach
from scenefit.contracts.tables import (
    ELIGIBILITY,
    PLAN,
    PLAN_CELLS,
    SCORES,
    SEGMENT_CRITERIA,
    SEGMENT_PROFILES,
    SEGMENTS,
    SUBGROUPS,
)
from scenefit.runtime import models
from scenefit.runtime.store import write_table
from scenefit.runtime.workspace import Dataset

PACKAGES = ("duckdb", "feast", "highspy", "implicit", "numba", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy")
NO_SCENE = "(none)"
# arms more uneven than one in a thousand mixed draws would give: the assignment or the data is broken
UNEVEN = 0.001
ARM_SIZES = (("customers", "control"), ("p_treated", "p_control"))


@dataclass(frozen=True)
class Outcome:
    """Everything found: results of the tasks, segments, homes, reach, tastes and the plan.

    `tastes` (customers, factors) are the champion's vectors of everybody, from behaviour up to the end; `champion` says
    which pinned version decided, None for the run's own model.
    """

    found: dict[Task, Any]
    segments: pd.DataFrame
    home: Homes
    reach: Reach
    planned: Planned
    tastes: np.ndarray
    champion: dict[str, Any] | None = None


def write_tables(folder: Path, catalogue: Catalogue, result: Outcome, top: int) -> None:
    """All tables of the run, each checked against its contract and sorted by key."""
    customers, products = catalogue.customers, catalogue.products["product_id"].to_numpy(object)
    named = result.segments.assign(customer_id=customers[result.segments["who"]])
    write_table(folder, SEGMENTS, named[SEGMENTS.names])
    segmented = [s for s in result.found.values() if isinstance(s, Segmented)]
    write_table(folder, SEGMENT_PROFILES, pd.concat([s.profiles for s in segmented])[SEGMENT_PROFILES.names])
    write_table(folder, SEGMENT_CRITERIA, pd.concat([s.criteria for s in segmented])[SEGMENT_CRITERIA.names])
    mined = [r for t, r in result.found.items() if t.kind == "subgroups" and isinstance(r, pd.DataFrame) and len(r)]
    empty = SUBGROUPS.arrow.empty_table().to_pandas()
    write_table(folder, SUBGROUPS, pd.concat(mined)[SUBGROUPS.names] if mined else empty)
    write_table(folder, SCORES, scores(customers, products, result.planned, top))
    write_table(folder, ELIGIBILITY, eligibility(products, result.planned.case))
    plan = plan_table(customers, result.planned, result.home)
    write_table(folder, PLAN, plan)
    write_table(folder, PLAN_CELLS, plan_cells(plan))


def scores(customers: np.ndarray, products: np.ndarray, planned: Planned, top: int) -> pd.DataFrame:
    """The best eligible products of each customer, each on the channel where it is worth most, by value."""
    case, value = planned.case, planned.value
    worth = np.where(case.allowed, value.value, -np.inf).reshape(len(customers), len(products), -1)
    channel = worth.argmax(axis=2)
    best = np.take_along_axis(worth, channel[:, :, None], 2)[:, :, 0]
    ranking = top_n(best, top, pack(best > -np.inf))
    counts = np.diff(ranking.indptr)
    who = np.repeat(np.arange(len(customers)), counts)
    offer = ranking.ids * worth.shape[2] + channel[who, ranking.ids]
    return pd.DataFrame(
        {
            "customer_id": customers[who],
            "rank": np.arange(len(who)) - np.repeat(ranking.indptr[:-1], counts) + 1,
            "product_id": products[ranking.ids],
            "p_take": case.p_take[who, offer].astype(float),
            "value": ranking.scores,
            "expected_loss": value.expected_loss[who, offer],
            "channel": case.offers["channel"].to_numpy(object)[offer],
        }
    )


def eligibility(products: np.ndarray, case: Case) -> pd.DataFrame:
    """How many people each rule keeps from each product: the first reason on the channel that gets furthest."""
    reason = by_product(case.reason, case.offers, products.tolist())
    counts = np.array([np.bincount(column, minlength=len(case.reasons)) for column in reason.T])
    stage = {rule["code"]: rule["stage"] for rule in case.facts["rules"]}
    reasons = np.asarray(case.reasons, dtype=object)
    stages = np.asarray([stage.get(code) for code in case.reasons], dtype=object)
    return pd.DataFrame(
        {
            "product_id": np.repeat(products, len(reasons)),
            "reason": np.tile(reasons, len(products)),
            "customers": counts.ravel(),
            "stage": np.tile(stages, len(products)),
        }
    )


def plan_table(customers: np.ndarray, planned: Planned, home: Homes) -> pd.DataFrame:
    """Who gets what on which channel in the plan."""
    case, value = planned.case, planned.value
    who = np.flatnonzero(planned.plan.assignment >= 0)
    what = planned.plan.assignment[who]
    scene, segment = home.scene[who], home.segment[who]
    return pd.DataFrame(
        {
            "customer_id": customers[who],
            "scene_id": np.where(scene == "", NO_SCENE, scene),
            "segment_id": np.where(segment == "", NO_SCENE, segment),
            "product_id": case.offers["product_id"].to_numpy(object)[what],
            "channel": case.offers["channel"].to_numpy(object)[what],
            "p_take": case.p_take[who, what].astype(float),
            "value": value.value[who, what],
            "expected_loss": value.expected_loss[who, what],
            "expected_cost": case.contact_cost[what] + value.expected_incentive[who, what],
        }
    )


def plan_cells(plan: pd.DataFrame) -> pd.DataFrame:
    """The plan by segment and product."""
    ordered = plan.sort_values("customer_id", kind="stable")
    return ordered.groupby(["scene_id", "segment_id", "product_id"], sort=True, as_index=False).agg(
        customers=("customer_id", "size"), expected_takers=("p_take", "sum"), value=("value", "sum"),
        expected_loss=("expected_loss", "sum"), expected_cost=("expected_cost", "sum"),
    )  # fmt: skip


def write_plan_parts(folder: Path, planned: Planned) -> None:
    """Keep what the plan was made from and the plan, in the run's folder."""
    write_case(folder, planned.case)
    write_plan(folder, planned.plan, planned.case.limits)


def write_models(folder: Path, catalogue: Catalogue, result: Outcome) -> None:
    """Keep what was learned, as arrays and plain facts."""
    models.save(folder / "tastes", {"customers": catalogue.customers.astype(str), "vectors": result.tastes}, {})
    champion, response, default = (result.found[Task(kind)] for kind in ("champion", "response", "default"))
    if isinstance(champion, Learned):
        models.save(folder / "champion", *champion_parts(champion))
    if isinstance(response, ResponseLearned):
        models.save(folder / "response", *response_parts(response, catalogue.products["product_id"]))
    if isinstance(default, DefaultLearned):
        models.save(folder / "default", *default_parts(default.model))


def default_parts(model: DefaultModel) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and facts from which a scorecard can be rebuilt."""
    edges = {f"edges_{number}": values for number, values in enumerate(model.edges_)}
    arrays = {"coef": model.coef_, "covariance": model.covariance_, **edges}
    return arrays, {"features": model.features_, "intercept": model.intercept_}


def metrics(dataset: Dataset, results: pd.DataFrame, result: Outcome) -> dict[str, Any]:
    """All figures of the manifest; a part without a figure says why."""
    found, planned = result.found, result.planned
    behaviour, offers, response, default = (found[Task(k)] for k in ("behaviour", "offers", "response", "default"))
    figures: dict[str, Any] = {
        "behaviour": behaviour._asdict() if isinstance(behaviour, Absent) else {
            "items": dataset.behaviour, "customers": behaviour.everything.model.customers,
            "all": _compared(behaviour.everything), "new": _compared(behaviour.new),
        },
        "offers": offers._asdict() if isinstance(offers, Absent) else
            {"customers": offers.model.customers, **_compared(offers)},
        "response": response._asdict() if isinstance(response, Absent) else
            response.quality._asdict() | {"campaigns": list(response.campaigns)},
        "default": default._asdict() if isinstance(default, Absent) else _default(default),
        "segments": {task.scene: _segments(s) for task, s in found.items() if isinstance(s, Segmented)},
        "plan": _plan(planned, result),
        "reach": [step._asdict() for step in result.reach.waterfall],
        "effects": effects(results),
    }  # fmt: skip
    plain: dict[str, Any] = _plain(figures)
    return plain


def effects(results: pd.DataFrame) -> list[dict[str, Any]]:
    """Takers of every past arm against its control; an effect only where mixed at random, else a plain difference."""
    rows = []
    for row in results.to_dict("records"):
        found = lift(row["takers"], row["customers"], row["takers_control"], row["control"])
        counts, shares = (np.array([row[name] for name in pair], dtype=float) for pair in ARM_SIZES)
        # where propensities differ between people, sizes alone tell nothing about the mixing
        mixed = None if np.isnan(shares).any() else sample_ratio_p(counts, shares)
        readable = bool(row["randomised"]) and (mixed is None or mixed >= UNEVEN)
        named = {name: row[name] for name in ("campaign_id", "name_en", "name_zh", "arm", "product_id")}
        rows.append(named | {"randomised": readable, "sample_ratio_p": mixed} | found._asdict())
    return rows


def dataset_facts(dataset: Dataset, assumed: dict[str, list[str]]) -> dict[str, Any]:
    """What the manifest says of the data."""
    return {
        "name": dataset.name,
        "synthetic": dataset.synthetic,
        "currency": dataset.currency,
        "timezone": dataset.timezone,
        "until": dataset.until.isoformat(),
        "fingerprint": dataset.fingerprint,
        "rows": dataset.rows,
        "assumptions_en": [*dataset.assumptions_en, *assumed["en"]],
        "assumptions_zh": [*dataset.assumptions_zh, *assumed["zh"]],
    }


def packages() -> dict[str, str]:
    """Versions of what computed the run."""
    return {name: version(name) for name in PACKAGES}


def timings(seconds: dict[str, float], backend: str) -> dict[str, Any]:
    """Times, memory and load of this process; they differ from run to run and stand in a file of their own."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "total_seconds": round(sum(seconds.values()), 3),
        "cpu_seconds": round(time.process_time() + children.ru_utime + children.ru_stime, 3),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "backend": backend,
        "load": [round(value, 2) for value in os.getloadavg()],
    }


def _compared(pair: Compared) -> dict[str, dict[str, float]]:
    return {
        "ndcg@10": {"model": pair.model.ndcg, "popularity": pair.popularity.ndcg},
        "hit@10": {"model": pair.model.hit, "popularity": pair.popularity.hit},
    }


def _default(default: DefaultLearned) -> dict[str, Any]:
    quality = default.quality
    return {"auc": quality.auc, "ece": quality.ece, "bad_rate": quality.base_rate, "accounts": quality.rows}


def _segments(found: Segmented) -> dict[str, Any]:
    chosen = found.criteria[found.criteria["k"] == found.k].iloc[0]
    return {
        "k": found.k, "tie_set": list(found.tie_set), "members": len(found.who),
        "silhouette": chosen["silhouette"], "stability": chosen["stability"],
    }  # fmt: skip


def _plan(planned: Planned, result: Outcome) -> dict[str, Any]:
    plan, case = planned.plan, planned.case
    who = np.flatnonzero(plan.assignment >= 0)
    what = plan.assignment[who]
    channel, count = np.unique(case.offers["channel"].to_numpy(str)[what], return_counts=True)
    return {
        "reachable": result.reach.waterfall[-1].customers,
        "offered": len(who),
        "offered_by_channel": dict(zip(channel.tolist(), count.tolist(), strict=True)),
        "expected_takers": case.p_take[who, what].sum(dtype=float),
        "value": plan.value,
        "upper_bound": plan.upper_bound,
        "gap": plan.gap,
        "greedy_value": planned.greedy_value,
        "expected_loss": planned.value.expected_loss[who, what].sum(),
        "expected_cost": (case.contact_cost[what] + planned.value.expected_incentive[who, what]).sum(),
        "limits": [
            {"name": limit.name, "sense": limit.sense, "total": limit.total, "used": plan.usage[limit.name],
             "shadow_price": plan.shadow_prices[limit.name]}
            for limit in planned.limits
        ],
    }  # fmt: skip


def _plain(value: Any) -> Any:
    """JSON has neither NaN nor numpy scalars."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
