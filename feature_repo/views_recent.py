"""What a person did in the last hours and days: the view that is renewed every hour."""

from datetime import timedelta

from feature_repo.definition import Feature, View
from feature_repo.entities import CUSTOMER
from feature_repo.views_customer import ACTED, PLACED, SPENT, TOLD

CUSTOMER_RECENT = View(
    name="customer_recent",
    source="customer_recent",
    entities=(CUSTOMER,),
    features=(
        Feature("hours_since_activity", "int", "hour", "Whole hours since the last visit or purchase",
                "距最近一次访问或购买的整小时数", ACTED),
        Feature("visits_1h", "int", "", "Visits and browses in 1 hour", "1 小时访问与浏览次数", ACTED),
        Feature("visits_24h", "int", "", "Visits and browses in 24 hours", "24 小时访问与浏览次数", ACTED),
        Feature("visits_7d", "int", "", "Visits and browses in 7 days", "7 天访问与浏览次数", ACTED),
        Feature("purchases_1h", "int", "", "Purchases in 1 hour", "1 小时购买次数", ACTED),
        Feature("purchases_24h", "int", "", "Purchases in 24 hours", "24 小时购买次数", ACTED),
        Feature("purchases_7d", "int", "", "Purchases in 7 days", "7 天购买次数", ACTED),
        Feature("spend_1h", "float", "currency", "Amount of purchases in 1 hour", "1 小时消费金额", SPENT),
        Feature("spend_24h", "float", "currency", "Amount of purchases in 24 hours", "24 小时消费金额", SPENT),
        Feature("spend_7d", "float", "currency", "Amount of purchases in 7 days", "7 天消费金额", SPENT),
        Feature("scenes_24h", "int", "", "Top-level scenes with activity in 24 hours", "24 小时活跃的顶层场景数",
                PLACED),
        Feature("scenes_7d", "int", "", "Top-level scenes with activity in 7 days", "7 天活跃的顶层场景数", PLACED),
        Feature("last_scene_id", "str", "", "Top-level scene of the last activity in one; the first by id where equal",
                "最近一次场景活跃所在的顶层场景；并列取编号最前", PLACED),
        Feature("contacts_24h", "int", "", "Messages sent in 24 hours; empty: none known of anybody",
                "24 小时触达次数；空：尚无此类记录", TOLD),
        Feature("contacts_7d", "int", "", "Messages sent in 7 days; empty: none known of anybody",
                "7 天触达次数；空：尚无此类记录", TOLD),
    ),
    ttl=timedelta(hours=48),
    cadence="hour",
    en="Activity of people who visited or bought in the 7 days before the snapshot. After the last activity has left "
    "the window a row of zeros stays for one TTL, so that no older snapshot answers in its place",
    zh="快照前 7 天内有访问或购买者的近期行为。最后一次活跃离开窗口后，零值行再保留一个 TTL，以免旧快照代答",
    present="hours_since_activity IS NOT NULL",
)  # fmt: skip
