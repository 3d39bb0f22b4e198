"""Raw events as rows of the stream view."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from feature_repo.definition import CREATED, EVENT_TIME
from feature_repo.views_live import CUSTOMER_LIVE
from scenefit.contracts.schema import conform
from scenefit.contracts.tables import RAW

NEWEST_LAST = ("customer_id", "at", "ingested_at", "event_id")


def live_rows(events: pa.Table) -> pa.Table:
    """The newest event of each person as a row of `customer_live`, sorted by person.

    The newest is the one that happened last; of those at one moment the one known last, then the last by id. The
    order of the events does not matter.

    Parameters
    ----------
    events : rows of the raw table `events`; nullable columns may be absent

    Raises
    ------
    ContractError : a column is missing, unknown or of the wrong type.
    """
    ordered = conform(events, RAW["events"]).sort_by([(name, "ascending") for name in NEWEST_LAST])
    people = ordered["customer_id"].combine_chunks()
    last = pa.concat_arrays([pc.not_equal(people[1:], people[:-1]), pa.array([True] * min(1, len(people)), pa.bool_())])
    newest = ordered.filter(last)
    columns = {"customer_id": newest["customer_id"], EVENT_TIME: newest["at"], CREATED: newest["ingested_at"]}
    columns |= {f"live_{name}": newest[name] for name in ("kind", "scene_id", "merchant_id", "campaign_id", "channel")}
    columns["live_amount"] = newest["amount"]
    return pa.table(columns).select(CUSTOMER_LIVE.arrow.names).cast(CUSTOMER_LIVE.arrow)
