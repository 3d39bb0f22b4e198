"""What a preview of a drafted product says, as plain values and lines: for page and command line."""

from __future__ import annotations

from typing import Any

from app.recs_documents import plain_records
from recsys.plan_figures import SMALLEST
from recsys.workbench import DraftProduct, Preview

FIGURES = ("people", "newly_reached", "takers", "loss", "profit", "low", "high", "gain", "capacity_used",
           "capacity_price")  # fmt: skip


def preview_document(found: Preview, draft: DraftProduct, run: str) -> dict[str, Any]:
    """A preview as plain values; loss, profit and gain of fewer than 20 people are not told."""
    figures: dict[str, Any] = {name: getattr(found, name) for name in FIGURES}
    if found.people < SMALLEST:
        # a loss of one person is that person's probability of default
        figures |= {"loss": None, "profit": None, "low": None, "high": None}
    if 0 < found.people < SMALLEST:
        figures["gain"] = None
    return {
        "product_id": draft.product_id, "run": run, **figures, "capacity": draft.capacity,
        "recipients": plain_records(found.recipients), "taken_from": plain_records(found.taken_from),
        "assumption_en": found.assumption_en, "assumption_zh": found.assumption_zh,
    }  # fmt: skip


def preview_lines(document: dict[str, Any]) -> list[str]:
    """The same for a terminal, the assumption first."""

    def money(name: str) -> str:
        return "not told of fewer than 20 people" if document[name] is None else f"{document[name]:,.0f}"

    lines = [
        document["assumption_en"],
        f"offered to {document['people']:,} people, {document['newly_reached']:,} of them offered nothing today; "
        f"{document['takers']:,.1f} takers expected",
        f"profit {money('profit')} ({money('low')} to {money('high')}), loss {money('loss')}, "
        "whole plan " + (money("gain") if document["gain"] is None else f"{document['gain']:+,.0f}"),
    ]
    if document["capacity"] is not None:
        lines.append(
            f"capacity {document['capacity_used']:,.0f} of {document['capacity']:,.0f}; "
            f"one more place earns {document['capacity_price']:,.2f}"
        )
    for row in document["taken_from"]:
        lines.append(f"  taken from {row['product_id'] or 'nobody (no offer today)'}: {row['people']:,} people")
    return lines
