"""What `scenefit recs evaluate` found, in lines."""

from __future__ import annotations

from typing import Any


def evaluated_lines(found: dict[str, Any]) -> list[str]:
    """Settings, metrics, groups, opponents and notes."""
    settings = ", ".join(f"{name} {value}" for name, value in found["settings"].items()) or "no settings"
    lines = [f"{found['model']} ({settings}), {found['customers']:,} users judged, {found['items']:,} items"]
    lines += [f"{name:<14}{_shown(value)}" for name, value in found.items() if _is_metric(name)]
    for group in found.get("groups", ()):
        figures = ", ".join(f"{name} {_shown(value)}" for name, value in group.items() if _is_metric(name))
        lines.append(f"{group['group']}: {group['customers']:,} users, {figures}")
    for name, value in found.get("worst_to_best", {}).items():
        lines.append(f"worst ÷ best group, {name}: {_shown(value)}")
    for other in found.get("against", ()):
        lines.append(
            f"{other['metric']} against {other['model']}: {other['gain']:+.4f} "
            f"({other['low']:+.4f} to {other['high']:+.4f}), {other['verdict']}, corrected p {other['p_holm']:.4f}"
        )
    return [*lines, *(f"note: {note}" for note in found["notes"])]


def _is_metric(name: str) -> bool:
    return "@" in name or name == "mrr"


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
