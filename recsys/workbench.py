"""A product in draft: who would get it, what it takes from other products, what it brings. Never a live offer.

How often a draft is taken is an assumption: as often as the product it is similar to, times a stated lift, with a Beta
prior of as much evidence as a first mailing.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, NamedTuple, NoReturn

import numpy as np
import pandas as pd

from recsys.case import Case, LimitSpec, case_limits, case_value, worthwhile
from recsys.cold import STARTING_OFFERS, StartingEvidence
from recsys.draft_rules import draft_reason
from recsys.plan_figures import SMALLEST
from recsys.problem import Plan, Problem
from recsys.value import Terms, discounted_margin
from recsys.value_interval import plan_totals
from scenefit.contracts.errors import ContractError

# what may follow what; nothing but "approved" is ever made live, by the approval flow
NEXT_STATES = (
    ("draft", ("submitted", "withdrawn")),
    ("submitted", ("risk signed off", "draft", "withdrawn")),
    ("risk signed off", ("approved", "draft", "withdrawn")),
    ("approved", ()),
    ("withdrawn", ()),
)
# what the fields of a draft that are numbers are declared as
NUMBERS = ("float", "int", "float | None")
BEYOND = 1e15
REAL = (int, float, np.integer, np.floating)


@dataclass(frozen=True)
class DraftProduct:
    """A product nobody is offered yet.

    Parameters
    ----------
    apr : per year, as are `funding_cost` and `discount_rate`
    amount : lent to a taker; `amount_min`, `amount_max` bound it; currency units
    tenor : months, between `tenor_min` and `tenor_max`
    scenes : scene ids, empty for everywhere
    capacity : how many may be offered it; None for any number
    pd_max : nobody above this probability of default; None for no rule of its own
    age_min, age_max : years, inclusive; both None for the limits of the similar product
    similar_to : product whose probabilities and rules it starts from
    lift : assumed take-up against that product, 1 for the same
    funding_cost, discount_rate : what the app passes is a run's own, the facts of its case
    """

    product_id: str
    name_en: str
    name_zh: str
    kind: str
    similar_to: str
    apr: float
    amount: float
    amount_min: float
    amount_max: float
    tenor: int
    tenor_min: int
    tenor_max: int
    scenes: tuple[str, ...] = ()
    capacity: float | None = None
    incentive: float = 0.0
    pd_max: float | None = None
    lift: float = 1.0
    funding_cost: float = 0.03
    discount_rate: float = 0.05
    age_min: float | None = None
    age_max: float | None = None

    def __post_init__(self) -> None:
        for name in ("product_id", "name_en", "name_zh", "kind", "similar_to"):
            told = getattr(self, name)
            if not isinstance(told, str):
                self._refuse(name, f"is {told!r}; give a text")
            if not told.strip():
                self._refuse(name, "is empty; every product states it")
        if not all(isinstance(scene, str) for scene in self.scenes):
            self._refuse("scenes", f"is {list(self.scenes)}; give the ids of scenes, as texts")
        for one in fields(self):
            if one.type in NUMBERS:
                self._check_number(one.name, getattr(self, one.name), one.type)
        ranges = {
            "apr": (0, 1), "funding_cost": (0, 1), "discount_rate": (0, 1), "amount_min": (1, self.amount_max),
            "amount": (self.amount_min, self.amount_max), "tenor_min": (1, self.tenor_max),
            "tenor": (self.tenor_min, self.tenor_max), "incentive": (0, self.amount), "lift": (0.05, 20),
            "capacity": (0, 1e12), "pd_max": (0, 1), "age_min": (0, 150), "age_max": (self.age_min or 0, 150),
        }  # fmt: skip
        for name, (low, high) in ranges.items():
            number = getattr(self, name)
            if number is not None and not low <= number <= high:
                self._refuse(name, f"is {number}; give a number from {low:g} to {high:g}")

    def _check_number(self, name: str, number: object, declared: str) -> None:
        if number is None and declared == "float | None":
            return
        # nothing is lent or counted in numbers beyond: it also stops infinity and NaN
        if isinstance(number, bool) or not isinstance(number, REAL) or not -BEYOND < number < BEYOND:
            said = number if isinstance(number, float) else repr(number)[:40]
            self._refuse(name, f"is {said}; give a finite number")
        if declared == "int" and number % 1:
            self._refuse(name, f"is {number}; give whole months")

    def _refuse(self, name: str, why: str) -> NoReturn:
        raise ContractError(f"draft {self.product_id!r}: {name} {why}")

    def json(self) -> str:
        """The draft in its stored form."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)


