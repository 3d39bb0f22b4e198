"""What features are called in front of people, in English and Chinese."""

from __future__ import annotations

from typing import Literal, NamedTuple

Lang = Literal["en", "zh"]
Unit = Literal["", "days", "money", "share", "truth"]


# how a moment is called once it is counted in days
DAYS_AGO = " (days ago)"


class Phrase(NamedTuple):
    """A feature's name, what low and high values mean, and the family whose members say much the same."""

    family: str
    unit: Unit
    en: str
    zh: str
    low_en: str
    low_zh: str
    high_en: str
    high_zh: str


PHRASES: dict[str, Phrase] = {
    "days_since_activity": Phrase(
        "recency", "days", "days since the last visit", "距上次到访天数",
        "recently active", "近期活跃", "long silent", "久未到访"),
    "days_since_purchase": Phrase(
        "recency", "days", "days since the last purchase", "距上次购买天数",
        "bought recently", "近期有购买", "no purchase for long", "久未购买"),
    "visits_28d": Phrase(
        "activity", "", "visits in 28 days", "近28天到访次数",
        "few visits lately", "近期到访少", "many visits lately", "近期到访多"),
    "visits_90d": Phrase(
        "activity", "", "visits in 90 days", "近90天到访次数",
        "few visits this quarter", "近季到访少", "many visits this quarter", "近季到访多"),
    "visits_365d": Phrase(
        "activity", "", "visits in 365 days", "近一年到访次数",
        "rare visitors", "到访稀少", "frequent visitors", "到访频繁"),
    "purchases_28d": Phrase(
        "activity", "", "purchases in 28 days", "近28天购买次数",
        "few purchases lately", "近期购买少", "many purchases lately", "近期购买多"),
    "purchases_90d": Phrase(
        "activity", "", "purchases in 90 days", "近90天购买次数",
        "few purchases this quarter", "近季购买少", "many purchases this quarter", "近季购买多"),
    "purchases_365d": Phrase(
        "activity", "", "purchases in 365 days", "近一年购买次数",
        "rare buyers", "购买稀少", "frequent buyers", "购买频繁"),
    "active_days_28d": Phrase(
        "activity", "", "active days in 28 days", "近28天活跃天数",
        "seldom active lately", "近期活跃天数少", "active on many days lately", "近期活跃天数多"),
    "active_days_365d": Phrase(
        "activity", "", "active days in 365 days", "近一年活跃天数",
        "seldom active", "活跃天数少", "active on many days", "活跃天数多"),
    "spend_28d": Phrase(
        "spend", "money", "spend in 28 days", "近28天消费额",
        "low spend lately", "近期消费低", "high spend lately", "近期消费高"),
    "spend_90d": Phrase(
        "spend", "money", "spend in 90 days", "近90天消费额",
        "low spend this quarter", "近季消费低", "high spend this quarter", "近季消费高"),
    "spend_365d": Phrase(
        "spend", "money", "spend in 365 days", "近一年消费额",
        "low spenders", "低消费", "big spenders", "高消费"),
    "mean_ticket_365d": Phrase(
        "ticket", "money", "mean ticket", "平均客单价", "low ticket", "低客单", "high ticket", "高客单"),
    "max_ticket_365d": Phrase(
        "ticket", "money", "largest ticket", "最大单笔",
        "no big purchase", "无大额单", "big single purchases", "有大额单"),
    "scenes_365d": Phrase(
        "scenes", "", "scenes visited", "到访场景数", "few scenes", "场景少", "many scenes", "场景多"),
    "scene_entropy_365d": Phrase(
        "scenes", "", "variety of scenes", "场景多样性",
        "narrow interests", "场景集中", "varied interests", "场景多样"),
    "top_scene_share_365d": Phrase(
        "scenes", "share", "share of the top scene", "首要场景占比",
        "spread over scenes", "场景分散", "devoted to one scene", "专注单一场景"),
    "trend_28d": Phrase(
        "trend", "", "trend over 28 days", "近28天趋势", "cooling down", "近期降温", "picking up", "近期升温"),
    "night_share_365d": Phrase(
        "night", "share", "share of night activity", "夜间活动占比",
        "daytime shoppers", "日间消费", "night shoppers", "夜间消费"),
    "weekend_share_365d": Phrase(
        "weekend", "share", "share of weekend activity", "周末活动占比",
        "weekday shoppers", "工作日消费", "weekend shoppers", "周末消费"),
    "relative_ticket_365d": Phrase(
        "price", "", "price level", "价位", "budget prices", "偏低价位", "premium prices", "偏高价位"),
    "accounts_open": Phrase(
        "accounts", "", "open credit accounts", "在用信贷账户数",
        "few credit accounts", "信贷账户少", "several credit accounts", "信贷账户多"),
    "accounts_ever": Phrase(
        "accounts", "", "credit accounts ever", "历史信贷账户数",
        "few credit accounts so far", "历史信贷账户少", "many credit accounts so far", "历史信贷账户多"),
    "account_kinds_open": Phrase(
        "accounts", "", "kinds of open accounts", "在用信贷种类数",
        "few kinds of credit", "信贷种类少", "several kinds of credit", "信贷种类多"),
    "contacts_30d": Phrase(
        "contacts", "", "contacts in 30 days", "近30天触达次数",
        "little contacted lately", "近期触达少", "often contacted lately", "近期触达多"),
    "contacts_90d": Phrase(
        "contacts", "", "contacts in 90 days", "近90天触达次数",
        "little contacted this quarter", "近季触达少", "often contacted this quarter", "近季触达多"),
    "contacts_365d": Phrase(
        "contacts", "", "contacts in 365 days", "近一年触达次数",
        "little contacted", "触达少", "often contacted", "触达多"),
    "days_since_contact": Phrase(
        "contacts", "days", "days since the last contact", "距上次触达天数",
        "contacted recently", "近期被触达", "not contacted for long", "久未触达"),
    "clicks_90d": Phrase(
        "response", "", "clicks in 90 days", "近90天点击次数",
        "few clicks this quarter", "近季点击少", "many clicks this quarter", "近季点击多"),
    "clicks_365d": Phrase(
        "response", "", "clicks in 365 days", "近一年点击次数", "few clicks", "点击少", "many clicks", "点击多"),
    "applies_365d": Phrase(
        "response", "", "applications in 365 days", "近一年申请次数",
        "few applications", "申请少", "many applications", "申请多"),
    "draws_90d": Phrase(
        "draws", "", "draws in 90 days", "近90天支用次数",
        "few draws this quarter", "近季支用少", "many draws this quarter", "近季支用多"),
    "draws_365d": Phrase(
        "draws", "", "draws in 365 days", "近一年支用次数", "few draws", "支用少", "many draws", "支用多"),
    "response_rate_365d": Phrase(
        "response", "share", "response rate", "响应率", "seldom respond", "响应低", "responsive", "响应高"),
    "tenure_days": Phrase(
        "tenure", "days", "days since registration", "注册天数", "newcomers", "新客", "long-standing", "老客"),
    "city_tier": Phrase(
        "city", "", "city tier", "城市级别", "big cities", "大城市", "small towns", "小城市"),
    "income_rank": Phrase(
        "income", "", "income rank", "收入等级", "low income", "较低收入", "high income", "较高收入"),
    "household_size": Phrase(
        "household", "", "household size", "家庭人数", "small households", "小家庭", "large households", "大家庭"),
    "home_owner": Phrase(
        "home", "truth", "home owner", "有自有住房", "no home of their own", "无自有住房", "home owners", "有自有住房"),
    "is_lead": Phrase(
        "kind", "truth", "lead", "潜在客户", "existing customers", "已有客户", "leads", "潜在客户"),
    "age": Phrase("age", "", "age", "年龄", "younger", "较年轻", "older", "较年长"),
    "scene_visits_90d": Phrase(
        "scene_activity", "", "visits in this scene in 90 days", "近90天本场景到访次数",
        "few visits here this quarter", "近季本场景到访少", "many visits here this quarter", "近季本场景到访多"),
    "scene_purchases_90d": Phrase(
        "scene_activity", "", "purchases in this scene in 90 days", "近90天本场景购买次数",
        "few purchases here this quarter", "近季本场景购买少", "many purchases here this quarter", "近季本场景购买多"),
    "scene_spend_90d": Phrase(
        "scene_spend_365d", "money", "spend in this scene in 90 days", "近90天本场景消费额",
        "low spend here this quarter", "近季本场景消费低", "high spend here this quarter", "近季本场景消费高"),
    "scene_mean_ticket_365d": Phrase(
        "scene_ticket", "money", "mean ticket in this scene", "本场景平均客单价",
        "low ticket here", "本场景低客单", "high ticket here", "本场景高客单"),
    "scene_spend_share_365d": Phrase(
        "scenes", "share", "share of this scene in spend", "本场景消费占比",
        "spends elsewhere", "消费主要在其他场景", "spends mostly here", "消费主要在本场景"),
    "scene_visits_365d": Phrase(
        "scene_activity", "", "visits in this scene", "本场景到访次数",
        "few visits here", "本场景到访少", "many visits here", "本场景到访多"),
    "scene_purchases_365d": Phrase(
        "scene_activity", "", "purchases in this scene", "本场景购买次数",
        "few purchases here", "本场景购买少", "many purchases here", "本场景购买多"),
    "scene_spend_365d": Phrase(
        "scene_spend_365d", "money", "spend in this scene", "本场景消费额",
        "low spend here", "本场景消费低", "high spend here", "本场景消费高"),
    "scene_days_since_activity": Phrase(
        "scene_recency", "days", "days since the last visit in this scene", "距上次到访本场景天数",
        "recently here", "近期到访本场景", "long not here", "久未到访本场景"),
    "scene_activity_share_365d": Phrase(
        "scenes", "share", "share of this scene", "本场景占比",
        "this scene among many", "本场景占比低", "mostly this scene", "本场景占比高"),
    "scene_trend_90d": Phrase(
        "scene_trend", "", "trend in this scene", "本场景趋势",
        "cooling down here", "本场景降温", "picking up here", "本场景升温"),
    "morning_share_365d": Phrase(
        "morning", "share", "share of morning activity", "上午活动占比",
        "seldom active in the morning", "上午少活动", "morning shoppers", "上午消费"),
    "afternoon_share_365d": Phrase(
        "afternoon", "share", "share of afternoon activity", "下午活动占比",
        "seldom active in the afternoon", "下午少活动", "afternoon shoppers", "下午消费"),
    "evening_share_365d": Phrase(
        "evening", "share", "share of evening activity", "傍晚活动占比",
        "seldom active in the evening", "傍晚少活动", "evening shoppers", "傍晚消费"),
    "scene_shift_90d": Phrase(
        "shift", "share", "change of scenes in 90 days", "近90天场景变化程度",
        "faithful to their scenes", "场景稳定", "moving to other scenes", "转向其他场景"),
    "ticket_variation_365d": Phrase(
        "variation", "", "variation of the ticket", "客单价波动",
        "even tickets", "客单价平稳", "uneven tickets", "客单价波动大"),
    "days_since_account_opened": Phrase(
        "accounts", "days", "days since the last account was opened", "距上次开户天数",
        "account opened recently", "近期开户", "no new account for long", "久未开户"),
    "accounts_opened_365d": Phrase(
        "accounts", "", "accounts opened in 365 days", "近一年开户数",
        "few new accounts", "新开户少", "several new accounts", "新开户多"),
    "contacts_per_week_90d": Phrase(
        "contacts", "", "contacts per week in 90 days", "近90天每周触达次数",
        "seldom contacted per week", "每周触达少", "often contacted per week", "每周触达多"),
    "days_between_contacts_90d": Phrase(
        "contacts", "days", "days between contacts in 90 days", "近90天触达间隔天数",
        "contacted in quick succession", "触达密集", "contacted at long intervals", "触达间隔长"),
    "contacts_unanswered_365d": Phrase(
        "response", "", "contacts since the last answer", "自上次回应以来的触达次数",
        "few contacts left unanswered", "未回应触达少", "many contacts left unanswered", "未回应触达多"),
    "days_since_response": Phrase(
        "response", "days", "days since the last answer", "距上次回应天数",
        "answered recently", "近期有回应", "no answer for long", "久未回应"),
    "hours_since_activity": Phrase(
        "recency", "", "hours since the last visit or purchase", "距上次活动小时数",
        "active within hours", "数小时内活跃", "not active for hours", "数小时未活跃"),
    "top_scene_id": Phrase("top_scene", "", "top scene", "首要场景", "", "", "", ""),
    "last_scene_id": Phrase("last_scene", "", "scene of the last visit", "最近到访场景", "", "", "", ""),
    "newest_account_kind": Phrase("newest_account", "", "newest account", "最新账户类型", "", "", "", ""),
    "last_response_channel": Phrase("channel", "", "channel of the last answer", "最近回应渠道", "", "", "", ""),
    "registered_at": Phrase("tenure", "", "registered", "注册时间", "", "", "", ""),
    "birth_year": Phrase("age", "", "year of birth", "出生年份", "", "", "", ""),
    "gender": Phrase("gender", "", "gender", "性别", "", "", "", ""),
    "marital_status": Phrase("marital_status", "", "marital status", "婚姻状况", "", "", "", ""),
    "education": Phrase("education", "", "education", "学历", "", "", "", ""),
    "phone": Phrase("phone", "", "phone", "手机号", "", "", "", ""),
    "region": Phrase("region", "", "region", "地区", "", "", "", ""),
    "city": Phrase("city", "", "city", "城市", "", "", "", ""),
    "occupation": Phrase("occupation", "", "occupation", "职业", "", "", "", ""),
    "income_band": Phrase("income", "", "income band", "收入档", "", "", "", ""),
    "acquired_via": Phrase("source", "", "acquired via", "获客渠道", "", "", "", ""),
    "kind": Phrase("kind", "", "kind", "类型", "", "", "", ""),
}  # fmt: skip


