"""Who may be offered what on which channel: the rules in their order, applied to what the raw tables state.

Stages: eligibility (hard stops, age), applicability (fits and is not owned), suitability (can be afforded), contact
policy. Quiet hours close a moment and not a person: they bind the sending and are no rule here. A rule whose table the
data does not hold says so and lets everybody pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from app.eligibility_facts import Background
from recsys.eligible import STAGES, Applied, OfferRule, first_failures, in_force
from recsys.offer_rules import RULES, channel_closed, likely_default, overburdened, several_lenders
from risk.policy import age_rule
from scenefit.runtime.settings import LimitSettings

# what a gate of the reach waterfall is called as a reason
GATES = {
    "consent": "no consent",
    "no objection": "objected",
    "contact cap": "contact cap reached",
    "channel caps": "channel cap reached",
    "outside quiet hours": "quiet hours",
    "outside hold-out": "hold-out",
}
# the raw table that a rule reads
NEEDS = {
    "already has it": "accounts",
    "debt burden": "repayments",
    "several lenders": "bureau",
    "no consent": "consents",
    "hard stop": "blocklists",
}


def applied_rules(
    background: Background, products: pd.DataFrame, amounts: np.ndarray, offers: pd.DataFrame, year: int,
    limits: LimitSettings, channels: Sequence[str],
) -> list[Applied]:  # fmt: skip
    """Every rule in its order, with whom it keeps from which offer.

    Parameters
    ----------
    products : the catalogue; `amounts` (products,) typically taken, currency units
    offers : product_id and channel of each offer, as `planning.offer_table` makes them
    year : of the business day, for ages
    channels : the channels of `background.reach`, in its order
    """
    what = pd.Index(products["product_id"]).get_indexer(pd.Index(offers["product_id"]))
    ages = (products[name].to_numpy(float, na_value=np.nan) for name in ("age_min", "age_max"))
    risk_limits = np.fmin(products["pd_max"].to_numpy(float, na_value=np.nan), limits.pd_max)
    by_product = {
        "age limits": age_rule(background.birth_year, year, *ages).forbids,
        "already has it": background.held,
        "cooling-off": background.cooling,
        "not active in its scenes": ~background.active,
        "debt burden": overburdened(
            background.monthly_due, instalments(products, amounts), background.monthly_income, limits.debt_burden_max
        ),
        "several lenders": several_lenders(background.inquiries, limits.inquiries_max),
        "likely default": likely_default(background.pd_now, risk_limits),
    }
    blocked, contact = _contact(background)
    found = [_applied("hard stop", blocked, background)]
    for code, forbids in by_product.items():
        found.append(_applied(code, forbids if forbids.shape[1] == 1 else forbids[:, what], background))
    found += [_applied(code, forbids, background) for code, forbids in contact.items()]
    is_open = background.reach.open_channels
    if is_open is not None:
        closed = channel_closed(is_open, channels, offers["channel"].tolist())
        found.append(_applied("channel closed", closed, background))
    return found


def _contact(background: Background) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Whom block lists stop, and whom each rule of contact keeps from every channel; (n, 1)."""
    blocked = np.zeros((len(background.reach.mask), 1), bool)
    stopped: dict[str, np.ndarray] = {}
    for gate in background.reach.gates:
        keeps = ~gate.passes[:, None]
        if gate.step == "not blocked":
            blocked = keeps
            continue
        # a consent that the data does not state is a gate that everybody passes
        step = "consent" if gate.step.startswith("consent") else gate.step
        code = GATES.get(step, "on a list")
        stopped[code] = stopped.get(code, np.zeros_like(keeps)) | keeps
    return blocked, stopped


def _applied(code: str, forbids: np.ndarray, background: Background) -> Applied:
    rule = RULES[code]
    if code in NEEDS and NEEDS[code] not in background.stated:
        rule = replace(rule, en=f"{rule.en} (not stated in the data)", zh=f"{rule.zh}（数据未提供）")
    return Applied(rule, forbids)


def instalments(products: pd.DataFrame, amounts: np.ndarray) -> np.ndarray:
    """Monthly instalment of the amount typically taken of each product, currency units; (products,)."""
    apr = np.nan_to_num(products["apr"].to_numpy(float, na_value=np.nan))
    rate = np.maximum(apr, 1e-9) / 12
    due: np.ndarray = amounts * rate / -np.expm1(-months(products) * np.log1p(rate))
    return due


def months(products: pd.DataFrame) -> np.ndarray:
    """The middle of each product's tenors in whole months, a year where none is stated; (products,)."""
    tenor = products[["tenor_min", "tenor_max"]].astype(float).mean(axis=1).fillna(12).round().clip(lower=1)
    found: np.ndarray = tenor.to_numpy(int)
    return found


def grid_for(
    applied: Sequence[Applied], customers: Sequence[str], offers: pd.DataFrame, at: pd.Timestamp
) -> pd.DataFrame:
    """The first rule of each stage that keeps an offer from a few customers; "" where the stage passes.

    Columns: customer_id, offer_id and one per stage, in the order of the stages.
    """
    n, m = len(customers), len(offers)
    codes = np.array(["", *(one.rule.code for one in in_force(applied, n, m, at))], object)
    failed = codes[first_failures(applied, np.arange(n), n, m, at).reshape(n * m, len(STAGES))]
    who = {"customer_id": np.repeat(np.asarray(customers, object), m)}
    return pd.DataFrame(who | {"offer_id": np.tile(offers["offer_id"].to_numpy(object), n)}).assign(
        **{stage: failed[:, place] for place, stage in enumerate(STAGES)}
    )


def rules_as_facts(rules: Sequence[OfferRule]) -> list[dict[str, str]]:
    """Code, stage, sentences and source of the rules in their order, as a case keeps them."""
    return [{name: str(getattr(rule, name)) for name in ("code", "stage", "en", "zh", "source")} for rule in rules]


def by_product(reason: np.ndarray, offers: pd.DataFrame, products: Sequence[str]) -> np.ndarray:
    """First reason of each (customer, product) on the channel that gets furthest through the rules; 0: eligible."""
    # eligible is beyond the last rule; 0 wraps around to the largest number
    beyond = reason - np.uint8(1)
    codes = pd.Index(list(products)).get_indexer(pd.Index(offers["product_id"]))
    furthest = np.zeros((len(reason), len(products)), np.uint8)
    for column, code in enumerate(codes):
        np.maximum(furthest[:, code], beyond[:, column], out=furthest[:, code])
    first: np.ndarray = furthest + np.uint8(1)
    return first
