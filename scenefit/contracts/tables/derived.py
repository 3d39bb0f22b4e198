"""What a run writes: segments, subgroups, scores, eligibility and the plan."""

from scenefit.contracts.schema import Column, Table

SEGMENTS = Table(
    "segments",
    grain="one row per scene and member",
    key=("scene_id", "customer_id"),
    columns=(
        Column("scene_id", "str"),
        Column("customer_id", "str"),
        Column("segment_id", "str", note="unique over scenes, such as travel/3"),
        Column(
            "confidence", "float", unit="1", low=0, high=1, note="0: half-way to the next segment, 1: at the centre"
        ),
    ),
)

SEGMENT_PROFILES = Table(
    "segment_profiles",
    grain="one row per segment and feature",
    key=("segment_id", "feature"),
    columns=(
        Column("scene_id", "str"),
        Column("segment_id", "str"),
        Column("size", "int", low=0),
        Column("name_en", "str"),
        Column("name_zh", "str"),
        Column("feature", "str"),
        Column("mean", "float", nullable=True),
        Column("base", "float", nullable=True, note="mean over all members of the scene"),
        Column("z", "float", nullable=True, note="(mean - base) / standard deviation over the scene"),
        Column("tgi", "float", nullable=True, note="100 * mean / base; empty where the base is not positive"),
    ),
)

SEGMENT_CRITERIA = Table(
    "segment_criteria",
    grain="one row per scene and number of segments tried",
    key=("scene_id", "k"),
    columns=(
        Column("scene_id", "str"),
        Column("k", "int", low=1),
        Column("inertia", "float"),
        Column("silhouette", "float", nullable=True, note="silhouette of a sample of rows (Rousseeuw 1987)"),
        Column("silhouette_se", "float", nullable=True, note="standard error, over seeds and over rows"),
        Column("stability", "float", nullable=True, note="mean adjusted Rand index between seeds"),
        Column("smallest_share", "float", unit="1"),
        Column("tied", "bool", note="belongs to the tie set: not clearly worse than the best"),
        Column("chosen", "bool"),
    ),
)

SUBGROUPS = Table(
    "subgroups",
    grain="one row per mined rule, best first",
    key=("scene_id", "rank"),
    columns=(
        Column("scene_id", "str"),
        Column("rank", "int", low=1),
        Column("rule_en", "str"),
        Column("rule_zh", "str"),
        Column("size", "int"),
        Column("unreached", "int", note="members not contacted in the reach window"),
        Column("rate", "float", unit="1", note="share with the outcome, on the mining half"),
        Column("base", "float", unit="1"),
        Column("lift", "float", nullable=True, note="rate / base"),
        Column("lift_low", "float", nullable=True, note="lower end of the 95 % interval, on the mining half"),
        Column("lift_high", "float", nullable=True),
        Column("p", "float", unit="1"),
        Column("q", "float", unit="1", note="adjusted for all rules tried and all edges looked at"),
        Column("confirmed", "bool", note="holds again on the confirmation half, or in the later period"),
        Column("confirm_rate", "float", unit="1", nullable=True),
        Column("confirm_p", "float", unit="1", nullable=True, note="Holm adjusted over the rules sent there"),
        Column("rule", "str", nullable=True, note="the rule as JSON, see docs/rules.md"),
        Column("quality", "str", nullable=True, note="what the rules are ranked by"),
        Column("worth", "float", nullable=True, note="the rule's value of that quality"),
        Column("reached_share", "float", unit="1", nullable=True, low=0, high=1),
        Column(
            "confirm_lift", "float", nullable=True, note="lift on the confirmation half: nothing was searched there"
        ),
        Column("confirm_lift_low", "float", nullable=True),
        Column("confirm_lift_high", "float", nullable=True),
        Column(
            "difference", "float", unit="1", nullable=True, note="rate inside less outside, on the confirmation half"
        ),
        Column("difference_low", "float", unit="1", nullable=True),
        Column("difference_high", "float", unit="1", nullable=True),
        Column("uplift", "float", unit="1", nullable=True, note="effect of treatment inside less outside; needs arms"),
        Column("uplift_low", "float", unit="1", nullable=True),
        Column("uplift_high", "float", unit="1", nullable=True),
        Column(
            "proof",
            "str",
            nullable=True,
            values=("randomised", "weighted", "observational", "unproven"),
            note="unproven: reach went by the rule's attributes and explains the rate as well",
        ),
        Column("bad_rate", "float", unit="1", nullable=True, low=0, high=1, note="of members with a credit history"),
        Column("bad_low", "float", unit="1", nullable=True),
        Column("bad_high", "float", unit="1", nullable=True),
        Column("bad_known", "int", nullable=True, low=0, note="members with a credit history"),
        Column("fairness", "float", nullable=True, note="least selection-rate ratio over the protected attributes"),
        Column("fairness_by", "str", nullable=True, note="the ratio by protected attribute, as JSON"),
    ),
)

SCORES = Table(
    "scores",
    grain="one row per customer and rank of an eligible product",
    key=("customer_id", "rank"),
    columns=(
        Column("customer_id", "str"),
        Column("rank", "int", low=1),
        Column("product_id", "str"),
        Column("p_take", "float", unit="1", low=0, high=1, note="P(take and approved | offered)"),
        Column("value", "float", unit="currency", note="expected value of offering, after loss, incentive and contact"),
        Column(
            "expected_loss",
            "float",
            unit="currency",
            nullable=True,
            low=0,
            note="P(take) x PD given take x LGD x EAD; empty in runs of older versions",
        ),
        Column("channel", "str", nullable=True, note="on which the product is worth most; empty in older runs"),
    ),
)

ELIGIBILITY = Table(
    "eligibility",
    grain="one row per product and first reason against it",
    key=("product_id", "reason"),
    columns=(
        Column("product_id", "str"),
        Column("reason", "str", note="'eligible' or the first rule that said no, on the channel that gets furthest"),
        Column("customers", "int", low=0),
        Column(
            "stage",
            "str",
            nullable=True,
            note="eligibility, applicability, suitability or contact; empty for 'eligible' and in older runs",
        ),
    ),
)

PLAN = Table(
    "plan",
    grain="one row per customer who gets an offer",
    key=("customer_id", "product_id"),
    columns=(
        Column("customer_id", "str"),
        Column("scene_id", "str"),
        Column("segment_id", "str"),
        Column("product_id", "str"),
        Column("channel", "str"),
        Column("p_take", "float", unit="1", low=0, high=1),
        Column("value", "float", unit="currency"),
        Column("expected_loss", "float", unit="currency", low=0),
        Column("expected_cost", "float", unit="currency", low=0, note="contact plus expected incentive"),
    ),
)

PLAN_CELLS = Table(
    "plan_cells",
    grain="one row per segment and product in the plan",
    key=("segment_id", "product_id"),
    columns=(
        Column("scene_id", "str"),
        Column("segment_id", "str"),
        Column("product_id", "str"),
        Column("customers", "int", low=0),
        Column("expected_takers", "float"),
        Column("value", "float", unit="currency"),
        Column("expected_loss", "float", unit="currency"),
        Column("expected_cost", "float", unit="currency"),
    ),
)
