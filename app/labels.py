"""Everyday names of the codes that tables carry: features, steps, reasons, limits, channels, kinds."""

from __future__ import annotations


def mark(text: str) -> str:
    """The text itself, marked for the catalogue: it is translated where it is shown."""
    return text


# shorter than the feature store's own descriptions: these are axis labels
FEATURES = {
    "days_since_activity": mark("days since activity"),
    "days_since_purchase": mark("days since purchase"),
    "visits_28d": mark("visits, 28 days"),
    "visits_90d": mark("visits, 90 days"),
    "visits_365d": mark("visits, 1 year"),
    "purchases_28d": mark("purchases, 28 days"),
    "purchases_90d": mark("purchases, 90 days"),
    "purchases_365d": mark("purchases, 1 year"),
    "active_days_28d": mark("active days, 28 days"),
    "active_days_365d": mark("active days, 1 year"),
    "trend_28d": mark("activity trend"),
    "spend_28d": mark("spend, 28 days"),
    "spend_90d": mark("spend, 90 days"),
    "spend_365d": mark("spend, 1 year"),
    "mean_ticket_365d": mark("mean ticket"),
    "max_ticket_365d": mark("largest ticket"),
    "relative_ticket_365d": mark("price level"),
    "scenes_365d": mark("number of scenes"),
    "scene_entropy_365d": mark("variety of scenes"),
    "top_scene_id": mark("main scene"),
    "top_scene_share_365d": mark("share of main scene"),
    "night_share_365d": mark("night share"),
    "weekend_share_365d": mark("weekend share"),
    "accounts_open": mark("open accounts"),
    "accounts_ever": mark("accounts ever"),
    "account_kinds_open": mark("kinds of open accounts"),
    "contacts_30d": mark("contacts, 30 days"),
    "contacts_90d": mark("contacts, 90 days"),
    "contacts_365d": mark("contacts, 1 year"),
    "days_since_contact": mark("days since contact"),
    "clicks_90d": mark("clicks, 90 days"),
    "clicks_365d": mark("clicks, 1 year"),
    "applies_365d": mark("applications, 1 year"),
    "draws_90d": mark("offers taken, 90 days"),
    "draws_365d": mark("offers taken, 1 year"),
    "response_rate_365d": mark("response rate"),
    "tenure_days": mark("days known"),
    "age": mark("age"),
    "city_tier": mark("city tier"),
    "income_rank": mark("income rank"),
    "occupation": mark("occupation"),
    "region": mark("region"),
    "household_size": mark("household size"),
    "home_owner": mark("home owner"),
    "is_lead": mark("lead"),
    "scene_visits_90d": mark("visits in scene, 90 days"),
    "scene_visits_365d": mark("visits in scene, 1 year"),
    "scene_purchases_90d": mark("purchases in scene, 90 days"),
    "scene_purchases_365d": mark("purchases in scene, 1 year"),
    "scene_spend_90d": mark("spend in scene, 90 days"),
    "scene_spend_365d": mark("spend in scene, 1 year"),
    "scene_mean_ticket_365d": mark("mean ticket in scene"),
    "scene_days_since_activity": mark("days since scene activity"),
    "scene_activity_share_365d": mark("scene's share of activity"),
    "scene_spend_share_365d": mark("scene's share of spend"),
    "scene_trend_90d": mark("trend in scene"),
}
REACH = {
    "all": mark("everybody"),
    "consent": mark("with consent"),
    "consent (not stated in the data)": mark("consent not stated in the data"),
    "no objection": mark("without objection"),
    "not blocked": mark("not blocked"),
    "contact cap": mark("within contact cap"),
    "outside hold-out": mark("outside hold-out"),
}
REASONS = {
    "eligible": mark("eligible"),
    "not reachable": mark("not reachable"),
    "age limits": mark("outside age limits"),
    "already has it": mark("already has it"),
    "not active in its scenes": mark("not active in its scenes"),
    "likely default": mark("default too likely"),
}
LIMITS = {
    "budget": mark("budget"),
    "expected loss": mark("expected loss"),
    "capacity": mark("capacity"),
    "reach": mark("reach floor"),
}
CHANNELS = {
    "sms": mark("SMS"),
    "push": mark("app push"),
    "email": mark("e-mail"),
    "wechat": mark("WeChat"),
    "call": mark("phone call"),
    "mail": mark("letter"),
    "display": mark("display"),
}
KINDS = {
    "scene instalment": mark("scene instalment"),
    "cash line": mark("cash line"),
    "credit card": mark("credit card"),
    "tuition loan": mark("tuition loan"),
    "renovation loan": mark("renovation loan"),
    "medical instalment": mark("medical instalment"),
    "auto loan": mark("auto loan"),
    "balance transfer": mark("balance transfer"),
    "pay later": mark("pay later"),
    "coupon": mark("coupon"),
}
MEASURES = {"ndcg@10": mark("NDCG@10"), "hit@10": mark("Hit@10")}
STEPS = {
    "clean": mark("check the data"),
    "features": mark("features"),
    "facts": mark("read facts"),
    "segments, subgroups, models": mark("segments, subgroups, models"),
    "plan": mark("plan"),
    "report": mark("report"),
}
LABELS: dict[str, str] = {
    **FEATURES, **REACH, **REASONS, **LIMITS, **CHANNELS, **KINDS, **MEASURES, **STEPS,
}  # fmt: skip
