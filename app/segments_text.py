"""Segments as lines of text, from the same documents that `--json` prints."""

from __future__ import annotations

from typing import Any


def fit_lines(document: dict[str, Any]) -> list[str]:
    """A new version of a scene's segments."""
    ties = ", ".join(map(str, document["tie_set"]))
    kept = "" if document["kept_share"] is None else f", {document['kept_share']:.1%} kept their segment"
    lines = [
        f"{document['scene_id']} v{document['version']} ({document['why']}): {document['n']:,} people in "
        f"{document['k']} segments, tie set {ties}{kept}"
    ]
    lines += [_segment(row) for row in document["segments"]]
    return lines + _events(document["events"]) + [f"  note: {note}" for note in document["notes"]]


def show_lines(document: dict[str, Any]) -> list[str]:
    """The kept segments of a scene, with what sets each apart."""
    tree = document["surrogate"]
    lines = [
        f"{document['scene_id']} v{document['version']}: {document['n']:,} people as of {document['as_of']}",
        f"  rules imitate the segments for {tree['fidelity']:.0%} of the people not seen "
        f"(always naming the largest: {tree['baseline']:.0%})",
    ]
    for row in document["segments"]:
        lines.append(_segment(row))
        for lift in row["apart"]:
            values = f"{lift['mean']:>14,.3g}  all {lift['base']:>12,.3g}"
            lines.append(f"      {lift['feature']:<36}{values}  {_index(lift)}".rstrip())
        if row.get("rule_en"):
            lines.append(f"      rule: {row['rule_en']} (precision {row['precision']:.0%}, finds {row['recall']:.0%})")
        lines += [f"      {line}" for line in _outcomes(row, document["outcomes"])]
        earlier = row["names_given"][:-1]
        lines += [f"      called {name['en']} / {name['zh']} by {name['by']} on {name['at'][:10]}" for name in earlier]
    return lines + _around(document["outcomes"])


def assign_lines(counts: list[dict[str, Any]], as_of: str) -> list[str]:
    """How many people of a snapshot each segment holds."""
    lines = [f"people as of {as_of}"]
    for row in counts:
        lines.append(
            f"  {row['segment_id']:<24}{row['people']:>12,}  confidence {row['confidence']:.2f}  far {row['far']:,}"
        )
    return lines


def compare_lines(document: dict[str, Any]) -> list[str]:
    """What became of a scene's segments between two versions."""
    if document.get("absent"):
        return [f"{document['scene_id']}: {document['absent']}"]
    kept = "-" if document["kept_share"] is None else f"{document['kept_share']:.1%}"
    lines = [
        f"{document['scene_id']} v{document['from_version']} → v{document['to_version']} ({document['why']}): "
        f"{kept} kept their segment"
    ]
    lines += _events(document["events"])
    lines += [
        f"  {row['from_id']:<24}→ {row['to_id']:<24}{row['customers']:>10,}  ({row['share_of_from']:.1%})"
        for row in document["migration"]
    ]
    drift = document["drift"]
    if drift["absent"]:
        return [*lines, f"  stability index: none, {drift['absent']}"]
    lines.append(f"  stability index: {len(drift['alerts'])} of {drift['rows']} rows to watch or alarming")
    return lines + [
        f"  {row['band']:<6} {row['segment_id'] or '(everybody)':<24}{row['feature']:<30} PSI {row['psi']:.3f}"
        for row in drift["alerts"]
    ]


def _outcomes(row: dict[str, Any], around: dict[str, Any]) -> list[str]:
    """What a segment brings and whom marketing reaches in it; nothing where nothing is known."""
    lines = []
    if row["value_mean"] is not None:
        share = "" if row["value_share"] is None else f", {row['value_share']:.0%} of the scene's"
        lines.append(
            f"value: {row['value_mean']:,.0f} for each of {row['value_known']:,.0f} who hold an account{share}"
        )
    if row["risk"] is not None:
        lines.append(f"risk: {row['risk']:.1%} ({around['risk_of']}, {row['risk_known']:,.0f} people)")
    if row["reach"] is not None:
        interval = f"[{row['reach_low']:.1%}, {row['reach_high']:.1%}]"
        lines.append(f"reach: {row['reach']:.1%} {interval} contacted in {around['reach_days']} days")
    if row["reachable"] is not None:
        lines.append(f"reachable now: {row['reachable']:.1%}")
    if row["rfm"] is not None:
        rfm = row["rfm"]
        bands = f"recency {rfm['r']:.1f}, frequency {rfm['f']:.1f}, money {rfm['m']:.1f} of {rfm['bands']}"
        lines.append(f"buying: {bands}; most often {rfm['group_en']} / {rfm['group_zh']} ({rfm['group_share']:.0%})")
    mix = [part for part in around["scenes"] if part["segment_id"] == row["segment_id"] and part["share"] is not None]
    mix.sort(key=lambda part: (-part["share"], part["scene_id"]))
    if mix:
        lines.append("scenes: " + ", ".join(f"{part['scene_id']} {part['share']:.0%}" for part in mix[:3]))
    return lines


def _around(outcomes: dict[str, Any]) -> list[str]:
    """The Pareto curve in one line, and what is absent."""
    lines = []
    if outcomes["pareto"] is not None:
        found = outcomes["pareto"]
        lines.append(
            f"  the most valuable fifth of {found['customers']:,} who hold an account brings {found['top_fifth']:.0%} "
            f"of the value (Gini {found['gini']:.2f})"
        )
    return lines + [f"  {what} absent: {why}" for what, why in sorted(outcomes["absent"].items())]


def _segment(row: dict[str, Any]) -> str:
    return f"  {row['segment_id']:<20}{row['size']:>10,} ({row['share']:.1%})  {row['name_en']} / {row['name_zh']}"


def _events(events: list[dict[str, Any]]) -> list[str]:
    words = {"split": "split from", "merge": "merged into", "new": "is new", "dead": "is no more"}
    # that a segment lives on is no news
    told = [row for row in events if row["event"] in words]
    return [f"  {row['segment_id']} {words[row['event']]} {row['other_id'] or ''}".rstrip() for row in told]


def _index(lift: dict[str, Any]) -> str:
    # an index of a trend below zero says nothing
    if lift["tgi"] is None or lift["tgi"] < 0:
        return ""
    if lift["tgi_low"] is None or lift["tgi_high"] is None:
        return f"TGI {lift['tgi']:.0f}"
    return f"TGI {lift['tgi']:.0f} [{lift['tgi_low']:.0f}, {lift['tgi_high']:.0f}]"
