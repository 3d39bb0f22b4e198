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

from app.facts import Catalogue
from app.planning import Homes, Planned
from app.tasks import Absent, DefaultLearned, Segmented, Task
from campaign.effect import lift, sample_ratio_p
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
    """Everything found: results of the tasks, segments, homes, reach, probabilities, tastes and the plan.

    `tastes` (customers, factors) are the champion's vectors of everybody, from behaviour up to the end.
    """

    found: dict[Task, Any]
    segments: pd.DataFrame
    home: Homes
    reach: Reach
    channels: list[str]
    p_take: np.ndarray
    planned: Planned
    tastes: np.ndarray


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
    write_table(folder, SCORES, scores(customers, products, result, top))
    write_table(folder, ELIGIBILITY, eligibility(products, result.planned))
    plan = plan_table(customers, products, result)
    write_table(folder, PLAN, plan)
    write_table(folder, PLAN_CELLS, plan_cells(plan))


def scores(customers: np.ndarray, products: np.ndarray, result: Outcome, top: int) -> pd.DataFrame:
    """The best eligible products of each customer, by value."""
    ranking = top_n(result.planned.value.value, top, pack(result.planned.decision.allowed))
    counts = np.diff(ranking.indptr)
    who = np.repeat(np.arange(len(customers)), counts)
    rank = np.arange(len(who)) - np.repeat(ranking.indptr[:-1], counts) + 1
    p = result.p_take[who, ranking.ids]
    return pd.DataFrame(
        {
            "customer_id": customers[who],
            "rank": rank,
            "product_id": products[ranking.ids],
            "p_take": p,
            "value": ranking.scores,
            "expected_loss": result.planned.value.expected_loss[who, ranking.ids],
        }
    )


def eligibility(products: np.ndarray, planned: Planned) -> pd.DataFrame:
    """How many people each rule keeps from each product, first reason only."""
    reasons = planned.decision.reasons
    counts = np.array([np.bincount(column, minlength=len(reasons)) for column in planned.decision.reason.T])
    return pd.DataFrame(
        {
            "product_id": np.repeat(products, len(reasons)),
            "reason": np.tile(np.asarray(reasons, dtype=object), len(products)),
            "customers": counts.ravel(),
        }
    )


def plan_table(customers: np.ndarray, products: np.ndarray, result: Outcome) -> pd.DataFrame:
    """Who gets what in the plan."""
    plan, value = result.planned.plan, result.planned.value
    who = np.flatnonzero(plan.assignment >= 0)
    what = plan.assignment[who]
    scene, segment = result.home.scene[who], result.home.segment[who]
    return pd.DataFrame(
        {
            "customer_id": customers[who],
            "scene_id": np.where(scene == "", NO_SCENE, scene),
            "segment_id": np.where(segment == "", NO_SCENE, segment),
            "product_id": products[what],
            "channel": np.asarray(result.channels, dtype=object)[result.reach.channel[who]],
            "p_take": result.p_take[who, what],
            "value": value.value[who, what],
            "expected_loss": value.expected_loss[who, what],
            "expected_cost": result.planned.cost[who, what],
        }
    )


def plan_cells(plan: pd.DataFrame) -> pd.DataFrame:
    """The plan by segment and product."""
    ordered = plan.sort_values("customer_id", kind="stable")
    return ordered.groupby(["scene_id", "segment_id", "product_id"], sort=True, as_index=False).agg(
        customers=("customer_id", "size"), expected_takers=("p_take", "sum"), value=("value", "sum"),
        expected_loss=("expected_loss", "sum"), expected_cost=("expected_cost", "sum"),
    )  # fmt: skip


def write_models(folder: Path, customers: np.ndarray, result: Outcome) -> None:
    """Keep what was learned, as arrays and plain facts."""
    models.save(folder / "tastes", {"customers": customers.astype(str), "vectors": result.tastes}, {})
    champion, response, default = (result.found[Task(kind)] for kind in ("champion", "response", "default"))
    if isinstance(champion, Learned):
        models.save(folder / "champion", *champion_parts(champion))
    if isinstance(response, ResponseLearned):
        facts = {
            "intercept": response.model.intercept_,
            "channels": list(response.channels),
            "usual": response.usual.tolist(),
            "by_product": response.by_product,
        }
        models.save(folder / "response", {"coef": response.model.coef_}, facts)
    if isinstance(default, DefaultLearned):
        models.save(folder / "default", *default_parts(default.model))


def default_parts(model: DefaultModel) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and facts from which a scorecard can be rebuilt."""
    edges = {f"edges_{number}": values for number, values in enumerate(model.edges_)}
    return {"coef": model.coef_, **edges}, {"features": model.features_, "intercept": model.intercept_}


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
    plan = planned.plan
    who = np.flatnonzero(plan.assignment >= 0)
    what = plan.assignment[who]
    return {
        "reachable": result.reach.waterfall[-1].customers,
        "offered": len(who),
        "expected_takers": result.p_take[who, what].sum(),
        "value": plan.value,
        "upper_bound": plan.upper_bound,
        "gap": plan.gap,
        "greedy_value": planned.greedy_value,
        "expected_loss": planned.value.expected_loss[who, what].sum(),
        "expected_cost": planned.cost[who, what].sum(),
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
