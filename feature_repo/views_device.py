"""Which devices many people share, for risk and service alone."""

from feature_repo.definition import Feature, View
from feature_repo.entities import DEVICE
from feature_repo.views_customer import TTL

USED = ("events.device_id", "events.at", "events.ingested_at")
BY = (*USED, "events.customer_id")

DEVICE_DAILY = View(
    name="device_daily",
    source="device_daily",
    entities=(DEVICE,),
    features=(
        Feature("device_days_since_seen", "int", "day", "Whole days since an event of the device",
                "距该设备最近一次事件的整天数", USED),
        Feature("device_events_90d", "int", "", "Events of the device in 90 days", "90 天该设备的事件数", USED),
        Feature("device_people_90d", "int", "", "Different people on the device in 90 days", "90 天使用该设备的人数",
                BY),
        Feature("device_sessions_90d", "int", "", "Sessions on the device in 90 days; empty: none recorded of it",
                "90 天该设备的会话数；空：未记录", (*USED, "events.session_id")),
        Feature("device_ip_cities_90d", "int", "",
                "Different cities by network address in 90 days; empty: none recorded of it",
                "90 天该设备的 IP 城市数；空：未记录", (*USED, "events.ip_city")),
        Feature("device_home_cities_90d", "int", "",
                "Different cities in which the people on the device live; empty: none recorded",
                "90 天该设备使用者的居住城市数；空：未记录", (*BY, "customers.city")),
        Feature("device_night_share_90d", "float", "1", "Share of its events from 23 to 6 o'clock, business time",
                "23 点至 6 点（业务时间）的事件占比", USED),
    ),
    ttl=TTL,
    cadence="day",
    en="Use of every device seen in the 90 days before the snapshot. After its last event has left the window a row "
    "of zeros stays for one TTL, so that no older snapshot answers in its place",
    zh="快照前 90 天内出现过的设备的使用情况。最后一次事件离开窗口后，零值行再保留一个 TTL，以免旧快照代答",
    present="device_days_since_seen IS NOT NULL",
)  # fmt: skip