def phrase(feature: str) -> Phrase:
    """How to speak of a feature; one that the dictionary does not know goes by its own name.

    >>> phrase("pets_owned").high_en, phrase("pets_owned").high_zh
    ('high pets owned', 'pets owned偏高')
    >>> phrase("first_purchase (days ago)").high_en
    'first purchase long ago'
    """
    if feature in PHRASES and PHRASES[feature].low_en:
        return PHRASES[feature]
    if feature.endswith(DAYS_AGO):
        what = feature.removesuffix(DAYS_AGO).replace("_", " ")
        said = (f"recent {what}", f"{what}较近", f"{what} long ago", f"{what}较早")
        return Phrase(feature, "days", f"days since {what}", f"距{what}天数", *said)
    known = PHRASES.get(feature)
    en, zh = (known.en, known.zh) if known else (feature.replace("_", " "), feature.replace("_", " "))
    family = known.family if known else feature
    return Phrase(family, "", en, zh, f"low {en}", f"{zh}偏低", f"high {en}", f"{zh}偏高")


def amount(value: float, unit: Unit) -> str:
    """A number as people write it: whole numbers without decimals, shares in per cent.

    Money goes without a sign: the currency is the data set's and stands beside the table.

    >>> amount(0.25, "share"), amount(1200.0, "money"), amount(3.456, ""), amount(12345.67, "")
    ('25%', '1,200', '3.456', '12,346')
    """
    if unit == "share":
        return f"{value * 100:.4g}%"
    if float(value).is_integer() or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:,.4g}"
