"""What the feature commands print: the catalogue and the quality report as lines, worst first."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from app.feature_facts import FeatureFact, Freshness
from feature_repo.quality_tables import ALERTS, Quality

if TYPE_CHECKING:
    from feature_repo.skew import Skew

EMPTY = "–"


def catalogue_lines(facts: Sequence[FeatureFact], fresh: Mapping[str, Freshness]) -> list[str]:
    """One line per feature: view, name, type, unit, purposes, marks, owner, newest snapshot."""
    rows = [("view", "feature", "type", "unit", "purposes", "marks", "owner", "newest")]
    rows += [
        (
            fact.view,
            fact.feature,
            fact.kind,
            fact.unit or EMPTY,
            ", ".join(fact.purposes),
            ", ".join(mark for mark, set_ in (("protected", fact.protected), ("pii", fact.pii)) if set_) or EMPTY,
            fact.owner,
            newest(fresh.get(fact.view)),
        )
        for fact in facts
    ]
    return [*_columns(rows), f"{len(facts)} features in {len({fact.view for fact in facts})} views"]


def newest(found: Freshness | None) -> str:
    """The newest snapshot and its age in the unit of its cadence."""
    if found is None or found.newest is None or found.age_hours is None:
        return EMPTY
    age = f"{found.age_hours:.0f} h" if found.cadence == "hour" else f"{found.age_hours / 24:.0f} d"
    return f"{found.newest:%Y-%m-%d %H:%M} UTC, {age} old"


def quality_lines(report: Quality) -> list[str]:
    """Views with age and rows, then the features somebody should look at, alerts first."""
    views = [("view", "alert", "rows", "newest", "age, days", "TTL, days", "")]
    for row in report.views.to_dict("records"):
        known = row["event_timestamp"] == row["event_timestamp"]
        views.append(
            (
                row["view"],
                row["alert"] or EMPTY,
                f"{row['rows']:,}",
                f"{row['event_timestamp']:%Y-%m-%d %H:%M}" if known else EMPTY,
                f"{row['age_days']:.1f}" if known else EMPTY,
                f"{row['ttl_days']:.3g}",
                row["reason"],
            )
        )
    lines = [f"Features as of {report.as_of:%Y-%m-%d %H:%M} UTC" + (" (SYNTHETIC DATA)" if report.synthetic else "")]
    lines += _columns(views)
    lines += [f"{row['alert']:<6} {row['view']}:{row['feature']}  {row['reason']}" for row in _worth_a_look(report)]
    counts = report.features["alert"].value_counts()
    named = (("alert", "alert"), ("watch", "watch"), ("ok", "ok"), ("", "without baseline"))
    return [*lines, "features: " + ", ".join(f"{int(counts.get(alert, 0))} {word}" for alert, word in named)]


def skew_lines(found: Skew) -> list[str]:
    """How many values differ, then which features and why."""
    lines = [
        f"{found.service} as of {found.at:%Y-%m-%d %H:%M} UTC: {found.customers:,} people, {found.compared:,} values, "
        f"{found.differences:,} differ ({found.share:.2%})"
    ]
    differing = found.features[found.features["equal"] < found.features["compared"]]
    if differing.empty:
        return lines
    lines += _columns([tuple(differing.columns), *(tuple(map(str, row)) for row in differing.itertuples(index=False))])
    counted = found.examples.groupby("reason", sort=True).size()
    return [*lines, *(f"{number} of the examples: {reason}" for reason, number in counted.items())]


def _worth_a_look(report: Quality) -> list[dict[Hashable, Any]]:
    rows = report.features[report.features["alert"].isin(["watch", "alert"])].to_dict("records")
    return sorted(rows, key=lambda row: -ALERTS.index(row["alert"]))


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
