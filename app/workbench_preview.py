"""What a drafted product would change, drawn: recipients, what it takes from others, profit, and two side by side."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from app import workbench_charts
from app.choices import kept_choice
from app.finished_run import FinishedRun
from app.i18n import EMPTY, Speech, plain
from app.offer_case import Kept, kept_again, product_names, stands_on
from app.tables import subjects
from app.workbench_documents import preview_document
from app.workbench_store import newest_step
from recsys.workbench import DraftProduct, Preview, preview, read_draft
from scenefit.runtime.workspace import Workspace

COMPARED = "workbench_compared"


def preview_panel(run: FinishedRun, kept: Kept, draft_text: str, say: Speech) -> None:
    """The preview of one draft."""
    t = say.t
    draft = read_draft(draft_text)
    st.subheader(plain(t("Preview: {name}").format(name=_name(draft, say))), anchor=False)
    found = _previewed(kept, draft_text, say)
    st.warning(plain(_assumption(found, draft, kept, say)), icon=":material/psychology_alt:")
    told = preview_document(found, draft, run.run_id)
    _headline(told, say)
    if found.people == 0:
        st.info(t("Nobody would get it: another offer is worth more, or the rules and limits leave nobody."))
        return
    names = subjects(run, say)
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f"**{t('Who would get it')}**")
        _recipients(found, names, say)
    with right:
        st.markdown(f"**{t('What they get without it')}**")
        if found.taken_from.empty:
            st.caption(t("No product has 20 people or more of them."))
        else:
            chart = workbench_charts.taken_from_chart(found.taken_from, product_names(kept, say), say)
            st.echarts_chart(chart, height=50 + 30 * min(len(found.taken_from), 15), alt=t("What they get without it"))
            st.dataframe(taken_table(found, product_names(kept, say), say), hide_index=True)
    stands_on(kept, run, say, t("groups of fewer than 20 people are left out"))


def compare(workspace: Workspace, run: FinishedRun, kept: Kept, ids: list[str], say: Speech) -> None:
    """Two kept drafts side by side, each against the plan without it."""
    t = say.t
    st.subheader(t("Compare two drafts"), anchor=False)
    if len(ids) < 2:
        st.caption(t("Keep two drafts to compare them."))
        return
    one, two, three = st.columns([3, 3, 2], vertical_alignment="bottom")
    with one:
        first = kept_choice(t("First draft"), ids, str, "workbench_first", say)
    with two:
        second = kept_choice(t("Second draft"), [i for i in ids if i != first], str, "workbench_second", say)
    if three.button(t("Compare"), icon=":material/compare_arrows:", width="stretch"):
        st.session_state[COMPARED] = tuple(newest_step(workspace, name).draft.json() for name in (first, second))
    chosen = st.session_state.get(COMPARED)
    if chosen is None:
        return
    drafts = [read_draft(text) for text in chosen]
    found = [_previewed(kept, text, say) for text in chosen]
    st.dataframe(compared_table(drafts, found, run.run_id, say), hide_index=True)
    for draft, one_found in zip(drafts, found, strict=True):
        st.caption(plain(f"{draft.product_id}: {_assumption(one_found, draft, kept, say)}"))
    stands_on(kept, run, say, t("each draft alone against the plan without it"))


def compared_table(drafts: list[DraftProduct], found: list[Preview], run: str, say: Speech) -> pd.DataFrame:
    """One row per figure, one column per draft."""
    t = say.t
    columns = {}
    for draft, one in zip(drafts, found, strict=True):
        told = preview_document(one, draft, run)
        columns[draft.product_id] = [
            say.percent(draft.apr, 2), say.money(draft.amount), say.count(draft.tenor), say.figure(draft.lift, 2),
            say.count(one.people), say.count(one.newly_reached), say.count(one.people - one.newly_reached),
            say.short(one.takers), _interval(told, say), say.money(told["loss"]), say.money(told["gain"]),
            _capacity(told, say), say.money(one.capacity_price),
        ]  # fmt: skip
    rows = [t("Rate per year"), t("Usual amount"), t("Usual tenor, months"), t("Assumed lift"), t("Offered to"),
            t("Offered nothing today"), t("Taken from other products"), t("Expected takers"), t("Profit with interval"),
            t("Expected loss"), t("Change of the whole plan"), t("Capacity used"),
            t("One more place earns")]  # fmt: skip
    return pd.DataFrame({t("Figure"): rows, **columns})


def taken_table(found: Preview, products: dict[str, str], say: Speech) -> pd.DataFrame:
    """What the draft's recipients get without it, and what that is worth."""
    t = say.t
    rows = found.taken_from.sort_values("people", ascending=False, kind="stable")
    return pd.DataFrame(
        {
            t("Product"): [products.get(str(p), str(p)) if p else t("no offer today") for p in rows["product_id"]],
            t("People"): [say.count(n) for n in rows["people"]],
            t("Share"): [say.percent(n / max(found.people, 1)) for n in rows["people"]],
            t("Expected value given up"): [say.money(v) for v in rows["value"]],
        }
    )


