"""Product workbench: products in draft, what the plan does for every subgroup, and the last campaign's list."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app import workbench_backtest, workbench_drafts, workbench_subgroups
from app.engine import current
from app.i18n import Speech, plain
from app.offer_case import kept_of
from scenefit.contracts.errors import ScenefitError


def page() -> None:
    """The page from top to bottom; nothing is worked out before a button is pressed."""
    run, say, _ = current()
    t = say.t
    st.title(t("Product workbench"), anchor=False)
    plan = run.metrics.get("plan", {})
    kept = None if "absent" in plan or not plan else kept_of(run)
    if kept is None:
        _without_case(say)
        return
    drafting, groups, past = st.tabs([t("Draft a product"), t("Product × subgroup"), t("Last-list back-test")])
    with drafting:
        _guarded(workbench_drafts.drafting, run, kept, say)
    with groups:
        _guarded(workbench_subgroups.by_subgroup, run, kept, say)
    with past:
        _guarded(workbench_backtest.last_list, run, say)


def _guarded(draw: Callable[..., None], *given: object) -> None:
    try:
        draw(*given)
    except ScenefitError as error:
        # the other tabs stay
        st.error(plain(error), icon=":material/error:")


def _without_case(say: Speech) -> None:
    st.info(say.t("This run kept no case: the workbench needs a run of this version with a plan."))


if __name__ == "__main__":
    page()
