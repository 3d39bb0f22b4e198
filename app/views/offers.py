"""Offers: what the plan gives to whom, what limits cost, why one customer is offered what, and what would change."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app import (
    offer_customer_panel,
    offer_earlier_panel,
    offer_plan_panel,
    offer_subgroup_panel,
    offer_what_if_panel,
)
from app.engine import current
from app.finished_run import FinishedRun
from app.i18n import Speech, plain
from app.offer_case import Kept, kept_of
from scenefit.contracts.errors import ScenefitError


def page() -> None:
    """The page from top to bottom."""
    run, say, _ = current()
    t = say.t
    st.title(t("Offers"), anchor=False)
    plan = run.metrics.get("plan", {})
    kept = None if "absent" in plan or not plan else kept_of(run)
    if kept is None:
        _as_written(run, say)
        return
    whole, one, what_if, groups = st.tabs([t("Plan"), t("One customer"), t("What if"), t("Subgroups")])
    with whole:
        _plan(run, kept, say)
    with one:
        _guarded(offer_customer_panel.one_customer, run, kept, say)
    with what_if:
        _guarded(offer_what_if_panel.re_plan, run, kept, say)
        _guarded(offer_what_if_panel.budget_frontier, run, kept, say)
        _guarded(offer_what_if_panel.steadiness, run, kept, say)
    with groups:
        _guarded(offer_subgroup_panel.by_subgroup, run, kept, say)


def _plan(run: FinishedRun, kept: Kept, say: Speech) -> None:
    offer_plan_panel.summary(run, kept, say)
    _guarded(offer_plan_panel.limits, run, kept, say)
    offer_plan_panel.who_gets_what(run, say)
    _guarded(offer_plan_panel.who_is_served, run, kept, say)
    offer_plan_panel.eligibility(run, say)
    _guarded(offer_plan_panel.verdict, kept, say)
    offer_plan_panel.footing(run, kept, say)


def _as_written(run: FinishedRun, say: Speech) -> None:
    """What runs show that kept no case: an earlier version made them, or they made no plan."""
    t, plan = say.t, run.metrics.get("plan", {})
    if "absent" in plan or not plan:
        st.info(plain(plan.get("absent") or t("This run made no plan.")))
    else:
        st.info(t("This run kept no case: stages of one customer, what-if and subgroups need a run of this version."))
        offer_plan_panel.summary(run, None, say)
        offer_plan_panel.limits(run, None, say)
    offer_plan_panel.who_gets_what(run, say)
    offer_earlier_panel.one_customer(run, say)
    offer_plan_panel.eligibility(run, say)


def _guarded(draw: Callable[..., None], *given: object) -> None:
    """Draw a part of the page; where it cannot be drawn, say why and leave the other parts alone."""
    try:
        draw(*given)
    except ScenefitError as error:
        st.error(plain(error), icon=":material/error:")


if __name__ == "__main__":
    page()
