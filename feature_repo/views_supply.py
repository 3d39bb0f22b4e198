"""How merchants, products and campaigns fare, as of a snapshot."""

from feature_repo.definition import Feature, View
from feature_repo.entities import CAMPAIGN, MERCHANT, PRODUCT
from feature_repo.views_customer import ACTED, SPENT, TTL

SOLD = (*SPENT, "events.merchant_id")
TAKEN = (*ACTED, "events.product_id")
RUN = (*ACTED, "events.campaign_id", "campaigns.starts_at")

MERCHANT_DAILY = View(
    name="merchant_daily",
    source="merchant_daily",
    entities=(MERCHANT,),
    features=(
        Feature("merchant_visits_90d", "int", "", "Visits and browses in 90 days", "90 天访问与浏览次数",
                SOLD[:3] + SOLD[4:]),
        Feature("merchant_purchases_90d", "int", "", "Purchases in 90 days", "90 天购买次数", SOLD[:3] + SOLD[4:]),
        Feature("merchant_customers_90d", "int", "", "Different buyers in 90 days", "90 天购买人数",
                (*SOLD[:3], *SOLD[4:], "events.customer_id")),
        Feature("merchant_spend_90d", "float", "currency", "Amount of purchases in 90 days", "90 天销售金额", SOLD),
        Feature("merchant_mean_ticket_365d", "float", "currency", "Mean amount of a purchase in 365 days",
                "365 天笔均金额", SOLD),
    ),
    ttl=TTL,
    cadence="day",
    en="Trade of every merchant",
    zh="各商户的经营情况",
)  # fmt: skip

PRODUCT_DAILY = View(
    name="product_daily",
    source="product_daily",
    entities=(PRODUCT,),
    features=(
        Feature("product_contacts_90d", "int", "", "Messages about it in 90 days", "90 天触达次数", TAKEN),
        Feature("product_applies_90d", "int", "", "Applications in 90 days", "90 天申请次数", TAKEN),
        Feature("product_takers_90d", "int", "", "Different people who took it in 90 days", "90 天提用人数",
                (*TAKEN, "events.customer_id")),
        Feature("product_takers_365d", "int", "", "Different people who took it in 365 days", "365 天提用人数",
                (*TAKEN, "events.customer_id")),
        Feature("product_amount_365d", "float", "currency", "Amount taken in 365 days", "365 天提用金额",
                (*TAKEN, "events.amount")),
    ),
    ttl=TTL,
    cadence="day",
    en="Demand for every product that has become valid before the snapshot",
    zh="快照前已生效的各产品的需求",
)  # fmt: skip

CAMPAIGN_DAILY = View(
    name="campaign_daily",
    source="campaign_daily",
    entities=(CAMPAIGN,),
    features=(
        Feature("campaign_days_since_start", "int", "day", "Whole days since the campaign started",
                "活动开始至今整天数", ("campaigns.starts_at",)),
        Feature("campaign_people_365d", "int", "", "Different people it sent a message to in 365 days; empty: no "
                "message known of anybody", "365 天触达人数；空：尚无此类记录", (*RUN, "events.customer_id")),
        Feature("campaign_sent_365d", "int", "", "Messages sent in 365 days; empty: none known of anybody",
                "365 天发送数；空：尚无此类记录", RUN),
        Feature("campaign_delivered_365d", "int", "", "Messages delivered in 365 days; empty: no delivery known of "
                "anybody", "365 天送达数；空：尚无此类记录", RUN),
        Feature("campaign_clicks_365d", "int", "", "Clicks in 365 days; empty: none known of anybody",
                "365 天点击数；空：尚无此类记录", RUN),
        Feature("campaign_applies_365d", "int", "", "Applications in 365 days; empty: none known of anybody",
                "365 天申请数；空：尚无此类记录", RUN),
        Feature("campaign_draws_365d", "int", "", "Offers taken in 365 days; empty: none known of anybody",
                "365 天提用数；空：尚无此类记录", RUN),
        Feature("campaign_cost_365d", "float", "currency",
                "What its events of 365 days cost the firm; empty: no cost recorded of it",
                "365 天活动事件成本；空：未记录", (*RUN, "events.cost")),
        Feature("campaign_response_rate_365d", "float", "1",
                "Share of the people it sent a message to who answered (click, reply, apply, draw), 365 days",
                "365 天被触达者中有响应（点击、回复、申请、提用）的占比", (*RUN, "events.customer_id")),
    ),
    ttl=TTL,
    cadence="day",
    en="Delivery, answers and cost of every campaign that has started before the snapshot",
    zh="快照前已开始的各营销活动的送达、响应与成本",
)  # fmt: skip
