"""A plan in figures: offers, takers, value, cost, loss; in all, by product, by segment."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from recsys.case import Case
from recsys.value import Value
from scenefit.contracts.errors import ContractError

SMALLEST = 20  # people behind any figure of default that a marketer sees


class Figures(NamedTuple):
    """What a plan comes to in expectation; money in currency units.

    `bad_rate` is expected defaulters per expected taker, NaN where fewer than 20 people are offered anything; so are
    `value` and `expected_loss` where 1 to 19 are: either tells the risk of few.
    """

    value: float
    customers: int
    offers: int
    takers: float
    cost: float
    expected_loss: float
    bad_rate: float


class Pairs(NamedTuple):
    """Every offer made, one entry each."""

    who: np.ndarray
    offer: np.ndarray


def pairs_of(assignment: np.ndarray) -> Pairs:
    """The offers of a plan, by customer; `assignment` (n,) or (n, K), −1 for none."""
    table = np.asarray(assignment).reshape(len(assignment), -1)
    who, place = np.nonzero(table >= 0)
    return Pairs(who, table[who, place])


def figures(case: Case, value: Value, assignment: np.ndarray) -> Figures:
    """What a plan comes to."""
    made = per_offer(case, value, assignment)
    people = int(made["who"].nunique())
    takers = float(made["takers"].sum())
    shown = people >= SMALLEST and takers > 0
    few = 0 < people < SMALLEST
    return Figures(
        float("nan") if few else float(made["value"].sum()),
        people,
        len(made),
        takers,
        float(made["cost"].sum()),
        float("nan") if few else float(made["loss"].sum()),
        float(made["defaulters"].sum()) / takers if shown else float("nan"),
    )


def per_offer(case: Case, value: Value, assignment: np.ndarray) -> pd.DataFrame:
    """One row per offer made: who, offer, value, takers, cost, loss, defaulters, all in expectation.

    Raises
    ------
    ContractError : the plan is not of these customers and offers.
    """
    if len(assignment) != len(case.customers) or np.max(assignment, initial=-1) >= len(case.offers):
        raise ContractError(
            f"plan: {len(assignment):,} customers and offers up to {np.max(assignment, initial=-1)}, the case has "
            f"{len(case.customers):,} customers and {len(case.offers)} offers; give the plan of this case"
        )
    who, offer = pairs_of(assignment)
    takers = case.p_take[who, offer].astype(np.float64)
    return pd.DataFrame(
        {
            "who": who,
            "offer": offer,
            "value": value.value[who, offer].astype(np.float64),
            "takers": takers,
            "cost": case.contact_cost[offer] + value.expected_incentive[who, offer],
            "loss": value.expected_loss[who, offer].astype(np.float64),
            "defaulters": takers * case.pd_given_take[who],
        }
    )


def by_column(case: Case, value: Value, assignment: np.ndarray, column: str) -> pd.DataFrame:
    """Offers, takers, value and loss by a column of the offers or of the groups, every one of its values a row.

    Value and loss are NaN where 1 to 19 people are offered anything, and in the smallest of the other rows where less
    than 20 people are in all such rows: the total less the rows that are told would be theirs.

    Raises
    ------
    ContractError : there is no such column.
    """
    made = per_offer(case, value, assignment)
    if column in case.offers.columns:
        every, at = case.offers[column], made["offer"]
    elif column in case.groups.columns:
        every, at = case.groups[column], made["who"]
    else:
        there = [*map(str, case.groups.columns), *map(str, case.offers.columns)]
        raise ContractError(f"plan: there is no column {column!r} to compare by; there are {', '.join(there)}")
    grouped = made.assign(**{column: every.to_numpy()[at.to_numpy()]}).groupby(column)
    table = grouped.agg(
        offers=("offer", "size"), customers=("who", "nunique"), takers=("takers", "sum"), value=("value", "sum"),
        loss=("loss", "sum"),
    )  # fmt: skip
    few = table["customers"] < SMALLEST
    if few.any() and table.loc[few, "customers"].sum() < SMALLEST and not few.all():
        few |= table.index == table.loc[~few, "customers"].idxmin()
    table[["value", "loss"]] = table[["value", "loss"]].mask(few)
    return table.reindex(pd.Index(sorted(every.unique()), name=column), fill_value=0).reset_index()


def moved(before: np.ndarray, after: np.ndarray) -> tuple[int, float]:
    """Customers whose set of offers differs, and their share of those with an offer in either plan (0 for nobody)."""
    sides = [np.sort(np.asarray(side).reshape(len(side), -1), axis=1) for side in (before, after)]
    width = max(side.shape[1] for side in sides)
    # fewer offers are padded in front, where the −1 stand after sorting
    sides = [np.pad(side, ((0, 0), (width - side.shape[1], 0)), constant_values=-1) for side in sides]
    different = int((sides[0] != sides[1]).any(axis=1).sum())
    either = int(((sides[0] >= 0).any(axis=1) | (sides[1] >= 0).any(axis=1)).sum())
    return different, different / either if either else 0.0
