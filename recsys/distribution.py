"""Who is served by a plan: by segment, scene, region or protected group, and whether groups fare alike.

Groups of fewer than 20 people are only shown together; a protected attribute is compared by, never steered by.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from recsys.case import Case, case_value
from recsys.plan_figures import SMALLEST, per_offer
from scenefit.contracts.errors import ContractError
from segmentation.lifts import wilson

SUPPRESSED = "(small groups)"
UNKNOWN = "(unknown)"
FOUR_FIFTHS = 0.8  # EEOC Uniform Guidelines 1978, 29 CFR 1607.4 D: a rule of thumb, not a verdict


class Fairness(NamedTuple):
    """The least against the greatest served share of comparable groups, with its 95 % interval.

    `ratio` is NaN with fewer than two groups; `doubtful` says that the whole interval lies below four fifths.
    """

    ratio: float
    low: float
    high: float
    least: str
    greatest: str
    groups: int
    doubtful: bool


def distribution(case: Case, assignment: np.ndarray, by: str, smallest: int = SMALLEST) -> pd.DataFrame:
    """One row per group: people, eligible, offered, offered_share of people, served_share of the eligible, figures.

    Parameters
    ----------
    by : a column of the case's groups or protected attributes; "" and missing are people of unknown group
    smallest : people a group needs to be shown by itself; others are one row together, with the next group if need be

    Raises
    ------
    ContractError : no such column, a plan of other customers, or a smallest group below 20.

    Notes
    -----
    Takers, loss and profit are expected. Loss, profit and bad rate are NaN where 1 to 19 people are offered anything;
    if that leaves fewer than 20 people hidden in all, the next group is hidden too, so that none can be worked out.
    """
    label = merged(_column(case, by), smallest)
    value = case_value(case)
    made = per_offer(case, value, assignment)
    eligible = case.allowed.any(axis=1)
    served = np.bincount(made["who"], minlength=len(case.customers)) > 0
    people = pd.DataFrame({"group": label, "people": 1, "eligible": eligible, "offered": served})
    table = people.groupby("group").sum()
    sums = made.assign(group=label[made["who"].to_numpy()]).groupby("group")[
        ["takers", "loss", "value", "defaulters"]
    ].sum()  # fmt: skip
    table = table.join(sums).fillna(0.0).astype({"people": int, "eligible": int, "offered": int})
    table["offered_share"] = table["offered"] / table["people"]
    table["served_share"] = table["offered"] / table["eligible"].where(table["eligible"] > 0)
    table["bad_rate"] = table["defaulters"] / table["takers"].where(table["takers"] > 0)
    hidden = _hidden(table["offered"].to_numpy(), smallest)
    table.loc[hidden, ["loss", "value", "bad_rate"]] = np.nan
    if (table["people"] < smallest).any():  # all there are together are too few
        table.loc[table["people"] < smallest, table.columns != "people"] = np.nan
    names = ["people", "eligible", "offered", "offered_share", "served_share", "takers", "loss", "value", "bad_rate"]
    return table[names].rename(columns={"value": "profit"}).reset_index()


def fairness(case: Case, assignment: np.ndarray, by: str, smallest: int = SMALLEST) -> Fairness:
    """Whether groups are served alike: the least over the greatest share served of the eligible.

    Groups with fewer than `smallest` eligible people and people of unknown group are left out.

    Raises
    ------
    ContractError : as `distribution`.

    Notes
    -----
    The interval of the ratio is from the Wilson intervals of both shares by MOVER-R: Donner & Zou (2012), Statistical
    Methods in Medical Research 21, 347. The two groups are picked by their shares, so with many groups of few people
    the ratio is lower by chance than the interval tells.
    """
    table = distribution(case, assignment, by, smallest)
    comparable = table[~table["group"].isin([SUPPRESSED, UNKNOWN]) & (table["eligible"] >= smallest)]
    if len(comparable) < 2 or not comparable["served_share"].max() > 0:
        return Fairness(np.nan, np.nan, np.nan, "", "", len(comparable), False)
    worst, best = (comparable.loc[at] for at in (comparable["served_share"].idxmin(),
                                                 comparable["served_share"].idxmax()))  # fmt: skip
    low, high = ratio_interval(*((int(at["offered"]), int(at["eligible"])) for at in (worst, best)))
    ratio = float(worst["served_share"] / best["served_share"])
    return Fairness(ratio, low, high, str(worst["group"]), str(best["group"]), len(comparable), high < FOUR_FIFTHS)


def ratio_interval(first: tuple[int, int], second: tuple[int, int]) -> tuple[float, float]:
    """95 % interval of the ratio of two shares, each (hits, of); inf above where the second has no hits.

    >>> [round(end, 2) for end in ratio_interval((40, 100), (50, 100))]
    [0.59, 1.09]
    """
    hits, of = np.array([first, second], dtype=float).T
    p1, p2 = (float(share) for share in hits / of)
    (l1, l2), (u1, u2) = (ends.tolist() for ends in wilson(hits, of))
    middle = p1 * p2
    low = (middle - np.sqrt(max(middle**2 - l1 * u2 * (2 * p1 - l1) * (2 * p2 - u2), 0))) / (u2 * (2 * p2 - u2))
    below = l2 * (2 * p2 - l2)
    high = (middle + np.sqrt(max(middle**2 - u1 * l2 * (2 * p1 - u1) * (2 * p2 - l2), 0))) / below if p2 > 0 else np.inf
    return max(0.0, float(low)), float(high)


def guardrails(
    case: Case,
    assignment: np.ndarray,
    by: str,
    facts: np.ndarray,
    most: float,
    share: float,
    smallest: int = SMALLEST,
) -> pd.DataFrame:
    """Whether a plan offers credit to people who carry enough already, by subgroup.

    Parameters
    ----------
    facts : (n,) of each customer, such as the share of income that goes to debt, or the number of lenders; NaN unknown
    most : above it a customer carries too much
    share : of those offered anything whose fact is known, the share that may be above

    Returns
    -------
    group, offered, known, mean, above_share, above_eligible (the same share of all eligible, to compare with), ok.
    Where fewer than `smallest` offered people are known the figures are NaN and ok is missing.

    Raises
    ------
    ContractError : as `distribution`; or facts of other customers, or a share outside 0 to 1.
    """
    facts = np.asarray(facts, dtype=np.float64)
    if facts.shape != (len(case.customers),) or np.isinf(facts).any() or (facts < 0).any():
        raise ContractError(
            f"guardrails: facts of shape {facts.shape}; give each of {len(case.customers):,} customers a number of 0 "
            "or more, NaN where unknown"
        )
    if not 0 <= share <= 1 or not np.isfinite(most):
        raise ContractError(f"guardrails: most {most}, share {share}; give a number and a share from 0 to 1")
    label = merged(_column(case, by), smallest)
    made = per_offer(case, case_value(case), assignment)
    offered = np.bincount(made["who"], minlength=len(facts)) > 0
    known = np.isfinite(facts)
    frame = pd.DataFrame({"group": label, "offered": offered, "known": offered & known})
    table = frame.groupby("group")[["offered", "known"]].sum().astype(int)
    of = pd.DataFrame({"group": label, "fact": facts, "above": facts > most})
    among, eligible = of[offered & known].groupby("group"), of[case.allowed.any(axis=1) & known].groupby("group")
    table = table.join(among["fact"].mean().rename("mean")).join(among["above"].mean().rename("above_share"))
    table = table.join(eligible["above"].mean().rename("above_eligible"))
    shown = table["known"] >= smallest
    table.loc[~shown, ["mean", "above_share", "above_eligible"]] = np.nan
    table["ok"] = (table["above_share"] <= share).astype("boolean").where(shown)
    return table.reset_index()


def merged(group: pd.Series, smallest: int = SMALLEST) -> np.ndarray:
    """Group of each customer, text; groups too small to be shown are one, with the next larger if it is still small.

    Raises
    ------
    ContractError : a smallest group below 20 people.
    """
    if smallest < SMALLEST:
        raise ContractError(f"distribution: groups of {smallest} people; figures are of {SMALLEST} people or more")
    text = group.astype(object).where(group.notna(), "").astype(str).replace("", UNKNOWN)
    sizes = text.value_counts().sort_index().sort_values(kind="stable")
    together = int((sizes < smallest).sum())
    if together:
        while together < len(sizes) and sizes.iloc[:together].sum() < smallest:
            together += 1
    return text.where(~text.isin(sizes.index[:together]), SUPPRESSED).to_numpy(object)


def _hidden(offered: np.ndarray, smallest: int) -> np.ndarray:
    """Which rows hide figures of default: 1 to 19 offered, and the next until at least 20 are hidden in all."""
    hidden = (offered > 0) & (offered < smallest)
    order = np.argsort(np.where(hidden | (offered == 0), np.iinfo(np.int64).max, offered), kind="stable")
    for row in order:
        if not hidden.any() or offered[hidden].sum() >= smallest:
            break
        hidden[row] = True
    return hidden


def _column(case: Case, by: str) -> pd.Series:
    for table in (case.groups, case.protected):
        if by in table.columns:
            return table[by].reset_index(drop=True)
    there = [*map(str, case.groups.columns), *map(str, case.protected.columns)]
    raise ContractError(f"distribution: there is no group {by!r}; there are {', '.join(there)}")
