"""What a plan would become: another budget, cap, capacity or floor, other terms, another appetite for risk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from recsys.case import Case, case_limits, case_value, worthwhile
from recsys.plan_figures import Figures, by_column, figures, moved
from recsys.problem import Plan, Problem
from recsys.value import Value, discounted_margin
from scenefit.contracts.errors import ContractError

DEFAULT_RULE = "likely default"


@dataclass(frozen=True)
class Change:
    """What is to be different.

    Parameters
    ----------
    totals : limit name → its new total
    apr, incentive : product id → per year, currency units
    lever : product id → factor of how much the business wants it; steers the choice, leaves the money as it is
    pd_max : nobody above this probability of default is offered anything
    lgd : loss given default, share
    take_per_point : change of the log-odds of taking per percentage point of APR; 0: take-up stays, an assumption
    take_per_unit : the same per currency unit of incentive
    """

    totals: Mapping[str, float] = field(default_factory=dict)
    apr: Mapping[str, float] = field(default_factory=dict)
    incentive: Mapping[str, float] = field(default_factory=dict)
    lever: Mapping[str, float] = field(default_factory=dict)
    pd_max: float | None = None
    lgd: float | None = None
    take_per_point: float = 0.0
    take_per_unit: float = 0.0

    def __post_init__(self) -> None:
        ranges = {"apr": (self.apr, 0, 10), "incentive": (self.incentive, 0, np.inf), "lever": (self.lever, 0, np.inf)}
        for name, (changes, low, high) in ranges.items():
            for product, new in changes.items():
                if not (np.isfinite(new) and low <= new <= high):
                    raise ContractError(f"what-if: {name} of {product!r} is {new}; it must lie in {low} to {high}")
        for name, total in self.totals.items():
            if not np.isfinite(total):
                raise ContractError(f"what-if: limit {name!r} gets the total {total}; give a finite number")
        for name, share in (("pd_max", self.pd_max), ("lgd", self.lgd)):
            if share is not None and not 0 <= share <= 1:
                raise ContractError(f"what-if: {name} is {share}; it is a share, give 0 to 1")
        for name, slope in (("take_per_point", self.take_per_point), ("take_per_unit", self.take_per_unit)):
            if not np.isfinite(slope):
                raise ContractError(f"what-if: {name} is {slope}; give a finite number")

    @property
    def keeps_values(self) -> bool:
        """Whether only totals change, so that nothing has to be valued again."""
        return not (self.apr or self.incentive or self.lever) and self.pd_max is None and self.lgd is None


class WhatIf(NamedTuple):
    """Before against after.

    `changed` counts customers whose offers differ, `changed_share` is of those with an offer in either plan;
    `by_product` and `by_segment` hold both sides of offers, takers, value and loss; `case` and `plan` are the new ones.
    """

    before: Figures
    after: Figures
    changed: int
    changed_share: float
    by_product: pd.DataFrame
    by_segment: pd.DataFrame
    case: Case
    plan: Plan


def problem_of(
    case: Case,
    value: Value | None = None,
    per_customer: int = 1,
    exclusive: np.ndarray | None = None,
    lever: Mapping[str, float] | None = None,
) -> Problem:
    """The problem of a case, ready to be solved for any totals.

    Raises
    ------
    ContractError : a lever is for a product that is not there.
    NotEligible : no offer is left that is allowed and worth something.
    """
    value = case_value(case) if value is None else value
    worth = levered(case, value.value, lever or {})
    return Problem(worth, worthwhile(case, value), case_limits(case, value), per_customer, exclusive)


def levered(case: Case, value: np.ndarray, lever: Mapping[str, float]) -> np.ndarray:
    """What the business wants: value times the product's lever where it is positive, so that no loss is promoted."""
    if not lever:
        return value
    factor = np.ones(len(case.offers))
    for product, change in lever.items():
        factor[_columns(case, product, "lever")] = change
    return np.where(value > 0, value * factor, value)


def warm(problem: Problem, plan: Plan, totals: Mapping[str, float] | None = None) -> Plan:
    """The plan for other totals, begun at the prices of a plan that is known.

    Raises
    ------
    ContractError : there is no limit of that name.
    """
    start = np.array([plan.shadow_prices.get(limit.name, 0.0) for limit in problem.limits])
    return problem.solve(totals=totals, start=start)


def what_if(
    case: Case,
    plan: Plan,
    change: Change,
    per_customer: int = 1,
    exclusive: np.ndarray | None = None,
    segment: str = "segment_id",
) -> WhatIf:
    """How a plan differs once something is changed; solved again from the old prices.

    Raises
    ------
    ContractError : no plan, one of other customers, or an unknown limit, product or column.
    Infeasible : the limits cannot be met together after the change.
    """
    if plan is None or len(plan.assignment) != len(case.customers):
        raise ContractError(f"what-if: give the plan of this case's {len(case.customers):,} customers to compare with")
    known = {spec.name for spec in case.limits}
    unknown = sorted(set(change.totals) - known)
    if unknown:
        raise ContractError(f"what-if: there is no limit {unknown[0]!r}; there are {', '.join(sorted(known))}")
    new = changed_case(case, change)
    before = case_value(case)
    after = before if change.keeps_values else case_value(new)
    again = warm(problem_of(new, after, per_customer, exclusive, change.lever), plan)
    different, share = moved(plan.assignment, again.assignment)
    sides = ((case, before, plan.assignment), (new, after, again.assignment))
    return WhatIf(
        figures(*sides[0]),
        figures(*sides[1]),
        different,
        share,
        _both(sides, "product_id"),
        _both(sides, segment),
        new,
        again,
    )


