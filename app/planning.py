"""From models to a plan: who may get what, what it is worth, which limits hold. Wires risk, value and match."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from recsys.limits import Limit
from recsys.match import Plan, greedy, match_offers
from recsys.ranking import pack
from recsys.value import Terms, Value, discounted_margin, expected_value
from risk.policy import Decision, Ruling, age_rule, decide
from scenefit.contracts.reach import Reach
from scenefit.runtime.settings import LimitSettings, ValueSettings


class Homes(NamedTuple):
    """Where each person belongs: scene and segment id ('' for none) and the number of the segment's cell."""

    scene: np.ndarray
    segment: np.ndarray
    cell: np.ndarray


class Planned(NamedTuple):
    """A plan with everything its tables are written from."""

    plan: Plan
    value: Value
    cost: np.ndarray
    limits: list[Limit]
    decision: Decision
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
    return Homes(scene, segment, np.unique(segment.astype(str), return_inverse=True)[1])


def eligibility(
    products: pd.DataFrame,
    reach: Reach,
    active: np.ndarray,
    held: np.ndarray,
    birth_year: np.ndarray,
    pd_now: np.ndarray,
    year: int,
    pd_max: float,
) -> Decision:
    """Who may be offered what, the first rule that says no giving the reason.

    Parameters
    ----------
    active : (n, m) whether the person is active in a scene of the product
    held : (n, m) whether an account of it is open
    birth_year, pd_now : (n,), NaN for unknown
    """
    limits = np.fmin(products["pd_max"].to_numpy(float, na_value=np.nan), pd_max)
    ages = (products[name].to_numpy(float, na_value=np.nan) for name in ("age_min", "age_max"))
    rulings = [
        Ruling("not reachable", ~reach.mask[:, None]),
        age_rule(birth_year, year, *ages),
        Ruling("already has it", held),
        Ruling("not active in its scenes", ~active),
        Ruling("likely default", pd_now[:, None] > limits[None, :]),
    ]
    return decide(rulings, len(birth_year), len(products))


def product_terms(products: pd.DataFrame, amounts: np.ndarray, settings: ValueSettings) -> Terms:
    """What one taker brings: a stated margin first, else APR less funding cost over the tenor, else the assumption."""
    apr, funding, margin, incentive = (
        products[name].to_numpy(float, na_value=np.nan) for name in ("apr", "funding_cost", "margin", "incentive")
    )
    tenor = products[["tenor_min", "tenor_max"]].astype(float).mean(axis=1).fillna(12).round().clip(lower=1)
    priced = np.isfinite(apr)
    funding = np.where(np.isfinite(funding), funding, settings.funding_cost)
    loan = discounted_margin(
        amounts, np.where(priced, apr, 0), np.where(priced, funding, 0), tenor.to_numpy(int), settings.discount_rate
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


def plan_offers(
    p_take: np.ndarray,
    p_unoffered: np.ndarray,
    terms: Terms,
    pd_now: np.ndarray,
    contact_cost: np.ndarray,
    decision: Decision,
    home: Homes,
    capacity: pd.Series,
    limits: LimitSettings,
    lgd: float,
) -> Planned:
    """The most valuable plan under budget, expected loss, capacity and reach floors; see `match_offers`."""
    value = expected_value(p_take, terms, np.nan_to_num(pd_now), contact_cost, lgd, p_unoffered)
    cost = contact_cost[:, None] + value.expected_incentive
    held_to = plan_limits(value, cost, decision.allowed, home, capacity, limits)
    # a floor may cost reach elsewhere, but no offer is made that is expected to lose
    worthwhile = decision.allowed & (value.value > 0)
    if decision.allowed.any() and not worthwhile.any():
        return Planned(nothing(len(p_take), held_to), value, cost, held_to, decision, 0.0)
    bits = pack(worthwhile)
    plan = match_offers(value.value, bits, held_to, cells=home.cell)
    by_hand = greedy(value.value, bits, held_to, cost)
    chosen = by_hand >= 0
    return Planned(plan, value, cost, held_to, decision, float(value.value[chosen, by_hand[chosen]].sum()))


def nothing(customers: int, limits: list[Limit]) -> Plan:
    """The plan to offer nobody anything: the best there is when no offer is worth more than it costs."""
    zeros = {limit.name: 0.0 for limit in limits}
    return Plan(np.full(customers, -1), 0.0, 0.0, 0.0, zeros, dict(zeros))


def plan_limits(
    value: Value, cost: np.ndarray, allowed: np.ndarray, home: Homes, capacity: pd.Series, settings: LimitSettings
) -> list[Limit]:
    """Budget, expected loss, capacity by product, and a reach floor by segment.

    The loss limit is a share of what offering everybody the most valuable product would lose. A floor counts only
    people for whom some offer is worth more than it costs: unreached is no reason to lend at a loss.
    """
    contactable = allowed.any(axis=1)
    limits = [Limit("budget", "<=", settings.budget_per_person * float(contactable.sum()), cost)]
    best = np.where(allowed, value.value, -np.inf).argmax(axis=1)
    lost = float(value.expected_loss[contactable, best[contactable]].sum())
    if lost > 0:
        limits.append(Limit("expected loss", "<=", settings.loss_share * lost, value.expected_loss))
    columns = np.eye(len(capacity))
    for j, (product_id, total) in enumerate(capacity.items()):
        if np.isfinite(total):
            limits.append(Limit(f"capacity {product_id}", "<=", float(total), columns[j][None, :]))
    worthwhile = (allowed & (value.value > 0)).any(axis=1)
    for segment in sorted(set(home.segment) - {""}):
        inside = home.segment == segment
        floor = np.floor(settings.reach_floor * float((inside & worthwhile).sum()))
        if floor >= 1:
            limits.append(Limit(f"reach {segment}", ">=", float(floor), np.ones((1, 1)), inside))
    return limits
