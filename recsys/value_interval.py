"""How sure the value is: intervals from the standard errors of the take and the default model.

Only model error counts: what the value would be expected to be, had the models been learned from other data of the
same kind. How many of those who are offered happen to take comes on top of it.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from recsys.case import Case
from recsys.value import worth
from scenefit.contracts.errors import ContractError

# pairs taken at once: a dozen arrays of them stay below 100 MB
BLOCK = 1_000_000


class Interval(NamedTuple):
    """An estimate and its interval; arrays of equal shape, currency units unless said otherwise."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


class PairIntervals(NamedTuple):
    """What single offers bring and how sure that is; costs are negative, each part of shape (pairs,).

    `p_take` and `extra` (over those who take unoffered) are shares; margin, loss, incentive and the cost of contact
    add up to the value.
    """

    p_take: Interval
    extra: Interval
    margin: Interval
    loss: Interval
    incentive: Interval
    value: Interval


class Total(NamedTuple):
    """A sum over a plan and its interval; plain floats."""

    value: float
    low: float
    high: float


class PlanTotals(NamedTuple):
    """What a plan is expected to come to: takers (people), loss of all takers and value (currency units)."""

    takers: Total
    loss: Total
    value: Total


class _Pairs(NamedTuple):
    """The inputs of the value of single offers; all broadcast."""

    p: np.ndarray
    risk: np.ndarray
    p_error: np.ndarray
    risk_error: np.ndarray
    base: np.ndarray
    margin: np.ndarray
    lgd: np.ndarray
    amount: np.ndarray
    incentive: np.ndarray
    contact: np.ndarray


