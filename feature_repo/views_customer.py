"""What a person did, holds and was told, as of a snapshot: the wide view, and the narrow one served online.

Features are appended, never inserted: the `…_v1` services name those of `FIRST`, which models have learned on.
"""

from dataclasses import replace
from datetime import timedelta

from feature_repo.definition import Feature, View
from feature_repo.entities import CUSTOMER

# a horizon of four weeks between snapshots and a week of slack: a model trained monthly still finds its features
TTL = timedelta(days=35)

ACTED = ("events.at", "events.ingested_at", "events.kind")
SPENT = (*ACTED, "events.amount")
PLACED = (*ACTED, "events.scene_id", "events.merchant_id", "merchants.scene_id", "scenes.parent_id")
TOLD = (*ACTED, "events.campaign_id")
HELD = ("accounts.opened_at", "accounts.closed_at")
OPENED = ("accounts.opened_at", "accounts.product_id", "products.kind", "products.valid_from")

RECENCY = (
    Feature("days_since_activity", "int", "day",
            "Whole days since the last visit or purchase; empty: none in 365 days",
            "距最近一次访问或购买的整天数；空：365 天内无", ACTED),
    Feature("days_since_purchase", "int", "day", "Whole days since the last purchase; empty: none in 365 days",
            "距最近一次购买的整天数；空：365 天内无", ACTED),
)  # fmt: skip
FREQUENCY = (
    Feature("visits_28d", "int", "", "Visits and browses in 28 days", "28 天访问与浏览次数", ACTED),
    Feature("visits_90d", "int", "", "Visits and browses in 90 days", "90 天访问与浏览次数", ACTED),
    Feature("visits_365d", "int", "", "Visits and browses in 365 days", "365 天访问与浏览次数", ACTED),
    Feature("purchases_28d", "int", "", "Purchases in 28 days", "28 天购买次数", ACTED),
    Feature("purchases_90d", "int", "", "Purchases in 90 days", "90 天购买次数", ACTED),
    Feature("purchases_365d", "int", "", "Purchases in 365 days", "365 天购买次数", ACTED),
    Feature("active_days_28d", "int", "day", "Business days of the calendar with activity, of 28", "28 天活跃天数",
            ACTED),
    Feature("active_days_365d", "int", "day", "Business days of the calendar with activity, of 365", "365 天活跃天数",
            ACTED),
    Feature("trend_28d", "float", "1", "Activity of 28 days against the 28 before: (now - then) / (now + then)",
            "近 28 天活跃相对前 28 天：(近-前)/(近+前)", ACTED),
)  # fmt: skip
MONEY = (
    Feature("spend_28d", "float", "currency", "Amount of purchases in 28 days", "28 天消费金额", SPENT),
    Feature("spend_90d", "float", "currency", "Amount of purchases in 90 days", "90 天消费金额", SPENT),
    Feature("spend_365d", "float", "currency", "Amount of purchases in 365 days", "365 天消费金额", SPENT),
    Feature("mean_ticket_365d", "float", "currency", "Mean amount of a purchase", "365 天笔均金额", SPENT),
    Feature("max_ticket_365d", "float", "currency", "Largest purchase", "365 天最大单笔金额", SPENT),
    Feature("relative_ticket_365d", "float", "1",
            "Own spend against the typical ticket of the same merchants (of the scene where a merchant "
            "has < 20 purchases): below 1 buys cheap",
            "消费额相对同商户典型客单（商户不足 20 笔时用场景）：低于 1 偏低价", (*SPENT, *PLACED[3:])),
)  # fmt: skip
SCENE_MIX = (
    Feature("scenes_365d", "int", "", "Top-level scenes with activity", "365 天活跃的顶层场景数", PLACED),
    Feature("scene_entropy_365d", "float", "nat", "How evenly activity spreads over scenes; 0: one scene",
            "活跃在场景间的分散程度（熵）；0：单一场景", PLACED),
    Feature("top_scene_share_365d", "float", "1", "Share of activity in the strongest scene", "最强场景的活跃占比",
            PLACED),
    Feature("top_scene_id", "str", "", "The strongest scene; the first by id where equal", "最强场景；并列取编号最前",
            PLACED),
    Feature("night_share_365d", "float", "1", "Share of activity from 23 to 6 o'clock, business time",
            "23 点至 6 点（业务时间）的活跃占比", ACTED),
    Feature("weekend_share_365d", "float", "1", "Share of activity on Saturday and Sunday, business time",
            "周末（业务时间）的活跃占比", ACTED),
)  # fmt: skip
HOLDING = (
    Feature("accounts_open", "int", "", "Accounts open now; empty: no account known of anybody",
            "在贷（开放）账户数；空：尚无任何账户数据", HELD),
    Feature("accounts_ever", "int", "", "Accounts ever opened; empty: no account known of anybody",
            "历史账户数；空：尚无任何账户数据", HELD),
    Feature("account_kinds_open", "int", "", "Kinds of product held now; empty: no account known of anybody",
            "在持产品种类数；空：尚无任何账户数据", (*HELD, *OPENED[1:])),
)  # fmt: skip
CONTACT = (
    Feature("contacts_30d", "int", "", "Messages sent in 30 days; empty: none known of anybody",
            "30 天触达次数；空：尚无此类记录", TOLD),
    Feature("contacts_90d", "int", "", "Messages sent in 90 days; empty: none known of anybody",
            "90 天触达次数；空：尚无此类记录", TOLD),
    Feature("contacts_365d", "int", "", "Messages sent in 365 days; empty: none known of anybody",
            "365 天触达次数；空：尚无此类记录", TOLD),
    Feature("days_since_contact", "int", "day", "Whole days since the last message; empty: none in 365 days",
            "距最近一次触达的整天数；空：365 天内无", TOLD),
    Feature("clicks_90d", "int", "", "Clicks in 90 days; empty: none known of anybody",
            "90 天点击次数；空：尚无此类记录", TOLD),
    Feature("clicks_365d", "int", "", "Clicks in 365 days; empty: none known of anybody",
            "365 天点击次数；空：尚无此类记录", TOLD),
    Feature("applies_365d", "int", "", "Applications in 365 days; empty: none known of anybody",
            "365 天申请次数；空：尚无此类记录", TOLD),
    Feature("draws_90d", "int", "", "Offers taken in 90 days; empty: none known of anybody",
            "90 天提用次数；空：尚无此类记录", TOLD),
    Feature("draws_365d", "int", "", "Offers taken in 365 days; empty: none known of anybody",
            "365 天提用次数；空：尚无此类记录", TOLD),
    Feature("response_rate_365d", "float", "1",
            "Share of campaigns answered (click, reply, apply, draw) of those received, drawn to the "
            "mean of all by the weight of 5 campaigns",
            "收到活动中有响应（点击、回复、申请、提用）的占比，以 5 次活动的权重向总体均值收缩", TOLD),
)  # fmt: skip
PROFILE = (
    Feature("tenure_days", "int", "day", "Whole days since first known to the firm", "注册至今整天数",
            ("customers.registered_at",)),
    Feature("age", "int", "year", "Calendar year of the snapshot less year of birth", "快照年份减出生年份",
            ("customers.birth_year",)),
    Feature("city_tier", "int", "", "City tier, 1 largest", "城市等级，1 为最大", ("customers.city_tier",)),
    Feature("income_rank", "int", "", "Rank of the income band, 1 lowest", "收入档位序号，1 为最低",
            ("customers.income_band",)),
    Feature("occupation", "str", "", "Occupation as stated", "职业（自述）", ("customers.occupation",)),
    Feature("region", "str", "", "Province or state", "省份/州", ("customers.region",)),
    Feature("household_size", "int", "", "People in the household", "家庭人数", ("customers.household_size",)),
    Feature("home_owner", "bool", "", "Owns the home", "是否自有住房", ("customers.home_owner",)),
    Feature("is_lead", "bool", "", "Known, but without any account", "是否线索（尚无账户）", ("customers.kind",)),
)  # fmt: skip

