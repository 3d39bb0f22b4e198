"""What is known of every customer beside features: value, risk, reach, activity; as of the end of the data."""

from __future__ import annotations

from typing import NamedTuple

import duckdb
import numpy as np
import pandas as pd

from app.contactable import contactable
from app.default_scores import default_probabilities
from app.facts import number_people, read_contacts
from app.labels import mark
from app.segment_fits import snapshot
from risk.default import ever_late
from scenefit.contracts.errors import StoreError
from scenefit.contracts.schema import frame_of
from scenefit.runtime.settings import Settings
from scenefit.runtime.store import connect, raw_views, read
from scenefit.runtime.workspace import Workspace
from segmentation.value import customer_values, present_values

# sentences for readers: pages translate them
NO_VALUE = mark("No open account with a balance is known.")
NO_RISK = mark("The newest run has no default model, and no repayment is old enough to judge by.")
NO_REACH = mark("No message to anybody is recorded.")
NO_FEATURES = mark(
    "There is no snapshot of the features within its time to live; build one with `scenefit features build`."
)
NO_CONSENT = mark("The data states no consent; the share counts everybody as consenting.")
BY_MODEL = mark("probability of default, newest run")
BY_REPAYMENTS = mark("share 30 days late with any repayment so far")
# days after which an unpaid amount counts as late
LATE_DAYS = 30
RECENCY = ["days_since_purchase", "purchases_365d", "spend_365d"]


class CustomerFacts(NamedTuple):
    """What is known of every customer at the end of the data, by customer id; None with the reason in `absent`.

    value : present value of what the customer holds, NaN for who holds nothing
    risk : probability of default, or 0 and 1 as observed; `risk_of` says which
    reached, reachable : contacted in the last days, and may be contacted now
    activity : visits and purchases per scene; recency : days_since_purchase, purchases_365d, spend_365d
    """

    as_of: pd.Timestamp
    value: pd.Series | None
    risk: pd.Series | None
    risk_of: str | None
    reached: pd.Series | None
    reachable: pd.Series
    activity: pd.DataFrame | None
    recency: pd.DataFrame | None
    reach_days: int
    absent: dict[str, str]


def customer_facts(workspace: Workspace, settings: Settings) -> CustomerFacts:
    """Value, risk, reach and activity of every customer at the end of the data.

    Raises
    ------
    StoreError, ContractError : the data is missing, damaged or breaks its contract.
    """
    dataset = workspace.dataset()
    end, absent = dataset.until, {}
    customers = pd.Index(sorted(read(workspace, "customers", ["customer_id"]).column(0).to_pylist()), dtype=object)
    risk, risk_of = _risk(workspace, end)
    if risk is None:
        absent["risk"] = NO_RISK
    value = _value(workspace, customers, end, settings, risk if risk_of == BY_MODEL else None)
    if value is None:
        absent["value"] = NO_VALUE
    with connect(settings.runtime.memory_limit) as connection:
        raw_views(connection, workspace)
        reached, may = _reach(connection, workspace, customers, end, settings)
    if reached is None:
        absent["reach"] = NO_REACH
    if "consents" not in dataset.rows:
        absent["consent"] = NO_CONSENT
    activity, recency = _activity(workspace, end)
    if activity is None:
        absent["scenes"] = absent["rfm"] = NO_FEATURES
    return CustomerFacts(
        end, value, risk, risk_of, reached, may, activity, recency, settings.subgroups.reach_days, absent
    )


def _value(
    workspace: Workspace, customers: pd.Index, end: pd.Timestamp, settings: Settings, default: pd.Series | None
) -> pd.Series | None:
    accounts, repayments = (frame_of(read(workspace, name)) for name in ("accounts", "repayments"))
    terms = settings.value
    values = present_values(
        accounts, repayments, end, terms.funding_cost, terms.discount_rate, terms.lgd,
        None if default is None else default.dropna(),
    )  # fmt: skip
    return None if values.empty else pd.Series(customer_values(values, customers), index=customers)


def _risk(workspace: Workspace, end: pd.Timestamp) -> tuple[pd.Series | None, str | None]:
    """Probability of default by the newest run's model, else who was late so far; and which of the two."""
    scored = default_probabilities(workspace, end)
    if scored is not None:
        return scored, BY_MODEL
    repayments = frame_of(read(workspace, "repayments"))
    late = ever_late(repayments, end, LATE_DAYS) if len(repayments) else pd.Series(dtype=bool)
    if late.empty:
        return None, None
    owner = repayments.drop_duplicates("account_id").set_index("account_id")["customer_id"].reindex(late.index)
    return late.astype(np.float64).groupby(owner.to_numpy(dtype=object)).max(), BY_REPAYMENTS


def _reach(
    connection: duckdb.DuckDBPyConnection, workspace: Workspace, customers: pd.Index, end: pd.Timestamp,
    settings: Settings,
) -> tuple[pd.Series | None, pd.Series]:  # fmt: skip
    """Who was contacted in the last days, None where no message is known at all; and who may be contacted."""
    number_people(connection, customers.to_numpy(dtype=object))
    lately = read_contacts(connection, end - pd.Timedelta(days=settings.subgroups.reach_days), end, len(customers))
    may = contactable(connection, workspace, workspace.dataset(), customers.to_numpy(dtype=object), end, settings)
    ever = connection.execute("SELECT 1 FROM events WHERE kind = 'sent' LIMIT 1").fetchone()
    return (None if ever is None else pd.Series(lately > 0, index=customers)), pd.Series(may.mask, index=customers)


def _activity(workspace: Workspace, end: pd.Timestamp) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """Visits and purchases of a year by customer and scene, and recency, frequency, money; None without features."""
    try:
        scenes = snapshot(workspace, end).scenes
    except StoreError:
        return None, None
    counts = {
        scene: rows["scene_visits_365d"].astype(np.float64).fillna(0)
        + rows["scene_purchases_365d"].astype(np.float64).fillna(0)
        for scene, rows in scenes.items()
    }
    if not counts:
        return None, None
    recency = pd.concat([rows[RECENCY] for rows in scenes.values()])
    recency = recency[~recency.index.duplicated()].astype(np.float64)
    return pd.DataFrame(counts).fillna(0.0), recency