def value_interval(case: Case, level: float = 0.95) -> Interval:
    """Value of every offer to every customer with its interval, shapes (n, m).

    Raises
    ------
    ContractError : a standard error is negative or not a number, a level outside (0, 1).

    Notes
    -----
    Each model alone gives an asymmetric range, its log-odds moved by z standard errors; the two are independent
    (learned from different outcomes) and are joined as in MOVER: the distance to each end is the root of the summed
    squares of the distances one model gives (Zou and Donner 2008, Statistics in Medicine 27, 1693). Closed form: no
    seed, a few passes over the matrix. The plain delta method is symmetric and misses the skew of small chances.
    """
    z = _width(case, level)
    n, m = case.p_take.shape
    found = Interval(*(np.empty((n, m)) for _ in Interval._fields))
    for start in range(0, n, max(1, BLOCK // max(1, m))):
        rows = slice(start, start + max(1, BLOCK // max(1, m)))
        pairs = _Pairs(
            case.p_take[rows].astype(np.float64), *(part[rows, None] for part in _by_customer(case)),
            *(part[None, :] for part in _by_offer(case)),
        )  # fmt: skip
        for whole, part in zip(found, _value(pairs, z), strict=True):
            whole[rows] = part
    return found


def pair_intervals(case: Case, customers: np.ndarray, offers: np.ndarray, level: float = 0.95) -> PairIntervals:
    """What single offers bring, part by part, each with its interval; customer i gets offer i.

    Raises
    ------
    ContractError : see `value_interval`.
    """
    z = _width(case, level)
    pairs = _pairs(case, customers, offers)
    least, most = _moved(pairs.p, pairs.p_error, -z), _moved(pairs.p, pairs.p_error, z)
    taken = Interval(pairs.p, least, most)
    extra = Interval(*(np.maximum(p - pairs.base, 0.0) for p in taken))
    # margins may be negative, incentives are not
    ends = [extra.low * pairs.margin, extra.high * pairs.margin]
    margin = Interval(extra.value * pairs.margin, np.minimum(*ends), np.maximum(*ends))
    owed = [_lost(pairs, _moved(pairs.risk, pairs.risk_error, by)) for by in (0.0, -z, z)]
    loss = _joined(-extra.value * owed[0], [-extra.low * owed[0], -extra.high * owed[0]],
                   [-extra.value * owed[1], -extra.value * owed[2]])  # fmt: skip
    incentive = Interval(-taken.value * pairs.incentive, -most * pairs.incentive, -least * pairs.incentive)
    return PairIntervals(taken, extra, margin, loss, incentive, _value(pairs, z))


def plan_totals(case: Case, assignment: np.ndarray, where: np.ndarray | None = None, level: float = 0.95) -> PlanTotals:
    """Expected takers, loss and value of a plan with intervals.

    Parameters
    ----------
    assignment : (n,) or (n, K) offer of each customer, −1 for none
    where : (n,) bool narrows the sum to some customers; None: everybody

    Raises
    ------
    ContractError : a plan of other customers or offers, and as `value_interval`.

    Notes
    -----
    One model speaks of everybody, so its errors do not cancel out over customers. How they go together is not kept
    with a case: each model is taken to err to the same end for everybody at once, by z standard errors. While errors
    are about normal, no dependence between customers makes the sum vary more: the interval is a cautious one.
    Independent errors would make it narrower by about the root of the number of customers, and false. The two models
    are joined as in `value_interval`.
    """
    z = _width(case, level)
    pairs = _pairs(case, *planned_pairs(case, assignment, where))
    low, high = _moved(pairs.p, pairs.p_error, -z), _moved(pairs.p, pairs.p_error, z)
    risks = [_moved(pairs.risk, pairs.risk_error, by) for by in (-z, z)]
    lost = pairs.p * _lost(pairs, pairs.risk)
    return PlanTotals(
        _total(pairs.p, [low, high]),
        _total(
            lost,
            [p * _lost(pairs, pairs.risk) for p in (low, high)],
            [pairs.p * _lost(pairs, risk) for risk in risks],
        ),
        _total(_worth(pairs, pairs.p, pairs.risk), *_ranges(pairs, z)),
    )


def planned_pairs(case: Case, assignment: np.ndarray, where: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """The customers and offers of the offers made, one place each.

    Raises
    ------
    ContractError : a plan of other customers or offers.
    """
    n, m = case.p_take.shape
    plan = np.asarray(assignment)
    if plan.ndim not in (1, 2) or len(plan) != n or plan.dtype.kind not in "iu":
        raise ContractError(
            f"plan totals: a plan of shape {plan.shape} for {n:,} customers; give (n,) or (n, K) offers"
        )
    if plan.size and (plan.min() < -1 or plan.max() >= m):
        raise ContractError(f"plan totals: the plan names offer {plan.max()}, the case has {m}; −1 is no offer")
    if where is not None and (where.shape != (n,) or where.dtype != bool):
        raise ContractError(f"plan totals: where has shape {where.shape}; give true or false for each customer")
    plan = plan.reshape(n, -1)
    made = plan >= 0 if where is None else (plan >= 0) & where[:, None]
    customers, places = np.nonzero(made)
    return customers, plan[customers, places]


def _total(value: np.ndarray, *ranges: list[np.ndarray]) -> Total:
    """The sum over pairs, each of which a model moves to the same end of its own range at once."""
    # joined after summing: the models are independent of each other, the customers of one model are not
    sums = [[np.minimum.reduce(ends).sum(), np.maximum.reduce(ends).sum()] for ends in ranges]
    return Total(*(float(part) for part in _joined(value.sum(), *sums)))


def _pairs(case: Case, customers: np.ndarray, offers: np.ndarray) -> _Pairs:
    return _Pairs(
        case.p_take[customers, offers].astype(np.float64),
        *(part[customers] for part in _by_customer(case)),
        *(part[offers] for part in _by_offer(case)),
    )


def _by_customer(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return case.pd_given_take, case.logit_error, case.pd_error


def _by_offer(case: Case) -> tuple[np.ndarray, ...]:
    terms = case.terms
    return (
        case.p_unoffered,
        terms.margin,
        np.full(len(terms.amount), case.lgd),
        terms.amount,
        terms.incentive,
        case.contact_cost,
    )


def _value(pairs: _Pairs, z: float) -> Interval:
    return _joined(_worth(pairs, pairs.p, pairs.risk), *_ranges(pairs, z))


def _ranges(pairs: _Pairs, z: float) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Values at the ends of what the take model leaves open, and of what the default model does."""
    low, high = _moved(pairs.p, pairs.p_error, -z), _moved(pairs.p, pairs.p_error, z)
    # below the own rate a higher chance only costs incentive: the least value may lie inside the range
    taken = [_worth(pairs, p, pairs.risk) for p in (low, high, np.clip(pairs.base, low, high))]
    # around the own rate risk counts nothing at one end and much at the other: the end where it counts speaks
    p = np.where((low < pairs.base) & (pairs.base < high), high, pairs.p)
    value, at_p = _worth(pairs, pairs.p, pairs.risk), _worth(pairs, p, pairs.risk)
    risks = (_moved(pairs.risk, pairs.risk_error, by) for by in (-z, z))
    return taken, [value + (_worth(pairs, p, risk) - at_p) for risk in risks]


def _worth(pairs: _Pairs, p: np.ndarray, risk: np.ndarray) -> np.ndarray:
    return worth(p, pairs.base, pairs.margin, _lost(pairs, risk), p * pairs.incentive, pairs.contact)


def _lost(pairs: _Pairs, risk: np.ndarray) -> np.ndarray:
    """Loss of a taker; multiplied in the order of `expected_value`, so that values agree to the last bit."""
    lost: np.ndarray = risk * pairs.lgd * pairs.amount
    return lost


def _joined(value: np.ndarray, *ranges: list[np.ndarray]) -> Interval:
    """The interval of a quantity that independent causes move, each within its range."""
    below = sum(np.maximum(value - np.minimum.reduce(ends), 0.0) ** 2 for ends in ranges)
    above = sum(np.maximum(np.maximum.reduce(ends) - value, 0.0) ** 2 for ends in ranges)
    return Interval(value, value - np.sqrt(below), value + np.sqrt(above))


def _moved(share: np.ndarray, error: np.ndarray, by: float) -> np.ndarray:
    """Shares whose log-odds are moved by so many standard errors; 0 and 1 stay.

    >>> _moved(np.array([0.5, 0.0]), np.array([1.0, 1.0]), 0.0).tolist()
    [0.5, 0.0]
    """
    if not by:
        return share
    moved: np.ndarray = share / (share + (1 - share) * np.exp(-by * error))
    return moved


def _width(case: Case, level: float) -> float:
    """Standard errors on either side of an estimate, after a look at what it rests on."""
    if not 0 < level < 1:
        raise ContractError(f"interval: a level of {level}; give a share between 0 and 1, like 0.95")
    for name in ("logit_error", "pd_error"):
        errors = getattr(case, name)
        odd = np.flatnonzero(~np.isfinite(errors) | (errors < 0))
        if len(odd):
            raise ContractError(
                f"interval: {name} of customer {odd[0]} is {errors[odd[0]]}; give a standard error, 0 where unknown"
            )
    return NormalDist().inv_cdf((1 + level) / 2)
