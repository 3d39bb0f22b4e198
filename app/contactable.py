"""Who may be contacted for marketing at a moment: raw tables and settings put before the contract's waterfall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import time

import duckdb
import numpy as np
import pandas as pd

from app import facts
from scenefit.contracts.quiet import QuietHours
from scenefit.contracts.reach import Gate, Reach, Step, reachable
from scenefit.contracts.schema import frame_of
from scenefit.runtime.settings import Settings
from scenefit.runtime.store import read
from scenefit.runtime.workspace import Dataset, Workspace


def channels(settings: Settings) -> list[str]:
    """Channels, the cheapest first."""
    return sorted(settings.value.contact_cost, key=lambda name: (settings.value.contact_cost[name], name))


def contactable(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    dataset: Dataset,
    customers: np.ndarray,
    at: pd.Timestamp,
    settings: Settings,
) -> Reach:
    """Consent, blocklists, contact caps and global hold-out, as a waterfall.

    Quiet hours are left out: they close a moment, not a person, and count only where a message goes out now.
    The connection has the raw views and knows the people (`facts.read_catalogue`).
    """
    consents, blocklists = (frame_of(read(workspace, name)) for name in ("consents", "blocklists"))
    limits, names = settings.limits, channels(settings)
    since = at - pd.Timedelta(days=limits.contact_days)
    contacts = facts.read_contacts(connection, since, at, len(customers))
    # a channel that costs nothing stated is never used, so its cap closes nothing
    caps = {name: cap for name, cap in limits.channel_caps.items() if name in names}
    on_channels = read_channel_contacts(connection, since, at, len(customers), names) if caps else None
    # a table that was never given says nothing; one that was given and holds nobody says no
    stated = consents if "consents" in dataset.rows else None
    return reachable(
        list(customers), names, at, stated, blocklists, contacts,
        cap=limits.contacts, hold_out=limits.hold_out, objections=facts.read_objections(connection, at),
        channel_contacts=on_channels, channel_caps=caps,
    )  # fmt: skip


def read_channel_contacts(
    connection: duckdb.DuckDBPyConnection,
    since: pd.Timestamp,
    until: pd.Timestamp,
    customers: int,
    names: Sequence[str],
) -> np.ndarray:
    """Messages sent per customer on each channel with since <= at < until, shape (customers, channels)."""
    rows = connection.execute(
        "SELECT who, list_position($names, channel) - 1 AS place, count(*) AS n FROM events "
        "JOIN people USING (customer_id) WHERE kind = 'sent' AND list_contains($names, channel) "
        'AND "at" >= $since AND "at" < $until AND ingested_at < $until GROUP BY who, place',
        {"names": list(names), "since": since, "until": until},
    ).fetchnumpy()
    counts = np.zeros((customers, len(names)), np.int64)
    counts[rows["who"], rows["place"]] = rows["n"]
    return counts


def without(reach: Reach, lists: Mapping[str, np.ndarray]) -> Reach:
    """The same reach without people on lists, each list a step of its own behind the blocklists.

    Parameters
    ----------
    lists : name of a list → who is on it, bool (n,)
    """
    gates = list(reach.gates)
    place = 1 + next((i for i, gate in enumerate(gates) if gate.step == "not blocked"), -1)
    gates[place:place] = [Gate(f"not on list: {name}", ~on) for name, on in lists.items()]
    mask = np.ones(len(reach.mask), dtype=bool)
    steps = [reach.waterfall[0]]
    for gate in gates:
        mask = mask & gate.passes
        steps.append(Step(gate.step, int(mask.sum())))
    left = None if reach.open_channels is None else reach.open_channels & mask[:, None]
    counts = () if left is None else left.sum(axis=0).tolist()
    on_channel = tuple(Step(name, int(n)) for (name, _), n in zip(reach.on_channel, counts, strict=True))
    return Reach(mask, np.where(mask, reach.channel, -1).astype(np.int16), tuple(steps), tuple(gates), left, on_channel)


def quiet_hours(settings: Settings, zone: str) -> QuietHours | None:
    """When channels that ring stay shut, on the business clock; None where the settings shut them never."""
    start, end = settings.limits.quiet_from, settings.limits.quiet_until
    if start == end:
        return None
    # a clock has no 24:00: a night that begins then begins at 0:00, one that ends then lasts to the last instant
    return QuietHours(time(start % 24), time.max if end == 24 else time(end), zone)
