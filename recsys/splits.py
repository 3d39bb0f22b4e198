"""How the past is cut into what is learned from and what is judged on: by time wherever there is time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError, SettingsError

RANDOM = (
    "random split: models see what happened after what they are judged on, and item models look better than they are; "
    "give moments or an order to split by"
)


class Split(NamedTuple):
    """Rows to learn from and rows to judge on; `how` they were cut, and a warning where that flatters."""

    train: np.ndarray
    test: np.ndarray
    how: str
    warning: str | None = None


def by_time(
    at: pd.Series,
    cut: pd.Timestamp | Mapping[str, pd.Timestamp],
    until: pd.Timestamp | None = None,
    scene: pd.Series | None = None,
) -> Split:
    """Before the cut is learned from; from the cut (included) to `until` (excluded) is judged on.

    Parameters
    ----------
    at : moments of the events
    cut : one moment, or one for each scene
    scene : scene of each event, where every scene has its own cut

    Raises
    ------
    ContractError : a scene has no cut, or one side stays empty.
    """
    if isinstance(cut, Mapping):
        if scene is None:
            raise ContractError("by_time: a cut for each scene needs the scene of each event; give `scene`")
        missing = sorted(set(scene.unique()) - set(cut))
        if missing:
            raise ContractError(f"by_time: no cut for scene {missing[0]!r} ({len(missing)} without); give each one")
        first = pd.to_datetime(scene.map(dict(cut)))
        how = f"by time, {scene.nunique()} scenes each at its own cut"
    else:
        first = pd.Series(cut, index=at.index)
        how = f"by time, at {cut.isoformat()}"
    before, after = (at < first).to_numpy(), (at >= first).to_numpy()
    if until is not None:
        after &= (at < until).to_numpy()
        how += f", until {until.isoformat()}"
    if not before.any() or not after.any():
        raise ContractError(
            f"by_time: {int(before.sum()):,} events before the cut and {int(after.sum()):,} after it, of "
            f"{at.min()} to {at.max()}; move the cut inside"
        )
    return Split(before, after, how)


def leave_last(who: np.ndarray, order: np.ndarray, last: int = 1) -> Split:
    """The last events of each customer are judged on, where only the order is known; customers with no more stay whole.

    Ties in `order` are broken by the place in the table. Other customers' later events are learned from: an item's
    rise is known before it happened, so that this flatters popularity a little.

    >>> leave_last(np.array([7, 7, 7, 8]), np.array([1, 3, 2, 1])).test.tolist()
    [False, True, False, False]
    """
    if len(who) != len(order) or last < 1:
        raise ContractError(f"leave_last: {len(who):,} customers, {len(order):,} places, last {last}; give one each")
    _, code, size = np.unique(who, return_inverse=True, return_counts=True)
    place = np.lexsort((order, code))
    from_end = np.empty(len(who), np.int64)
    ends = np.cumsum(size)
    from_end[place] = ends[code[place]] - 1 - np.arange(len(who))
    test = (from_end < last) & (size[code] > last)
    return Split(~test, test, f"the last {last} of each customer")


def at_random(rows: int, share: float, rng: np.random.Generator) -> Split:
    """A share of the rows, drawn by chance, is judged on; the result carries a warning.

    Raises
    ------
    SettingsError : the share is not inside (0, 1).
    """
    if not 0 < share < 1:
        raise SettingsError(f"at_random: share {share}; choose one inside (0, 1), such as 0.2")
    test = rng.random(rows) < share
    return Split(~test, test, f"at random, {share:.0%} judged on", RANDOM)
