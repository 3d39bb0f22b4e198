"""The compiled loops that pick the best offers, in one file: numba's cache watches only the file of a function.

A row is folded in half, the larger of two scores kept, until at most `FEW` or `MANY` are left: the n-th best of these
is a bound that at least n offers reach. Only what reaches it, hardly more than n offers, is put in order. The loops go
over whole vectors and hardly branch; that is where the time of a plain top-n goes. A row's answer depends on nothing
but the row: neither threads nor tiles change it.
"""

from __future__ import annotations

import numba
import numpy as np

# scores left of a folded row: few cost little, more give a bound nearer to the n-th best
FEW, MANY = 32, 64
FEW_UP_TO = 12
# beyond it the bound lies so far below the n-th best that it costs more than it saves
MOST = 24
# offers that can be put in order at once; where ties let more reach the bound, they are inserted one by one
ROOM = 64
# a wide row is looked through in steps for one offer that reaches the bound
STEP = 64
WIDE = 1024


@numba.njit(nogil=True, cache=True)
def any_nan(row: np.ndarray) -> bool:
    """Whether a score of the row is not a number."""
    found = 0
    for j in range(len(row)):
        found += row[j] != row[j]
    return found > 0


@numba.njit(nogil=True, cache=True)
def fill_allowed(scores: np.ndarray, bits: np.ndarray, gates: np.ndarray, allowed: np.ndarray) -> None:
    """The row with −inf wherever its bit is not set; `gates[byte]` holds ±inf for the eight bits of a byte."""
    whole = len(scores) // 8
    for b in range(whole):
        # slices of one length each are known not to need the loop's rest
        part, gate, into = scores[8 * b : 8 * b + 8], gates[np.int64(bits[b])], allowed[8 * b : 8 * b + 8]
        for k in range(8):
            into[k] = part[k] if part[k] < gate[k] else gate[k]
    for j in range(8 * whole, len(scores)):
        high = gates[np.int64(bits[j >> 3]), j & 7]
        allowed[j] = scores[j] if scores[j] < high else high


@numba.njit(nogil=True, cache=True)
def fill_lanes(row: np.ndarray, room: int, lanes: np.ndarray) -> int:
    """The row folded in half, the larger score kept, until `room` are left at most; how many there are."""
    wide = len(row)
    if wide <= room:
        lanes[:wide] = row
        return wide
    half = (wide + 1) // 2
    front, back = row[:half], row[half:]
    for k in range(len(back)):
        lanes[k] = front[k] if front[k] > back[k] else back[k]
    if len(back) < half:
        lanes[half - 1] = front[half - 1]
    wide = half
    while wide > room:
        half = (wide + 1) // 2
        front, back = lanes[:half], lanes[half:wide]
        for k in range(len(back)):
            front[k] = front[k] if front[k] > back[k] else back[k]
        wide = half
    return wide


@numba.njit(nogil=True, cache=True)
def bound(row: np.ndarray, n: int, lanes: np.ndarray, top: np.ndarray) -> float:
    """A score that at least n offers of the row reach; −inf where none is cheap to find."""
    lowest = row.dtype.type(-np.inf)
    if n > MOST or n > len(row):
        return lowest
    wide = fill_lanes(row, FEW if n <= FEW_UP_TO else MANY, lanes)
    top[:n] = lowest
    for k in range(wide):
        # carried through to the end, larger ones stay: no branch to guess
        value = lanes[k]
        for q in range(n):
            held = top[q]
            top[q] = held if held > value else value
            value = value if held > value else held
    return top[n - 1]


@numba.njit(nogil=True, cache=True)
def fill_reaching(row: np.ndarray, least: float, reaching: np.ndarray) -> int:
    """Offers that reach the bound, in order of id; how many."""
    found = 0
    if len(row) <= WIDE:
        for j in range(len(row)):
            # written always, kept only where it reaches: no branch to guess
            reaching[found] = j
            found += row[j] >= least
        return found
    for start in range(0, len(row), STEP):
        part = row[start : start + STEP]
        reach = 0
        for k in range(len(part)):
            reach += part[k] >= least
        if reach == 0:
            continue
        for k in range(len(part)):
            reaching[found] = start + k
            found += part[k] >= least
    return found


@numba.njit(nogil=True, cache=True)
def fill_ordered(
    row: np.ndarray, reaching: np.ndarray, found: int, values: np.ndarray, above: np.ndarray, ids: np.ndarray
) -> int:
    """The best of the offers `reaching[:found]`, each put where the count of better ones says; how many."""
    # counted in the scores' own type, so that a vector holds as many counts as scores
    one, none = row.dtype.type(1), row.dtype.type(0)
    for k in range(found):
        values[k] = row[reaching[k]]
    above[:found] = none
    for b in range(found):
        value = values[b]
        for k in range(found):
            above[k] += one if value > values[k] else none
    n = len(ids)
    ids[:] = -1
    for k in range(found):
        at = int(above[k])
        # equal scores share a count: the lower id comes first and takes the first place
        while at < n and ids[at] >= 0:
            at += 1
        if at < n:
            ids[at] = reaching[k]
    return min(found, n)


@numba.njit(nogil=True, cache=True)
def fill_inserted(row: np.ndarray, bits: np.ndarray, masked: bool, least: float, ids: np.ndarray) -> int:
    """The best offers that reach the bound and whose bit is set, inserted one by one; how many."""
    found, n = 0, len(ids)
    for j in range(len(row)):
        value = row[j]
        if value < least or (found == n and value <= row[ids[n - 1]]):
            continue
        if masked and not (bits[j >> 3] >> np.uint8(j & 7)) & 1:
            continue
        at = min(found, n - 1)
        found = min(found + 1, n)
        # strictly: an equal score of a lower id stays in front
        while at > 0 and row[ids[at - 1]] < value:
            ids[at] = ids[at - 1]
            at -= 1
        ids[at] = j
    return found


@numba.njit(nogil=True, cache=True)
def fill_best(
    scores: np.ndarray,
    bits: np.ndarray,
    masked: bool,
    gates: np.ndarray,
    ids: np.ndarray,
    best: np.ndarray,
    counts: np.ndarray,
) -> int:
    """The best offers of each row and their scores, as many as `ids` has columns; −1, or the first row with a NaN."""
    customers, offers = scores.shape
    n, lowest = ids.shape[1], scores.dtype.type(-np.inf)
    allowed, lanes = np.empty(offers, scores.dtype), np.empty(max(MANY, offers // 2 + 1), scores.dtype)
    above, values = np.empty(ROOM, scores.dtype), np.empty(ROOM, scores.dtype)
    reaching = np.empty(offers + 1, np.int32)
    for i in range(customers):
        row = scores[i]
        if any_nan(row):
            return i
        if masked:
            fill_allowed(row, bits[i], gates, allowed)
            row = allowed
        least = bound(row, n, lanes, above)
        # without a bound everything reaches it, the forbidden too: there the bits are asked
        found = ROOM + 1 if least == lowest else fill_reaching(row, least, reaching)
        if found > ROOM:
            counts[i] = fill_inserted(row, bits[i], masked, least, ids[i])
        else:
            counts[i] = fill_ordered(row, reaching, found, values, above, ids[i])
        for k in range(counts[i]):
            best[i, k] = scores[i, ids[i, k]]
    return -1
