"""How steady a plan is: what changes when its inputs are a little off, and what holding on to offers costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from recsys.case import Case, case_limits, case_value, worthwhile
from recsys.plan_figures import moved, pairs_of
from recsys.problem import Plan, Problem
from recsys.value import Value
from recsys.what_if import warm
from scenefit.contracts.errors import ContractError, Infeasible

DRAWS = 5
WIGGLE = 0.01
CHURN = 0.10  # goal: share of offers that may change after a wiggle of 1 %
HALVINGS = 8


class Stability(NamedTuple):
    """How a plan fares when its inputs are drawn anew.

    `draws`: draw, feasible, churn (share of customers with an offer in either plan whose offer changes), value_kept;
    `churn` and `value_kept` are the means of the draws that can be planned.
    """

    draws: pd.DataFrame
    churn: float
    value_kept: float


class Inertia(NamedTuple):
    """The smallest inertia that keeps churn within the goal, in currency units per customer.

    `reached` is False where no inertia does; then `inertia` is the largest tried. `value_given_up` is a share.
    """

    inertia: float
    churn: float
    value_given_up: float
    reached: bool


class _Held(NamedTuple):
    """One draw of the inputs, with the plan that nothing holds back."""

    case: Case
    value: Value
    free: Plan


def within_errors(case: Case, rng: np.random.Generator) -> Case:
    """A case as it may well be: take and default probabilities drawn from their intervals.

    The errors are of customers, so all offers of one move together; log-odds are normal.
    """
    n = len(case.customers)
    take = case.logit_error * rng.standard_normal(n)
    default = case.pd_error * rng.standard_normal(n)
    return replace(
        case,
        p_take=_by_log_odds(case.p_take, take[:, None]).astype(case.p_take.dtype),
        pd_given_take=_by_log_odds(case.pd_given_take, default),
    )


def wiggled(case: Case, rng: np.random.Generator, by: float = WIGGLE) -> Case:
    """A case with every input off by up to a share `by`, uniformly and each on its own.

    Take and default probabilities, amounts, margins, incentives, contact costs and loss given default.
    """
    if not 0 <= by < 1:
        raise ContractError(f"stability: inputs are to be off by {by}; give a share from 0 to less than 1")

    def off(part: np.ndarray) -> np.ndarray:
        return (part * (1 + rng.uniform(-by, by, np.shape(part)))).astype(part.dtype)

    columns = pd.factorize(case.offers["product_id"])[0]
    products = int(columns.max(initial=0)) + 1
    # the channels of one product share its terms
    terms = [np.asarray(part, float) * (1 + rng.uniform(-by, by, products))[columns] for part in case.terms]
    return replace(
        case,
        p_take=np.clip(off(case.p_take), 0, 1),
        pd_given_take=np.clip(off(case.pd_given_take), 0, 1),
        terms=type(case.terms)(*terms),
        contact_cost=off(np.asarray(case.contact_cost, float)),
        lgd=float(np.clip(case.lgd * (1 + rng.uniform(-by, by)), 0, 1)),
    )


def stability(
    case: Case,
    plan: Plan,
    seed: int = 0,
    draws: int = DRAWS,
    wiggle: float | None = None,
    inertia: float = 0.0,
    per_customer: int = 1,
    exclusive: np.ndarray | None = None,
) -> Stability:
    """How much of a plan changes, and what it stays worth, when its inputs are drawn anew.

    Parameters
    ----------
    wiggle : every input off by up to this share, uniformly; None: drawn within the case's own standard errors
    inertia : currency units added to the value of each customer's current offer

    Raises
    ------
    ContractError : no plan or one of other customers, a negative inertia, no draws.

    Notes
    -----
    `value_kept` is what the plan made from the drawn inputs is worth by the inputs as they are known, over the worth
    of the plan at hand. It may pass 1: that plan keeps the limits as the drawn inputs count them.
    """
    _check(case, plan, [inertia], draws)
    value = case_value(case)
    now = _worth(value, plan)
    rows = []
    for draw, held in enumerate(_draws(case, plan, seed, draws, wiggle, per_customer, exclusive)):
        if held is None:
            rows.append((draw, False, np.nan, np.nan))
            continue
        new = _with_inertia(held, plan, inertia, per_customer, exclusive)
        kept = _worth(value, new) / now if now else np.nan
        rows.append((draw, True, moved(plan.assignment, new.assignment)[1], kept))
    frame = pd.DataFrame(rows, columns=["draw", "feasible", "churn", "value_kept"])
    return Stability(frame, float(frame["churn"].mean()), float(frame["value_kept"].mean()))


def inertia_curve(
    case: Case,
    plan: Plan,
    inertias: Sequence[float],
    seed: int = 0,
    draws: int = DRAWS,
    wiggle: float | None = WIGGLE,
    per_customer: int = 1,
    exclusive: np.ndarray | None = None,
) -> pd.DataFrame:
    """What holding on to offers brings and costs: inertia, churn, value_given_up; ascending, means over the draws.

    `value_given_up` is the share of value, by the drawn inputs, that plans with the inertia have less than without.

    Raises
    ------
    ContractError : no plan, no inertia, a negative one, no draws.
    Infeasible : no draw can be planned.
    """
    _check(case, plan, inertias, draws)
    known = _plannable(_draws(case, plan, seed, draws, wiggle, per_customer, exclusive))
    return pd.DataFrame(
        [
            (float(at), *_outcome(known, plan, float(at), per_customer, exclusive))
            for at in np.unique(np.asarray(inertias, dtype=float))
        ],
        columns=["inertia", "churn", "value_given_up"],
    )


def smallest_inertia(
    case: Case,
    plan: Plan,
    churn: float = CHURN,
    seed: int = 0,
    draws: int = DRAWS,
    wiggle: float | None = WIGGLE,
    per_customer: int = 1,
    exclusive: np.ndarray | None = None,
) -> Inertia:
    """The inertia to recommend: the smallest, to about half a per cent, that keeps churn within the goal.

    Raises
    ------
    ContractError : no plan, a goal that is not a share, no draws.
    Infeasible : no draw can be planned.
    """
    if not 0 <= churn <= 1:
        raise ContractError(f"stability: the goal for churn is {churn}; it is a share, give 0 to 1")
    _check(case, plan, [0.0], draws)
    known = _plannable(_draws(case, plan, seed, draws, wiggle, per_customer, exclusive))
    found = _outcome(known, plan, 0.0, per_customer, exclusive)
    if found[0] <= churn:
        return Inertia(0.0, *found, True)
    pairs = pairs_of(plan.assignment)
    worth = case_value(case).value[pairs.who, pairs.offer]
    typical = float(np.mean(worth)) if len(worth) else 1.0
    low, high = 0.0, max(typical, 1e-6) / 64
    found = _outcome(known, plan, high, per_customer, exclusive)
    while found[0] > churn and high < 64 * typical:
        low, high = high, 2 * high
        found = _outcome(known, plan, high, per_customer, exclusive)
    if found[0] > churn:
        return Inertia(high, *found, False)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        tried = _outcome(known, plan, middle, per_customer, exclusive)
        if tried[0] <= churn:
            high, found = middle, tried
        else:
            low = middle
    return Inertia(high, *found, True)


def held_values(value: np.ndarray, assignment: np.ndarray, inertia: float) -> np.ndarray:
    """Values with the inertia added to everybody's current offer, unless that is expected to lose.

    Raises
    ------
    ContractError : the inertia is negative or not finite, or the plan is of other customers.
    """
    if not (np.isfinite(inertia) and inertia >= 0):
        raise ContractError(
            f"stability: the inertia is {inertia}; it is added to a value, give 0 or more currency units"
        )
    if len(assignment) != len(value):
        raise ContractError(f"stability: a plan of {len(assignment):,} customers, values of {len(value):,}; match them")
    held = value.astype(np.float64)
    pairs = pairs_of(assignment)
    now = held[pairs.who, pairs.offer]
    held[pairs.who, pairs.offer] = np.where(now > 0, now + inertia, now)
    return held


def _draws(
    case: Case,
    plan: Plan,
    seed: int,
    draws: int,
    wiggle: float | None,
    per_customer: int,
    exclusive: np.ndarray | None,
) -> list[_Held | None]:
    """The drawn cases, each with its free plan; None where the limits cannot be met."""
    found: list[_Held | None] = []
    for draw in range(draws):
        rng = np.random.default_rng([seed, draw])
        new = within_errors(case, rng) if wiggle is None else wiggled(case, rng, wiggle)
        value = case_value(new)
        problem = Problem(value.value, worthwhile(new, value), case_limits(new, value), per_customer, exclusive)
        try:
            found.append(_Held(new, value, warm(problem, plan)))
        except Infeasible:
            found.append(None)
    return found


def _plannable(found: list[_Held | None]) -> list[_Held]:
    known = [held for held in found if held is not None]
    if not known:
        raise Infeasible(f"stability: none of {len(found)} draws of the inputs can be planned; loosen the limits")
    return known


def _with_inertia(held: _Held, plan: Plan, inertia: float, per_customer: int, exclusive: np.ndarray | None) -> Plan:
    """The plan of a draw when everybody's current offer is worth the inertia more."""
    if inertia == 0:
        return held.free
    values = held_values(held.value.value, plan.assignment, inertia)
    bits, limits = worthwhile(held.case, held.value), case_limits(held.case, held.value)
    return warm(Problem(values, bits, limits, per_customer, exclusive), held.free)


