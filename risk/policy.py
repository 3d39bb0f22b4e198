"""Who may be offered what: rules as data, the first rule that says no is the reason.

Hard stops (listed, dated, sourced) and product rules reject; nothing here scores. Law-shaped numbers are settings of a
policy, dated and to be confirmed with counsel, never constants.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scenefit.contracts.errors import ContractError


class Ruling(NamedTuple):
    """One rule applied: which (customer, product) pairs it forbids. `forbids` broadcasts to (n, m)."""

    reason: str
    forbids: np.ndarray


class Decision(NamedTuple):
    """`allowed` (n, m) and, per pair, the index into `reasons` of the first rule that said no (0: eligible)."""

    allowed: np.ndarray
    reason: np.ndarray
    reasons: tuple[str, ...]


def decide(rulings: Sequence[Ruling], customers: int, products: int) -> Decision:
    """Apply rules in order; the first one that forbids a pair gives its reason.

    Raises
    ------
    ContractError : a rule's shape does not fit, or there are more rules than a reason code can count.

    >>> decide([Ruling("too young", np.array([[True], [False]]))], 2, 3).allowed.sum()
    np.int64(3)
    """
    if len(rulings) > np.iinfo(np.uint8).max:
        raise ContractError(f"policy: {len(rulings)} rules, a reason code counts to 255; join some of them")
    reason = np.zeros((customers, products), dtype=np.uint8)
    for number, ruling in enumerate(rulings, start=1):
        try:
            forbids = np.broadcast_to(ruling.forbids, reason.shape)
        except ValueError as error:
            raise ContractError(
                f"policy: rule {ruling.reason!r} has shape {ruling.forbids.shape}, must broadcast to {reason.shape}"
            ) from error
        reason[forbids & (reason == 0)] = number
    return Decision(reason == 0, reason, ("eligible", *(ruling.reason for ruling in rulings)))


def age_rule(birth_year: np.ndarray, year: int, age_min: np.ndarray, age_max: np.ndarray) -> Ruling:
    """Ages that may lie outside a product's limits; an unknown age does wherever a product has a limit.

    A birth year leaves two possible ages: who turns 18 in the course of the year may still be a minor, so the younger
    one counts at the lower limit and the older one at the upper.

    `birth_year` (n,) with NaN for unknown; `age_min`, `age_max` (m,) with NaN for no limit, both inclusive.
    """
    oldest = (year - birth_year)[:, None]
    unknown = np.isnan(oldest) & ~(np.isnan(age_min) & np.isnan(age_max))[None, :]
    return Ruling("age limits", unknown | (oldest - 1 < age_min) | (oldest > age_max))
