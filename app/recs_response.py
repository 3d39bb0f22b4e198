"""Who takes when offered, on held-out campaigns: kept with the run, told as reliability, lift and profit by tenth."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from app.kept_case import CASE, read_case
from app.recs_documents import LEAST_PEOPLE, plain_records
from recsys.calibrate import calibration_error, lift_by_bin, read_offer_correction, reliability
from recsys.case import Case
from recsys.profit_by_tenth import LastOffers, profit_by_tenth
from recsys.training import HeldOut, ResponseLearned
from scenefit.contracts.errors import StoreError
from scenefit.runtime import models

RESPONSE = Path("models", "response")


class _Terms(NamedTuple):
    """The case of the run, and the ids behind the product and channel codes of the held-out offers."""

    case: Case
    products: list[str]
    channels: list[str]


def response_parts(
    response: ResponseLearned, products: Iterable[object]
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What is kept of the response model: its terms, its correction, and what it promised the held-out campaigns.

    `products` are the ids behind the product codes, in order.
    """
    held = {f"held_out_{name}": np.asarray(values) for name, values in response.held_out._asdict().items()}
    right = response.correction
    facts = {
        "intercept": response.model.intercept_,
        "channels": list(response.channels),
        "usual": response.usual.tolist(),
        "by_product": response.by_product,
        "campaigns": list(response.campaigns),
        "products": [str(product) for product in products],
        "correction": plain(right._asdict() | {"common": right.common._asdict()}),
    }
    return {"coef": response.model.coef_, **held}, facts


def response_document(folder: Path) -> dict[str, Any] | None:
    """How well the run in `folder` foretold who takes; None where it learned nothing of that or is an older run.

    Figures of fewer than 20 offers are left out. Profit stands only where the run kept its case: it needs its terms.
    """
    if not (folder / RESPONSE).is_dir():
        return None
    saved = models.load(folder / RESPONSE)
    if "held_out_p" not in saved.arrays or not len(saved.arrays["held_out_p"]):
        return None
    held = HeldOut(*(saved.arrays[f"held_out_{name}"] for name in HeldOut._fields))
    case = _case(folder)
    terms = None if case is None else _Terms(case, saved.facts["products"], saved.facts["channels"])
    parts = [(str(name), _some(held, held.channel == at)) for at, name in enumerate(saved.facts["channels"])]
    right = read_offer_correction(saved.facts["correction"])
    return {
        "campaigns": saved.facts["campaigns"],
        **_figures(held, terms),
        "channels": [
            {"channel": name, **_figures(part, terms)} for name, part in parts if len(part.p) >= LEAST_PEOPLE
        ],
        "correction": {
            "method": right.common.method, "by_offer": any(right.shifts), "gain": right.gain, "low": right.low,
            "high": right.high, "before": _number(right.before), "after": _number(right.after),
        },
    }  # fmt: skip


def plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def _figures(held: HeldOut, terms: _Terms | None) -> dict[str, Any]:
    took = held.took.astype(float)
    profit = None if terms is None else profit_by_tenth(_last_offers(held, terms))
    return {
        "offers": len(took), "takers": int(took.sum()), "base_rate": float(took.mean()),
        "promised": float(held.p.mean()), "ece": calibration_error(held.p, took),
        "curve": plain_records(reliability(held.p, took)), "lift": plain_records(lift_by_bin(held.p, took)),
        "profit": None if profit is None or profit.empty else plain_records(profit),
    }  # fmt: skip


def _last_offers(held: HeldOut, terms: _Terms) -> LastOffers:
    """The held-out offers with what one take brings and one contact costs by the run's terms; NaN where it has none."""
    case = terms.case
    offers = case.offers.assign(
        amount=case.terms.amount, margin=case.terms.margin, incentive=case.terms.incentive, cost=case.contact_cost
    )
    by_product = offers.drop_duplicates("product_id").set_index("product_id").reindex(terms.products)
    # the last row is of no product at all
    amount, margin, incentive = (
        np.append(by_product[name].to_numpy(float), np.nan)[held.product] for name in ("amount", "margin", "incentive")
    )
    worth = margin - case.pd_given_take[held.who] * case.lgd * amount - incentive
    cost = offers.drop_duplicates("channel").set_index("channel")["cost"].reindex(terms.channels).to_numpy(float)
    return LastOffers(held.p, held.took, worth, cost[held.channel])


def _case(folder: Path) -> Case | None:
    if not (folder / CASE).is_dir():
        return None
    try:
        return read_case(folder)
    except TypeError as error:
        raise StoreError(f"{folder}: its case is of an older form ({error}); run anew with `scenefit run`") from error


def _some(held: HeldOut, rows: np.ndarray) -> HeldOut:
    return HeldOut(*(values[rows] for values in held))


def _number(value: float) -> float | None:
    return None if pd.isna(value) else float(value)
