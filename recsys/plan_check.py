"""A plan added up again from the raw case: an independent check that shares no code with what made the plan.

Nothing of the solver, the limits, the value or the ranking is imported here; every figure is worked out anew from ids,
offers, probabilities, terms and reasons, in float64, with exactly rounded sums.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from recsys.plan_check_bound import bound_by_prices, bound_by_search
from recsys.plan_check_sums import Made, counts_towards, made_offers, used
from scenefit.contracts.errors import ContractError

if TYPE_CHECKING:  # types alone
    from recsys.case import Case, LimitSpec
    from recsys.problem import Plan

# relative; a limit is kept to this part of its total
TOLERANCE = 1e-9
# relative, of stated figures that were added in another order
STATED = 1e-8
LIVE = "live"


class Row(NamedTuple):
    """One thing checked: what was found, what it must be, and the first offender by customer and offer."""

    check: str
    found: str
    must_be: str
    ok: bool
    offender: str


class PlanCheck(NamedTuple):
    """`rows`: check, found, must_be, ok, offender; `ok`: whether all hold; the verdict as a sentence."""

    rows: pd.DataFrame
    ok: bool
    en: str
    zh: str


def check(
    case: Case,
    plan: Plan,
    per_customer: int = 1,
    exclusive: np.ndarray | None = None,
    specs: Sequence[LimitSpec] | None = None,
    states: Mapping[str, str] | None = None,
    tolerance: float = TOLERANCE,
) -> PlanCheck:
    """Whether a plan keeps every rule and limit and says the truth about itself.

    Parameters
    ----------
    exclusive : (m,) group of each offer; at most one of a group per customer; −1 for no group
    specs : the limits to hold it to; None: the case's own
    states : product id → draft, live or retired, every product of an offer made; None: the column `state` of the
        offers, where there is one
    tolerance : relative to each limit's total

    Raises
    ------
    ContractError : there is no plan to check, or it is not of this case's customers.
    """
    if plan is None or getattr(plan, "assignment", None) is None:
        raise ContractError("plan check: there is no plan; give the plan that was made from this case")
    assignment = np.asarray(plan.assignment)
    if assignment.ndim not in (1, 2) or len(assignment) != len(case.customers):
        raise ContractError(
            f"plan check: the plan has shape {assignment.shape}, the case {len(case.customers):,} customers; give the "
            "plan that was made from this case"
        )
    held_to = tuple(case.limits if specs is None else specs)
    rows = [_known_offers(case, assignment), _ids(case), _inputs(case)]
    if rows[0].ok:
        made = made_offers(case, assignment)
        rows += [
            _eligible(case, made),
            _no_loss(case, made),
            _live(case, made, states),
            _at_most(case, made, per_customer),
            _once(case, made),
            _one_of_group(case, made, exclusive),
            *(_limit(case, made, spec, plan, tolerance) for spec in held_to),
            _names(plan, held_to),
            *_stated(case, made, plan, held_to, per_customer, exclusive),
        ]
    return _verdict(rows)


def _verdict(rows: list[Row]) -> PlanCheck:
    frame = pd.DataFrame(rows, columns=list(Row._fields))
    failed = [row for row in rows if not row.ok]
    if not failed:
        return PlanCheck(frame, True, f"All {len(rows)} checks hold.", f"{len(rows)} 项检查全部通过。")
    first = failed[0]
    at = f" ({first.offender})" if first.offender else ""
    en = f"{len(failed)} of {len(rows)} checks fail, first: {first.check}: {first.found}, must be {first.must_be}{at}."
    zh = f"{len(rows)} 项检查中 {len(failed)} 项未通过，首个：{first.check}：{first.found}，应为 {first.must_be}{at}。"
    return PlanCheck(frame, False, en, zh)


def _named(case: Case, made: Made, k: int) -> str:
    return f"customer {case.customers[made.who[k]]}, offer {case.offers['offer_id'].iloc[made.offer[k]]}"


def _of_offers(check_name: str, case: Case, made: Made, bad: np.ndarray, must_be: str, detail: str = "") -> Row:
    """A row for a fault of single offers: how many, and the first."""
    offender = ""
    if bad.any():
        k = int(np.flatnonzero(bad)[0])
        offender = _named(case, made, k) + detail
    return Row(check_name, f"{int(bad.sum()):,} offers", must_be, not bad.any(), offender)


def _known_offers(case: Case, assignment: np.ndarray) -> Row:
    m = len(case.offers)
    whole = np.issubdtype(assignment.dtype, np.integer)
    bad = np.zeros(assignment.shape, bool) if not whole else (assignment < -1) | (assignment >= m)
    rows = bad.reshape(len(bad), -1).any(axis=1)
    offender = f"customer {case.customers[int(rows.argmax())]}" if rows.any() else ""
    found = f"{int(bad.sum()):,} unknown" if whole else f"numbers of type {assignment.dtype}"
    return Row("offers are known", found, f"whole numbers from -1 to {m - 1}", whole and not bad.any(), offender)


def _ids(case: Case) -> Row:
    people, offers = pd.Index(case.customers), pd.Index(case.offers["offer_id"])
    twice = [str(name) for name in (*people[people.duplicated()], *offers[offers.duplicated()])]
    ordered = people.is_monotonic_increasing
    offender = f"id {twice[0]}" if twice else ""
    found = f"{len(twice):,} ids twice" + ("" if ordered else ", not ascending")
    return Row("ids are distinct and ascending", found, "0 ids twice", not twice and ordered, offender)


def _inputs(case: Case) -> Row:
    p, default = case.p_take, case.pd_given_take
    bad = ~((p >= 0) & (p <= 1)).all(axis=1) | ~((default >= 0) & (default <= 1))
    money = np.concatenate([np.asarray(part, float) for part in (*case.terms, case.contact_cost, case.p_unoffered)])
    finite = bool(np.isfinite(money).all()) and 0 <= case.lgd <= 1
    offender = f"customer {case.customers[int(bad.argmax())]}" if bad.any() else ""
    found = f"{int(bad.sum()):,} customers outside" + ("" if finite else ", terms not finite")
    return Row("shares lie in 0 to 1", found, "0 customers outside", finite and not bad.any(), offender)


def _eligible(case: Case, made: Made) -> Row:
    reason = case.reason[made.who, made.offer]
    bad = reason != 0
    detail = ""
    if bad.any():
        code = int(reason[bad][0])
        detail = f": {case.reasons[code] if code < len(case.reasons) else code}"
    return _of_offers("nobody ineligible", case, made, bad, "0 offers a rule forbids", detail)


def _no_loss(case: Case, made: Made) -> Row:
    return _of_offers("no offer expected to lose", case, made, ~(made.value > 0), "0 offers worth nothing or less")


def _live(case: Case, made: Made, states: Mapping[str, str] | None) -> Row:
    name = "every product is live"
    if states is None and "state" not in case.offers.columns:
        return Row(name, "no state given", "live where a state is given", True, "")
    state = case.offers["product_id"].map(dict(states)) if states is not None else case.offers["state"]
    live = np.array([told == LIVE if isinstance(told, str) else False for told in state], bool)
    bad = ~live[made.offer]
    detail = f": {state.iloc[made.offer[int(bad.argmax())]]}" if bad.any() else ""
    return _of_offers(name, case, made, bad, f"0 offers of a product that is not {LIVE}", detail)


def _at_most(case: Case, made: Made, per_customer: int) -> Row:
    got = np.bincount(made.who, minlength=len(case.customers))
    bad = got > per_customer
    offender = f"customer {case.customers[int(bad.argmax())]}" if bad.any() else ""
    return Row("offers per customer", f"at most {int(got.max(initial=0))}", f"at most {per_customer}", not bad.any(),
               offender)  # fmt: skip


def _once(case: Case, made: Made) -> Row:
    twice = pd.DataFrame({"who": made.who, "offer": made.offer}).duplicated().to_numpy(bool)
    return _of_offers("no offer twice to one customer", case, made, twice, "0 offers twice")


def _one_of_group(case: Case, made: Made, exclusive: np.ndarray | None) -> Row:
    name = "one of each exclusive group"
    if exclusive is None:
        return Row(name, "no groups", "at most one each", True, "")
    if len(exclusive) != len(case.offers):
        raise ContractError(f"plan check: {len(exclusive)} exclusive groups, {len(case.offers)} offers; give one each")
    group = pd.Series(np.asarray(exclusive)).to_numpy()[made.offer]
    twice = pd.DataFrame({"who": made.who, "group": group}).duplicated().to_numpy(bool) & (group != -1)
    return _of_offers(name, case, made, twice, "at most one each")


def _limit(case: Case, made: Made, spec: LimitSpec, plan: Plan, tolerance: float) -> Row:
    total, counted = used(case, made, spec)
    room = tolerance * max(1.0, abs(spec.total))
    at_most = spec.sense == "<="
    kept = total <= spec.total + room if at_most else total >= spec.total - room
    offender = ""
    if not kept and at_most:
        # the offer whose weight takes the running sum over the total
        over = np.flatnonzero(np.cumsum(counted) > spec.total + room)
        k = int(over[0]) if len(over) else len(counted) - 1
        offender = _named(case, made, k)
    stated = plan.usage.get(spec.name)
    agrees = stated is None or abs(stated - total) <= STATED * max(1.0, abs(total))
    found = f"{total:,.6g}" + ("" if agrees else f" (the plan says {stated:,.6g})")
    must_be = f"{spec.sense} {spec.total:,.6g} within {tolerance:g} of it"
    return Row(f"limit {spec.name}", found, must_be, bool(kept and agrees), offender)


def _names(plan: Plan, specs: Sequence[LimitSpec]) -> Row:
    wanted = {spec.name for spec in specs}
    missing = sorted((wanted - set(plan.usage)) | (wanted - set(plan.shadow_prices)))
    extra = sorted((set(plan.usage) | set(plan.shadow_prices)) - wanted)
    wrong = [*missing, *extra]
    found = f"{len(missing)} without figures, {len(extra)} unknown"
    return Row("every limit has its figures", found, "0 and 0", not wrong, f"limit {wrong[0]}" if wrong else "")


def _stated(
    case: Case,
    made: Made,
    plan: Plan,
    specs: Sequence[LimitSpec],
    per_customer: int,
    exclusive: np.ndarray | None,
) -> list[Row]:
    """Whether value, bound, gap and prices are what the plan says."""
    value = math.fsum(made.value.tolist())
    scale = max(1.0, abs(value))
    gap = (plan.upper_bound - plan.value) / max(abs(plan.upper_bound), 1e-9)
    signs = [
        spec.name
        for spec in specs
        if not (0 <= plan.shadow_prices.get(spec.name, 0.0) * (1 if spec.sense == "<=" else -1) < np.inf)
    ]
    rows = [
        Row("value", f"{value:,.6f}", f"{plan.value:,.6f} as stated", abs(value - plan.value) <= STATED * scale, ""),
        Row("value within its bound", f"{value:,.6f}", f"<= {plan.upper_bound:,.6f}",
            value <= plan.upper_bound + STATED * scale, ""),
        Row("gap", f"{gap:.3e}", f"{plan.gap:.3e} as stated, not negative",
            abs(gap - plan.gap) <= STATED and gap >= -STATED, ""),
        Row("signs of shadow prices", f"{len(signs)} wrong", "not negative for <=, not positive for >=", not signs,
            f"limit {signs[0]}" if signs else ""),
    ]  # fmt: skip
    if not signs:
        rows.append(_bound(case, plan, specs, per_customer, exclusive))
    return rows


def _bound(case: Case, plan: Plan, specs: Sequence[LimitSpec], per_customer: int, exclusive: np.ndarray | None) -> Row:
    """Whether no plan can be worth more than the stated bound: by the prices, else by a search of a small case."""
    weights = [counts_towards(case, spec) for spec in specs]
    prices = [plan.shadow_prices.get(spec.name, 0.0) for spec in specs]
    bound, how = bound_by_prices(case, specs, weights, prices, per_customer, exclusive), "by prices"
    room = STATED * max(1.0, abs(bound))
    if bound > plan.upper_bound + room:
        searched = bound_by_search(case, specs, weights, per_customer, exclusive)
        if searched < bound:
            bound, how = searched, "by search"
    stated = f"<= {plan.upper_bound:,.6f} as stated"
    return Row("bound is proven", f"{bound:,.6f} {how}", stated, bound <= plan.upper_bound + 10 * room, "")
