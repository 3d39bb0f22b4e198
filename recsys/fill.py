"""Filling a plan: the kernels that hand out a cell's quota by value, and what is left while limits permit."""

from __future__ import annotations

import numba
import numpy as np


def fill_cells(worth: np.ndarray, groups: np.ndarray, quota: np.ndarray) -> np.ndarray:
    """Offer index per customer or −1: within each cell the most valuable pairs first, up to the quota.

    Parameters
    ----------
    worth : (n, m) value at the plan's prices, −inf where not eligible
    groups : (n,) cell of each customer
    quota : (cells, m) whole customers per cell and product
    """
    rows, columns = np.nonzero((quota[groups] > 0) & np.isfinite(worth))
    order = np.argsort(-worth[rows, columns], kind="stable")
    return _fill(rows[order], columns[order], groups, quota.copy(), len(worth))


def top_up(order: np.ndarray, weights: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Which of the candidates, taken in `order`, fit into the room that is left in every limit; shape (n,) bool.

    `weights` (limits, n) is what candidate i would use of each limit, `room` (limits,) what is left.
    """
    return _top_up(order, np.ascontiguousarray(weights.T), room.copy())


def take_back(weights: np.ndarray, excess: float, holds: np.ndarray, slack: np.ndarray) -> np.ndarray:
    """Which offers to take back, in the given order, until a limit's excess is gone and no reach floor is broken.

    `weights` (n,) use of the limit, `holds` (floors, n) what each offer gives a floor, `slack` (floors,) to spare.
    """
    return _take_back(weights, excess, np.ascontiguousarray(holds.T), slack.copy())


@numba.njit(cache=True)
def _fill(rows: np.ndarray, columns: np.ndarray, groups: np.ndarray, quota: np.ndarray, n: int) -> np.ndarray:
    assignment = np.full(n, -1, np.int64)
    for position in range(len(rows)):
        i, j = rows[position], columns[position]
        if assignment[i] < 0 and quota[groups[i], j] > 0:
            assignment[i] = j
            quota[groups[i], j] -= 1
    return assignment


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


@numba.njit(cache=True)
def _take_back(weights: np.ndarray, excess: float, holds: np.ndarray, slack: np.ndarray) -> np.ndarray:
    dropped = np.zeros(len(weights), np.bool_)
    for i in range(len(weights)):
        if excess <= 0:
            break
        spare = True
        for floor in range(len(slack)):
            if holds[i, floor] > slack[floor]:
                spare = False
                break
        if spare:
            dropped[i] = True
            excess -= weights[i]
            for floor in range(len(slack)):
                slack[floor] -= holds[i, floor]
    return dropped
