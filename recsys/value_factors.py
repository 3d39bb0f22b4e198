"""By what offers are ranked: chance × context × value × lever, each declared and each with a switch.

The money stays what it is: weights move the order in which offers are made, never the value that is reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from recsys.case import Case, case_value
from recsys.coarse import coarse
from recsys.value import expected_value
from recsys.value_interval import Interval, pair_intervals
from scenefit.contracts.errors import ContractError


@dataclass(frozen=True)
class Factors:
    """What arbitration weighs offers by, and which of it is switched on.

    Parameters
    ----------
    context : weight by scene or moment: a number, (n, 1), (1, m) or (n, m); 1 changes nothing
    lever : weight the business sets: a number or (m,), one per offer
    use_propensity : off: everybody takes an offer as often as people do on average
    use_context, use_lever : off: the weight is 1
    use_value : off: offers are ranked by how often they are taken, not by what they bring

    Raises
    ------
    ContractError : a weight is negative or not a number.
    """

    context: float | np.ndarray = 1.0
    lever: float | np.ndarray = 1.0
    use_propensity: bool = True
    use_context: bool = True
    use_value: bool = True
    use_lever: bool = True

    def __post_init__(self) -> None:
        for name in ("context", "lever"):
            weights = np.asarray(getattr(self, name), float)
            if not np.isfinite(weights).all() or (weights < 0).any():
                raise ContractError(
                    f"factors: {name} holds a weight that is negative or not a number; weights start at 0, "
                    "1 changes nothing"
                )


class Contribution(NamedTuple):
    """One factor of one decision with its interval; `unit` is "share", "money" or "weight".

    Costs are negative: margin, loss, incentive and contact add up to the value.
    """

    code: str
    en: str
    zh: str
    unit: str
    amount: float
    low: float
    high: float


def priority(case: Case, factors: Factors) -> np.ndarray:
    """What each offer ranks by for each customer: context × lever × value, shape (n, m).

    An offer that is expected to lose keeps its loss, whatever the weights and switches: it never comes out above 0.

    Raises
    ------
    ContractError : weights are not of these customers and offers.
    """
    value = case_value(case).value
    return _ranked(value, _basis(case, factors, value), _weight(case, factors))


def context_weights(case: Case, column: str, weights: Mapping[str, float]) -> np.ndarray:
    """Context by a column of `case.groups` (scene, region …), 1 for values that are not named; shape (n, 1).

    Raises
    ------
    ContractError : the column or a value is not there.
    """
    return _by_value(case.groups, "groups", column, weights)[:, None]


def lever_weights(case: Case, column: str, weights: Mapping[str, float]) -> np.ndarray:
    """Lever by a column of `case.offers` (product, channel …), 1 for values that are not named; shape (m,).

    Raises
    ------
    ContractError : the column or a value is not there.
    """
    return _by_value(case.offers, "offers", column, weights)


def contributions(
    case: Case, factors: Factors, customer: int, offer: int, level: float = 0.95, risk: bool = False
) -> tuple[Contribution, ...]:
    """Every factor of one decision, from the chance that the offer is taken to what it ranks by.

    Only risk sees margin and loss apart and exact figures. Others see both as "margin_after_loss", and chances and
    money to two digits that matter: exact ones would give the person's probability of default by division.

    Raises
    ------
    ContractError : there is no such customer or offer, weights are not of this case, a level outside (0, 1).
    """
    n, m = case.p_take.shape
    if not (0 <= customer < n and 0 <= offer < m):
        raise ContractError(f"contributions: customer {customer} of {n:,}, offer {offer} of {m}; count both from 0")
    pair = pair_intervals(case, np.array([customer]), np.array([offer]), level)
    p, extra, margin, loss, incentive, value = (_one(interval) for interval in pair)
    unoffered, contact = float(case.p_unoffered[offer]), -float(case.contact_cost[offer])
    weights = [
        float(np.broadcast_to(w, (n, m))[customer, offer]) for w in (_context(case, factors), _lever(case, factors))
    ]
    ranked = _ranked_interval(case, factors, customer, offer, value, p, weights[0] * weights[1])
    earned: tuple[Contribution, ...] = (
        Contribution("margin", "margin", "毛利", "money", *margin),
        Contribution("loss", "expected loss", "预期损失", "money", *loss),
    )
    if not risk:
        after = _margin_after_loss(case, customer, offer, level)
        earned = (
            Contribution("margin_after_loss", "margin after expected loss", "扣除预期损失后的毛利", "money", *after),
        )
    found = (
        Contribution("p_take", "takes it if offered", "推荐后办理概率", "share", *p),
        Contribution("p_unoffered", "takes it without an offer", "不推荐时办理概率", "share", *_known(unoffered)),
        Contribution("extra", "takes it because of the offer", "推荐带来的增量概率", "share", *extra),
        *earned,
        Contribution("incentive", "incentive", "激励成本", "money", *incentive),
        Contribution("contact", "contact", "触达成本", "money", *_known(contact)),
        Contribution("value", "value", "价值", "money", *value),
        Contribution("context", "context weight", "情境权重", "weight", *_known(weights[0])),
        Contribution("lever", "business lever", "业务杠杆", "weight", *_known(weights[1])),
        Contribution("priority", "ranks by", "排序得分", "money" if factors.use_value else "share", *ranked),
    )
    return found if risk else tuple(_outlined(one) for one in found)


def _margin_after_loss(case: Case, customer: int, offer: int, level: float) -> tuple[float, float, float]:
    """Value before incentive and contact, with its interval."""
    nothing = np.zeros(len(case.offers))
    free = replace(case, terms=case.terms._replace(incentive=nothing), contact_cost=nothing)
    return _one(pair_intervals(free, np.array([customer]), np.array([offer]), level).value)


def _outlined(one: Contribution) -> Contribution:
    """A factor to two digits that matter; weights are declared and stay."""
    if one.unit == "weight":
        return one
    return one._replace(amount=coarse(one.amount), low=coarse(one.low), high=coarse(one.high))


def _one(interval: Interval) -> tuple[float, float, float]:
    return float(interval.value[0]), float(interval.low[0]), float(interval.high[0])


def _known(amount: float) -> tuple[float, float, float]:
    return amount, amount, amount


def _ranked_interval(
    case: Case, factors: Factors, customer: int, offer: int,
    value: tuple[float, float, float], p: tuple[float, float, float], weight: float,
) -> tuple[float, float, float]:  # fmt: skip
    """What a decision ranks by where its chance and value lie at the ends of their intervals."""
    money = np.array(value)
    basis = money if factors.use_value else np.array(p)
    if not factors.use_propensity:
        mean = float(case.p_take[:, offer].mean(dtype=np.float64))
        basis = np.full(3, mean)
        if factors.use_value:
            basis = np.full(3, _value_at(case, _means(case), slice(customer, customer + 1))[0, offer])
    first, *ends = _ranked(money, basis, np.full(3, weight)).tolist()
    return first, min(first, *ends), max(first, *ends)


def _ranked(value: np.ndarray, basis: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted basis of offers that gain; a loss stays the loss it is."""
    # a weight below 1 would bring a negative basis nearer to 0
    weighted = np.where(basis > 0, basis * weight, basis)
    ranked: np.ndarray = np.where(value > 0, weighted, value)
    return ranked


