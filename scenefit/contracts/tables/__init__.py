"""Every table of the engine, one file per noun; `RAW` by name is what a workspace may hold in raw/."""

from scenefit.contracts.schema import Table
from scenefit.contracts.tables.addresses import ADDRESSES
from scenefit.contracts.tables.campaigns import APPROVALS, ARMS, ASSIGNMENTS, CAMPAIGNS
from scenefit.contracts.tables.consents import BLOCKLISTS, CONSENTS
from scenefit.contracts.tables.credit import ACCOUNTS, APPLICATIONS, BUREAU, REPAYMENTS
from scenefit.contracts.tables.customers import CUSTOMERS, IDENTITIES
from scenefit.contracts.tables.derived import (
    ELIGIBILITY,
    PLAN,
    PLAN_CELLS,
    SCORES,
    SEGMENT_CRITERIA,
    SEGMENT_PROFILES,
    SEGMENTS,
    SUBGROUPS,
)
from scenefit.contracts.tables.events import EVENTS
from scenefit.contracts.tables.opinions import OPINIONS
from scenefit.contracts.tables.products import PRODUCTS
from scenefit.contracts.tables.scenes import MERCHANTS, PARTNERS, SCENES

RAW: dict[str, Table] = {
    table.name: table
    for table in (
        CUSTOMERS, IDENTITIES, CONSENTS, BLOCKLISTS, SCENES, MERCHANTS, PARTNERS, PRODUCTS, ACCOUNTS, APPLICATIONS,
        REPAYMENTS, BUREAU, EVENTS, ADDRESSES, OPINIONS, CAMPAIGNS, ARMS, ASSIGNMENTS, APPROVALS,
    )
}  # fmt: skip
RUN: dict[str, Table] = {
    table.name: table
    for table in (
        SEGMENTS, SEGMENT_PROFILES, SEGMENT_CRITERIA, SUBGROUPS, SCORES, ELIGIBILITY, PLAN, PLAN_CELLS,
    )
}  # fmt: skip

__all__ = [
    "ACCOUNTS", "ADDRESSES", "APPLICATIONS", "APPROVALS", "ARMS", "ASSIGNMENTS", "BLOCKLISTS", "BUREAU", "CAMPAIGNS",
    "CONSENTS", "CUSTOMERS", "ELIGIBILITY", "EVENTS", "IDENTITIES", "MERCHANTS", "OPINIONS", "PARTNERS", "PLAN",
    "PLAN_CELLS", "PRODUCTS", "RAW", "REPAYMENTS", "RUN", "SCENES", "SCORES", "SEGMENTS", "SEGMENT_CRITERIA",
    "SEGMENT_PROFILES", "SUBGROUPS",
]  # fmt: skip
