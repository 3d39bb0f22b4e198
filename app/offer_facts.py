"""What the page of offers shows of one customer and of a plan, worked out from a kept case; no page, no disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from recsys.case import Case, LimitSpec, case_value
from recsys.coarse import coarse
from recsys.decision import Decision
from recsys.plan_figures import SMALLEST
from recsys.problem import Plan
from recsys.value_factors import Factors, priority
from recsys.value_interval import Interval, pair_intervals

# the stages an offer goes through, in order; the page asks for no room
STAGES = (
    "eligibility", "applicability", "suitability", "contact", "scene", "channel", "value", "price", "arbitration",
)  # fmt: skip
PASS, FAIL, UNASKED = 1, 0, -1
OTHERS = "*"


class Part(NamedTuple):
    """One part of what an offer brings, currency units, costs negative; two digits that matter."""

    code: str
    amount: float
    low: float
    high: float


def exclusive_groups(case: Case) -> np.ndarray:
    """The product of each offer as a number: a person gets a product on one channel only; (m,)."""
    found: np.ndarray = np.unique(case.offers["product_id"].to_numpy(str), return_inverse=True)[1]
    return found


def row_of(case: Case, customer: str) -> int | None:
    """The place of a customer in the case, None where the id is unknown."""
    row = int(np.searchsorted(case.customers, customer))
    return row if row < len(case.customers) and case.customers[row] == customer else None


def situations(case: Case, plan: Plan) -> dict[str, str]:
    """One example person per situation, by the situation's code; situations that nobody is in are left out."""
    best = np.where(case.allowed, case_value(case).value, -np.inf).max(axis=1)
    offered, allowed = plan.assignment.reshape(len(best), -1).max(axis=1) >= 0, case.allowed.any(axis=1)
    owner = _has_reason(case, "already has it") & allowed
    found = {
        "planned": offered,
        "owner": offered & owner,
        "crowded out": ~offered & (best > 0),
        "nothing worth it": allowed & (best <= 0),
        "no rule leaves anything": ~allowed,
    }
    return {code: str(case.customers[_middle(who, best)]) for code, who in found.items() if who.any()}


def _has_reason(case: Case, code: str) -> np.ndarray:
    if code not in case.reasons:
        return np.zeros(len(case.customers), bool)
    found: np.ndarray = (case.reason == case.reasons.index(code)).any(axis=1)
    return found


