"""What-if questions of the page of offers as plain data, and their answers: solved on demand, cached by question."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from app.offer_case import Kept, kept_again
from app.offer_facts import flows, with_contacts, workable
from recsys.case import Case
from recsys.conflict import conflict
from recsys.frontier import frontier
from recsys.plan_figures import Figures
from recsys.stability import Stability, inertia_curve, stability
from recsys.what_if import Change, changed_case, problem_of, what_if

DRAWS, WIGGLE = 3, 0.01


class Question(NamedTuple):
    """What is to be different; None and "" leave things as they are. Hashable: it is the key of its answer.

    `totals` limit name and new total, `contacts` channel and most offers, `apr` and `lever` product and new value.
    """

    totals: tuple[tuple[str, float], ...] = ()
    contacts: tuple[str, float] | None = None
    apr: tuple[str, float] | None = None
    lever: tuple[str, float] | None = None
    pd_max: float | None = None
    take_per_point: float = 0.0


class Answer(NamedTuple):
    """Before and after, who changes, or in words why the limits cannot be met (then the rest is missing)."""

    before: Figures | None
    after: Figures | None
    changed: int
    changed_share: float
    by_product: pd.DataFrame
    by_segment: pd.DataFrame
    flows: pd.DataFrame
    conflict_en: tuple[str, ...]
    conflict_zh: tuple[str, ...]


def change_of(case: Case, asked: Question) -> tuple[Case, Change]:
    """The case that can answer a question, and the change to it."""
    case, totals = workable(case), dict(asked.totals)
    if asked.contacts is not None:
        case, more = with_contacts(case, *asked.contacts)
        totals |= more
    apr = {} if asked.apr is None else dict([asked.apr])
    lever = {} if asked.lever is None else dict([asked.lever])
    return case, Change(totals, apr, lever=lever, pd_max=asked.pd_max, take_per_point=asked.take_per_point)


def answer(kept: Kept, asked: Question, names: dict[str, dict[str, str]]) -> Answer:
    """The plan that a question leads to, or the smallest set of limits that stands against it.

    Parameters
    ----------
    names : language → limit name → what to call it

    Raises
    ------
    ContractError : terms that cannot be valued again, or a rule that cannot be taken back.
    """
    case, change = change_of(kept.case, asked)
    new = changed_case(case, change)
    nobody = pd.DataFrame()
    # asked first: the solver takes longer to prove that there is no plan
    against = conflict(problem_of(new, exclusive=kept.exclusive), units={s.name: s.of for s in new.limits})
    if against is not None:
        members = [member.name for member in against.members]
        en = _called(against.en, {f"'{name}'": f"“{names['en'].get(name, name)}”" for name in members})
        zh = _called(against.zh, {f"“{name}”": f"“{names['zh'].get(name, name)}”" for name in members})
        return Answer(None, None, 0, 0.0, nobody, nobody, nobody, en, zh)
    plan = kept.plan
    known = {spec.name for spec in kept.case.limits}
    extra = {spec.name: 0.0 for spec in case.limits if spec.name not in known}
    plan = replace(plan, shadow_prices={**plan.shadow_prices, **extra})
    found = what_if(case, plan, change, exclusive=kept.exclusive)
    moved = flows(kept.case.offers, plan.assignment, found.plan.assignment)
    return Answer(found.before, found.after, found.changed, found.changed_share, found.by_product, found.by_segment,
                  moved, (), ())  # fmt: skip


def _called(lines: tuple[str, ...], names: dict[str, str]) -> tuple[str, ...]:
    """Sentences with names in place of quoted codes."""
    for code, name in names.items():
        lines = tuple(line.replace(code, name) for line in lines)
    return lines


@st.cache_data(max_entries=32, show_spinner=False)
def answered(key: str, asked: Question, names: dict[str, dict[str, str]]) -> Answer:
    """The answer to a question about a kept plan."""
    return answer(kept_again(key), asked, names)


@st.cache_data(max_entries=128, show_spinner=False)
def frontier_point(key: str, limit: str, total: float) -> pd.DataFrame:
    """One row of the frontier: what the plan would bring at a total of one limit."""
    kept = kept_again(key)
    return frontier(kept.case, [total], limit, kept.plan, exclusive=kept.exclusive)


@st.cache_data(max_entries=64, show_spinner=False)
def one_draw(key: str, seed: int) -> Stability:
    """How much of the plan changes when all inputs are off by up to one per cent, one draw."""
    kept = kept_again(key)
    return stability(kept.case, kept.plan, seed, 1, WIGGLE, exclusive=kept.exclusive)


@st.cache_data(max_entries=16, show_spinner=False)
def steadied(key: str, inertias: tuple[float, ...], draws: int) -> pd.DataFrame:
    """What holding on to offers brings and costs."""
    kept = kept_again(key)
    return inertia_curve(kept.case, kept.plan, inertias, draws=draws, wiggle=WIGGLE, exclusive=kept.exclusive)


def typical_value(kept: Kept) -> float:
    """Value of the plan per offer made, currency units."""
    made = int((np.asarray(kept.plan.assignment) >= 0).sum())
    return kept.plan.value / made if made else 1.0
