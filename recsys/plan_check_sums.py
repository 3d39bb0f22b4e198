"""What a plan's offers are worth and use of each limit, worked out from the raw case alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError

if TYPE_CHECKING:  # types alone
    from recsys.case import Case, LimitSpec


class Made(NamedTuple):
    """Offers made, one entry each: row of the customer, offer, and what it is worth, loses and costs in expectation."""

    who: np.ndarray
    offer: np.ndarray
    takes: np.ndarray
    value: np.ndarray
    loss: np.ndarray
    cost: np.ndarray


class Counts(NamedTuple):
    """Which customers (n,) and offers (m,) a limit counts, bool."""

    people: np.ndarray
    offers: np.ndarray


def made_offers(case: Case, assignment: np.ndarray) -> Made:
    """Every offer of a plan with its figures.

    value = max(p − p0, 0) · (margin − PD · LGD · amount) − p · incentive − contact
    """
    table = assignment.reshape(len(assignment), -1)
    who, place = np.nonzero(table >= 0)
    offer = table[who, place]
    p = case.p_take[who, offer].astype(np.float64)
    lost = case.pd_given_take[who].astype(np.float64) * case.lgd * np.asarray(case.terms.amount, float)[offer]
    incentive = p * np.asarray(case.terms.incentive, float)[offer]
    contact = np.asarray(case.contact_cost, float)[offer]
    more = np.maximum(p - np.asarray(case.p_unoffered, float)[offer], 0.0)
    value = more * (np.asarray(case.terms.margin, float)[offer] - lost) - incentive - contact
    return Made(who, offer, p, value, p * lost, contact + incentive)


def counts_towards(case: Case, spec: LimitSpec) -> Counts:
    """Whom and which offers a limit counts.

    Raises
    ------
    ContractError : it names a column or value that is not there, or counts or compares in an unknown way.
    """
    if spec.of not in ("offers", "cost", "loss", "takers") or spec.sense not in ("<=", ">="):
        raise ContractError(
            f"plan check: limit {spec.name!r} counts {spec.of!r} with {spec.sense!r}; it can count offers, cost, loss "
            "or takers, with <= or >="
        )
    return Counts(_selected(spec.name, spec.where, case.groups), _selected(spec.name, spec.offers, case.offers))


def used(case: Case, made: Made, spec: LimitSpec) -> tuple[float, np.ndarray]:
    """What the offers made use of a limit, exactly rounded, and each offer's part."""
    counts = counts_towards(case, spec)
    each = {"offers": np.ones(len(made.who)), "cost": made.cost, "loss": made.loss, "takers": made.takes}[spec.of]
    part = np.where(counts.people[made.who] & counts.offers[made.offer], each, 0.0)
    return math.fsum(part.tolist()), part


def _selected(name: str, wanted: dict[str, list[str]] | None, table: pd.DataFrame) -> np.ndarray:
    chosen = np.full(len(table), True)
    for column, values in (wanted or {}).items():
        if column not in table:
            raise ContractError(
                f"plan check: limit {name!r} is by {column!r}; the columns are {', '.join(map(str, table.columns))}"
            )
        text = table[column].astype(str).to_numpy()
        for value in values:
            if not (text == str(value)).any():
                raise ContractError(f"plan check: limit {name!r} is for {column} {value!r}, which nobody has; check it")
        chosen &= np.isin(text, [str(value) for value in values])
    return chosen
