"""Places where demand arises: vertical scenes, the merchants in them, cooperation partners."""

from scenefit.contracts.schema import Column, Table

SCENES = Table(
    "scenes",
    grain="one row per scene; a scene with a parent is a part of it",
    key=("scene_id",),
    optional=False,
    columns=(
        Column("scene_id", "str"),
        Column("parent_id", "str", nullable=True, note="empty: a vertical scene of the top level"),
        Column("name_en", "str"),
        Column("name_zh", "str"),
    ),
)

MERCHANTS = Table(
    "merchants",
    grain="one row per merchant",
    key=("merchant_id",),
    columns=(
        Column("merchant_id", "str"),
        Column("scene_id", "str", nullable=True),
        Column("name_en", "str"),
        Column("name_zh", "str"),
        Column("city", "str", nullable=True),
        Column("lat", "float", unit="degree", nullable=True, low=-90, high=90),
        Column("lon", "float", unit="degree", nullable=True, low=-180, high=180),
        Column("datum", "str", nullable=True, values=("WGS-84", "GCJ-02", "BD-09"), note="map datum of lat and lon"),
        Column("partner_id", "str", nullable=True),
    ),
)

PARTNERS = Table(
    "partners",
    grain="one row per traffic source or cooperation partner",
    key=("partner_id",),
    columns=(
        Column("partner_id", "str"),
        Column("name_en", "str"),
        Column("name_zh", "str"),
        Column("kind", "str", values=("traffic", "merchant chain", "platform")),
        Column("cost_per_click", "money", unit="currency", nullable=True, low=0),
        Column("cost_per_approval", "money", unit="currency", nullable=True, low=0),
    ),
)
