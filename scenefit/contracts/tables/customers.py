"""People: customers, leads and visitors, and the links that identify them."""

from scenefit.contracts.schema import Column, Table

CUSTOMERS = Table(
    "customers",
    grain="one row per person: customer, lead or anonymous visitor",
    key=("customer_id",),
    optional=False,
    columns=(
        Column("customer_id", "str"),
        Column("kind", "str", values=("customer", "lead", "visitor"), note="a lead has contact data but no account"),
        Column("birth_year", "int", nullable=True, protected=True, low=1900, high=2100, note="age comes from it"),
        Column("gender", "str", nullable=True, protected=True),
        Column("marital_status", "str", nullable=True, protected=True),
        Column("education", "str", nullable=True, protected=True),
        Column("region", "str", nullable=True, note="province or state"),
        Column("city", "str", nullable=True),
        Column("city_tier", "int", nullable=True, low=1, high=6, note="1 largest … 6 county level"),
        Column("occupation", "str", nullable=True),
        Column("income_band", "str", nullable=True, note="ordered label such as 05-08k; lowest sorts first"),
        Column("household_size", "int", nullable=True, low=1, high=30),
        Column("home_owner", "bool", nullable=True),
        Column("registered_at", "instant", note="first known to the firm"),
        Column("acquired_via", "str", nullable=True, note="traffic source or partner"),
        Column("phone", "str", nullable=True, pii=True, purposes=frozenset(("service",))),
    ),
)

IDENTITIES = Table(
    "identities",
    grain="one row per phone, openid, device or bank-card link of a person",
    key=("kind", "value_hash", "customer_id"),
    columns=(
        Column("customer_id", "str"),
        Column("kind", "str", values=("phone", "openid", "device", "card")),
        Column(
            "value_hash", "str", pii=True, note="keyed hash of the identifier", purposes=frozenset(("risk", "service"))
        ),
        Column("first_seen", "instant"),
        Column("last_seen", "instant"),
    ),
)
