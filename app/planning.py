"""From models to a plan: which offers there are, what each is worth, the best plan. Wires value and match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from app.eligibility import months
from app.plan_limits import limit_specs
from recsys.case import Case, case_limits, case_value, worthwhile
from recsys.decide import refuse_drafts
from recsys.limits import Limit
from recsys.match import greedy
from recsys.problem import Plan, Problem
from recsys.value import Terms, Value, discounted_margin
from scenefit.runtime.settings import LimitSettings, ValueSettings


class Homes(NamedTuple):
    """Where each person belongs: scene and segment id ('' for none)."""

    scene: np.ndarray
    segment: np.ndarray


class Planned(NamedTuple):
    """A plan with everything its tables are written from."""

    case: Case
    value: Value
    limits: list[Limit]
    plan: Plan
    greedy_value: float


def homes(customers: int, segments: pd.DataFrame) -> Homes:
    """Each person's home: the scene of largest affinity (columns who, scene_id, segment_id, affinity), the first by id
    where equal."""
    ordered = segments.sort_values(["who", "affinity", "scene_id"], ascending=[True, False, True], kind="stable")
    best = ordered.drop_duplicates("who")
    scene = np.full(customers, "", dtype=object)
    segment = np.full(customers, "", dtype=object)
    scene[best["who"]] = best["scene_id"].astype(object)
    segment[best["who"]] = best["segment_id"].astype(object)
    return Homes(scene, segment)


def offer_table(
    products: pd.DataFrame,
    channels: Sequence[str],
    amounts: np.ndarray,
    funding_cost: float = np.nan,
    discount_rate: float = np.nan,
) -> pd.DataFrame:
    """Every product on every channel, product by product: the columns of a case, with the terms and rules of each.

    `scenes` with commas, "" for all; `amount` what one taker is lent, currency units; rates per year; `valid_from` and
    `valid_to` ISO instants, "" for open; limits of age and risk NaN where the product states none. The argument
    `funding_cost` is for products without their own.
    """
    size = len(channels)
    rows: dict[str, object] = {
        name: products[name].astype(str) for name in ("product_id", "kind", "name_en", "name_zh", "state")
    }
    rows |= {name: products[name].astype(float) for name in ("apr", "pd_max", "age_min", "age_max")}
    rows |= {name: _instants(products[name]) for name in ("valid_from", "valid_to")}
    rows |= {
        "scenes": ["" if told is None else ",".join(told) for told in products["scenes"]],
        "funding_cost": products["funding_cost"].astype(float).fillna(funding_cost),
        "discount_rate": discount_rate,
        "tenor_months": months(products),
        "amount": amounts,
    }
    offers = pd.DataFrame(rows)
    offers = offers.loc[offers.index.repeat(size)].reset_index(drop=True)
    offers.insert(1, "channel", list(channels) * len(products))
    offers.insert(0, "offer_id", offers["product_id"] + "@" + offers["channel"])
    return offers


def _instants(column: pd.Series) -> list[str]:
    return ["" if pd.isna(told) else pd.Timestamp(told).isoformat() for told in column]


def product_terms(products: pd.DataFrame, amounts: np.ndarray, settings: ValueSettings) -> Terms:
    """What one taker brings: a stated margin first, else APR less funding cost over the tenor, else the assumption."""
    apr, funding, margin, incentive = (
        products[name].to_numpy(float, na_value=np.nan) for name in ("apr", "funding_cost", "margin", "incentive")
    )
    priced = np.isfinite(apr)
    funding = np.where(np.isfinite(funding), funding, settings.funding_cost)
    loan = discounted_margin(
        amounts, np.where(priced, apr, 0), np.where(priced, funding, 0), months(products), settings.discount_rate
    )
    assumed = np.where(priced, loan, settings.margin * amounts)
    return Terms(amounts, np.where(np.isfinite(margin), margin * amounts, assumed), np.nan_to_num(incentive))


def assumptions(products: pd.DataFrame, settings: ValueSettings) -> dict[str, list[str]]:
    """What the value rests on because the data does not state it, as sentences by language."""
    apr, margin, funding = (products[name].isna() for name in ("apr", "margin", "funding_cost"))
    said: dict[str, list[str]] = {"en": [], "zh": []}
    unstated, unfunded = int((apr & margin).sum()), int((~apr & margin & funding).sum())
    if unstated:
        said["en"].append(
            f"Margin is taken as {settings.margin:.0%} of the amount for {unstated} products (value.margin)."
        )
        said["zh"].append(f"{unstated} 个产品的毛利按金额的 {settings.margin:.0%} 假设（value.margin）。")
    if unfunded:
        said["en"].append(
            f"Funding cost is taken as {settings.funding_cost:.1%} for {unfunded} products (value.funding_cost)."
        )
        said["zh"].append(f"{unfunded} 个产品的资金成本按 {settings.funding_cost:.1%} 假设（value.funding_cost）。")
    said["en"].append(f"Of what a defaulter owes, {settings.lgd:.0%} is taken as lost (value.lgd).")
    said["zh"].append(f"违约损失率按 {settings.lgd:.0%} 假设（value.lgd）。")
    return said


def plan_case(case: Case, settings: LimitSettings, capacity: dict[str, float]) -> Planned:
    """The most valuable plan of a case under the limits of the settings, which the case then carries.

    Parameters
    ----------
    capacity : product → how many may be offered it over all channels, NaN for any number

    Raises
    ------
    ContractError : an offer is of a product that is not live.
    """
    refuse_drafts(case.offers, "plan")
    value = case_value(case)
    case = replace(case, limits=limit_specs(case, value, settings, capacity))
    limits = case_limits(case, value)
    # a floor may cost reach elsewhere, but no offer is made that is expected to lose
    bits = worthwhile(case, value)
    if case.allowed.any() and not bits.any():
        return Planned(case, value, limits, nothing(len(case.customers), limits), 0.0)
    product = np.unique(case.offers["product_id"].to_numpy(str), return_inverse=True)[1]
    plan = Problem(value.value, bits, limits, exclusive=product).solve()
    # what the budget counts; a second matrix of it would cost as much as the values
    by_hand = greedy(value.value, bits, limits, next(limit.weight for limit in limits if limit.name == "budget"))
    chosen = by_hand >= 0
    return Planned(case, value, limits, plan, float(value.value[chosen, by_hand[chosen]].sum()))


def nothing(customers: int, limits: list[Limit]) -> Plan:
    """The plan to offer nobody anything: the best there is when no offer is worth more than it costs."""
    zeros = {limit.name: 0.0 for limit in limits}
    return Plan(np.full(customers, -1), 0.0, 0.0, 0.0, zeros, dict(zeros))
