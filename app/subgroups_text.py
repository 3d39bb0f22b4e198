"""Subgroups, map and order of scenes as lines of text, from the same documents that `--json` prints."""

from __future__ import annotations

from typing import Any

from app.i18n import EMPTY

Row = dict[str, Any]


def mined_lines(manifest: Row, rules: list[Row]) -> list[str]:
    """What was mined anew."""
    label = " (SYNTHETIC data)" if manifest["synthetic"] else ""
    lines = [f"mined {len(manifest['scenes'])} scene(s) as of {manifest['as_of']}{label}: {manifest['mined_id']}"]
    lines += rule_lines(rules) or ["  no rule stood out beyond chance"]
    return lines + [f"  {scene}: {why}" for scene, why in sorted(manifest["absent"].items())]


def rule_lines(rules: list[Row]) -> list[str]:
    """Rules with their evidence, scene by scene."""
    lines, scene = [], None
    for row in rules:
        if row["scene_id"] != scene:
            scene = row["scene_id"]
            lines.append(f"{scene}")
        sure = "confirmed" if row["confirmed"] else "NOT confirmed"
        lines += [
            f"  #{row['rank']} {row['rule_en']}",
            f"     {row['rule_zh']}",
            f"     {row['size']:,} people, {row['unreached']:,} not reached; rate {row['rate']:.2%} against "
            f"{row['base']:.2%}: {_lift(row)}q {row['q']:.3g}, {sure}",
        ]
        lines += _further(row)
    return lines


def map_lines(cells: list[Row], as_of: str, need_days: int, reach_days: int, notes: list[str]) -> list[str]:
    """The map: one line per scene, group and kind of people."""
    lines = [
        f"as of {as_of}; reached: contacted within {reach_days} days; need: demand within {need_days} days against "
        "the base of the same kind of people",
        f"{'group':<28}{'kind':<10}{'people':>9}{'reached':>9}{'open':>9}{'hard':>7}{'held':>7}  "
        f"{'need [95 %]':<20}{'quadrant':<9}{'can pay':>8}{'value':>14}  name",
    ]
    for row in cells:
        indent = "" if row["origin"] == "scene" else "  "
        need = EMPTY if row["need"] is None else f"{row['need']:.2f} [{row['need_low']:.2f}, {row['need_high']:.2f}]"
        pays = EMPTY if row["affordable_share"] is None else f"{row['affordable_share']:.0%}"
        value = EMPTY if row["value"] is None else f"{row['value']:,.0f}"
        lines.append(
            f"{indent + row['group_id']:<28}{row['kind']:<10}{row['size']:>9,}{row['reached']:>9,}"
            f"{row['unreached']:>9,}{row['hard']:>7,}{row['held_out']:>7,}  {need:<20}{row['quadrant']:<9}"
            f"{pays:>8}{value:>14}  {row['name_en']} / {row['name_zh']}"
        )
    return lines + [f"note: {note}" for note in notes]


def order_lines(options: list[Row], as_of: str, days: int, too_few: int) -> list[str]:
    """The order of opening, with the reasons."""
    lines = [f"as of {as_of}; ranked by the lower end of the gain of {days} days; rates are observed, not caused"]
    for row in options:
        gain = "gain not known" if row["gain"] is None else (
            f"gain {row['gain']:,.0f} [{row['gain_low']:,.0f}, {row['gain_high']:,.0f}]")  # fmt: skip
        lines += [
            f"{row['rank']:>4}  {row['kind']} {row['option_id']}  {row['name_en']} / {row['name_zh']}: {gain}",
            f"      {row['reason_en']}",
            f"      {row['reason_zh']}",
        ]
    return [*lines, f"left out: {too_few:,} options with too few active people"] if too_few else lines


def made_lines(scene: Row) -> list[str]:
    """A new scene in figures."""
    parts = [f"{name} {', '.join(scene[name][:5])}{' …' if len(scene[name]) > 5 else ''}"
             for name in ("merchants", "categories", "sources") if scene[name]]  # fmt: skip
    ticket = EMPTY if scene["mean_ticket"] is None else f"{scene['mean_ticket']:,.2f}"
    return [
        f"{scene['scene_id']}: {scene['name_en']} / {scene['name_zh']}, made of {'; '.join(parts)}",
        f"  as of {scene['as_of']}: {scene['members']:,} members in the year before: {scene['customers']:,} customers, "
        f"{scene['leads']:,} leads, {scene['visitors']:,} visitors",
        f"  {scene['visits']:,} visits, {scene['purchases']:,} purchases by {scene['buyers']:,} people, "
        f"spend {scene['spend']:,.2f}, mean ticket {ticket}",
        "Next:  scenefit subgroups map",
    ]


def _lift(row: Row) -> str:
    if row["lift"] is None or row["lift_low"] is None or row["lift_high"] is None:
        return ""
    return f"lift {row['lift']:.2f} [{row['lift_low']:.2f}, {row['lift_high']:.2f}], "


def _further(row: Row) -> list[str]:
    """Evidence that only newer runs carry."""
    told = []
    if row.get("uplift") is not None:
        told.append(f"uplift {row['uplift']:+.2%} [{row['uplift_low']:+.2%}, {row['uplift_high']:+.2%}]")
    if row.get("bad_rate") is not None:
        told.append(f"bad rate {row['bad_rate']:.1%}")
    if row.get("fairness") is not None:
        told.append(f"fairness ratio {row['fairness']:.2f}")
    if row.get("proof"):
        told.append(f"proof: {row['proof']}")
    return [f"     {'; '.join(told)}"] if told else []