FIRST = RECENCY + FREQUENCY + MONEY + SCENE_MIX + HOLDING + CONTACT + PROFILE

TIME_OF_DAY = (
    Feature("morning_share_365d", "float", "1", "Share of activity from 6 to 12 o'clock, business time",
            "6 点至 12 点（业务时间）的活跃占比", ACTED),
    Feature("afternoon_share_365d", "float", "1", "Share of activity from 12 to 18 o'clock, business time",
            "12 点至 18 点（业务时间）的活跃占比", ACTED),
    Feature("evening_share_365d", "float", "1", "Share of activity from 18 to 23 o'clock, business time",
            "18 点至 23 点（业务时间）的活跃占比", ACTED),
)  # fmt: skip
CHANGE = (
    Feature("scene_shift_90d", "float", "1",
            "How far the scene mix of 90 days is from that of the 90 before: Jensen-Shannon divergence weighted by "
            "activity, of its maximum; 0: the same mix, 1: no scene in common; empty: no activity in scenes in either",
            "近 90 天与前 90 天场景构成的差异（加权 JS 散度/最大值）；0：相同，1：无共同场景；空：任一期间无活跃",
            PLACED),
    Feature("ticket_variation_365d", "float", "1",
            "Standard deviation of purchase amounts over their mean; 0: always the same amount",
            "单笔金额的变异系数（标准差/均值）；0：金额始终相同", SPENT),
)  # fmt: skip
OPENING = (
    Feature("days_since_account_opened", "int", "day", "Whole days since the last account was opened; empty: none",
            "距最近一次开户的整天数；空：无账户", OPENED[:1]),
    Feature("accounts_opened_365d", "int", "", "Accounts opened in 365 days; empty: no account known of anybody",
            "365 天内开户数；空：尚无任何账户数据", OPENED[:1]),
    Feature("newest_account_kind", "str", "", "Kind of product of the account opened last", "最近开立账户的产品种类",
            OPENED),
)  # fmt: skip
PRESSURE = (
    Feature("contacts_per_week_90d", "float", "1/week",
            "Messages sent per week of 90 days, or of the time since registration where that is shorter",
            "90 天（注册不足 90 天按注册以来）内平均每周触达次数", (*TOLD, "customers.registered_at")),
    Feature("days_between_contacts_90d", "float", "day",
            "Mean time between messages of 90 days; empty: fewer than two", "90 天内触达的平均间隔天数；空：不足两次",
            TOLD),
    Feature("contacts_unanswered_365d", "int", "",
            "Messages sent since the last answer (click, reply, apply, draw of a campaign), of 365 days",
            "自最近一次响应（点击、回复、申请、提用）以来未获响应的触达次数（365 天内）", TOLD),
)  # fmt: skip
ANSWERED = (
    Feature("days_since_response", "int", "day",
            "Whole days since the last answer to a campaign; empty: none in 365 days",
            "距最近一次活动响应的整天数；空：365 天内无", TOLD),
    Feature("last_response_channel", "str", "",
            "Channel of the last answer to a campaign; the first by name where equal",
            "最近一次活动响应的渠道", (*TOLD, "events.channel")),
)  # fmt: skip

CUSTOMER_DAILY = View(
    name="customer_daily",
    source="customer_daily",
    entities=(CUSTOMER,),
    features=FIRST + TIME_OF_DAY + CHANGE + OPENING + PRESSURE + ANSWERED,
    ttl=TTL,
    cadence="day",
    en="Behaviour, money, scenes, holdings, contacts and profile of everybody registered before the snapshot",
    zh="快照前已注册者的行为、消费、场景、持有、触达与画像",
)

# the online store keeps one row per feature and customer: only what a page or a decision reads. No counter of days: it
# changes for everybody every day, and a refresh writes what changed
CUSTOMER_SERVING = replace(
    CUSTOMER_DAILY.only(
        "visits_28d", "purchases_90d", "spend_90d", "top_scene_id", "contacts_30d", "clicks_90d", "accounts_open",
        "home_owner",
    ),
    name="customer_serving",
    online=True,
    en="The few features that are read one customer at a time",
    zh="按单个客户在线读取的少量特征",
)  # fmt: skip
