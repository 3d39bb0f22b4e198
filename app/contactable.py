"""Who may be contacted for marketing at a moment: raw tables and settings put before the contract's waterfall."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd

from app import facts
from scenefit.contracts.reach import Reach, reachable
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
    """Consent, blocklists, contact cap and global hold-out, as a waterfall.

    The connection has the raw views and knows the people (`facts.read_catalogue`).
    """
    consents, blocklists = (frame_of(read(workspace, name)) for name in ("consents", "blocklists"))
    contacts = facts.read_contacts(connection, at - pd.Timedelta(days=settings.limits.contact_days), at, len(customers))
    # a table that was never given says nothing; one that was given and holds nobody says no
    stated = consents if "consents" in dataset.rows else None
    return reachable(
        list(customers), channels(settings), at, stated, blocklists, contacts,
        cap=settings.limits.contacts, hold_out=settings.limits.hold_out,
        objections=facts.read_objections(connection, at),
    )  # fmt: skip
