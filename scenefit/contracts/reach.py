"""Who may be contacted, on which channel, and why not: one pure owner for audiences, eligibility and assignment."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError, SettingsError
from scenefit.contracts.quiet import QuietHours, quiet


class Step(NamedTuple):
    """One step of the waterfall: how many people are left after it."""

    step: str
    customers: int


class Gate(NamedTuple):
    """One reason not to contact people: `passes` (n,) says whom it lets through, whatever the other gates say."""

    step: str
    passes: np.ndarray


class Reach(NamedTuple):
    """Who may be contacted.

    `mask` (n,) says who; `channel` (n,) is the index into the given channels of the first one permitted, −1 for none.
    `gates` are the steps of the waterfall one by one. `open_channels` (n, channels) says on which channels a person
    may be contacted now, which `on_channel` counts.
    """

    mask: np.ndarray
    channel: np.ndarray
    waterfall: tuple[Step, ...]
    gates: tuple[Gate, ...] = ()
    open_channels: np.ndarray | None = None
    on_channel: tuple[Step, ...] = ()


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
    purpose: str = "marketing",
    suppressions: Mapping[str, Collection[str]] | None = None,
    channel_contacts: np.ndarray | None = None,
    channel_caps: Mapping[str, int] | None = None,
    quiet_hours: QuietHours | None = None,
) -> Reach:
    """Who may be contacted for one purpose at `as_of`, step by step.

    Parameters
    ----------
    channels : in order of preference, the cheapest first
    consents : contract table; None when the data states none, then the step says so and lets everybody pass
    blocklists : contract table; any listing that stands at `as_of` stops
    contacts : (n,) contacts within the capping window
    cap : this many contacts or more stop
    hold_out : share of people who are never contacted, by salted hash, so that effects stay measurable
    objections : customer_id, channel (empty: all), at; withdraws the channel until a later consent
    purpose : only consents to this purpose count
    suppressions : name of a list → the customers on it; each list is a step of its own
    channel_contacts : (n, channels) contacts on each channel within its window
    channel_caps : channel → this many contacts or more close it for the person
    quiet_hours : within them their channels are closed for everybody

    Raises
    ------
    SettingsError : a share outside [0, 1], a cap of a channel that is not asked for, an as-of time without a zone.
    ContractError : contacts that are not one number per customer (and channel).
    """
    index = pd.Index(customers)
    _check(len(index), channels, as_of, contacts, hold_out, channel_contacts, channel_caps)
    is_open, gates = _consented(index, channels, as_of, consents, objections, purpose)
    gates.append(Gate("not blocked", ~_listed(index, blocklists, as_of)))
    for name, ids in (suppressions or {}).items():
        gates.append(Gate(f"not on list: {name}", ~index.isin(list(ids))))
    within = np.ones(len(index), dtype=bool) if contacts is None else np.asarray(contacts) < cap
    gates.append(Gate("contact cap", within))
    if channel_caps:
        before, is_open = is_open, is_open & _room(channels, channel_contacts, channel_caps)
        gates.append(Gate("channel caps", _kept(before, is_open)))
    if quiet_hours is not None:
        closed = quiet(as_of, quiet_hours.zone, (quiet_hours.start, quiet_hours.end), quiet_hours.holidays)
        before, is_open = is_open, is_open & ~(np.isin(list(channels), quiet_hours.channels) & closed)
        gates.append(Gate("outside quiet hours", _kept(before, is_open)))
    gates.append(Gate("outside hold-out", bucket(customers, salt) >= hold_out))
    return _reach(gates, is_open, channels)


def _consented(
    index: pd.Index,
    channels: Sequence[str],
    as_of: pd.Timestamp,
    consents: pd.DataFrame | None,
    objections: pd.DataFrame | None,
    purpose: str,
) -> tuple[np.ndarray, list[Gate]]:
    """Channels that consents leave open, bool (n, channels), and the gates they make."""
    if consents is None:
        is_open = np.ones((len(index), len(channels)), dtype=bool)
        gates = [Gate("consent (not stated in the data)", np.ones(len(index), dtype=bool))]
    else:
        is_open = _permitted(index, channels, consents, as_of, purpose)
        gates = [Gate("consent", np.asarray(is_open.any(axis=1)))]
    if objections is not None:
        before = is_open
        if len(objections):
            said = _granted(index, list(channels), purpose) if consents is None else consents
            withdrawn = _withdrawals(objections, channels, purpose)
            is_open = _permitted(index, channels, pd.concat([said, withdrawn]), as_of, purpose)
        gates.append(Gate("no objection", _kept(before, is_open)))
    return is_open, gates


def _kept(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Whom closed channels do not stop: some channel is left, or another gate had closed them all already."""
    return np.asarray(after.any(axis=1) | ~before.any(axis=1))


