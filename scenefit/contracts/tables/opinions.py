"""What the public says about products and brands."""

from scenefit.contracts.schema import Column, Table

OPINIONS = Table(
    "opinions",
    grain="one row per post",
    key=("post_id",),
    columns=(
        Column("post_id", "str"),
        Column("at", "instant"),
        Column("source", "str"),
        Column("subject", "str", note="product id, scene id or brand the post is about"),
        Column("text", "str"),
    ),
)
