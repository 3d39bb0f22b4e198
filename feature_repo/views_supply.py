"""How merchants and products fare, as of a snapshot."""

from feature_repo.definition import Feature, View
from feature_repo.entities import MERCHANT, PRODUCT
from feature_repo.views_customer import ACTED, SPENT, TTL

SOLD = (*SPENT, "events.merchant_id")
TAKEN = (*ACTED, "events.product_id")

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
