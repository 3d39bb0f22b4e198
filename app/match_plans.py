"""Plans to look at: that of the newest run, and those that were kept under a name for good."""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from app.kept_case import CASE, read_case, read_plan
from recsys.case import Case, LimitSpec
from recsys.problem import Plan
from scenefit.contracts.errors import SettingsError, StoreError
from scenefit.runtime import models
from scenefit.runtime.workspace import Workspace

PLANS = "plans"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class Kept(NamedTuple):
    """A plan with what it was made from: that of a run (`name` is None), or one kept under a name."""

    case: Case
    plan: Plan
    name: str | None
    run: str
    per_customer: int = 1
    inertia: float = 0.0


def read_kept(workspace: Workspace, name: str | None = None) -> Kept:
    """The plan of the newest run, or the one of that name with the case of its run.

    Raises
    ------
    StoreError : there is no run or no such plan, files were changed, or the run's case is another one by now.
    """
    if name is None:
        return kept_of_run(workspace.latest())
    place = plan_folder(workspace, name)
    if not place.is_dir():
        raise StoreError(f"plan {name!r}: there is none; {_there(workspace)}")
    saved = models.load(place)
    facts = saved.facts
    folder = workspace.runs / str(facts["run"])
    if not folder.is_dir() or case_digest(folder) != facts["case"]:
        raise StoreError(
            f"plan {name!r}: it was made from run {facts['run']}, whose case is gone or another one by now; make the "
            "plan anew with `scenefit match run --save`"
        )
    plan = Plan(saved.arrays["assignment"].astype(np.int64), **facts["plan"])
    specs = tuple(LimitSpec(**spec) for spec in facts["limits"])
    return Kept(replace(read_case(folder), limits=specs), plan, name, folder.name, facts["per_customer"],
                facts["inertia"])  # fmt: skip


def kept_of_run(folder: Path) -> Kept:
    """The plan of a run, from the run's folder.

    Raises
    ------
    StoreError : the run kept none, or its files were changed.
    """
    plan, specs = read_plan(folder)
    return Kept(replace(read_case(folder), limits=specs), plan, None, folder.name)


def save_plan(workspace: Workspace, kept: Kept, name: str, made_at: str, made_by: str) -> Path:
    """Keep a plan under a name for good; it is never changed and decides nothing.

    Raises
    ------
    SettingsError : no name for a folder.
    StoreError : there is a plan of that name.
    """
    folder = free_folder(workspace, name)
    told = {field: getattr(kept.plan, field) for field in ("value", "upper_bound", "gap", "usage", "shadow_prices")}
    facts = {
        "name": name, "run": kept.run, "case": case_digest(workspace.runs / kept.run), "made_at": made_at,
        "made_by": made_by, "per_customer": kept.per_customer, "inertia": kept.inertia, "plan": told,
        "limits": [asdict(spec) for spec in kept.case.limits],
    }  # fmt: skip
    folder.parent.mkdir(parents=True, exist_ok=True)
    models.save(folder, {"assignment": kept.plan.assignment.astype(np.int32)}, facts)
    return folder


def free_folder(workspace: Workspace, name: str) -> Path:
    """Where a new plan of that name will lie.

    Raises
    ------
    SettingsError : no name for a folder.
    StoreError : there is a plan of that name.
    """
    folder = plan_folder(workspace, name)
    if folder.exists():
        raise StoreError(f"plan {name!r}: there is one already and plans are never changed; choose another name")
    return folder


def plan_folder(workspace: Workspace, name: str) -> Path:
    """Where a plan of that name lies.

    Raises
    ------
    SettingsError : no name for a folder.
    """
    if not NAME.fullmatch(name):
        raise SettingsError(f"plan {name!r} is no name; write up to 64 of a-z, 0-9, dot, dash, underscore")
    return workspace.root / PLANS / name


def case_digest(run: Path) -> str:
    """SHA-256 that changes with anything in the case of a run."""
    file = run / CASE / "sha256.json"
    if not file.is_file():
        raise StoreError(f"{run}: this run kept no case; an older version made it. Run anew with `scenefit run`")
    return hashlib.sha256(file.read_bytes()).hexdigest()


def one_channel(case: Case) -> np.ndarray:
    """Group of each offer: a customer is offered a product on one channel at most."""
    groups: np.ndarray = np.unique(case.offers["product_id"].to_numpy(str), return_inverse=True)[1]
    return groups


def about(kept: Kept) -> dict[str, Any]:
    """Which plan, of which data and moment, by which rules."""
    facts = kept.case.facts
    return {
        "run": kept.run, "plan": kept.name, "per_customer": kept.per_customer, "inertia": kept.inertia,
        **{name: facts.get(name) for name in ("as_of", "dataset", "synthetic", "currency")},
        "customers": len(kept.case.customers), "offers": len(kept.case.offers),
    }  # fmt: skip


def _there(workspace: Workspace) -> str:
    folder = workspace.root / PLANS
    names = sorted(place.name for place in folder.iterdir() if place.is_dir()) if folder.is_dir() else []
    return f"there are {', '.join(names)}" if names else "keep one with `scenefit match run --save NAME`"
