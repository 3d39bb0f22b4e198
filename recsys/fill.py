"""Offers handed out one by one, the most valuable first, while every limit has room."""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np

from recsys.limits import Limit, usage, weights_of


def topped_up(assignment: np.ndarray, worth: np.ndarray, limits: Sequence[Limit], rounds: int = 4) -> np.ndarray:
    """Offers to unserved customers, highest `worth` first, as long as every ceiling has room.

    `worth` (n, m) is −inf where nothing may be offered; a customer whose best offer does not fit is tried with the
    next best, `rounds` times in all.
    """
    plan = assignment.copy()
    ceilings = [limit for limit in limits if limit.sense == "<="]
    users = np.flatnonzero((plan < 0) & (worth.max(axis=1, initial=-np.inf) > -np.inf))
    left = worth[users]
    for _ in range(min(rounds, worth.shape[1])):
        best = left.argmax(axis=1)
        gain = left[np.arange(len(users)), best]
        open_ = gain > -np.inf
        if not open_.any():
            break
        users, left, best, gain = users[open_], left[open_], best[open_], gain[open_]
        candidate = np.full(len(plan), -1)
        candidate[users] = best
        weights = np.array([weights_of(limit, candidate)[users] for limit in ceilings]).reshape(-1, len(users))
        room = np.array([limit.total - usage(limit, plan) for limit in ceilings])
        accepted = top_up(np.argsort(-gain, kind="stable"), weights, room)
        plan[users[accepted]] = best[accepted]
        left[np.arange(len(users)), best] = -np.inf
        users, left = users[~accepted], left[~accepted]
    return plan


def top_up(order: np.ndarray, weights: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Which of the candidates, taken in `order`, fit into the room that is left in every limit; shape (n,) bool.

    `weights` (limits, n) is what candidate i would use of each limit, `room` (limits,) what is left.
    """
    return _top_up(order, np.ascontiguousarray(weights.T), room.copy())


@numba.njit(cache=True)
def _top_up(order: np.ndarray, weights: np.ndarray, room: np.ndarray) -> np.ndarray:
    accepted = np.zeros(len(weights), np.bool_)
    for position in range(len(order)):
        i = order[position]
        fits = True
        for limit in range(len(room)):
            if weights[i, limit] > room[limit]:
                fits = False
                break
        if fits:
            accepted[i] = True
            for limit in range(len(room)):
                room[limit] -= weights[i, limit]
    return accepted
