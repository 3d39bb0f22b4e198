"""Which features each consumer reads, and for what purpose."""

from feature_repo.definition import Service
from feature_repo.views import VIEWS

SERVICES = {
    service.name: service
    for service in (
        Service(
            "segments_v1",
            "marketing",
            (VIEWS["customer_daily"].unprotected(), VIEWS["customer_scene"]),
            en="Segmentation and subgroups: one row per person and scene",
            zh="分群与子群：每人每场景一行",
        ),
        Service(
            "offers_v1",
            "marketing",
            (VIEWS["customer_daily"].unprotected(),),
            en="Recommenders and audiences: one row per person",
            zh="推荐与人群：每人一行",
        ),
        Service(
            "default_v1",
            "risk",
            (VIEWS["customer_daily"].unprotected(), VIEWS["customer_risk"]),
            en="Probability of default: one row per person, for risk alone",
            zh="违约概率：每人一行，仅限风险用途",
        ),
        Service(
            "serving_v1",
            "marketing",
            (VIEWS["customer_serving"],),
            en="Read online, one person at a time",
            zh="在线单人读取",
        ),
    )
}