def _previewed(kept: Kept, draft_text: str, say: Speech) -> Preview:
    with st.spinner(say.t("Planning with and without the draft; half a minute with 50,000 people"), show_time=True):
        return preview_of(kept.key, draft_text)


@st.cache_data(max_entries=12, show_spinner=False)
def preview_of(key: str, draft_text: str) -> Preview:
    """The preview of a draft on a kept case, worked out once."""
    return preview(kept_again(key).case, read_draft(draft_text))


def _assumption(found: Preview, draft: DraftProduct, kept: Kept, say: Speech) -> str:
    like = product_names(kept, say).get(draft.similar_to, draft.similar_to)
    said = say.t(
        "Assumption: chances of the similar product, {name}, times {lift}; as sure as {n} offers would make it."
    )
    return said.format(name=like, lift=say.figure(draft.lift, 2), n=say.count(found.prior.offers))


def _headline(told: dict[str, Any], say: Speech) -> None:
    t = say.t
    row = st.columns(5)
    row[0].metric(t("Offered to"), say.count(told["people"]))
    row[1].metric(t("Offered nothing today"), say.count(told["newly_reached"]))
    row[2].metric(t("Expected takers"), say.short(told["takers"]))
    row[3].metric(t("Expected profit"), say.money(told["profit"]))
    row[4].metric(t("Expected loss"), say.money(told["loss"]))
    lines = [f"{t('Profit with interval')}: {_interval(told, say)}",
             f"{t('Change of the whole plan')}: {say.money(told['gain'])}",
             f"{t('Capacity used')}: {_capacity(told, say)}"]  # fmt: skip
    if told["capacity"] is not None:
        lines.append(f"{t('One more place earns')}: {say.money(told['capacity_price'])}")
    st.markdown("  \n".join(plain(line) for line in lines))
    st.caption(
        t("A draft draws budget from other offers too; the change of the whole plan counts that, its profit does not.")
    )


def _interval(told: dict[str, Any], say: Speech) -> str:
    if told["profit"] is None:
        return EMPTY
    profit, low, high = (say.money(told[name]) for name in ("profit", "low", "high"))
    return f"{profit} ({low} – {high})"


def _capacity(told: dict[str, Any], say: Speech) -> str:
    if told["capacity"] is None:
        return say.t("no limit of its own")
    return f"{say.count(told['capacity_used'])} / {say.count(told['capacity'])}"


def _recipients(found: Preview, names: dict[str, str], say: Speech) -> None:
    t = say.t
    if found.recipients.empty:
        st.caption(t("No group has 20 people or more of them."))
        return
    scenes, segments = st.tabs([t("Scenes"), t("Segments")])
    with scenes:
        n = found.recipients["scene_id"].nunique()
        st.echarts_chart(workbench_charts.scenes_chart(found.recipients, names, say), height=50 + 30 * n,
                         alt=t("Who would get it, by scene"))  # fmt: skip
    with segments:
        n = min(len(found.recipients), workbench_charts.MOST_BARS)
        st.echarts_chart(workbench_charts.recipients_chart(found.recipients, names, say), height=50 + 34 * n,
                         alt=t("Who would get it, by segment"))  # fmt: skip


def _name(draft: DraftProduct, say: Speech) -> str:
    return draft.name_zh if say.lang == "zh" else draft.name_en
