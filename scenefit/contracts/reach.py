"""Who may be contacted, on which channel, and why not: one pure owner for audiences, eligibility and assignment."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import pandas as pd

from scenefit.contracts.errors import SettingsError


class Step(NamedTuple):
    """One step of the waterfall: how many people are left after it."""

    step: str
    customers: int


class Reach(NamedTuple):
    """Who may be contacted.

    `mask` (n,) says who; `channel` (n,) is the index into the given channels of the first one permitted, −1 for none.
    """

    mask: np.ndarray
    channel: np.ndarray
    waterfall: tuple[Step, ...]


def reachable(
    customers: Sequence[str],
    channels: Sequence[str],
    as_of: pd.Timestamp,
    consents: pd.DataFrame | None = None,
    blocklists: pd.DataFrame | None = None,
    contacts: np.ndarray | None = None,
    *,
    cap: int = 3,
    hold_out: float = 0.05,
    objections: pd.DataFrame | None = None,
    salt: str = "global hold-out",
) -> Reach:
    """Who may be contacted for marketing at `as_of`, step by step.

    Parameters
    ----------
    channels : in order of preference, the cheapest first
    consents : contract table; None when the data states none, then the step says so and lets everybody pass
    blocklists : contract table; any listing that stands at `as_of` stops
    contacts : (n,) contacts within the capping window
    cap : this many contacts or more stop
    hold_out : share of people who are never contacted, by salted hash, so that effects stay measurable
    objections : customer_id, channel (empty: all), at; withdraws the channel until a later consent
    """
    index = pd.Index(customers)
    mask = np.ones(len(index), dtype=bool)
    channel = np.zeros(len(index), dtype=np.int16)
    steps = [Step("all", len(index))]
    if consents is None:
        steps.append(Step("consent (not stated in the data)", int(mask.sum())))
    else:
        channel = _permitted(index, channels, consents, as_of)
        mask &= channel >= 0
        steps.append(Step("consent", int(mask.sum())))
    if objections is not None:
        said = _granted(index, list(channels)) if consents is None else consents
        channel = _permitted(index, channels, pd.concat([said, _withdrawals(objections, channels)]), as_of)
        mask &= channel >= 0
        steps.append(Step("no objection", int(mask.sum())))
    if blocklists is not None and len(blocklists):
        stands = (blocklists["listed_at"] <= as_of) & ~(blocklists["until"] <= as_of).fillna(False)
        mask &= ~index.isin(blocklists.loc[stands, "customer_id"])
    steps.append(Step("not blocked", int(mask.sum())))
    if contacts is not None:
        mask &= np.asarray(contacts) < cap
    steps.append(Step("contact cap", int(mask.sum())))
    mask &= bucket(customers, salt) >= hold_out
    steps.append(Step("outside hold-out", int(mask.sum())))
    return Reach(mask, np.where(mask, channel, -1).astype(np.int16), tuple(steps))


def bucket(customers: Sequence[str], salt: str) -> np.ndarray:
    """A stable number in [0, 1) per person and salt; other salts give independent numbers.

    >>> bool(bucket(["a"], "x")[0] == bucket(["b", "a"], "x")[1])
    True
    """
    if not salt:
        raise SettingsError("bucket: the salt is empty; name the layer, so that layers stay independent")
    # a long salt counts to its last letter: the key holds 64 bytes
    key = blake2b(salt.encode()).digest() if len(salt.encode()) > 64 else salt.encode()
    # 53 bits, as many as a float holds: with more, rounding could reach 1
    digests = (blake2b(c.encode(), digest_size=8, key=key).digest() for c in customers)
    numbers = (int.from_bytes(digest, "big") >> 11 for digest in digests)
    return np.fromiter(numbers, dtype=np.float64, count=len(customers)) / 2.0**53


def _granted(index: pd.Index, channels: list[str]) -> pd.DataFrame:
    """Everybody on every channel, since ever: what a data set without consents is taken to say."""
    rows = pd.MultiIndex.from_product([index, channels], names=["customer_id", "channel"]).to_frame(index=False)
    never = pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us, UTC]")
    begin = pd.Timestamp(0, tz="UTC").as_unit("us")
    return rows.assign(purpose="marketing", granted=True, at=begin, expires=never)


def _withdrawals(objections: pd.DataFrame, channels: Sequence[str]) -> pd.DataFrame:
    """Objections as withdrawn consents; one without a channel withdraws all."""
    everywhere = objections["channel"].isna()
    parts = [objections[~everywhere], *(objections[everywhere].assign(channel=name) for name in channels)]
    rows = pd.concat(parts)[["customer_id", "channel", "at"]]
    never = pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us, UTC]")
    return rows.assign(purpose="marketing", granted=False, expires=never)


def _permitted(index: pd.Index, channels: Sequence[str], consents: pd.DataFrame, as_of: pd.Timestamp) -> np.ndarray:
    """First permitted channel per person, −1 for none: the latest change counts, expiry is exclusive."""
    known = consents[(consents["purpose"] == "marketing") & (consents["at"] <= as_of)]
    # of two changes at one moment the withdrawal counts
    newest = known.sort_values(["at", "granted"], ascending=[True, False], kind="stable")
    newest = newest.drop_duplicates(["customer_id", "channel"], keep="last")
    valid = newest[newest["granted"].astype(bool) & ~(newest["expires"] <= as_of).fillna(False)]
    chosen = np.full(len(index), -1, dtype=np.int16)
    for position in range(len(channels) - 1, -1, -1):
        granted = valid.loc[valid["channel"] == channels[position], "customer_id"]
        chosen[index.isin(granted)] = position
    return chosen
