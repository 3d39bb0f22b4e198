"""Credit as it went: accounts, applications, repayments, bureau records."""

from scenefit.contracts.schema import RISK_ONLY, Column, Table

ACCOUNTS = Table(
    "accounts",
    grain="one row per account",
    key=("account_id",),
    columns=(
        Column("account_id", "str"),
        Column("customer_id", "str"),
        Column("product_id", "str"),
        Column("opened_at", "instant"),
        Column("closed_at", "instant", nullable=True),
        Column("limit", "money", unit="currency", nullable=True, low=0),
        Column("balance", "money", unit="currency", nullable=True, low=0, note="owed now"),
        Column("apr", "float", unit="1/year", nullable=True, low=0, high=10),
        Column("status", "str", values=("open", "closed", "charged off")),
    ),
)

APPLICATIONS = Table(
    "applications",
    grain="one row per application",
    key=("application_id",),
    columns=(
        Column("application_id", "str"),
        Column("customer_id", "str"),
        Column("product_id", "str"),
        Column("at", "instant"),
        Column("amount", "money", unit="currency", nullable=True, low=0),
        Column("decision", "str", values=("approved", "declined", "pending")),
        Column("reason", "str", nullable=True),
    ),
)

REPAYMENTS = Table(
    "repayments",
    grain="one row per account and due date",
    key=("account_id", "due_at"),
    columns=(
        Column("account_id", "str"),
        Column("customer_id", "str"),
        Column("due_at", "instant"),
        Column("due", "money", unit="currency", low=0),
        Column("paid", "money", unit="currency", low=0, note="paid so far towards this due amount"),
        Column("paid_at", "instant", nullable=True, note="moment of full payment; empty: not yet paid in full"),
    ),
)

BUREAU = Table(
    "bureau",
    grain="one row per customer and inquiry",
    key=("customer_id", "at"),
    columns=(
        Column("customer_id", "str"),
        Column("at", "instant"),
        Column("score", "float", nullable=True, purposes=RISK_ONLY),
        Column("inquiries_90d", "int", nullable=True, low=0, purposes=RISK_ONLY),
        Column("total_debt", "money", unit="currency", nullable=True, low=0, purposes=RISK_ONLY),
    ),
)
