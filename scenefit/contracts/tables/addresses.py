"""Where things are delivered to."""

from scenefit.contracts.schema import Column, Table

ADDRESSES = Table(
    "addresses",
    grain="one row per customer, use and moment",
    key=("customer_id", "use", "at"),
    columns=(
        Column("customer_id", "str"),
        Column("at", "instant"),
        Column("use", "str", values=("home", "delivery", "work")),
        Column("text", "str", pii=True, note="as the person wrote it", purposes=frozenset(("risk", "service"))),
    ),
)
