"""The limits of a plan: budget, capacity, expected loss, contacts and reach are all of one kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from recsys.ranking import unpack
from scenefit.contracts.errors import ContractError, Infeasible

TOLERANCE = 1e-9  # relative; sums of a million floats are exact to about 1e-12
PAIRS = 2_000_000  # customer × offer looked at at once


@dataclass(frozen=True)
class Limit:
    """One limit of a plan: the weights of all offers made add up to at most (or at least) `total`.

    `weight` broadcasts to (customers, products): use shape (n, 1), (1, m), (n, m) or (1, 1). `where` (n,) narrows the
    limit to some customers.
    """

    name: str
    sense: Literal["<=", ">="]
    total: float
    weight: np.ndarray
    where: np.ndarray | None = None


def broadcast_weights(limit: Limit) -> np.ndarray:
    """Weights that broadcast to (n, m), zero outside `where`."""
    return limit.weight if limit.where is None else limit.weight * limit.where[:, None]


def weights_of(limit: Limit, assignment: np.ndarray) -> np.ndarray:
    """Weight of each customer's offer in one limit, 0 without an offer."""
    n = len(assignment)
    rows = np.zeros(n, int) if limit.weight.shape[0] == 1 else np.arange(n)
    columns = np.zeros(n, int) if limit.weight.shape[1] == 1 else np.maximum(assignment, 0)
    weights = np.where(assignment >= 0, limit.weight[rows, columns].astype(np.float64), 0.0)
    return weights if limit.where is None else np.where(limit.where, weights, 0.0)


def usage(limit: Limit, assignment: np.ndarray) -> float:
    """What a plan uses of one limit, added up from the plan alone; `assignment` (n,) or (n, K), −1 for none."""
    if assignment.ndim == 1:
        return float(weights_of(limit, assignment).sum())
    return float(sum(weights_of(limit, assignment[:, place]).sum() for place in range(assignment.shape[1])))


def broken(assignment: np.ndarray, limits: Sequence[Limit]) -> list[tuple[Limit, float]]:
    """The limits a plan does not keep, with what it uses of them."""
    found = []
    for limit in limits:
        used, room = usage(limit, assignment), TOLERANCE * max(1.0, abs(limit.total))
        if (used > limit.total + room) if limit.sense == "<=" else (used < limit.total - room):
            found.append((limit, used))
    return found


def verify(assignment: np.ndarray, limits: Sequence[Limit]) -> None:
    """Add every limit up again from the plan alone.

    Raises
    ------
    Infeasible : a limit is broken.
    """
    failed = broken(assignment, limits)
    if failed:
        limit, used = failed[0]
        raise Infeasible(
            f"match: {limit.name!r} comes to {used:,.6g}, must be {limit.sense} {limit.total:,.6g}; "
            "the limits are too tight for whole customers. Loosen this one or the budget"
        )


def check_limits(limits: Sequence[Limit], n: int, m: int) -> None:
    """Make sure that every limit fits n customers and m products.

    Raises
    ------
    ContractError : names the limit and what is wrong with it.
    """
    names = [limit.name for limit in limits]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ContractError(f"match: two limits are called {doubled[0]!r}; give each its own name")
    for limit in limits:
        what = f"match: limit {limit.name!r}"
        if limit.sense not in ("<=", ">="):
            raise ContractError(f"{what} has the sense {limit.sense!r}; it must be '<=' or '>='")
        if not np.isfinite(limit.total):
            raise ContractError(f"{what} has the total {limit.total}; give a finite number or leave the limit out")
        if limit.weight.shape not in ((n, 1), (1, m), (n, m), (1, 1)):
            raise ContractError(
                f"{what} has weights of shape {limit.weight.shape}; use ({n}, 1), (1, {m}) or ({n}, {m})"
            )
        if not np.isfinite(limit.weight).all() or (limit.weight < 0).any():
            raise ContractError(f"{what} has weights that are negative or not finite; costs and counts start at 0")
        if limit.where is not None and (limit.where.shape != (n,) or limit.where.dtype != bool):
            raise ContractError(
                f"{what} has where of shape {limit.where.shape} and type {limit.where.dtype}; "
                f"it must be ({n},) true or false"
            )


def check_reach(limits: Sequence[Limit], furthest: Sequence[float]) -> None:
    """Make sure that every limit could be kept if it stood alone; `furthest` is how far each can get.

    Raises
    ------
    Infeasible : names the limit and how far it can get.
    """
    for limit, most in zip(limits, furthest, strict=True):
        if limit.sense == "<=" and limit.total < 0:
            raise Infeasible(f"match: {limit.name!r} must be <= {limit.total:,.6g}, but an empty plan uses 0; raise it")
        if limit.sense == ">=" and most < limit.total * (1 - TOLERANCE):
            raise Infeasible(
                f"match: {limit.name!r} must be >= {limit.total:,.6g}, but all who may get an offer come to "
                f"{most:,.6g}; lower it or loosen the eligibility rules"
            )


def furthest(limit: Limit, m: int, eligible: np.ndarray, per_customer: int = 1) -> float:
    """What a floor could come to if everybody got the offers that weigh most in it; 0 for a ceiling, never asked."""
    n, total = len(eligible), 0.0
    if limit.sense == "<=":
        return total
    block = max(PAIRS // m, 1)
    for first in range(0, n, block):
        part = slice(first, first + block)
        rows = part if limit.weight.shape[0] > 1 else slice(0, 1)
        weights = np.where(unpack(eligible[part], m), limit.weight[rows], 0.0)
        if limit.where is not None:
            weights = weights[limit.where[part]]
        if per_customer < m:
            weights = np.partition(weights, m - per_customer, axis=1)[:, m - per_customer :]
        total += float(weights.sum())
    return total