def _reach(gates: Sequence[Gate], is_open: np.ndarray, channels: Sequence[str]) -> Reach:
    """The gates one after the other, and what they leave of each channel."""
    mask = np.ones(len(is_open), dtype=bool)
    steps = [Step("all", len(mask))]
    for gate in gates:
        mask = mask & gate.passes
        steps.append(Step(gate.step, int(mask.sum())))
    left = is_open & mask[:, None]
    # argmax of a row of False is 0: the mask decides
    first = left.argmax(axis=1) if len(channels) else np.zeros(len(mask))
    counts = left.sum(axis=0).tolist()
    on_channel = tuple(Step(name, count) for name, count in zip(channels, counts, strict=True))
    channel = np.where(left.any(axis=1), first, -1).astype(np.int16)
    return Reach(mask, channel, tuple(steps), tuple(gates), left, on_channel)


def _check(
    n: int,
    channels: Sequence[str],
    as_of: pd.Timestamp,
    contacts: np.ndarray | None,
    hold_out: float,
    channel_contacts: np.ndarray | None,
    channel_caps: Mapping[str, int] | None,
) -> None:
    if as_of.tzinfo is None:
        raise SettingsError(f"reach: the as-of time {as_of} has no time zone; give one in UTC")
    if not 0 <= hold_out <= 1:
        raise SettingsError(f"reach: hold_out is {hold_out}; give a share of people in [0, 1]")
    if contacts is not None and np.shape(contacts) != (n,):
        raise ContractError(f"reach: contacts have shape {np.shape(contacts)}, there are {n:,} people; give one each")
    unknown = sorted(set(channel_caps or ()) - set(channels))
    if unknown:
        raise SettingsError(f"reach: caps for {unknown}, but the channels asked for are {list(channels)}; name these")
    shape = None if channel_contacts is None else channel_contacts.shape
    if channel_caps and shape != (n, len(channels)):
        raise ContractError(
            f"reach: channel caps need the contacts on each channel, ({n}, {len(channels)}) numbers; "
            f"given are {shape or 'none'}"
        )


def _listed(index: pd.Index, blocklists: pd.DataFrame | None, as_of: pd.Timestamp) -> np.ndarray:
    """Who stands on a blocklist at `as_of`: listed before or at it, `until` is exclusive."""
    if blocklists is None or not len(blocklists):
        return np.zeros(len(index), dtype=bool)
    stands = (blocklists["listed_at"] <= as_of) & ~(blocklists["until"] <= as_of).fillna(False)
    return index.isin(blocklists.loc[stands, "customer_id"])


def _room(channels: Sequence[str], contacts: np.ndarray | None, caps: Mapping[str, int]) -> np.ndarray:
    """On which channels a person has had fewer contacts than its cap, bool of shape (n, channels)."""
    most = np.array([caps.get(name, np.inf) for name in channels])
    room: np.ndarray = np.asarray(contacts) < most
    return room


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


def _granted(index: pd.Index, channels: list[str], purpose: str) -> pd.DataFrame:
    """Everybody on every channel, since ever: what a data set without consents is taken to say."""
    rows = pd.MultiIndex.from_product([index, channels], names=["customer_id", "channel"]).to_frame(index=False)
    never = pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us, UTC]")
    begin = pd.Timestamp(0, tz="UTC").as_unit("us")
    return rows.assign(purpose=purpose, granted=True, at=begin, expires=never)


def _withdrawals(objections: pd.DataFrame, channels: Sequence[str], purpose: str) -> pd.DataFrame:
    """Objections as withdrawn consents; one without a channel withdraws all."""
    everywhere = objections["channel"].isna()
    parts = [objections[~everywhere], *(objections[everywhere].assign(channel=name) for name in channels)]
    rows = pd.concat(parts)[["customer_id", "channel", "at"]]
    never = pd.Series(pd.NaT, index=rows.index, dtype="datetime64[us, UTC]")
    return rows.assign(purpose=purpose, granted=False, expires=never)


def _permitted(
    index: pd.Index, channels: Sequence[str], consents: pd.DataFrame, as_of: pd.Timestamp, purpose: str
) -> np.ndarray:
    """Which channels each person permits, bool (n, channels): the latest change counts, expiry is exclusive."""
    known = consents[(consents["purpose"] == purpose) & (consents["at"] <= as_of)]
    # of two changes at one moment the withdrawal counts
    newest = known.sort_values(["at", "granted"], ascending=[True, False], kind="stable")
    newest = newest.drop_duplicates(["customer_id", "channel"], keep="last")
    valid = newest[newest["granted"].astype(bool) & ~(newest["expires"] <= as_of).fillna(False)]
    permitted = np.zeros((len(index), len(channels)), dtype=bool)
    for position, name in enumerate(channels):
        permitted[:, position] = index.isin(valid.loc[valid["channel"] == name, "customer_id"])
    return permitted
