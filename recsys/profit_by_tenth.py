"""What past offers brought, the most promising first: profit by tenth and the depth at which it is largest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from recsys.calibrate import BINS, bin_numbers
from scenefit.contracts.errors import ContractError

COLUMNS = ["bin", "contacts", "takers", "profit", "per_contact", "total", "best"]


class LastOffers(NamedTuple):
    """Offers made and what came of them, all (n,): P promised, taken, what a take brings, what the contact cost.

    `worth` is margin less expected loss and incentive, `cost` the contact's; currency units, NaN where unknown.
    """

    p: np.ndarray
    took: np.ndarray
    worth: np.ndarray
    cost: np.ndarray


def profit_by_tenth(offers: LastOffers, bins: int = BINS) -> pd.DataFrame:
    """Profit of the offers by tenth of what was promised: bin (1 the most promising), contacts, takers, profit …

    `per_contact` is the tenth's profit per contact, `total` that of all tenths so far, `best` whether `total` is
    largest there. Offers without a known worth or cost are left out; ties share a tenth, an empty one is absent.

    Notes
    -----
    Profit = Σ taken · worth − Σ cost. It counts every taker, also those who would have taken without the offer: what
    the offers were followed by, not what they caused.

    >>> past = LastOffers(np.array([0.9, 0.1]), np.array([1, 0]), np.array([50.0, 50.0]), np.array([1.0, 1.0]))
    >>> profit_by_tenth(past, bins=2)[["bin", "profit", "total"]].to_numpy().tolist()
    [[1.0, 49.0, 49.0], [2.0, -1.0, 48.0]]
    """
    if len({len(values) for values in offers}) != 1:
        raise ContractError(f"profit: columns of {[len(values) for values in offers]} offers; give one value each")
    known = np.isfinite(offers.worth) & np.isfinite(offers.cost)
    if not known.any():
        return pd.DataFrame(columns=COLUMNS)
    p, took, worth, cost = (np.asarray(values, dtype=np.float64)[known] for values in offers)
    frame = pd.DataFrame({"tenth": -bin_numbers(p, bins), "takers": took, "profit": took * worth - cost})
    found = frame.groupby("tenth", sort=True).agg(
        contacts=("takers", "size"), takers=("takers", "sum"), profit=("profit", "sum")
    ).reset_index(drop=True)  # fmt: skip
    total = found["profit"].cumsum()
    best = np.arange(len(found)) == int(total.to_numpy().argmax())
    table = found.assign(
        bin=np.arange(1, len(found) + 1), takers=found["takers"].astype(int),
        per_contact=found["profit"] / found["contacts"], total=total, best=best,
    )  # fmt: skip
    return table[COLUMNS]
