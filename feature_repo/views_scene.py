"""What a person did inside one vertical scene, and how the scene itself fares, as of a snapshot."""

from feature_repo.definition import Feature, View
from feature_repo.entities import CUSTOMER, SCENE
from feature_repo.views_customer import PLACED, SPENT, TOLD, TTL

PLACED_SPENT = (*PLACED, SPENT[-1])

CUSTOMER_SCENE = View(
    name="customer_scene",
    source="customer_scene",
    entities=(CUSTOMER, SCENE),
    features=(
        Feature("scene_visits_90d", "int", "", "Visits and browses in the scene, 90 days",
                "场景内 90 天访问与浏览次数", PLACED),
        Feature("scene_visits_365d", "int", "", "Visits and browses in the scene, 365 days",
                "场景内 365 天访问与浏览次数", PLACED),
        Feature("scene_purchases_90d", "int", "", "Purchases in the scene, 90 days", "场景内 90 天购买次数", PLACED),
        Feature("scene_purchases_365d", "int", "", "Purchases in the scene, 365 days", "场景内 365 天购买次数",
                PLACED),
        Feature("scene_spend_90d", "float", "currency", "Spend in the scene, 90 days", "场景内 90 天消费金额",
                PLACED_SPENT),
        Feature("scene_spend_365d", "float", "currency", "Spend in the scene, 365 days", "场景内 365 天消费金额",
                PLACED_SPENT),
        Feature("scene_mean_ticket_365d", "float", "currency", "Mean amount of a purchase in the scene",
                "场景内笔均金额", PLACED_SPENT),
        Feature("scene_days_since_activity", "int", "day", "Whole days since the last activity in the scene",
                "场景内距最近活跃的整天数", PLACED),
        Feature("scene_activity_share_365d", "float", "1", "Share of the person's activity that falls into the scene",
                "该场景占本人活跃的比例", PLACED),
        Feature("scene_spend_share_365d", "float", "1",
                "Share of the person's spend in scenes that falls into the scene", "该场景占本人场景消费的比例",
                PLACED_SPENT),
        Feature("scene_trend_90d", "float", "1",
                "Activity of 90 days against the 90 before: (now - then) / (now + then)",
                "近 90 天活跃相对前 90 天：(近-前)/(近+前)", PLACED),
    ),
    ttl=TTL,
    cadence="day",
    en="Behaviour of a person in a top-level scene. After the last activity has left the window a row of zeros "
    "stays for one TTL, so that no older snapshot answers in its place",
    zh="个人在顶层场景内的行为。最后一次活跃离开窗口后，零值行再保留一个 TTL，以免旧快照代答",
    present="scene_days_since_activity IS NOT NULL",
)  # fmt: skip

SCENE_DAILY = View(
    name="scene_daily",
    source="scene_daily",
    entities=(SCENE,),
    features=(
        Feature("scene_people_90d", "int", "", "Different people active in the scene, 90 days", "90 天场景活跃人数",
                (*PLACED, "events.customer_id")),
        Feature("scene_buyers_90d", "int", "", "Different buyers in the scene, 90 days", "90 天场景购买人数",
                (*PLACED, "events.customer_id")),
        Feature("scene_sales_90d", "float", "currency", "Amount of purchases in the scene, 90 days",
                "90 天场景销售金额", PLACED_SPENT),
        Feature("scene_ticket_90d", "float", "currency", "Mean amount of a purchase in the scene, 90 days",
                "90 天场景笔均金额", PLACED_SPENT),
        Feature("scene_reached_share_90d", "float", "1",
                "Share of the people active in the scene who were sent a message, whatever about, in 90 days",
                "90 天场景活跃者中被触达（不限内容）的占比", (*PLACED, *TOLD[3:], "events.customer_id")),
        Feature("scene_growth_90d", "float", "1",
                "Activity in the scene of 90 days against the 90 before: (now - then) / (now + then)",
                "场景近 90 天活跃相对前 90 天：(近-前)/(近+前)", PLACED),
    ),
    ttl=TTL,
    cadence="day",
    en="Demand in every vertical scene of the top level",
    zh="各顶层垂直场景的需求",
)  # fmt: skip
