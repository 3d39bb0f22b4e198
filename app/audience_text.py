"""Audiences as lines of text, from the same documents that `--json` prints."""

from __future__ import annotations

from typing import Any


def count_lines(document: dict[str, Any]) -> list[str]:
    """Size, reach and expectation."""
    hopes = document["expected"]
    channels = ", ".join(f"{name} {count:,}" for name, count in document["reachable_by_channel"].items())
    lines = [
        f"{document['audience']}: {document['customers']:,} of {document['everybody']:,} people "
        f"({document['share']:.1%}) as of {document['as_of']}, exact",
        f"  {document['en']}",
        f"  may be contacted: {document['reachable']:,} ({channels})",
        *(f"  left out as members of {name}: {n:,}" for name, n in document.get("suppressed", {}).items()),
    ]
    if hopes["profit"] is None:
        return [*lines, f"  expected profit: not known: {hopes['why_en']}"]
    loss = "not known" if hopes["loss"] is None else f"{hopes['loss']:,.0f}"
    return [
        *lines,
        f"  latest run expects {hopes['approvals']:,.1f} approvals, profit {hopes['profit']:,.0f}, loss {loss} "
        "if everybody got the best offer",
    ]


def waterfall_lines(document: dict[str, Any]) -> list[str]:
    """The steps one after the other, with what each costs."""
    costs = {(row["step"], row["condition"]): row["extra"] for row in document["leave_one_out"]}
    lines = [
        f"{document['audience']}: {document['customers']:,} people",
        f"{'left':>10} {'lost':>9} {'without it':>11}",
    ]
    for row in document["waterfall"]:
        extra = costs.get((row["step"], row["condition"]))
        without = "" if extra is None else f"+{extra:,}"
        lines.append(f"{row['customers']:>10,} {row['removed']:>9,} {without:>11}  {row['en']}")
    return lines if document["conflict"] is None else [*lines, document["conflict"]["en"]]


def relax_lines(document: dict[str, Any]) -> list[str]:
    """Ways to get more people."""
    lines = [f"ways to {document['more']:,} more people:"]
    for way in document["ways"]:
        gain = "" if way["extra_value"] is None else f", profit {way['extra_value']:+,.0f}"
        loss = "" if way["extra_loss"] is None else f", loss {way['extra_loss']:+,.0f}"
        enough = "" if way["enough"] else " (not enough alone)"
        change = (
            f"drop: {way['condition_en']}" if way["how"] == "drop" else f"{way['condition_en']} → {way['relaxed_en']}"
        )
        note = f"; {way['note_en']}" if way["note_en"] else ""
        lines.append(f"  +{way['extra']:,}{gain}{loss}{enough}  {change}{note}")
    return lines if document["ways"] else ["nobody more can be had by relaxing a condition"]


def list_lines(rows: list[dict[str, Any]]) -> list[str]:
    """The newest version of every audience."""
    if not rows:
        return ["no audience yet; save one with `scenefit audience save ID --rule …`"]
    return [
        f"{row['audience_id']}@{row['version']}  cannot be read: {row['problem']}"
        if row["size"] is None
        else f"{row['audience_id']}@{row['version']}  {row['size']:,} people, {row['kind']}, {row['name_en']} / "
        f"{row['name_zh']}{', stale: saved on other data' if row['stale'] else ''}"
        f"{', ' + row['problem'] if row['problem'] else ''}"
        for row in rows
    ]


def overlap_lines(document: dict[str, Any]) -> list[str]:
    """People in both of two audiences."""
    names = document["audiences"]
    width = max(10, *(len(name) for name in names)) + 1
    lines = [" " * width + "".join(f"{name:>{width}}" for name in names)]
    for name, row in zip(names, document["overlap"], strict=True):
        lines.append(f"{name:<{width}}" + "".join(f"{count:>{width},}" for count in row))
    if document["once"]:
        lines.append("each person once, in the order given:")
        lines += [f"  {row['audience_id']}: {row['kept']:,} kept, {row['taken']:,} taken by earlier ones"
                  for row in document["once"]]  # fmt: skip
    return lines


def diff_lines(document: dict[str, Any]) -> list[str]:
    """What changed between two versions."""
    return [f"{document['before']} → {document['after']}", *(f"  {line}" for line in document["en"])]


def lookalike_lines(document: dict[str, Any]) -> list[str]:
    """The bake-off and the expansion."""
    lines = [f"{document['audience']}: {document['seeds']:,} seeds, method shipped: {document['method']}"]
    for row in document["bake_off"]:
        gain = "" if row["gain"] is None else f", against the centroid {row['gain']:+.3f}"
        if row["gain_low"] is not None:
            gain += f" ({row['gain_low']:+.3f} to {row['gain_high']:+.3f})"
        lines.append(
            f"  {row['method']:<20} best {row['share']:.0%}: finds {row['recall']:.1%} of hidden seeds "
            f"({row['low']:.1%}–{row['high']:.1%}){gain}"
        )
    shown = document["expansion"]
    risk = [
        f"{shown[f'bad_{who}']:.1%} {who}"
        for who in ("expansion", "seeds", "everybody")
        if shown[f"bad_{who}"] is not None
    ]
    lines.append(f"  adds {document['added']:,} people" + (f"; mean PD {', '.join(risk)}" if risk else ""))
    uneven = [row for row in shown["fairness"] if row["ratio"] is not None and row["ratio"] < 0.8]
    if uneven:
        groups = ", ".join(f"{row['column']} {row['group']} ({row['ratio']:.2f})" for row in uneven)
        lines.append(f"  selected less than four fifths as often as the most selected group: {groups}")
    return lines if document["kept_as"] is None else [*lines, f"  kept as {document['kept_as']}"]


def alike_lines(document: dict[str, Any]) -> list[str]:
    """People like one, the most like first."""
    return [
        f"people like {document['customer']}:",
        *(f"  {row['likeness']:.3f}  {row['customer_id']}" for row in document["alike"]),
    ]


def receipt_lines(document: dict[str, Any]) -> list[str]:
    """The receipt: each step, and what was written."""
    steps = [f"{step['customers']:>10,}  {step['step']}" for step in document["steps"]]
    return [
        f"{document['audience_id']}@{document['version']} → {document['target']} ({document['destination']})",
        *steps,
        f"{document['written']:,} rows, {document['size']:,} bytes, SHA-256 {document['sha256']}",
    ]


def lineage_lines(rows: list[dict[str, Any]]) -> list[str]:
    """Where an audience comes from and what became of it."""
    return [
        f"{row['at'][:19]}  {'  ' * row['depth']}{row['audience_id']}@{row['version']} {row['event']}  {row['details']}"
        for row in rows
    ]