def _basis(case: Case, factors: Factors, value: np.ndarray) -> np.ndarray:
    if factors.use_propensity:
        return value if factors.use_value else case.p_take.astype(np.float64)
    means = _means(case)
    if factors.use_value:
        return _value_at(case, means, slice(None))
    return np.broadcast_to(means, case.p_take.shape)


def _means(case: Case) -> np.ndarray:
    """How often people take each offer on average, (1, m)."""
    return case.p_take.mean(axis=0, dtype=np.float64)[None, :]


def _value_at(case: Case, p_take: np.ndarray, rows: slice) -> np.ndarray:
    """Value where everybody takes with the same chances, (rows, m)."""
    pd_given_take = case.pd_given_take[rows]
    p = np.broadcast_to(p_take, (len(pd_given_take), p_take.shape[1]))
    return expected_value(
        p, case.terms, pd_given_take, case.contact_cost[None, :], case.lgd, case.p_unoffered
    ).value  # fmt: skip


def _weight(case: Case, factors: Factors) -> np.ndarray:
    return _context(case, factors) * _lever(case, factors)


def _context(case: Case, factors: Factors) -> np.ndarray:
    n, m = case.p_take.shape
    context = np.asarray(factors.context if factors.use_context else 1.0, float)
    if context.ndim and context.shape not in ((n, 1), (1, m), (n, m)):
        raise ContractError(
            f"factors: context has shape {context.shape}; give a number, ({n}, 1), (1, {m}) or ({n}, {m})"
        )
    return context if context.ndim else context.reshape(1, 1)


def _lever(case: Case, factors: Factors) -> np.ndarray:
    m = case.p_take.shape[1]
    lever = np.asarray(factors.lever if factors.use_lever else 1.0, float)
    if lever.ndim and lever.shape != (m,):
        raise ContractError(f"factors: lever has shape {lever.shape}; give a number or one for each of the {m} offers")
    return lever.reshape(1, -1)


def _by_value(table: pd.DataFrame, what: str, column: str, weights: Mapping[str, float]) -> np.ndarray:
    if column not in table.columns:
        raise ContractError(
            f"factors: {what} have no column {column!r}; there are {', '.join(map(str, table.columns))}"
        )
    there = set(table[column].unique())
    unknown = sorted(set(weights) - there)
    if unknown:
        raise ContractError(
            f"factors: {what} have no {column} {unknown[0]!r}; there are {', '.join(sorted(map(str, there))[:12])}"
        )
    found: np.ndarray = table[column].map(dict(weights)).fillna(1.0).to_numpy(float)
    return found
