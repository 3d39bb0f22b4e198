"""What an offer is worth: expected margin minus expected loss, incentive and contact cost, in currency units."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

BLOCK = 1_000_000  # pairs valued at once


class Terms(NamedTuple):
    """What one taker of each product brings and risks; all shape (products,).

    `amount` lent or spent, `margin` earned before losses (discounted), `incentive` paid to takers; in currency units.
    """

    amount: np.ndarray
    margin: np.ndarray
    incentive: np.ndarray


class Value(NamedTuple):
    """Value of offering each product to each customer, with its parts; shapes (customers, products)."""

    value: np.ndarray
    expected_loss: np.ndarray
    expected_incentive: np.ndarray


def expected_value(
    p_take: np.ndarray,
    terms: Terms,
    pd_given_take: np.ndarray,
    contact_cost: np.ndarray,
    lgd: float,
    p_unoffered: np.ndarray | None = None,
) -> Value:
    """Expected value of offering, in currency units.

    Parameters
    ----------
    p_take : (n, m) P(take and approved | offered)
    pd_given_take : (n,) probability of default of a taker
    contact_cost : cost of contacting, due whether taken or not: (n,) per customer, (1, m) per offer or (n, m)
    p_unoffered : (m,) share that takes the product without being offered it; what they bring is not earned by offering

    Notes
    -----
    value = max(p - p0, 0) * (margin - PD * LGD * EAD) - p * incentive - contact; EAD is the amount. Loss and incentive
    fall due only on those who take.

    >>> one = Terms(np.array([1000.0]), np.array([100.0]), np.array([10.0]))
    >>> expected_value(np.array([[0.5]]), one, np.array([0.1]), np.array([1.0]), lgd=0.5).value.tolist()
    [[19.0]]
    """
    n, m = p_take.shape
    base = np.zeros(m) if p_unoffered is None else p_unoffered
    contact = contact_cost[:, None] if contact_cost.ndim == 1 else contact_cost
    found = Value(*(np.empty((n, m)) for _ in Value._fields))
    step = max(1, BLOCK // max(1, m))
    # block by block: what is thrown away on the way would take more memory than what is kept
    for first in range(0, n, step):
        rows = slice(first, first + step)
        p = p_take[rows]
        loss_if_taken = pd_given_take[rows, None] * lgd * terms.amount[None, :]
        np.multiply(p, loss_if_taken, out=found.expected_loss[rows])
        incentive = np.multiply(p, terms.incentive, out=found.expected_incentive[rows])
        due = contact if len(contact) == 1 else contact[rows]
        found.value[rows] = worth(p, base, terms.margin, loss_if_taken, incentive, due)
    return found


def worth(
    p_take: np.ndarray,
    p_unoffered: np.ndarray,
    margin: np.ndarray,
    loss_if_taken: np.ndarray,
    incentive: np.ndarray,
    contact: np.ndarray,
) -> np.ndarray:
    """Expected value of offers one by one, in currency units; all shapes broadcast.

    `margin` and `loss_if_taken` of a taker, `incentive` expected (paid on all takes), `contact` due whether taken or
    not.
    """
    # an offer keeps nobody from taking: below the own rate it adds nothing, and a bad risk no negative loss
    value: np.ndarray = np.maximum(p_take - p_unoffered, 0.0) * (margin - loss_if_taken) - incentive - contact
    return value


def discounted_margin(
    amount: np.ndarray, apr: np.ndarray, funding_cost: np.ndarray, months: np.ndarray, rate: float
) -> np.ndarray:
    """Present value of (APR - funding cost) on the balance of an annuity loan repaid in equal instalments.

    Parameters
    ----------
    amount : currency units; `apr`, `funding_cost`, `rate` per year; `months` the tenor, at least 1

    Notes
    -----
    The balance before instalment t is amount * (1 - (1+i)^(t-1-n)) / (1 - (1+i)^-n) with i = APR / 12.

    >>> float(discounted_margin(np.array([1200.0]), np.array([0.12]), np.array([0.12]), np.array([12]), 0.0)[0])
    0.0
    """
    longest = int(months.max(initial=1))
    t = np.arange(1, longest + 1)[None, :]
    n = np.maximum(months, 1)[:, None]
    # log1p and expm1 keep their digits where the APR is next to nothing
    growth = np.log1p(np.maximum(apr, 1e-9)[:, None] / 12)
    left = np.maximum(n - t + 1, 0)
    balance = amount[:, None] * np.expm1(-growth * left) / np.expm1(-growth * n)
    discount = (1 + rate) ** (-t / 12)
    return (balance * (apr - funding_cost)[:, None] / 12 * discount).sum(axis=1)
