"""A plan made to keep every limit in whole customers, and filled up while there is room."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recsys.fill import take_back, top_up
from recsys.limits import TOLERANCE, Limit, usage, weights_of


def repaired(assignment: np.ndarray, values: np.ndarray, reduced: np.ndarray, limits: Sequence[Limit]) -> np.ndarray:
    """The plan with floors raised, excess taken back and what is left of every limit handed out by reduced value."""
    plan = _floors_raised(assignment, reduced, limits)
    plan = _within_limits(plan, reduced, limits)
    return topped_up(plan, np.where(np.isfinite(reduced) & (values > 0), reduced, -np.inf), limits)


def topped_up(assignment: np.ndarray, worth: np.ndarray, limits: Sequence[Limit], rounds: int = 4) -> np.ndarray:
    """Offers to unserved customers, highest `worth` first, as long as every ceiling has room.

    `worth` (n, m) is −inf where nothing may be offered; a customer whose best offer does not fit is tried with the
    next best, `rounds` times in all.
    """
    plan = assignment.copy()
    ceilings = [limit for limit in limits if limit.sense == "<="]
    users = np.flatnonzero(plan < 0)
    choices = np.argsort(-worth[users], axis=1, kind="stable")[:, :rounds]
    for choice in range(choices.shape[1]):
        best = choices[:, choice]
        gain = worth[users, best]
        open_ = gain > -np.inf
        if not open_.any():
            break
        users, choices, best, gain = users[open_], choices[open_], best[open_], gain[open_]
        candidate = np.full(len(plan), -1)
        candidate[users] = best
        weights = np.array([weights_of(limit, candidate)[users] for limit in ceilings]).reshape(-1, len(users))
        room = np.array([limit.total - usage(limit, plan) for limit in ceilings])
        accepted = top_up(np.argsort(-gain, kind="stable"), weights, room)
        plan[users[accepted]] = best[accepted]
        users, choices = users[~accepted], choices[~accepted]
    return plan


def _floors_raised(assignment: np.ndarray, reduced: np.ndarray, limits: Sequence[Limit]) -> np.ndarray:
    """Add the best unserved customers where rounding left a reach floor short."""
    plan = assignment.copy()
    for limit in limits:
        short = limit.total - usage(limit, plan)
        if limit.sense == "<=" or short <= TOLERANCE * max(1.0, limit.total):
            continue
        # only what counts towards this floor can raise it
        useful = reduced if limit.weight.shape[1] == 1 else np.where(limit.weight > 0, reduced, -np.inf)
        best = useful.argmax(axis=1)
        weights = weights_of(limit, np.where(np.isfinite(useful.max(axis=1)), best, -1))
        spare = np.flatnonzero((plan < 0) & (weights > 0))
        order = spare[np.argsort(-useful[spare, best[spare]], kind="stable")]
        room = TOLERANCE * max(1.0, limit.total)
        needed = np.searchsorted(np.cumsum(weights[order]), short - room, "left") + 1
        plan[order[:needed]] = best[order[:needed]]
    return plan


def _within_limits(assignment: np.ndarray, reduced: np.ndarray, limits: Sequence[Limit]) -> np.ndarray:
    """Take back the least valuable offers where means hid that a limit is passed; tight floors are spared."""
    plan = assignment.copy()
    floors = [floor for floor in limits if floor.sense == ">="]
    for limit in limits:
        weights = weights_of(limit, plan)
        excess = weights.sum() - limit.total
        if limit.sense == ">=" or excess <= TOLERANCE * max(1.0, limit.total):
            continue
        users = np.flatnonzero(weights > 0)
        worth = reduced[users, plan[users]] / weights[users]
        order = users[np.argsort(worth, kind="stable")]
        holds = np.array([weights_of(floor, plan)[order] for floor in floors]).reshape(len(floors), len(order))
        slack = np.array([usage(floor, plan) - floor.total for floor in floors])
        plan[order[take_back(weights[order], excess, holds, slack)]] = -1
    return plan
