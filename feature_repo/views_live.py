"""The newest event of a person, pushed as it arrives."""

from datetime import timedelta

from feature_repo.definition import Feature, View
from feature_repo.entities import CUSTOMER

WHEN = ("events.at", "events.ingested_at")

CUSTOMER_LIVE = View(
    name="customer_live",
    source="customer_live",
    entities=(CUSTOMER,),
    features=(
        Feature("live_kind", "str", "", "Kind of the newest event", "最新事件的类型", (*WHEN, "events.kind")),
        Feature("live_scene_id", "str", "", "Scene of the newest event, as recorded", "最新事件的场景（原始记录）",
                (*WHEN, "events.scene_id")),
        Feature("live_merchant_id", "str", "", "Merchant of the newest event", "最新事件的商户",
                (*WHEN, "events.merchant_id")),
        Feature("live_campaign_id", "str", "", "Campaign of the newest event; empty: none", "最新事件所属活动；空：无",
                (*WHEN, "events.campaign_id")),
        Feature("live_channel", "str", "", "Channel of the newest event; empty: none", "最新事件的渠道；空：无",
                (*WHEN, "events.channel")),
        Feature("live_amount", "float", "currency", "Amount of the newest event; empty: none",
                "最新事件的金额；空：无", (*WHEN, "events.amount")),
    ),
    ttl=timedelta(days=2),
    cadence="stream",
    en="The newest event of a person: its event time is when it happened, `created` when it became known",
    zh="个人的最新事件：事件时间为发生时刻，created 为获知时刻",
    online=True,
    stream=True,
)  # fmt: skip
