"""Permission and prohibition: consents by purpose and channel, and hard stops."""

from scenefit.contracts.schema import Column, Table

CHANNELS = ("sms", "push", "email", "wechat", "call", "mail", "display")

CONSENTS = Table(
    "consents",
    grain="one row per customer, purpose, channel and change",
    key=("customer_id", "purpose", "channel", "at"),
    columns=(
        Column("customer_id", "str"),
        Column("purpose", "str", values=("marketing", "risk", "service")),
        Column("channel", "str", values=CHANNELS),
        Column("granted", "bool", note="false withdraws"),
        Column("at", "instant", note="moment of the change"),
        Column("expires", "instant", nullable=True, note="exclusive; empty: until withdrawn"),
    ),
)

BLOCKLISTS = Table(
    "blocklists",
    grain="one row per listing of a customer",
    key=("customer_id", "list", "source", "listed_at"),
    columns=(
        Column("customer_id", "str"),
        Column("list", "str", values=("court", "fraud", "sanctions", "minor", "student", "complaint")),
        Column("source", "str", note="who listed, so that a person can be told"),
        Column("listed_at", "instant"),
        Column("until", "instant", nullable=True, note="exclusive; empty: stands"),
    ),
)