def changed_case(case: Case, change: Change) -> Case:
    """The case with its totals, terms, loss given default and rules as the change wants them.

    Raises
    ------
    ContractError : an unknown product, terms that cannot be worked out again, or a rule that cannot be taken back.
    """
    limits = tuple(replace(s, total=float(change.totals.get(s.name, s.total))) for s in case.limits)
    new = replace(case, limits=limits, lgd=case.lgd if change.lgd is None else change.lgd)
    for product, apr in change.apr.items():
        new = _with_apr(new, product, apr, change.take_per_point)
    for product, paid in change.incentive.items():
        columns = _columns(new, product, "incentive")
        incentive = np.array(new.terms.incentive, float)
        gain = change.take_per_unit * (paid - incentive[columns])
        incentive[columns] = paid
        new = replace(new, terms=new.terms._replace(incentive=incentive), p_take=_shifted(new.p_take, columns, gain))
    return new if change.pd_max is None else _with_pd_max(new, change.pd_max)


def _with_apr(case: Case, product: str, apr: float, per_point: float) -> Case:
    """Margin moves by what the loan's interest moves; funding, tenor and discount rate are columns of the offers."""
    columns = _columns(case, product, "APR")
    needed = ("apr", "funding_cost", "tenor_months", "discount_rate")
    missing = [name for name in needed if name not in case.offers.columns]
    table = case.offers.iloc[columns]
    if missing or table[list(needed)].isna().to_numpy().any():
        raise ContractError(
            f"what-if: a new APR of {product!r} cannot be valued, the offers do not state "
            f"{missing[0] if missing else 'one of ' + ', '.join(needed)} for it; they need {', '.join(needed)}"
        )
    old = table["apr"].to_numpy(float)
    amount, months = np.asarray(case.terms.amount, float)[columns], table["tenor_months"].to_numpy(float)
    funding, rate = table["funding_cost"].to_numpy(float), float(table["discount_rate"].iloc[0])
    whole = np.maximum(np.rint(months), 1).astype(int)
    margins = [discounted_margin(amount, at, funding, whole, rate) for at in (np.full(len(old), apr), old)]
    margin = np.array(case.terms.margin, float)
    margin[columns] += margins[0] - margins[1]
    offers = case.offers.copy()
    offers.loc[offers.index[columns], "apr"] = apr
    p_take = _shifted(case.p_take, columns, per_point * 100 * (apr - old))
    return replace(case, offers=offers, terms=case.terms._replace(margin=margin), p_take=p_take)


def _with_pd_max(case: Case, pd_max: float) -> Case:
    """Another appetite for risk: who is above is kept from every offer, who no longer is gets them back."""
    reasons = case.reasons if DEFAULT_RULE in case.reasons else (*case.reasons, DEFAULT_RULE)
    code = reasons.index(DEFAULT_RULE)
    ceiling = np.full(len(case.offers), pd_max)
    if "pd_max" in case.offers.columns:  # a product's own ceiling stays
        ceiling = np.fmin(ceiling, case.offers["pd_max"].to_numpy(float, na_value=np.nan))
    above = case.pd_given_take[:, None] > ceiling[None, :]
    back = (case.reason == code) & ~above
    if back.any() and code != len(reasons) - 1:
        raise ContractError(
            f"what-if: pd_max {pd_max} would let {int(back.any(axis=1).sum()):,} customers back in, but only the first "
            f"rule that said no is known and {reasons[code + 1]!r} comes after it; run the plan with the new setting"
        )
    reason = np.where(back, 0, case.reason)
    reason = np.where((reason == 0) & above, code, reason).astype(np.uint8)
    return replace(case, reason=reason, reasons=reasons)


def _shifted(p_take: np.ndarray, columns: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Shares with the log-odds of some columns moved."""
    if not np.any(by):
        return p_take
    moved_to = p_take.copy()
    p = np.clip(p_take[:, columns].astype(np.float64), 0.0, 1.0)
    grown = p * np.exp(by)[None, :]
    moved_to[:, columns] = (grown / (1 - p + grown)).astype(p_take.dtype)
    return moved_to


def _columns(case: Case, product: str, what: str) -> np.ndarray:
    columns = np.flatnonzero((case.offers["product_id"] == product).to_numpy(bool))
    if not len(columns):
        there = ", ".join(sorted(map(str, case.offers["product_id"].unique()))[:12])
        raise ContractError(f"what-if: {what} is for product {product!r}, which has no offer; there are {there}")
    return columns


def _both(sides: tuple[tuple[Case, Value, np.ndarray], ...], column: str) -> pd.DataFrame:
    before, after = (by_column(*side, column).set_index(column) for side in sides)
    return before.join(after, lsuffix="_before", rsuffix="_after").reset_index()
