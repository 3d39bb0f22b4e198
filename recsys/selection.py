"""Who is chosen: how often a plan offers something to each group of people, against the most chosen group."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError

# of fewer people nothing is shown: a share of a few tells of persons, and of chance
LEAST_PEOPLE = 20
# the four-fifths rule of the Uniform Guidelines (29 CFR 1607.4 D, 1978)
ALARM = 0.8


def selection_rates(chosen: np.ndarray, groups: np.ndarray, least: int = LEAST_PEOPLE) -> pd.DataFrame:
    """How often people of each group are chosen: group, people, chosen, rate, its 95 % interval (low, high), ratio.

    `ratio` is the rate over that of the most chosen group. Groups of fewer than `least` people are left out, and so is
    '' (not known).

    Parameters
    ----------
    chosen : (n,) bool
    groups : (n,) names, '' for not known

    Raises
    ------
    ContractError : lengths differ, or fewer than 20 people are let pass as a group.

    >>> table = selection_rates(np.arange(200) % 4 < np.repeat([2, 1], 100), np.repeat(["a", "b"], 100))
    >>> table[["group", "rate", "ratio"]].to_numpy().tolist()
    [['a', 0.5, 1.0], ['b', 0.25, 0.5]]
    """
    if len(chosen) != len(groups):
        raise ContractError(f"selection: {len(chosen):,} people, {len(groups):,} groups; give each person one")
    if least < LEAST_PEOPLE:
        raise ContractError(f"selection: groups of {least} people would be shown; {LEAST_PEOPLE} are the fewest")
    from segmentation.evidence import share_interval

    names, codes = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    people = np.bincount(codes, minlength=len(names))
    hits = np.bincount(codes, np.asarray(chosen, dtype=float), minlength=len(names)).astype(np.int64)
    shown = (people >= least) & (names != "")
    rate = hits[shown] / people[shown]
    interval = share_interval(hits[shown], people[shown])
    highest = rate.max(initial=0.0)
    return pd.DataFrame(
        {
            "group": names[shown], "people": people[shown], "chosen": hits[shown], "rate": rate,
            "low": interval.low, "high": interval.high, "ratio": rate / highest if highest > 0 else np.nan,
        }
    )  # fmt: skip
