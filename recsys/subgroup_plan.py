"""Product × subgroup for product teams: who gets it, what it brings, how sure that is, and what blocks the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from recsys.case import Case, case_limits, case_value, worthwhile
from recsys.limits import broadcast_weights
from recsys.plan_figures import SMALLEST
from recsys.problem import Plan
from recsys.ranking import unpack
from recsys.value import Value
from recsys.value_interval import plan_totals
from scenefit.contracts.errors import ContractError


class SubgroupPlan(NamedTuple):
    """`cells`: one row per product and subgroup; `blocked`: one per subgroup, product and reason, with its people."""

    cells: pd.DataFrame
    blocked: pd.DataFrame


def subgroup_plan(case: Case, plan: Plan, subgroups: str | Mapping[str, np.ndarray]) -> SubgroupPlan:
    """What a plan does for every product in every subgroup.

    Parameters
    ----------
    subgroups : a column of `case.groups`, or masks (n,) bool by name, which may overlap

    Returns
    -------
    `cells` has product_id, subgroup, people, eligible, worth_offering, planned (people), takers, loss, profit with low
    and high (model error, 95 %), unserved (some are worth an offer, nobody gets one) and blocked_by, the reason that
    keeps most people from it. Figures of fewer than 20 people are missing. In `blocked` a reason is the code of the
    first rule, "no worth", "another offer", or "limit " and the name of the limit that takes most of the value.

    Raises
    ------
    ContractError : the column is not there, a mask is of other people, or the plan is of another case.
    """
    masks = _masks(case, subgroups)
    if len(plan.assignment) != len(case.customers):
        raise ContractError(f"subgroup plan: a plan of {len(plan.assignment):,} customers for {len(case.customers):,}")
    value = case_value(case)
    reasons = blocking_reasons(case, value, plan)
    worth = unpack(worthwhile(case, value), len(case.offers))
    got = np.asarray(plan.assignment).reshape(len(case.customers), -1)
    cells: list[dict[str, object]] = []
    blocked: list[pd.DataFrame] = []
    for product in case.offers["product_id"].unique():
        columns = np.flatnonzero((case.offers["product_id"] == product).to_numpy(bool))
        own = np.where(np.isin(got, columns), got, -1)
        # of a product's channels the one that came nearest speaks
        why = _nearest(reasons, case, columns, worth)
        for name, mask in masks.items():
            people = int(mask.sum())
            row = {"product_id": product, "subgroup": name, "people": people}
            if people < SMALLEST:
                cells.append(row)
                continue
            told = pd.Series(why[mask]).value_counts()
            counts = told[(told.index != "") & (told >= SMALLEST)].rename_axis("reason").reset_index(name="people")
            blocked.append(counts.assign(product_id=product, subgroup=name))
            cells.append(row | _cell(case, columns, own, worth, mask) | {
                "blocked_by": counts["reason"].iloc[0] if len(counts) else ""})  # fmt: skip
    names = ["product_id", "subgroup", "people", "eligible", "worth_offering", "planned", "takers", "loss", "profit",
             "profit_low", "profit_high", "unserved", "blocked_by"]  # fmt: skip
    table = pd.DataFrame(cells).reindex(columns=names)
    parts = [part for part in blocked if len(part)]
    why_table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["reason", "people"])
    return SubgroupPlan(table, why_table.reindex(columns=["product_id", "subgroup", "reason", "people"]))


def blocking_reasons(case: Case, value: Value, plan: Plan) -> np.ndarray:
    """Why each offer is not made to each customer, (n, m) text; "" where it is made."""
    paid = np.zeros(case.p_take.shape)
    dearest, name = np.zeros(case.p_take.shape), np.full(case.p_take.shape, "limits", object)
    for limit in case_limits(case, value):
        price = plan.shadow_prices.get(limit.name, 0.0)
        if price > 0:
            cost = np.broadcast_to(price * broadcast_weights(limit), paid.shape)
            paid += cost
            more = cost > dearest
            dearest[more], name[more] = cost[more], f"limit {limit.name}"
        elif price < 0:
            paid += price * broadcast_weights(limit)
    found = np.where(value.value - paid > 0, "another offer", name)
    # nothing was given: then it was a limit, not another offer
    nothing = (np.asarray(plan.assignment).reshape(len(paid), -1) < 0).all(axis=1)
    found[nothing] = name[nothing]
    found = np.where(value.value > 0, found, "no worth")
    found = np.where(case.allowed, found, np.array(case.reasons, object)[case.reason])
    who, place = np.nonzero(np.asarray(plan.assignment).reshape(len(paid), -1) >= 0)
    found[who, np.asarray(plan.assignment).reshape(len(paid), -1)[who, place]] = ""
    return found


def _nearest(reasons: np.ndarray, case: Case, columns: np.ndarray, worth: np.ndarray) -> np.ndarray:
    height = np.where(reasons[:, columns] == "", 3.0, np.where(worth[:, columns], 2.0, case.allowed[:, columns] * 1.0))
    best = height.argmax(axis=1)
    found: np.ndarray = reasons[np.arange(len(reasons)), columns[best]]
    return found


def _cell(case: Case, columns: np.ndarray, own: np.ndarray, worth: np.ndarray, mask: np.ndarray) -> dict[str, object]:
    planned = int((own[mask] >= 0).any(axis=1).sum())
    wanted = int(worth[np.ix_(mask, columns)].any(axis=1).sum())
    found: dict[str, object] = {
        "eligible": int(case.allowed[np.ix_(mask, columns)].any(axis=1).sum()),
        "worth_offering": wanted,
        "planned": planned,
        "unserved": wanted > 0 and planned == 0,
    }
    if planned == 0 or planned >= SMALLEST:
        totals = plan_totals(case, own.astype(np.int64), mask)
        found |= {"takers": totals.takers.value, "loss": totals.loss.value, "profit": totals.value.value,
                  "profit_low": totals.value.low, "profit_high": totals.value.high}  # fmt: skip
    return found


def _masks(case: Case, subgroups: str | Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    if isinstance(subgroups, str):
        if subgroups not in case.groups.columns:
            raise ContractError(
                f"subgroup plan: groups have no column {subgroups!r}; there are {', '.join(map(str, case.groups))}"
            )
        values = case.groups[subgroups]
        return {str(one): (values == one).to_numpy(bool) for one in sorted(values.unique()) if one != ""}
    for name, mask in subgroups.items():
        if np.shape(mask) != (len(case.customers),) or np.asarray(mask).dtype != bool:
            raise ContractError(
                f"subgroup plan: mask {name!r} must be true or false for {len(case.customers):,} people"
            )
    return dict(subgroups)
