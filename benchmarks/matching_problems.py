"""Synthetic matching problems: customers × 30 offers under 36 limits that pull apart, made once per size."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.harness import CACHE
from recsys.limits import Limit

OFFERS, GROUPS = 30, 4
BUDGET, LOSS = "budget", "expected loss"
# least share of each group of people that has to be reached, the hardest to reach last
FLOORS = (0.10, 0.10, 0.35, 0.50)
LOSS_WEIGHT, COST_WEIGHT = 0.3, 0.2
ELIGIBLE = 0.6


class Made(NamedTuple):
    """A problem as plain arrays, so that sides in other environments can read it.

    values, cost, loss : (n, m) float32, currency units; cost is contact plus expected incentive
    eligible : (n, m) bool
    group : (n,) group of each customer
    capacity : (m,) offers of each kind; budget, loss_cap: totals; floor: (GROUPS,) people to be reached
    """

    values: np.ndarray
    cost: np.ndarray
    loss: np.ndarray
    eligible: np.ndarray
    group: np.ndarray
    capacity: np.ndarray
    budget: float
    loss_cap: float
    floor: np.ndarray


def made(customers: int, seed: int = 0, offers: int = OFFERS) -> Made:
    """Synthetic customers and offers of correlated tastes, margins, costs and risks; limits from free demand.

    Capacities are 0.4–1.3 × what people would take without limits, the budget half and the loss cap 0.6 × of it.
    """
    r = np.random.default_rng(seed)
    tastes = r.standard_normal((customers, 6), dtype=np.float32)
    appeal = r.standard_normal((offers, 6)).astype(np.float32) * np.float32(0.6)
    group = r.choice(GROUPS, size=customers, p=[0.5, 0.25, 0.15, 0.1]).astype(np.int8)
    chance = tastes @ appeal.T
    chance += r.normal(-3.2, 0.7, offers).astype(np.float32) - (group * np.float32(0.5))[:, None]
    chance = 1 / (1 + np.exp(-chance, out=chance))
    margin = r.gamma(4, 150, offers).astype(np.float32)
    default = (1 / (1 + np.exp(3.2 - 0.8 * tastes[:, 0] - 0.3 * group))).astype(np.float32)
    lent = (margin * 6 * r.uniform(0.5, 1.5, offers)).astype(np.float32)
    loss = (chance * default[:, None] * (lent * np.float32(0.45))).astype(np.float32)
    contact, incentive = r.uniform(0.3, 6, offers), r.uniform(20, 80, offers)
    cost = (contact.astype(np.float32) + chance * incentive.astype(np.float32)).astype(np.float32)
    values = chance * margin
    values -= np.float32(LOSS_WEIGHT) * loss
    values -= np.float32(COST_WEIGHT) * cost
    eligible = r.random((customers, offers), dtype=np.float32) < ELIGIBLE
    free = np.where(eligible, values, -np.inf).argmax(axis=1)
    who = np.flatnonzero(eligible[np.arange(customers), free] & (values[np.arange(customers), free] > 0))
    demand = np.bincount(free[who], minlength=offers)
    capacity = np.maximum(demand * r.uniform(0.4, 1.3, offers), customers * 0.002).round()
    budget = 0.5 * float(cost[who, free[who]].sum(dtype=np.float64))
    loss_cap = 0.6 * float(loss[who, free[who]].sum(dtype=np.float64))
    floor = (np.array(FLOORS) * np.bincount(group, minlength=GROUPS)).round()
    values[~eligible] = 0.0
    return Made(values, cost, loss, eligible, group, capacity, budget, loss_cap, floor)


def kept(customers: int, folder: Path = CACHE) -> Path:
    """The problem of that size as a file of arrays; made when it is not there."""
    path = folder / f"matching-{customers}.npz"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        half = path.with_name(f".{path.stem}-{os.getpid()}.npz")
        np.savez(half, **made(customers)._asdict())
        half.replace(path)
    return path


def read(path: Path) -> Made:
    """The problem of a file."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in Made._fields}
    return Made(**arrays | {"budget": float(arrays["budget"]), "loss_cap": float(arrays["loss_cap"])})


def limits_of(problem: Made) -> list[Limit]:
    """30 capacities, budget, expected loss and four reach floors, as the solver takes them."""
    offers = problem.values.shape[1]
    single = np.eye(offers)
    capacities = [
        Limit(f"capacity {j}", "<=", float(total), single[j : j + 1]) for j, total in enumerate(problem.capacity)
    ]
    one = np.ones((1, 1))
    floors = [
        Limit(f"reach of group {g}", ">=", float(total), one, problem.group == g)
        for g, total in enumerate(problem.floor)
    ]
    return [
        *capacities,
        Limit(BUDGET, "<=", problem.budget, problem.cost),
        Limit(LOSS, "<=", problem.loss_cap, problem.loss),
        *floors,
    ]


class Recount(NamedTuple):
    """What a plan comes to, added up from the arrays alone, and how many of its limits and rules are broken."""

    value: float
    broken: int
    worst: float  # largest excess over a limit, relative to its total


def recounted(problem: Made, assignment: np.ndarray) -> Recount:
    """Value and broken limits of a plan (n,), −1 for no offer; shares no code with the solver."""
    who = np.flatnonzero(assignment >= 0)
    offer = assignment[who]
    spent = problem.cost[who, offer].sum(dtype=np.float64)
    lost = problem.loss[who, offer].sum(dtype=np.float64)
    over = np.concatenate(
        [
            np.bincount(offer, minlength=len(problem.capacity)) - problem.capacity,
            [spent - problem.budget, lost - problem.loss_cap],
            problem.floor - np.bincount(problem.group[who], minlength=len(problem.floor)),
        ]
    )
    totals = np.concatenate([problem.capacity, [problem.budget, problem.loss_cap], problem.floor])
    excess = over / np.maximum(1.0, totals)
    barred = int((~problem.eligible[who, offer]).sum())
    value = float(problem.values[who, offer].sum(dtype=np.float64))
    return Recount(value, int((excess > 1e-9).sum()) + barred, float(max(0.0, excess.max())))
