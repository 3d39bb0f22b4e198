"""Plans of a workspace as plain documents: planned again, changed, checked, traded off. Wires the rooms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from app.i18n import Speech
from app.match_plans import Kept, about, one_channel
from app.recs_documents import plain_records
from app.sentences import limit_name
from recsys.case import Case, case_limits, case_value, worthwhile
from recsys.conflict import conflict
from recsys.frontier import frontier
from recsys.plan_check import PlanCheck, check
from recsys.plan_figures import SMALLEST, Figures, figures, moved, pairs_of
from recsys.price_words import LANGUAGES, price_words
from recsys.problem import Plan, Problem
from recsys.stability import DRAWS, held_values, smallest_inertia, stability
from recsys.value_interval import plan_totals
from recsys.what_if import Change, changed_case, problem_of, warm, what_if
from scenefit.contracts.errors import ContractError, Infeasible, SettingsError

LEAST, MOST = 0.1, 2.0  # of the total of a limit: the span that its frontier shows


def replanned(kept: Kept, totals: Mapping[str, float], per_customer: int, inertia: float) -> Kept:
    """The best plan of the same case under other totals, begun at the known prices.

    With an inertia the current offer of everybody counts so much more; `value` stays what the plan is worth without,
    and the bound is that of any plan, so the gap holds what the inertia gives up.

    Raises
    ------
    SettingsError : more offers per customer than products.
    Infeasible : the limits cannot be met together; names the smallest set of them and the ways out, in both languages.
    """
    groups = one_channel(kept.case)
    if per_customer > groups.max(initial=-1) + 1:
        raise SettingsError(
            f"--per-customer {per_customer}: there are {groups.max(initial=-1) + 1} products and one offer of each at "
            "most; ask for fewer"
        )
    limits = tuple(replace(spec, total=float(totals.get(spec.name, spec.total))) for spec in kept.case.limits)
    case = replace(kept.case, limits=limits)
    value = case_value(case)
    worth = held_values(value.value, kept.plan.assignment, inertia) if inertia else value.value
    problem = Problem(worth, worthwhile(case, value), case_limits(case, value), per_customer, groups)
    try:
        plan = warm(problem, kept.plan)
    except Infeasible as error:
        raise explained(error, problem, case) from error
    if inertia:
        made = pairs_of(plan.assignment)
        own = float(value.value[made.who, made.offer].sum(dtype=np.float64))
        gap = (plan.upper_bound - own) / max(abs(plan.upper_bound), 1e-9)
        plan = replace(plan, value=own, gap=gap)
    return Kept(case, plan, None, kept.run, per_customer, inertia)


def explained(error: Infeasible, problem: Problem, case: Case) -> Infeasible:
    """The error with the smallest set of limits that stand against each other, and what would resolve it."""
    found = conflict(problem, units={spec.name: spec.of for spec in case.limits})
    if found is None:
        # whole customers are short of what parts of them could keep
        return error
    told = Infeasible(" ".join(found.en))
    told.add_note("".join(found.zh))
    return told


def plan_document(kept: Kept, before: Kept | None = None) -> dict[str, Any]:
    """A plan in figures, every limit in words, and what differs from the plan before."""
    case, plan = kept.case, kept.plan
    document = {
        "about": about(kept),
        "plan": {
            "value": _told(plan, plan.value),
            "upper_bound": _told(plan, plan.upper_bound),
            "gap": plan.gap,
        },
        "figures": plan_figures(case, plan),
        "limits": limit_rows(case, plan),
    }
    if before is not None:
        different, share = moved(before.plan.assignment, plan.assignment)
        was = {spec.name: spec.total for spec in before.case.limits}
        document["compared"] = {
            "with": before.name or before.run, "value": _told(before.plan, before.plan.value),
            "changed": different, "changed_share": share,
            "totals": {s.name: [was[s.name], s.total] for s in case.limits if s.total != was[s.name]},
        }  # fmt: skip
    return document


def plan_figures(case: Case, plan: Plan) -> dict[str, Any]:
    """What a plan comes to, its value with an interval where the models state their errors."""
    plain = shown(figures(case, case_value(case), plan.assignment))
    if plain["value"] is not None and (case.logit_error.any() or case.pd_error.any()):
        total = plan_totals(case, plan.assignment).value
        plain |= {"value_low": float(total.low), "value_high": float(total.high)}
    return plain


def shown(found: Figures) -> dict[str, Any]:
    """Figures as JSON holds them, without value and loss of few people."""
    return _plain(found._asdict())


def limit_rows(case: Case, plan: Plan) -> list[dict[str, Any]]:
    """Every limit with use, room and price, and what the price means in both languages; the dearest first.

    What few people lose in expectation is not told.
    """
    names = {lang: called(case, lang) for lang in LANGUAGES}
    currency = Speech("en", case.facts.get("currency") or "CNY").symbol
    specs = {spec.name: spec for spec in case.limits}
    few = _people(plan) < SMALLEST
    rows = []
    for words in price_words(case.limits, plan.shadow_prices, plan.usage, names, currency):
        spec, used = specs[words.name], plan.usage[words.name]
        room = spec.total - used if spec.sense == "<=" else used - spec.total
        rows.append(
            {"name": spec.name, "counts": spec.of, "sense": spec.sense, "total": spec.total, "used": used, "room": room,
             "shadow_price": plan.shadow_prices[spec.name], "binds": not words.slack, "en": words.en, "zh": words.zh}
        )  # fmt: skip
        if few and spec.of == "loss":
            rows[-1] |= {
                "used": None, "room": None,
                "en": f"{names['en'][spec.name]}: shown for {SMALLEST} people or more.",
                "zh": f"“{names['zh'][spec.name]}”：满 {SMALLEST} 人方可显示。",
            }  # fmt: skip
    return rows


def called(case: Case, lang: str) -> dict[str, str]:
    """What products, channels and limits are called in a language, by id."""
    say = Speech(lang)
    names = dict(zip(case.offers["product_id"].astype(str), case.offers[f"name_{lang}"].astype(str), strict=True))
    channels = {str(channel): say.label(str(channel)) for channel in case.offers["channel"].unique()}
    subjects = {**names, **channels}
    return subjects | {spec.name: limit_name({"name": spec.name}, subjects, say) for spec in case.limits}


def what_if_document(kept: Kept, change: Change) -> dict[str, Any]:
    """Before against after a change: figures, offers by product and segment, who gets something else.

    Raises
    ------
    ContractError : an unknown product, or terms that cannot be worked out again.
    Infeasible : the limits cannot be met together after the change; names the smallest set of them.
    """
    groups = one_channel(kept.case)
    try:
        found = what_if(kept.case, kept.plan, change, kept.per_customer, groups)
    except Infeasible as error:
        new = changed_case(kept.case, change)
        problem = problem_of(new, None, kept.per_customer, groups, change.lever)
        raise explained(error, problem, new) from error
    return {
        "about": about(kept),
        "change": {name: dict(told) if isinstance(told, Mapping) else told for name, told in vars(change).items()},
        "before": shown(found.before), "after": shown(found.after),
        "changed": found.changed, "changed_share": found.changed_share,
        "by_product": plain_records(found.by_product), "by_segment": plain_records(found.by_segment),
        "limits": limit_rows(found.case, found.plan),
    }  # fmt: skip


def checked(kept: Kept) -> PlanCheck:
    """A plan added up again by code that shares nothing with what made it."""
    return check(kept.case, kept.plan, kept.per_customer, one_channel(kept.case))


def check_document(kept: Kept) -> dict[str, Any]:
    """Every check with what was found, what it must be, and the first offender."""
    found = checked(kept)
    return {"about": about(kept), "ok": found.ok, "en": found.en, "zh": found.zh, "rows": plain_records(found.rows)}


def frontier_document(kept: Kept, limit: str, points: int) -> dict[str, Any]:
    """What more or less of one limit would bring, from a tenth to twice its total."""
    spec = next((spec for spec in kept.case.limits if spec.name == limit), None)
    if spec is None:
        raise ContractError(
            f"frontier: there is no limit {limit!r}; there are {', '.join(spec.name for spec in kept.case.limits[:20])}"
        )
    totals = np.linspace(LEAST, MOST, points) * spec.total
    found = frontier(kept.case, totals.tolist(), limit, kept.plan, kept.per_customer, one_channel(kept.case))
    return {"about": about(kept), "limit": limit, "total": spec.total, "points": plain_records(found)}


def stability_document(
    kept: Kept, wiggle: float | None, inertia: float, goal: float | None, seed: int, draws: int = DRAWS
) -> dict[str, Any]:
    """How much of a plan changes when its inputs are a little off; with a goal, the inertia that keeps to it."""
    groups = one_channel(kept.case)
    found = stability(kept.case, kept.plan, seed, draws, wiggle, inertia, kept.per_customer, groups)
    document = {
        "about": about(kept), "wiggle": wiggle, "inertia": inertia, "seed": seed,
        **_plain({"churn": found.churn, "value_kept": found.value_kept}), "draws": plain_records(found.draws),
    }  # fmt: skip
    if goal is not None:
        least = smallest_inertia(kept.case, kept.plan, goal, seed, draws, wiggle, kept.per_customer, groups)
        document["recommended"] = {"goal": goal, **least._asdict()}
    return document


def _people(plan: Plan) -> int:
    """How many are offered anything."""
    return len(np.unique(pairs_of(plan.assignment).who))


def _told(plan: Plan, amount: float) -> float | None:
    """What a plan is worth, unless it is so few people's that it tells their risk."""
    return None if 0 < _people(plan) < SMALLEST else amount


def _plain(told: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no NaN."""
    return plain_records(pd.DataFrame([told]))[0]