class Preview(NamedTuple):
    """What a draft would change; every figure rests on the assumed take-up `prior`.

    `recipients`: offers of the draft by segment and scene; `taken_from`: what its recipients get without it
    (product_id, people, value); both leave out fewer than 20 people. `low` to `high` is the draft's profit where
    take-up lies at the ends of the prior's 95 %, joined with the error of the default model. `loss`, `profit`, `low`,
    `high` and `gain` are NaN where fewer than 20 people, and more than none, would get it. `gain` is the whole plan's
    value with the draft less without it.
    """

    prior: StartingEvidence
    people: int
    newly_reached: int
    takers: float
    loss: float
    profit: float
    low: float
    high: float
    gain: float
    capacity_used: float
    capacity_price: float
    recipients: pd.DataFrame
    taken_from: pd.DataFrame
    assumption_en: str
    assumption_zh: str


def read_draft(text: str) -> DraftProduct:
    """A draft from its stored form.

    Raises
    ------
    ContractError : no JSON object, an unknown or missing field, or a value out of range.
    """
    try:
        told = json.loads(text)
    except ValueError as error:
        raise ContractError(f"draft: the file is no JSON: {error}") from error
    known = {one.name for one in fields(DraftProduct)}
    if not isinstance(told, dict) or set(told) - known:
        odd = sorted(set(told) - known)[0] if isinstance(told, dict) else told
        raise ContractError(f"draft: unknown field {odd!r}; there are {', '.join(sorted(known))}")
    scenes = told.get("scenes", [])
    if not isinstance(scenes, list):
        raise ContractError(f"draft {told.get('product_id')!r}: scenes is {scenes!r}; give a list of ids of scenes")
    try:
        return DraftProduct(**{**told, "scenes": tuple(scenes)})
    except TypeError as error:
        raise ContractError(f"draft: a field is missing or of the wrong type: {error}") from error


def next_state(state: str, wanted: str) -> str:
    """The state a draft moves to.

    Raises
    ------
    ContractError : the step is not allowed.
    """
    steps = dict(NEXT_STATES).get(state)
    if steps is None or wanted not in steps:
        raise ContractError(
            f"draft: from {state!r} it cannot become {wanted!r}; it can become {', '.join(steps or ())}"
        )
    return wanted


def drafted_case(case: Case, draft: DraftProduct) -> Case:
    """The case with the draft's offers appended, one per channel of the similar product, in the state "draft".

    As many take it without an offer as take the similar product. Rules: see `draft_rules`.

    Raises
    ------
    ContractError : the similar product or a scene is unknown, the product id is taken, or ages are not known.
    """
    like = _similar(case, draft)
    k = len(like)
    offers = case.offers.assign(state=case.offers.get("state", "live"))
    own = offers.iloc[like].assign(
        product_id=draft.product_id, name_en=draft.name_en, name_zh=draft.name_zh, kind=draft.kind, state="draft",
        offer_id=[f"{draft.product_id}@{channel}" for channel in offers["channel"].iloc[like]],
    )  # fmt: skip
    stated: dict[str, Any] = {
        "apr": draft.apr, "amount": draft.amount, "tenor_months": draft.tenor, "funding_cost": draft.funding_cost,
        "discount_rate": draft.discount_rate, "scenes": ",".join(draft.scenes), "valid_from": "", "valid_to": "",
    }  # fmt: skip
    for name in ("pd_max", "age_min", "age_max"):
        told = getattr(draft, name)
        stated[name] = np.nan if told is None else told
    own = own.assign(**{name: told for name, told in stated.items() if name in own.columns})
    margin = discounted_margin(
        np.array([draft.amount]), np.array([draft.apr]), np.array([draft.funding_cost]), np.array([draft.tenor]),
        draft.discount_rate,
    )[0]  # fmt: skip
    added = Terms(*(np.full(k, float(one)) for one in (draft.amount, margin, draft.incentive)))
    reason, reasons = draft_reason(case, like, draft.scenes, (draft.age_min, draft.age_max), draft.pd_max)
    limits = case.limits
    if draft.capacity is not None:
        limits = (*limits, LimitSpec(capacity_name(draft), "<=", float(draft.capacity), "offers", None,
                                     {"product_id": [draft.product_id]}))  # fmt: skip
    return replace(
        case,
        offers=pd.concat([offers, own], ignore_index=True),
        p_take=np.hstack([case.p_take, _lifted(case.p_take[:, like], draft.lift)]),
        p_unoffered=np.append(case.p_unoffered, case.p_unoffered[like]),
        terms=Terms(*(np.append(old, new) for old, new in zip(case.terms, added, strict=True))),
        contact_cost=np.append(case.contact_cost, case.contact_cost[like]),
        reason=np.hstack([case.reason, reason]),
        reasons=reasons,
        limits=limits,
    )


