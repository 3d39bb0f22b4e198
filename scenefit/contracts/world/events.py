"""The event stream of one block: behaviour, delivery and funnel in the order in which they happened."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from scenefit.contracts.schema import money
from scenefit.contracts.tables.consents import CHANNELS
from scenefit.contracts.world import clock, places, products
from scenefit.contracts.world.behaviour import KINDS
from scenefit.contracts.world.campaigns import ARMS, POLICIES, campaign_ids
from scenefit.contracts.world.columns import contract_table, instants, numbered, numbers, texts
from scenefit.contracts.world.scenes import PARTNER_IDS, SCENE_IDS, merchant_ids

CODES = ("scene", "merchant", "product", "campaign", "arm", "channel", "source", "device", "session", "ip_city",
         "policy")  # fmt: skip
AMOUNTS = ("amount", "cost", "lat", "lon", "propensity")
PER_BLOCK = 10_000_000  # events and sessions numbered in one block


def stacked(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """All parts under each other by time; what a part does not say is −1 or NaN. Nothing after the end stays."""
    sizes = [len(part["at"]) for part in parts]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in ("customer", "at", "kind")}
    for name in CODES:
        columns[name] = np.concatenate(
            [part.get(name, np.full(size, -1)) for part, size in zip(parts, sizes, strict=True)]
        )
    for name in AMOUNTS:
        columns[name] = np.concatenate(
            [part.get(name, np.full(size, np.nan)) for part, size in zip(parts, sizes, strict=True)]
        )
    order = np.lexsort((columns["kind"], columns["customer"], columns["at"]))
    order = order[columns["at"][order] < clock.END]
    return {name: values[order] for name, values in columns.items()}


def events_table(
    happened: dict[str, np.ndarray], ids: pa.Array, devices: pa.Array, shops: int, block: int, rng: np.random.Generator
) -> pa.Table:
    """The stream with ids; each event becomes known soon after it happened, some sources report hours later."""
    at, total = happened["at"], len(happened["at"])
    late = np.where(rng.random(total) < 0.03, 5 * 3_600.0, 12.0)
    delay = (rng.exponential(late) * clock.SECOND).astype(np.int64)
    session = happened["session"]
    sessions = int(session.max(initial=-1)) + 1
    return contract_table(
        "events",
        {
            "event_id": numbered("e", block * PER_BLOCK + np.arange(total), 13),
            "customer_id": texts(ids, happened["customer"]),
            "at": instants(at),
            "ingested_at": instants(np.minimum(at + delay, clock.END - 1)),
            "kind": texts(KINDS, happened["kind"]),
            "scene_id": texts(SCENE_IDS, happened["scene"]),
            "merchant_id": texts(merchant_ids(shops), happened["merchant"]),
            "product_id": texts(products.IDS, happened["product"]),
            "campaign_id": texts(campaign_ids(), happened["campaign"]),
            "arm": texts(ARMS, happened["arm"]),
            "channel": texts(CHANNELS, happened["channel"]),
            "source": texts(PARTNER_IDS, happened["source"]),
            "amount": money(happened["amount"]),
            "cost": money(happened["cost"]),
            "device_id": texts(devices, happened["device"]),
            "session_id": texts(numbered("s", block * PER_BLOCK + np.arange(sessions), 13), session),
            "lat": numbers(happened["lat"]),
            "lon": numbers(happened["lon"]),
            "datum": texts(("GCJ-02",), np.where(np.isnan(happened["lat"]), -1, 0)),
            "ip_city": texts(places.NAMES, happened["ip_city"]),
            "propensity": numbers(happened["propensity"]),
            "policy_version": texts(POLICIES, happened["policy"]),
        },
    )