def _middle(who: np.ndarray, best: np.ndarray) -> int:
    """The typical one of some people: the median by best value, the first by id where equal."""
    rows = np.flatnonzero(who)
    return int(rows[np.argsort(best[rows], kind="stable")[len(rows) // 2]])


def ranks_by(case: Case, row: int, factors: Factors, mean_take: np.ndarray) -> np.ndarray:
    """What each offer ranks by for one customer, (m,): `value_factors.priority` without the other customers.

    `mean_take` (m,) is how often people take each offer on average.
    """
    one = one_row(case, row)
    if factors.use_propensity:
        ranked: np.ndarray = priority(one, factors)[0]
        return ranked
    value = case_value(one).value[0]
    # everybody takes as often as people do on average
    average = replace(one, p_take=mean_take[None, :])
    basis = case_value(average).value[0] if factors.use_value else mean_take
    weight = np.asarray(factors.context if factors.use_context else 1.0, float) * np.asarray(
        factors.lever if factors.use_lever else 1.0, float
    )
    weighted = np.where(basis > 0, basis * np.broadcast_to(weight, (1, len(basis)))[0], basis)
    return np.where(value > 0, weighted, value)


def one_row(case: Case, row: int) -> Case:
    """The case of one customer alone."""
    rows = slice(row, row + 1)
    arrays = {name: getattr(case, name)[rows] for name in ("customers", "p_take", "pd_given_take", "reason",
                                                           "logit_error", "pd_error")}  # fmt: skip
    tables = {name: getattr(case, name).iloc[rows].reset_index(drop=True) for name in ("groups", "protected")}
    return replace(case, **arrays, **tables)


def parts_of(case: Case, row: int, offer: int) -> list[Part]:
    """Margin after risk, incentive, contact and value of one offer with intervals.

    Margin and expected loss are one part: apart they would tell the person's probability of default.
    """
    who, what = np.array([row]), np.array([offer])
    found = pair_intervals(case, who, what)
    free = replace(case, terms=case.terms._replace(incentive=np.zeros(len(case.offers))),
                   contact_cost=np.zeros(len(case.offers)))  # fmt: skip
    contact = -np.array([float(case.contact_cost[offer])])
    named = (
        ("margin after risk", pair_intervals(free, who, what).value),
        ("incentive", found.incentive),
        ("contact", Interval(contact, contact, contact)),
        ("value", found.value),
    )
    return [Part(code, *(coarse(float(end[0])) for end in interval)) for code, interval in named]


def ranked_offers(case: Case, decision: Decision, plan: Plan, row: int) -> pd.DataFrame:
    """The offers of a decision, best first: offer (place), rank, p_take, value, low, high, planned."""
    places = [decision.of(offer).offer for offer in decision.offers]
    what = np.array(places, np.int64)
    value = pair_intervals(case, np.full(len(what), row), what).value
    got = set(np.atleast_1d(plan.assignment[row]).tolist())
    return pd.DataFrame(
        {
            "offer": what,
            "rank": np.arange(1, len(what) + 1),
            "p_take": [coarse(float(case.p_take[row, j])) for j in places],
            "value": [coarse(v) for v in value.value.tolist()],
            "low": [coarse(v) for v in value.low.tolist()],
            "high": [coarse(v) for v in value.high.tolist()],
            "planned": [j in got for j in places],
        }
    )


def stage_grid(decision: Decision, offers: pd.DataFrame) -> pd.DataFrame:
    """How far each product comes, on the channel on which it comes farthest.

    Columns: offer, product_id, on (the channel), stage that stops it ("" for none), rule, en, zh, and one per stage
    with 1 for passed, 0 for stopped here, −1 for not asked any more. Those that come farthest stand first.
    """
    rows = []
    for one in decision.trace:
        reached = len(STAGES) if one.stage == "offered" else STAGES.index(one.stage)
        cells = {s: PASS if i < reached else FAIL if i == reached else UNASKED for i, s in enumerate(STAGES)}
        rows.append({"offer": one.offer, "stage": "" if one.stage == "offered" else one.stage, "rule": one.rule,
                     "en": one.en, "zh": one.zh, "reached": reached, "rank": one.rank or len(decision.trace) + 1,
                     **cells})  # fmt: skip
    names = ["offer", "stage", "rule", "en", "zh", "reached", "rank", *STAGES]
    frame = pd.DataFrame(rows, columns=names)
    told = offers[["product_id", "channel"]].iloc[frame["offer"]].reset_index(drop=True)
    told = told.rename(columns={"channel": "on"})
    frame = pd.concat([frame, told], axis=1).sort_values(
        ["reached", "rank", "offer"], ascending=[False, True, True], kind="stable"
    )
    return frame.drop_duplicates("product_id").reset_index(drop=True)


def workable(case: Case) -> Case:
    """The case with what a new APR is valued by: tenor, discount rate and funding cost of each offer."""
    offers = case.offers
    if "tenor_months" not in offers.columns and "months" in offers.columns:
        offers = offers.assign(tenor_months=offers["months"])
    for name in ("discount_rate", "funding_cost"):
        stated = case.facts.get(name)
        if stated is None:
            continue
        old = offers[name] if name in offers.columns else pd.Series(np.nan, index=offers.index)
        offers = offers.assign(**{name: old.astype(float).fillna(float(stated))})
    return replace(case, offers=offers)


def with_contacts(case: Case, channel: str, most: float) -> tuple[Case, dict[str, float]]:
    """A case that limits the offers on a channel, and the total to ask for."""
    name = f"contacts {channel}"
    if any(spec.name == name for spec in case.limits):
        return case, {name: most}
    spec = LimitSpec(name, "<=", most, "offers", None, {"channel": [channel]})
    return replace(case, limits=(*case.limits, spec)), {name: most}


def flows(offers: pd.DataFrame, before: np.ndarray, after: np.ndarray, smallest: int = SMALLEST) -> pd.DataFrame:
    """Whose product changes from what to what: before, after ("" for none), customers; the most first.

    Changes of fewer than `smallest` people are one row, both its sides `OTHERS`.
    """
    product = np.array([*offers["product_id"].astype(str), ""], object)
    frame = pd.DataFrame({"before": product[before], "after": product[after], "customers": 1})
    frame = frame[before != after].groupby(["before", "after"], as_index=False).sum()
    small = frame["customers"] < smallest
    shown = frame[~small].sort_values(["customers", "before", "after"], ascending=[False, True, True])
    rest = int(frame.loc[small, "customers"].sum())
    other = pd.DataFrame({"before": [OTHERS], "after": [OTHERS], "customers": [rest]})
    parts = [part for part in (shown, other if rest else None) if part is not None and len(part)]
    return pd.concat(parts, ignore_index=True) if parts else shown.reset_index(drop=True)


def limit_use(specs: Sequence[LimitSpec], usage: Mapping[str, float], prices: Mapping[str, float]) -> pd.DataFrame:
    """Limits, the dearest first: name, sense, total, used, share of the total (1: full, or a floor just met), price."""
    rows = [(s.name, s.sense, s.total, usage[s.name], usage[s.name] / s.total if s.total else np.nan, prices[s.name])
            for s in specs]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["name", "sense", "total", "used", "share", "price"])
    # a floor is tighter the less is reached beyond it
    tight = frame["share"].where(frame["sense"] == "<=", 1 / frame["share"].where(frame["share"] > 0))
    worth = (frame["price"].abs() * frame["total"].abs()).round(9)
    order = frame.assign(worth=worth, tight=tight).sort_values(["worth", "tight"], ascending=False, kind="stable").index
    return frame.loc[order].reset_index(drop=True)
