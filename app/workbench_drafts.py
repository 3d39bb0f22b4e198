"""The first tab of the workbench: a product drafted in a form, previewed on a button, kept and submitted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app.audited import audited
from app.choices import kept_choice
from app.finished_run import FinishedRun
from app.i18n import Speech, plain
from app.labels import mark
from app.offer_case import Kept, product_names
from app.workbench_fields import draft_of, entries_of, first_entries, problems_of
from app.workbench_preview import compare, preview_panel
from app.workbench_store import DraftStep, draft_history, draft_ids, keep_draft, move_draft, newest_step
from recsys.workbench import NEXT_STATES, DraftProduct, drafted_case
from scenefit.contracts.errors import ScenefitError
from scenefit.runtime.workspace import Workspace

NEW = "+"  # no id of a draft
SHOWN, SAID, SOURCE = "workbench_shown", "workbench_said", "workbench_source"
STATE_NAMES = {
    "draft": mark("in draft"), "submitted": mark("submitted"), "risk signed off": mark("signed off by risk"),
    "approved": mark("approved"), "withdrawn": mark("withdrawn"),
}  # fmt: skip


@st.fragment
def drafting(run: FinishedRun, kept: Kept, say: Speech) -> None:
    """Form, preview, comparison and history; nothing of it reaches a run or a decision."""
    t = say.t
    workspace = Workspace(run.folder.parent.parent)
    st.info(t("A draft is offered to nobody: runs and decisions know live products only, whatever its state."),
            icon=":material/lock:")  # fmt: skip
    if said := st.session_state.pop(SAID, ""):
        st.success(plain(said), icon=":material/check:")
    step = _source(workspace, say)
    products = product_names(kept, say)
    similar = step.draft.similar_to if step else _similar(products, say)
    if similar not in products:
        st.error(plain(t("The product {name} is not in this run; draft anew.").format(name=similar)))
        return
    stamp = f"{step.draft.product_id}_{step.number}" if step else f"{NEW}_{similar}"
    _form(workspace, run, kept, step, (similar, stamp), say)
    of, shown = st.session_state.get(SHOWN, ("", ""))
    # another draft's preview would stand under the wrong form
    if of == stamp:
        preview_panel(run, kept, shown, say)
    if step is not None:
        _submitting(workspace, step, say)
    compare(workspace, run, kept, draft_ids(workspace), say)
    if step is not None:
        st.subheader(t("History"), anchor=False)
        st.dataframe(history_table(draft_history(workspace, step.draft.product_id), run.timezone, say), hide_index=True)


def history_table(steps: tuple[DraftStep, ...], zone: str, say: Speech) -> pd.DataFrame:
    """Steps of a draft, the newest first."""
    t = say.t
    rows = steps[::-1]
    return pd.DataFrame(
        {
            t("Step"): [step.number for step in rows],
            t("State"): [t(STATE_NAMES[step.state]) for step in rows],
            t("When"): [say.day(step.at.isoformat(), zone) for step in rows],
            t("Who"): [step.by for step in rows],
            t("Reason"): [step.reason for step in rows],
            t("Rate per year"): [say.percent(step.draft.apr, 2) for step in rows],
            t("Assumed lift"): [say.figure(step.draft.lift, 2) for step in rows],
            t("Why this lift"): [step.lift_reason for step in rows],
        }
    )


def _source(workspace: Workspace, say: Speech) -> DraftStep | None:
    """The kept draft to go on with; None for a new one."""
    t = say.t
    ids = draft_ids(workspace)
    if (wanted := st.session_state.pop(SOURCE, None)) in ids:
        st.session_state[f"workbench_from_{say.lang}"] = wanted
    steps = {name: newest_step(workspace, name) for name in ids}

    def called(name: str) -> str:
        if name == NEW:
            return t("a new product")
        return f"{name} · {getattr(steps[name].draft, f'name_{say.lang}')} · {t(STATE_NAMES[steps[name].state])}"

    chosen = kept_choice(t("Work on"), [NEW, *ids], called, "workbench_from", say)
    return steps.get(chosen)


def _similar(products: dict[str, str], say: Speech) -> str:
    return kept_choice(say.t("Similar to"), list(products), lambda p: f"{products[p]} ({p})", "workbench_similar", say)


def _form(
    workspace: Workspace, run: FinishedRun, kept: Kept, step: DraftStep | None, named: tuple[str, str], say: Speech
) -> None:
    t = say.t
    similar, stamp = named
    first = entries_of(step.draft, step.lift_reason) if step else first_entries(kept.case, similar)
    open_to_change = step is None or step.state == "draft" or "draft" in dict(NEXT_STATES)[step.state]
    with st.form(f"workbench_{stamp}", border=True):
        entries, slots = _fields(first, stamp, step is not None, run, kept, say)
        st.caption(
            t("Age limits and every other rule are those of the similar product; the draft's own come on top of them.")
        )
        one, two = st.columns(2)
        by = one.text_input(t("Your name"), key=f"wb_by_{stamp}", max_chars=80)
        reason = two.text_input(t("Reason, for the history"), key=f"wb_reason_{stamp}", max_chars=500)
        left, right, _ = st.columns([2, 2, 3])
        looked = left.form_submit_button(t("Check and preview"), type="primary", icon=":material/visibility:")
        keeping = right.form_submit_button(t("Keep the draft"), icon=":material/save:", disabled=not open_to_change)
    if not (looked or keeping):
        return
    st.session_state.pop(SHOWN, None)
    taken = set(kept.case.offers["product_id"]) | (set() if step else set(draft_ids(workspace)))
    problems = problems_of(entries, taken, say)
    for name, problem in problems.items():
        slots[name].markdown(f":red[{plain(problem)}]")
    if problems:
        st.error(t("Mend the fields marked above."), icon=":material/error:")
        return
    draft = draft_of(entries, similar, kept.case)
    drafted_case(kept.case, draft)
    if keeping:
        _keep(workspace, run, draft, entries["lift_reason"], (by, reason), step, say)
    else:
        st.session_state[SHOWN] = (stamp, draft.json())


def _fields(
    first: dict[str, Any], stamp: str, named: bool, run: FinishedRun, kept: Kept, say: Speech
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of the form: what they hold, and a place below each for what is wrong with it."""
    t = say.t
    entries: dict[str, Any] = {}
    slots: dict[str, Any] = {}

    def text(column: Any, name: str, label: str, off: bool = False, most: int = 200) -> None:
        entries[name] = column.text_input(label, first[name], key=f"wb_{name}_{stamp}", disabled=off, max_chars=most)
        slots[name] = column.empty()

    def number(column: Any, name: str, label: str, span: tuple[float, float | None], step: float) -> None:
        whole = isinstance(step, int)
        start = first[name]
        start = start if start is None else int(start) if whole else float(start)
        low, high = ((None if end is None else int(end) if whole else float(end)) for end in span)
        entries[name] = column.number_input(label, low, high, start, step, key=f"wb_{name}_{stamp}")
        slots[name] = column.empty()

    currency = say.symbol.strip()
    row: Sequence[Any] = st.columns(3)
    text(row[0], "product_id", t("Id of the draft"), off=named, most=40)
    text(row[1], "name_zh", t("Name in Chinese"))
    text(row[2], "name_en", t("Name in English"))
    row = st.columns(4)
    number(row[0], "apr", t("Rate per year, %"), (0, 100), 0.1)
    number(row[1], "amount_min", t("Smallest amount, {currency}").format(currency=currency), (1, None), 500.0)
    number(row[2], "amount", t("Usual amount, {currency}").format(currency=currency), (1, None), 500.0)
    number(row[3], "amount_max", t("Largest amount, {currency}").format(currency=currency), (1, None), 500.0)
    row = st.columns(4)
    number(row[0], "incentive", t("Incentive per taker, {currency}").format(currency=currency), (0, None), 1.0)
    number(row[1], "tenor_min", t("Shortest tenor, months"), (1, 600), 1)
    number(row[2], "tenor", t("Usual tenor, months"), (1, 600), 1)
    number(row[3], "tenor_max", t("Longest tenor, months"), (1, 600), 1)
    row = st.columns(3)
    scenes = run.scene_names(say.lang)
    there = sorted({str(s) for s in kept.case.groups["scene_id"].unique() if s})
    entries["scenes"] = row[0].multiselect(
        t("Scenes"), there, [s for s in first["scenes"] if s in there], format_func=lambda s: scenes.get(s, s),
        key=f"wb_scenes_{stamp}", placeholder=t("everywhere"),
    )  # fmt: skip
    number(row[1], "capacity", t("Capacity, offers (empty: any)"), (0, None), 10)
    number(row[2], "pd_max", t("Highest probability of default, % (empty: as it is)"), (0, 100), 0.5)
    row = st.columns([2, 3])
    number(row[0], "lift", t("Taken against the similar product, times"), (0.05, 20), 0.05)
    text(row[1], "lift_reason", t("What this lift rests on"), most=500)
    return entries, slots


