"""Campaigns: what was planned, who was assigned to which arm with which probability, who approved."""

from scenefit.contracts.schema import Column, Table
from scenefit.contracts.tables.consents import CHANNELS

CAMPAIGNS = Table(
    "campaigns",
    grain="one row per campaign",
    key=("campaign_id",),
    columns=(
        Column("campaign_id", "str"),
        Column("name_en", "str"),
        Column("name_zh", "str"),
        Column("kind", "str", nullable=True, note="type of campaign, such as A, B, C"),
        Column("scene_id", "str", nullable=True),
        Column("channel", "str", values=CHANNELS),
        Column("starts_at", "instant"),
        Column("ends_at", "instant", note="exclusive"),
    ),
)

ARMS = Table(
    "arms",
    grain="one row per campaign and arm",
    key=("campaign_id", "arm"),
    columns=(
        Column("campaign_id", "str"),
        Column("arm", "str", note="'control' receives nothing"),
        Column("product_id", "str", nullable=True, note="empty: no single product (control, or a booklet of coupons)"),
        Column(
            "share",
            "float",
            unit="1",
            nullable=True,
            low=0,
            high=1,
            note="planned share; empty: none was planned, or it differs between people",
        ),
    ),
)

ASSIGNMENTS = Table(
    "assignments",
    grain="one row per campaign and customer",
    key=("campaign_id", "customer_id"),
    columns=(
        Column("campaign_id", "str"),
        Column("customer_id", "str"),
        Column("arm", "str"),
        Column("propensity", "float", unit="1", nullable=True, low=0, high=1,
               note="P(arm | customer), logged when drawn; empty: not randomised, effects are observational"),
        Column("at", "instant"),
    ),
)  # fmt: skip

APPROVALS = Table(
    "approvals",
    grain="one row per object, version and step",
    key=("object_kind", "object_id", "version", "step", "at"),
    columns=(
        Column("object_kind", "str", values=("audience", "product", "policy", "plan", "campaign", "model")),
        Column("object_id", "str"),
        Column("version", "int", low=1),
        Column("step", "str", values=("draft", "risk sign-off", "second person", "live", "stopped")),
        Column("by", "str", pii=True, purposes=frozenset(("service",))),
        Column("at", "instant"),
    ),
)
