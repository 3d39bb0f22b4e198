"""What a drafted product states, field by field, and what is wrong with it, at the field."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from app.i18n import Speech
from app.workbench_store import ID, MOST_TEXT
from recsys.case import Case
from recsys.workbench import DraftProduct

# on the page a rate is in per cent
PER_CENT = ("apr", "pd_max")
TEXTS = ("name_zh", "name_en")
NUMBERS = ("apr", "amount_min", "amount", "amount_max", "tenor_min", "tenor", "tenor_max", "incentive", "lift")


def first_entries(case: Case, similar_to: str) -> dict[str, Any]:
    """A new draft to begin with: the terms of the product it is similar to, as the form shows them."""
    at = int(np.flatnonzero((case.offers["product_id"] == similar_to).to_numpy(bool))[0])
    row = case.offers.iloc[at]
    amount = float(round(case.terms.amount[at]))
    months = int(row["months"]) if "months" in row.index and row["months"] else 12
    return {
        "product_id": "", "name_zh": "", "name_en": "", "apr": round(100 * float(row["apr"]), 2), "amount": amount,
        "amount_min": float(max(round(amount / 4), 1)), "amount_max": 4 * amount, "tenor": months, "tenor_min": 1,
        "tenor_max": max(2 * months, 12), "scenes": [], "capacity": None,
        "incentive": round(float(case.terms.incentive[at]), 2), "pd_max": None, "lift": 1.0, "lift_reason": "",
    }  # fmt: skip


def entries_of(draft: DraftProduct, lift_reason: str) -> dict[str, Any]:
    """A kept draft as the form shows it."""
    told = {name: getattr(draft, name) for name in (*TEXTS, *NUMBERS, "product_id", "capacity", "pd_max")}
    for name in PER_CENT:
        told[name] = None if told[name] is None else round(100 * told[name], 4)
    return {**told, "scenes": list(draft.scenes), "lift_reason": lift_reason}


def draft_of(entries: Mapping[str, Any], similar_to: str, case: Case) -> DraftProduct:
    """The draft that a form without problems states.

    Raises
    ------
    ContractError : see `DraftProduct`.
    """
    row = case.offers[case.offers["product_id"] == similar_to].iloc[0]
    told: dict[str, Any] = {name: entries[name] for name in (*TEXTS, *NUMBERS, "product_id", "capacity", "pd_max")}
    for name in PER_CENT:
        told[name] = None if told[name] is None else told[name] / 100
    if "funding_cost" in row.index:
        told["funding_cost"] = float(row["funding_cost"])
    if case.facts.get("discount_rate") is not None:
        told["discount_rate"] = float(case.facts["discount_rate"])
    return DraftProduct(kind=str(row["kind"]), similar_to=similar_to, scenes=tuple(entries["scenes"]), **told)


def problems_of(entries: Mapping[str, Any], taken: Collection[str], say: Speech) -> dict[str, str]:
    """What is wrong, by field; empty when all is well. `taken` are ids that live products and other drafts bear."""
    t = say.t
    found: dict[str, str] = {}
    if not ID.fullmatch(entries["product_id"]):
        found["product_id"] = t("Write 1 to 40 lower-case letters, digits or hyphens, a letter or digit first.")
    elif entries["product_id"] in taken:
        found["product_id"] = t("This id is taken; choose another one.")
    for name in TEXTS:
        if not 0 < len(entries[name].strip()) <= MOST_TEXT:
            found[name] = t("Give the product a name.")
    for name in NUMBERS:
        if entries[name] is None:
            found[name] = t("Give a number.")
    ordered = {"amount": t("The usual amount lies between the smallest and the largest one."),
               "tenor": t("The usual tenor lies between the shortest and the longest one.")}  # fmt: skip
    for name, said in ordered.items():
        three = [entries[f"{name}_min"], entries[name], entries[f"{name}_max"]]
        if None not in three and not three[0] <= three[1] <= three[2]:
            found[name] = said
    if None not in (entries["incentive"], entries["amount"]) and entries["incentive"] > entries["amount"]:
        found["incentive"] = t("An incentive cannot be more than the amount lent.")
    reason = entries["lift_reason"].strip()
    if entries["lift"] not in (None, 1.0) and not reason:
        found["lift_reason"] = t("A lift other than 1 needs its reason: a test, a survey, another market.")
    elif len(reason) > MOST_TEXT:
        found["lift_reason"] = t("500 letters at most.")
    return found
