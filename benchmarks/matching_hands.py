"""Plans as teams make them by hand: pairs in an order of their own, taken while every limit has room."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

# how strongly cost counts against value; the best of them by expected value is taken, as a team would tune it
POWERS = (0.0, 0.5, 1.0)


class Room(NamedTuple):
    """Totals of a plan: offers of each kind, money, expected loss, and people of each group to be reached."""

    capacity: np.ndarray
    budget: float
    loss: float
    floor: np.ndarray


class Known(NamedTuple):
    """What a planner believes: (n, m) chance, value, cost and loss, which pairs it may use, (n,) group."""

    chance: np.ndarray
    value: np.ndarray
    cost: np.ndarray
    loss: np.ndarray
    allowed: np.ndarray
    group: np.ndarray


def by_take_rate(known: Known, room: Room) -> np.ndarray:
    """The likeliest takers first; reach floors are left to chance."""
    return _in_turn(known, room, known.chance, floors=False)


def by_value(known: Known, room: Room) -> np.ndarray:
    """The most valuable pairs first; reach floors are left to chance."""
    return _in_turn(known, room, known.value, floors=False)


def by_value_per_cost(known: Known, room: Room) -> np.ndarray:
    """The most value per cost first: each group up to its floor, then everybody; the best of three weights of cost.

    Plans that meet more of the floors come before plans of more value.
    """
    plans = [_in_turn(known, room, known.value / known.cost**power, floors=True) for power in POWERS]

    def merit(plan: np.ndarray) -> tuple[int, float]:
        who = np.flatnonzero(plan >= 0)
        missed = (np.bincount(known.group[who], minlength=len(room.floor)) < room.floor).sum()
        return -int(missed), float(known.value[who, plan[who]].sum())

    return max(plans, key=merit)


def _in_turn(known: Known, room: Room, score: np.ndarray, floors: bool) -> np.ndarray:
    who, offer = np.nonzero(known.allowed)
    order = np.argsort(-score[who, offer], kind="stable")
    wanted = room.floor.astype(np.int64) if floors else np.zeros(len(room.floor), np.int64)
    capacity, group = room.capacity.astype(np.int64), known.group.astype(np.int64)
    return _filled(who[order], offer[order], known.cost, known.loss, group, capacity, room.budget, room.loss, wanted)


@njit(cache=True)
def _filled(
    who: np.ndarray,
    offer: np.ndarray,
    cost: np.ndarray,
    loss: np.ndarray,
    group: np.ndarray,
    capacity: np.ndarray,
    budget: float,
    most_loss: float,
    wanted: np.ndarray,
) -> np.ndarray:
    plan = np.full(len(cost), -1)
    left, reached = capacity.copy(), np.zeros(len(wanted), np.int64)
    spent = lost = 0.0
    # first round: only groups that are below their floor; second round: everybody
    for stage in range(2):
        for k in range(len(who)):
            i, j = who[k], offer[k]
            short = reached[group[i]] < wanted[group[i]]
            if plan[i] >= 0 or left[j] < 1 or (stage == 0 and not short):
                continue
            if spent + cost[i, j] > budget or lost + loss[i, j] > most_loss:
                continue
            plan[i] = j
            left[j] -= 1
            reached[group[i]] += 1
            spent += cost[i, j]
            lost += loss[i, j]
    return plan