def preview(case: Case, draft: DraftProduct) -> Preview:
    """The best plan with the draft against the best one without it.

    Raises
    ------
    ContractError : see `drafted_case`.
    NotEligible, Infeasible : there is no plan.
    """
    new = drafted_case(case, draft)
    before, after = _solved(case), _solved(new)
    m = len(case.offers)
    who = np.flatnonzero(after.assignment >= m)
    column = after.assignment[who]
    value = case_value(new)
    p = new.p_take[who, column].astype(np.float64)
    mean = float(new.p_take[:, m:].mean(dtype=np.float64))
    prior = StartingEvidence(mean, STARTING_OFFERS, (case.offers["product_id"] == draft.similar_to).to_numpy(float))
    profit = float(value.value[who, column].sum())
    low, high = _interval(new, after.assignment, m, profit, [_profit(new, who, column, p * f) for f in _ends(prior)])
    # a sum over few people would tell their risk
    shown = np.nan if 0 < len(who) < SMALLEST else 1.0
    old = before.assignment[who]
    product = np.append(case.offers["product_id"].to_numpy(object), "")[old]
    worth = np.where(old >= 0, case_value(case).value[who, np.maximum(old, 0)], 0.0)
    from_others = pd.DataFrame({"product_id": product, "value": worth}).groupby("product_id", as_index=False).agg(
        people=("value", "size"), value=("value", "sum"))  # fmt: skip
    by = [name for name in ("segment_id", "scene_id") if name in case.groups.columns]
    recipients = case.groups.iloc[who][by].value_counts(sort=False).rename("people").reset_index()
    name = capacity_name(draft)
    return Preview(
        prior, len(who), int((old < 0).sum()), float(p.sum()),
        shown * float(value.expected_loss[who, column].sum()), shown * profit, shown * low, shown * high,
        shown * (after.value - before.value),
        float(len(who)), after.shadow_prices.get(name, 0.0),
        recipients[recipients["people"] >= SMALLEST].reset_index(drop=True),
        from_others[from_others["people"] >= SMALLEST].reset_index(drop=True),
        f"Assumed: taken as {draft.similar_to} is, times {draft.lift:g}; {prior.offers:g} offers of evidence. "
        "Debt burden as of that product; ages by bands of ten years, a band not wholly inside is left out.",
        f"假设：接受率与 {draft.similar_to} 相同，乘以 {draft.lift:g}；相当于 {prior.offers:g} 次推荐的证据。"
        "负债率按该产品判断；年龄按十岁一档，未完全落在范围内的档位不计入。",
    )  # fmt: skip


def capacity_name(draft: DraftProduct) -> str:
    """Name of the limit that a draft's capacity becomes."""
    return f"capacity {draft.product_id}"


def _similar(case: Case, draft: DraftProduct) -> np.ndarray:
    products = case.offers["product_id"]
    if (products == draft.product_id).any():
        raise ContractError(f"draft {draft.product_id!r}: product_id is taken; give the draft an id of its own")
    like = np.flatnonzero((products == draft.similar_to).to_numpy(bool))
    if not len(like):
        raise ContractError(
            f"draft {draft.product_id!r}: similar_to {draft.similar_to!r} has no offer; there are "
            f"{', '.join(sorted(map(str, products.unique())))}"
        )
    homes = set(case.groups["scene_id"].unique()) if "scene_id" in case.groups.columns else set()
    unknown = sorted(set(draft.scenes) - homes)
    if unknown:
        raise ContractError(f"draft {draft.product_id!r}: scenes has {unknown[0]!r}; there are {sorted(homes - {''})}")
    return like


def _lifted(p: np.ndarray, lift: float) -> np.ndarray:
    return np.minimum(p * np.float32(lift), np.float32(1.0)).astype(np.float32)


def _ends(prior: StartingEvidence) -> tuple[float, float]:
    """The ends of the prior's 95 % as factors of its mean."""
    from scipy.stats import beta

    if not 0 < prior.rate < 1:
        return 1.0, 1.0
    low, high = beta.ppf([0.025, 0.975], prior.alpha, prior.beta)
    return float(low / prior.rate), float(high / prior.rate)


def _interval(
    case: Case, assignment: np.ndarray, first: int, profit: float, by_take: list[float]
) -> tuple[float, float]:
    """The draft's profit with both things that are not known, take-up and risk, each moved alone and joined (MOVER)."""
    # take-up is the prior's here: the error of the response model is about the similar product
    alone = replace(case, logit_error=np.zeros(len(case.customers)))
    risk = plan_totals(alone, np.where(assignment >= first, assignment, -1)).value
    below, above = profit - min(by_take), max(by_take) - profit
    return profit - float(np.hypot(below, profit - risk.low)), profit + float(np.hypot(above, risk.high - profit))


def _profit(case: Case, who: np.ndarray, column: np.ndarray, p: np.ndarray) -> float:
    p = np.minimum(p, 1.0)
    taken = case.terms.margin[column] - case.pd_given_take[who] * case.lgd * case.terms.amount[column]
    extra = np.maximum(p - case.p_unoffered[column], 0.0)
    return float((extra * taken - p * case.terms.incentive[column] - case.contact_cost[column]).sum())


def _solved(case: Case) -> Plan:
    value = case_value(case)
    product = np.unique(case.offers["product_id"].to_numpy(str), return_inverse=True)[1]
    return Problem(value.value, worthwhile(case, value), case_limits(case, value), exclusive=product).solve()
