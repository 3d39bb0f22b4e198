"""The catalogue of features beside the quality report, as frames with headings in one language."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from app.feature_facts import FeatureFact, Freshness
from app.i18n import EMPTY, Speech
from app.labels import ALERTS, FEATURES, MARKS, PURPOSES, UNITS
from feature_repo.quality_tables import FEATURE_QUALITY, Quality
from feature_repo.services import SERVICES
from scenefit.contracts.schema import ANY_PURPOSE

Newest = dict[str, tuple[pd.Timestamp, float]]
# the gravest first
ORDER = ("alert", "watch", "ok", "")
BADGES = {"alert": "red", "watch": "orange", "ok": "green", "": "gray"}


def feature_rows(facts: Sequence[FeatureFact], report: Quality | None, say: Speech) -> pd.DataFrame:
    """One row per feature: its facts, its everyday name, what the report measured (empty without one); alerts first."""
    rows = pd.DataFrame(facts, columns=FeatureFact._fields)
    rows["id"] = [fact.id for fact in facts]
    rows["name"] = [feature_name(fact, say) for fact in facts]
    names = [name for name in FEATURE_QUALITY.names if name not in ("kind", "view")]
    measured = pd.DataFrame(columns=["source", *names])
    if report is not None:
        measured = report.features.rename(columns={"view": "source"})[["source", *names]]
    found = rows.merge(measured, on=["source", "feature"], how="left", validate="m:1")
    for name in ("alert", "reason", "reason_zh", "top", "histogram"):
        found[name] = found[name].astype(object).where(found[name].notna(), "")
    return found.sort_values("alert", key=_ranks, kind="stable", ignore_index=True)


def chosen_rows(
    rows: pd.DataFrame,
    words: str = "",
    views: Collection[str] = (),
    purposes: Collection[str] = (),
    services: Collection[str] = (),
    alerts: Collection[str] = (),
) -> pd.DataFrame:
    """Rows that hold every word typed and any of the chosen ids of each kind; nothing chosen: no restriction."""
    texts = rows[["view", "feature", "name", "en", "zh", "owner"]].agg(" ".join, axis=1).str.casefold()
    texts = texts + rows["columns"].map(" ".join)
    keep = pd.Series(True, index=rows.index)
    for word in words.casefold().split():
        keep &= texts.str.contains(word, regex=False)
    for column, asked in (("view", views), ("alert", alerts)):
        if asked:
            keep &= rows[column].isin(list(asked))
    for column, asked in (("purposes", purposes), ("services", services)):
        if asked:
            keep &= rows[column].map(set(asked).intersection).astype(bool)
    return rows[keep].reset_index(drop=True)


def catalogue_table(rows: pd.DataFrame, say: Speech) -> pd.DataFrame:
    """What the page lists: one line per feature."""
    t = say.t
    return pd.DataFrame(
        {
            # lists, because only lists are shown as coloured pills
            t("Status"): [[alert_word(alert, say)] for alert in rows["alert"]],
            t("Feature"): rows["name"],
            t("View"): [say.label(view) for view in rows["view"]],
            "PSI": rows["psi"].astype(float).round(3),
            t("Empty"): rows["null_share"].astype(float),
            t("Unit"): [unit(name, say) for name in rows["unit"]],
            t("May be used for"): [purposes(names, say) for names in rows["purposes"]],
            t("Marks"): [marks(p, pii, say) for p, pii in zip(rows["protected"], rows["pii"], strict=True)],
            t("Owner"): [say.label(owner) for owner in rows["owner"]],
            t("Code"): rows["feature"],
        }
    )


def worth_a_look(report: Quality, rows: pd.DataFrame, say: Speech) -> pd.DataFrame:
    """Views and features at watch or alert, the gravest first: alert, where, why.

    `rows` are those of `feature_rows`, where features have their everyday names.
    """
    views = report.views.assign(where=[say.label(view) for view in report.views["view"]])
    # a narrow view shows its source's figures again
    own = rows[rows["view"] == rows["source"]]
    own = own.assign(where=[f"{say.label(v)} · {name}" for v, name in zip(own["view"], own["name"], strict=True)])
    names = ["alert", "where", "reason", "reason_zh"]
    both = pd.concat([views[names], own[names]], ignore_index=True)
    both = both[both["alert"].isin(["watch", "alert"])].sort_values("alert", key=_ranks, kind="stable")
    return pd.DataFrame({"alert": both["alert"], "where": both["where"], "why": reasons(both, say)}).reset_index(
        drop=True
    )


def views_table(report: Quality, streams: Mapping[str, Freshness], say: Speech, timezone: str) -> pd.DataFrame:
    """Freshness and volume of each view, the gravest first; then those fed by a stream, which nobody compares."""
    t = say.t
    judged = report.views.sort_values("alert", key=_ranks, kind="stable").to_dict("records")
    rows = pd.DataFrame([*judged, *_stream_rows(streams)])
    return pd.DataFrame(
        {
            t("Status"): [[alert_word(alert, say)] for alert in rows["alert"]],
            t("View"): [say.label(view) for view in rows["view"]],
            t("Cadence"): [say.label(cadence) for cadence in rows["cadence"]],
            t("Newest snapshot"): [EMPTY if pd.isna(at) else say.day(at, timezone) for at in rows["event_timestamp"]],
            t("Age, days"): rows["age_days"].astype(float).round(1),
            t("Of its time to live"): (rows["age_days"].astype(float) / rows["ttl_days"]).clip(upper=1),
            t("Rows"): [say.count(n) for n in rows["rows"]],
            t("Compared with"): [EMPTY if pd.isna(at) else say.day(at, timezone)[:10] for at in rows["baseline"]],
            t("Files"): rows["files"].astype(int),
            t("Size"): [EMPTY if pd.isna(size) else _size(int(size)) for size in rows["bytes"]],
        }
    )


def newest_snapshots(report: Quality | None, streams: Mapping[str, Freshness]) -> Newest:
    """The newest snapshot, or event of a stream, of each view that has one, and its age in days."""
    found = {
        stream.view: (stream.newest, (stream.age_hours or 0.0) / 24)
        for stream in streams.values()
        if stream.newest is not None
    }
    if report is not None:
        there = report.views[report.views["event_timestamp"].notna()]
        ages = zip(there["event_timestamp"], there["age_days"].astype(float), strict=True)
        found |= dict(zip(there["view"], ages, strict=True))
    return found


def feature_name(fact: FeatureFact, say: Speech) -> str:
    """The everyday name of a feature; its meaning up to the first stop where it has none.

    >>> from app.feature_facts import feature_facts
    >>> [feature_name(f, Speech("zh")) for f in feature_facts() if f.feature in ("spend_28d", "product_applies_90d")]
    ['消费额（28天）', '90 天申请次数']
    """
    if fact.feature in FEATURES:
        return say.label(fact.feature)
    meaning = fact.zh if say.lang == "zh" else fact.en
    return meaning.split("；" if say.lang == "zh" else ";")[0]


def service_name(service: str, say: Speech) -> str:
    """A feature service with what it is for: "offers_v1 · Recommenders and audiences"."""
    known = SERVICES[service]
    meaning = known.zh.split("：")[0] if say.lang == "zh" else known.en.split(":")[0]
    return f"{service} · {meaning}"


def reasons(rows: pd.DataFrame, say: Speech) -> list[str]:
    """Why each row stands where it stands, in this language."""
    return [str(text) for text in rows["reason_zh" if say.lang == "zh" else "reason"]]


def alert_word(alert: str, say: Speech) -> str:
    """A band of the report as a word."""
    return say.t(ALERTS[alert])


def unit(name: str, say: Speech) -> str:
    """The unit of a feature; money is in the currency of the data set."""
    if name == "currency/month":
        return say.t("{money} per month").format(money=say.currency)
    return say.currency if name == "currency" else say.t(UNITS[name]) if name in UNITS else name or EMPTY


def purposes(names: Sequence[str], say: Speech) -> str:
    """Permitted uses as words."""
    if set(names) == ANY_PURPOSE:
        return say.t("any use")
    separator = "、" if say.lang == "zh" else ", "
    return separator.join(say.t(PURPOSES[name]) for name in names) or say.t("nothing")


def marks(protected: bool, pii: bool, say: Speech) -> str:
    """Protected, personal, both or none."""
    return ", ".join(say.t(MARKS[name]) for name, has in (("protected", protected), ("pii", pii)) if has) or EMPTY


def _stream_rows(streams: Mapping[str, Freshness]) -> list[dict[str, Any]]:
    """Views fed by a stream as rows beside those of the report."""
    return [
        {"view": found.view, "alert": "", "cadence": found.cadence, "rows": None,
         "event_timestamp": found.newest, "age_days": None if found.age_hours is None else found.age_hours / 24,
         "ttl_days": found.ttl_hours / 24, "baseline": None, "files": found.snapshots, "bytes": None}
        for found in streams.values()
    ]  # fmt: skip


def _size(count: int) -> str:
    return f"{count / 2**20:,.1f} MB" if count >= 2**20 else f"{count / 2**10:,.0f} kB"


def _ranks(alerts: pd.Series) -> pd.Series:
    return alerts.map(ORDER.index)
