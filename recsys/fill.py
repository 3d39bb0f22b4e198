"""Offers handed out one by one, the most valuable first, while every limit has room."""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np

from recsys.limits import Limit, usage


def topped_up(assignment: np.ndarray, worth: np.ndarray, limits: Sequence[Limit], rounds: int = 4) -> np.ndarray:
    """Offers to unserved customers, highest `worth` first, as long as every ceiling has room.

    `worth` (n, m) is −inf where nothing may be offered; a customer whose best offer does not fit is tried with the
    next best, `rounds` times in all.
    """
    plan = assignment.copy()
    ceilings = [limit for limit in limits if limit.sense == "<="]
    room = np.array([limit.total - usage(limit, plan) for limit in ceilings])
    users = np.flatnonzero((plan < 0) & (worth.max(axis=1, initial=-np.inf) > -np.inf))
    left = worth[users]
    for _ in range(min(rounds, worth.shape[1])):
        place = np.arange(len(left))
        best = left.argmax(axis=1)
        gain = left[place, best]
        # one offer of each is tried at a time: most need few rounds, a sort of all offers would cost more
        left[place, best] = -np.inf
        weights = np.array([_weights(limit, users, best) for limit in ceilings]).reshape(-1, len(users))
        tried = np.flatnonzero((gain > -np.inf) & (weights <= room[:, None]).all(axis=0))
        taken = tried[top_up(np.argsort(-gain[tried], kind="stable"), weights[:, tried], room)]
        plan[users[taken]] = best[taken]
        room -= weights[:, taken].sum(axis=1)
        again = gain > -np.inf
        again[taken] = False
        if not again.any():
            break
        users, left = users[again], left[again]
    return plan


def _weights(limit: Limit, users: np.ndarray, offers: np.ndarray) -> np.ndarray:
    """What an offer to each of some customers weighs in a limit."""
    rows = np.zeros_like(users) if limit.weight.shape[0] == 1 else users
    columns = np.zeros_like(offers) if limit.weight.shape[1] == 1 else offers
    weights = limit.weight[rows, columns].astype(np.float64)
    return weights if limit.where is None else np.where(limit.where[users], weights, 0.0)


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
