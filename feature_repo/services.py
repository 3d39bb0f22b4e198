"""Which features each consumer reads, and for what purpose."""

from feature_repo import views_customer, views_risk
from feature_repo.definition import Service
from feature_repo.on_demand import LOAN_BURDEN, PRICE_FIT
from feature_repo.views import VIEWS

DAILY = VIEWS["customer_daily"].unprotected()
# a service never changes what it holds: models and past decisions know it by its name
DAILY_V1 = DAILY.only(*(feature.name for feature in views_customer.FIRST if not feature.protected))
RISK_V1 = VIEWS["customer_risk"].only(*(feature.name for feature in views_risk.FIRST))

SERVICES = {
    service.name: service
    for service in (
        Service(
            "segments_v1",
            "marketing",
            (DAILY_V1, VIEWS["customer_scene"]),
            en="Segmentation and subgroups: one row per person and scene",
            zh="分群与子群：每人每场景一行",
        ),
        Service(
            "segments_v2",
            "marketing",
            (DAILY, VIEWS["customer_scene"]),
            en="As segments_v1, with time of day, changes of the scene mix, account openings and contact pressure",
            zh="在 segments_v1 基础上增加时段、场景构成变化、开户与触达压力",
        ),
        Service(
            "offers_v1",
            "marketing",
            (DAILY_V1,),
            en="Recommenders and audiences: one row per person",
            zh="推荐与人群：每人一行",
        ),
        Service(
            "offers_v2",
            "marketing",
            (DAILY,),
            en="As offers_v1, with time of day, changes of the scene mix, account openings and contact pressure",
            zh="在 offers_v1 基础上增加时段、场景构成变化、开户与触达压力",
        ),
        Service(
            "default_v1",
            "risk",
            (DAILY_V1, RISK_V1),
            en="Probability of default: one row per person, for risk alone",
            zh="违约概率：每人一行，仅限风险用途",
        ),
        Service(
            "default_v2",
            "risk",
            (DAILY, VIEWS["customer_risk"]),
            en="As default_v1, with the features of offers_v2, repayment behaviour and signals of distress",
            zh="在 default_v1 基础上增加 offers_v2 特征、还款行为与风险信号",
        ),
        Service(
            "serving_v1",
            "marketing",
            (VIEWS["customer_serving"],),
            en="Read online, one person at a time",
            zh="在线单人读取",
        ),
        Service(
            "live_v1",
            "marketing",
            (VIEWS["customer_live"],),
            en="The newest event of a person, read online",
            zh="在线读取个人最新事件",
        ),
        Service(
            "recent_v1",
            "marketing",
            (VIEWS["customer_recent"],),
            en="People active in the last days: one row per person",
            zh="近期活跃者：每人一行",
        ),
        Service(
            "affordability_v1",
            "risk",
            (VIEWS["customer_serving"].only("spend_90d"), VIEWS["customer_credit"].only("bureau_debt", "overdue_now")),
            en="Whether a person can bear the loan asked for, computed when it is asked for",
            zh="申请时即时计算的借款承受能力",
            on_demand=(LOAN_BURDEN,),
        ),
        Service(
            "checkout_v1",
            "marketing",
            (VIEWS["customer_serving"].only("purchases_90d", "spend_90d"),),
            en="How a price shown compares with what the person usually pays, computed when it is shown",
            zh="展示价格时即时计算其相对个人日常消费的高低",
            on_demand=(PRICE_FIT,),
        ),
        Service(
            "labels_v1",
            "marketing",
            (VIEWS["customer_labels"],),
            en="What people did in the 28 days before a moment, for models to learn from",
            zh="某时刻前 28 天内的行为，供模型学习",
        ),
    )
}
