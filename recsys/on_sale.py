"""When the product of each offer may be sold: its state, and the dates from and to which it is offered."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from recsys.offer_rules import not_live
from scenefit.contracts.errors import ContractError


class OnSale(NamedTuple):
    """Each distinct pair of dates with its state, NaT for no bound, and which of them an offer has; `place` (m,)."""

    place: np.ndarray
    state: np.ndarray
    valid_from: list[pd.Timestamp]
    valid_to: list[pd.Timestamp]

    def held_back(self, at: pd.Timestamp) -> np.ndarray:
        """(m,) which offers are of a product that is not sold at a moment."""
        held: np.ndarray = not_live(self.state, self.valid_from, self.valid_to, at)[0]
        return held[self.place]


def on_sale(offers: pd.DataFrame, what: str) -> OnSale:
    """When each offer may be made, by the columns state, valid_from (included) and valid_to (not included).

    Parameters
    ----------
    offers : without a column `state` all are live; without dates, or with "" or none, there is no bound

    Raises
    ------
    ContractError : names the offer that is not live, or the one whose date cannot be read.
    """
    refuse_drafts(offers, what)
    dates = list(zip(*(_instants(offers, name, what) for name in ("valid_from", "valid_to")), strict=True))
    distinct = {pair: place for place, pair in enumerate(dict.fromkeys(dates))}
    place = np.array([distinct[pair] for pair in dates], np.intp)
    state = np.full(len(distinct), "live", object)
    return OnSale(place, state, [start for start, _ in distinct], [end for _, end in distinct])


def refuse_drafts(offers: pd.DataFrame, what: str) -> None:
    """Make sure that no offer is of a product that is not live; column `state`, absent where all are.

    Raises
    ------
    ContractError : names the offer and its state.
    """
    if "state" not in offers.columns:
        return
    odd = offers[~(offers["state"] == "live").fillna(False).to_numpy(bool)]
    if len(odd):
        one = odd.iloc[0]
        raise ContractError(
            f"{what}: offer {one['offer_id']!r} is {one['state']!r}, not live; only a preview may use it. Approve the "
            "product first or leave its offers out"
        )


def _instants(offers: pd.DataFrame, name: str, what: str) -> list[pd.Timestamp]:
    """The column of dates in UTC, NaT for no bound."""
    there = offers[name] if name in offers.columns else pd.Series("", index=offers.index)
    told = there.astype(object).reset_index(drop=True)
    open_ended = told.isna() | (told == "")
    read = pd.to_datetime(told.mask(open_ended), utc=True, format="ISO8601", errors="coerce")
    odd = np.flatnonzero((read.isna() & ~open_ended).to_numpy(bool))
    if len(odd):
        raise ContractError(
            f"{what}: offer {offers['offer_id'].iloc[odd[0]]!r} has the {name} {told.iloc[odd[0]]!r}; give an instant "
            "like 2026-07-01T00:00:00+00:00, or nothing for no bound"
        )
    return read.tolist()
