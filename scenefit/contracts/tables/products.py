"""What is offered: credit products (or, for retail data, coupon families)."""

from scenefit.contracts.schema import Column, Table

PRODUCTS = Table(
    "products",
    grain="one row per product version",
    key=("product_id", "version"),
    optional=False,
    columns=(
        Column("product_id", "str"),
        Column("version", "int", low=1),
        Column("kind", "str", note="instalment, credit line, card, coupon …"),
        Column("name_en", "str"),
        Column("name_zh", "str"),
        Column("apr", "float", unit="1/year", nullable=True, low=0, high=10),
        Column("amount_min", "money", unit="currency", nullable=True, low=0),
        Column("amount_max", "money", unit="currency", nullable=True, low=0),
        Column("tenor_min", "int", unit="month", nullable=True, low=0),
        Column("tenor_max", "int", unit="month", nullable=True, low=0),
        Column("scenes", "strs", nullable=True, note="vertical scenes it may be offered in; empty: all"),
        Column("margin", "float", unit="1", nullable=True, low=-1, high=10,
               note="margin per currency unit taken, before losses; empty: derived from APR and funding cost"),
        Column("funding_cost", "float", unit="1/year", nullable=True, low=0, high=1),
        Column("incentive", "money", unit="currency", nullable=True, low=0, note="paid to those who take, only then"),
        Column("capacity", "int", nullable=True, low=0, note="how many may take it in one plan; empty: unlimited"),
        Column("age_min", "int", unit="year", nullable=True, low=0, high=150),
        Column("age_max", "int", unit="year", nullable=True, low=0, high=150),
        Column("pd_max", "float", unit="1", nullable=True, low=0, high=1,
               note="largest acceptable probability of default"),
        Column("valid_from", "instant"),
        Column("valid_to", "instant", nullable=True, note="exclusive"),
        Column("state", "str", values=("draft", "live", "retired"), note="a draft reaches nobody"),
    ),
)  # fmt: skip