def _outcome(
    known: Sequence[_Held], plan: Plan, inertia: float, per_customer: int, exclusive: np.ndarray | None
) -> tuple[float, float]:
    """Mean churn and mean share of value given up."""
    churn, given_up = [], []
    for held in known:
        new = _with_inertia(held, plan, inertia, per_customer, exclusive)
        free = _worth(held.value, held.free)
        churn.append(moved(plan.assignment, new.assignment)[1])
        given_up.append(1 - _worth(held.value, new) / free if free else 0.0)
    return float(np.mean(churn)), float(np.mean(given_up))


def _worth(value: Value, plan: Plan) -> float:
    pairs = pairs_of(plan.assignment)
    return float(value.value[pairs.who, pairs.offer].sum(dtype=np.float64))


def _by_log_odds(share: np.ndarray, by: np.ndarray) -> np.ndarray:
    grown = share.astype(np.float64) * np.exp(by)
    return grown / (1 - share + grown)


def _check(case: Case, plan: Plan, inertias: Sequence[float], draws: int) -> None:
    if plan is None or len(plan.assignment) != len(case.customers):
        raise ContractError(f"stability: give the plan of this case's {len(case.customers):,} customers")
    if not len(inertias) or any(not (np.isfinite(at) and at >= 0) for at in inertias):
        raise ContractError(
            f"stability: inertias are {list(inertias)}; give one or more numbers of currency units, 0 or more"
        )
    if draws < 1:
        raise ContractError(f"stability: {draws} draws; take one or more")
    for name, error in (("logit_error", case.logit_error), ("pd_error", case.pd_error)):
        if not np.isfinite(error).all() or (error < 0).any():
            raise ContractError(f"stability: {name} has values that are negative or not finite; give 0 where unknown")
