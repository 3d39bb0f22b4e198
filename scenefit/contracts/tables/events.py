"""What happened: one append-only stream for behaviour, delivery and the funnel."""

from scenefit.contracts.schema import Column, Table
from scenefit.contracts.tables.consents import CHANNELS

BEHAVIOUR = ("visit", "browse", "purchase")
DELIVERY = ("sent", "delivered", "bounced")
FUNNEL = ("impression", "click", "reply", "apply", "approve", "draw", "repay")
OBJECTIONS = ("opt_out", "complaint")

EVENTS = Table(
    "events",
    grain="one row per event id",
    key=("event_id",),
    optional=False,
    stream=True,
    columns=(
        Column("event_id", "str"),
        Column("customer_id", "str"),
        Column("at", "instant", note="when it happened"),
        Column("ingested_at", "instant", note="when it became known; nothing may use the event earlier"),
        Column("kind", "str", values=BEHAVIOUR + DELIVERY + FUNNEL + OBJECTIONS,
               note="draw: the offer was taken (loan drawn, coupon redeemed)"),
        Column("scene_id", "str", nullable=True),
        Column("merchant_id", "str", nullable=True),
        Column("product_id", "str", nullable=True),
        Column("campaign_id", "str", nullable=True, note="empty for a draw or apply: organic"),
        Column("arm", "str", nullable=True),
        Column("channel", "str", nullable=True, values=CHANNELS),
        Column("source", "str", nullable=True, note="traffic source"),
        Column("amount", "money", unit="currency", nullable=True, low=0),
        Column("cost", "money", unit="currency", nullable=True, low=0, note="what the event cost the firm"),
        Column("device_id", "str", nullable=True, pii=True, purposes=frozenset(("risk", "service"))),
        Column("session_id", "str", nullable=True),
        Column("lat", "float", unit="degree", nullable=True, pii=True, low=-90, high=90),
        Column("lon", "float", unit="degree", nullable=True, pii=True, low=-180, high=180),
        Column("datum", "str", nullable=True, values=("WGS-84", "GCJ-02", "BD-09")),
        Column("ip_city", "str", nullable=True),
        Column("propensity", "float", unit="1", nullable=True, low=0, high=1,
               note="P(this arm or offer | customer) at the moment of decision"),
        Column("policy_version", "str", nullable=True, note="which policy decided"),
    ),
)  # fmt: skip