def _keep(
    workspace: Workspace, run: FinishedRun, draft: DraftProduct, lift_reason: str, who_why: tuple[str, str],
    step: DraftStep | None, say: Speech,
) -> None:  # fmt: skip
    t = say.t
    by, reason = who_why
    if not by.strip() or not reason.strip():
        st.error(t("Say who you are and why, for the history."), icon=":material/error:")
        return
    with audited(workspace, "product draft", {"product": draft.product_id, "by": by, "reason": reason}):
        done = keep_draft(workspace, draft, by=by, at=pd.Timestamp.now("UTC").floor("us"), reason=reason,
                          lift_reason=lift_reason, run=run.run_id, after=step.number if step else 0)  # fmt: skip
    st.session_state[SOURCE] = draft.product_id
    st.session_state[SAID] = t("{name}: kept as step {n}").format(name=draft.product_id, n=done.number)
    st.rerun()


def _submitting(workspace: Workspace, step: DraftStep, say: Speech) -> None:
    """What may follow: submitting and withdrawing are done here, signing off and approval are others' part."""
    t = say.t
    name = step.draft.product_id
    words = {"submitted": t("Submit"), "withdrawn": t("Withdraw"), "draft": t("Take back to draft")}
    steps = [state for state in dict(NEXT_STATES)[step.state] if state in words]
    st.subheader(t("Hand on"), anchor=False)
    st.markdown(f"{plain(name)}: :blue-badge[{t(STATE_NAMES[step.state])}]")
    if not steps:
        st.caption(t("This draft is closed; draft a new product."))
        return
    with st.form(f"workbench_hand_{name}_{step.number}", border=True):
        one, two, three = st.columns([2, 3, 2], vertical_alignment="bottom")
        by = one.text_input(t("Your name"), key=f"wb_hand_by_{name}_{step.number}", max_chars=80)
        reason = two.text_input(t("Reason"), key=f"wb_hand_reason_{name}_{step.number}", max_chars=500)
        wanted = three.selectbox(t("Next step"), steps, format_func=words.__getitem__)
        pressed = st.form_submit_button(t("Do it"), icon=":material/send:")
    if not pressed:
        return
    if not by.strip() or not reason.strip():
        st.error(t("Say who you are and why, for the history."), icon=":material/error:")
        return
    try:
        with audited(workspace, f"product {wanted}", {"product": name, "by": by, "reason": reason}):
            done = move_draft(workspace, name, wanted, by=by, at=pd.Timestamp.now("UTC").floor("us"), reason=reason,
                              after=step.number)  # fmt: skip
    except ScenefitError as error:
        st.error(plain(error), icon=":material/error:")
        return
    st.session_state[SOURCE] = name
    st.session_state[SAID] = t("{name}: {state}").format(name=name, state=t(STATE_NAMES[done.state]))
    st.rerun()
