"""What a run's plan was made from, and the plan, kept with the run: both are rebuilt exactly, without running again.

The case holds each person's probability of default; it is risk data and stays inside the run's folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys.case import Case, LimitSpec
from recsys.problem import Plan
from recsys.value import Terms
from scenefit.contracts.errors import StoreError
from scenefit.runtime import models

CASE, PLAN = Path("models", "case"), Path("models", "plan")
PLAIN = ("p_take", "p_unoffered", "pd_given_take", "contact_cost", "reason", "logit_error", "pd_error")


def write_case(folder: Path, case: Case) -> None:
    """Keep a case in the folder of its run."""
    groups, group_values = _coded(case.groups)
    protected, protected_values = _coded(case.protected)
    arrays = {name: getattr(case, name) for name in PLAIN}
    arrays |= {f"terms_{name}": values for name, values in case.terms._asdict().items()}
    arrays |= {"customers": case.customers.astype(str), "groups": groups, "protected": protected}
    facts = {
        "offers": _listed(case.offers),
        "lgd": float(case.lgd),
        "reasons": list(case.reasons),
        "groups": group_values,
        "protected": protected_values,
        "limits": [asdict(spec) for spec in case.limits],
        "facts": case.facts,
    }
    models.save(folder / CASE, arrays, facts)


def read_case(folder: Path) -> Case:
    """The case of a run, from the run's folder.

    Raises
    ------
    StoreError : the run kept none, or its files were changed.
    """
    saved = _saved(folder, CASE)
    arrays, facts = saved.arrays, saved.facts
    return Case(
        customers=arrays["customers"].astype(object),
        offers=pd.DataFrame(facts["offers"]["values"], columns=facts["offers"]["columns"]),
        **{name: arrays[name] for name in PLAIN},
        terms=Terms(*(arrays[f"terms_{name}"] for name in Terms._fields)),
        lgd=facts["lgd"],
        reasons=tuple(facts["reasons"]),
        groups=_decoded(arrays["groups"], facts["groups"]),
        protected=_decoded(arrays["protected"], facts["protected"]),
        limits=_specs(facts["limits"]),
        facts=facts["facts"],
    )


def write_plan(folder: Path, plan: Plan, specs: Sequence[LimitSpec]) -> None:
    """Keep a plan and the limits it was made under in the folder of its run."""
    facts = {name: getattr(plan, name) for name in ("value", "upper_bound", "gap", "usage", "shadow_prices")}
    facts["limits"] = [asdict(spec) for spec in specs]
    models.save(folder / PLAN, {"assignment": plan.assignment.astype(np.int32)}, facts)


def read_plan(folder: Path) -> tuple[Plan, tuple[LimitSpec, ...]]:
    """The plan of a run and the limits it was made under, from the run's folder.

    Raises
    ------
    StoreError : the run kept none, or its files were changed.
    """
    saved = _saved(folder, PLAN)
    facts = dict(saved.facts)
    specs = _specs(facts.pop("limits"))
    return Plan(assignment=saved.arrays["assignment"].astype(np.int64), **facts), specs


def _saved(folder: Path, part: Path) -> models.Saved:
    if not (folder / part).is_dir():
        raise StoreError(
            f"{folder}: this run kept no {part.name}; an older version made it. Run anew with `scenefit run`"
        )
    return models.load(folder / part)


def _specs(listed: list[dict[str, Any]]) -> tuple[LimitSpec, ...]:
    return tuple(LimitSpec(**spec) for spec in listed)


def _coded(table: pd.DataFrame) -> tuple[np.ndarray, dict[str, Any]]:
    """Text columns as one matrix of codes and the values they stand for, by column in order."""
    found = {str(name): np.unique(table[name].astype(str).to_numpy(str), return_inverse=True) for name in table.columns}
    codes = np.stack([c.astype(np.int32) for _, c in found.values()]) if found else np.zeros((0, len(table)), np.int32)
    # a list keeps the order of columns, which sorted JSON would not
    return codes, {"columns": list(found), "values": [values.tolist() for values, _ in found.values()]}


def _decoded(codes: np.ndarray, said: dict[str, Any]) -> pd.DataFrame:
    pairs = zip(said["columns"], said["values"], codes, strict=True)
    columns = {name: np.asarray(values, dtype=object)[column] for name, values, column in pairs}
    return pd.DataFrame(columns, index=range(codes.shape[1]))


def _listed(table: pd.DataFrame) -> dict[str, Any]:
    """A small table as JSON, missing numbers as null."""
    plain = table.to_numpy(object)
    plain[table.isna().to_numpy()] = None
    return {"columns": [str(name) for name in table.columns], "values": plain.tolist()}
