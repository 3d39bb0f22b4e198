"""Subgroups on the page of offers: who gets which product, what it brings, and what keeps the rest from it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import offer_charts
from app.choices import EVERY, kept_choice
from app.finished_run import FinishedRun
from app.i18n import EMPTY, Speech, plain
from app.offer_case import Kept, kept_again, product_names, reason_words, stands_on
from recsys.subgroup_plan import SubgroupPlan, subgroup_plan


@st.fragment
def by_subgroup(run: FinishedRun, kept: Kept, say: Speech) -> None:
    """Product × scene or segment: worked out on a button, then read by subgroup or by product."""
    t = say.t
    scenes, products = run.scene_names(say.lang), product_names(kept, say)
    there = sorted({str(s) for s in kept.case.groups["scene_id"].unique() if s})
    one, two, three = st.columns(3, vertical_alignment="bottom")
    with one:
        scene = kept_choice(
            t("Scene"), [EVERY, *there], lambda s: t("All scenes") if s == EVERY else scenes.get(s, s), "sub_scene", say
        )
    by = "scene_id" if scene == EVERY else "segment_id"
    names = {s: scenes.get(s, s) for s in there} if scene == EVERY else _segments(run, kept, scene, say)
    done = f"subgroups_{by}_{kept.key}"
    if three.button(t("Work out who gets what"), key=f"{done}_go", icon=":material/table_view:", width="stretch"):
        st.session_state[done] = True
    if not st.session_state.get(done):
        st.caption(
            t("For every product and subgroup: who is eligible, who is offered it, what it brings, what blocks it.")
        )
        return
    with st.spinner(t("Working out the subgroups"), show_time=True):
        found = subgroups_of(kept.key, by)
    cells = found.cells[found.cells["subgroup"].isin(list(names))]
    said = {f"group {g}": _told(g, names) for g in names}
    said |= {f"product {p}": f"{t('Product')}: {name}" for p, name in products.items()}
    with two:
        focus = kept_choice(t("Look at"), list(said), said.__getitem__, f"sub_focus_{by}", say)
    codes = {str(c) for c in cells["blocked_by"].dropna()} | {str(c) for c in found.blocked["reason"]}
    words = {code: reason_words(code, kept, run, say) for code in codes if code}
    shown = cells["product_id"].nunique()
    place = st.container(height=620) if shown > 20 else st.container()
    place.echarts_chart(offer_charts.subgroups_chart(cells, names, products, words, say), height=76 + 28 * shown,
                        alt=t("People offered by product and subgroup"))  # fmt: skip
    _focus(found, cells, focus, names, products, words, say)
    stands_on(kept, run, say, t("figures of fewer than 20 people are missing"))


def _told(code: str, names: dict[str, str]) -> str:
    """A subgroup's name, with its id where others are called the same: choices are told apart by their words."""
    return names[code] if list(names.values()).count(names[code]) == 1 else f"{names[code]} · {code}"


def _segments(run: FinishedRun, kept: Kept, scene: str, say: Speech) -> dict[str, str]:
    groups, named = kept.case.groups, run.segment_names(say.lang)
    inside = sorted({str(s) for s in groups.loc[groups["scene_id"] == scene, "segment_id"].unique() if s})
    return {s: named.get(s, s) for s in inside}


def _focus(
    found: SubgroupPlan, cells: pd.DataFrame, focus: str, names: dict[str, str], products: dict[str, str],
    words: dict[str, str], say: Speech,
) -> None:  # fmt: skip
    """The rows of one subgroup or one product, and what keeps people from it."""
    t = say.t
    group = focus.startswith("group ")
    code = focus.removeprefix("group ").removeprefix("product ")
    column, other, called = ("subgroup", "product_id", products) if group else ("product_id", "subgroup", names)
    st.markdown(f"**{plain((names if group else products)[code])}**")
    rows = cells[cells[column] == code].sort_values(["planned", "eligible"], ascending=False, kind="stable")
    st.dataframe(cells_table(rows, other, called, words, say), hide_index=True)
    out = rows[rows["unserved"].fillna(False).astype(bool)]
    if len(out):
        st.info(plain(t("Worth an offer, but nobody gets one: {names}").format(
            names=", ".join(called.get(str(c), str(c)) for c in out[other].head(8)))))  # fmt: skip
    why = found.blocked[(found.blocked[column] == code) & found.blocked[other].isin(list(called))]
    total = why.groupby("reason")["people"].sum().sort_index().sort_values(ascending=False, kind="stable")
    with st.expander(t("What keeps people from it")):
        st.dataframe(
            pd.DataFrame({t("Reason"): [words.get(c, c) for c in total.index],
                          t("Cases"): [say.count(n) for n in total]}),
            hide_index=True,
        )  # fmt: skip
        st.caption(t("One case is one person and one product; reasons of fewer than 20 people are left out."))


def cells_table(
    rows: pd.DataFrame, other: str, called: dict[str, str], words: dict[str, str], say: Speech
) -> pd.DataFrame:
    """One row per product or subgroup: people, eligible, offered, expected figures, what blocks most."""
    t = say.t
    # nobody is offered it: there is nothing to expect
    made = rows["planned"] > 0
    rows = rows.assign(**{name: rows[name].where(made) for name in ("takers", "profit", "loss")})
    ends = [EMPTY if pd.isna(v) or a == b else f"{say.money(a)} – {say.money(b)}"
            for v, a, b in zip(rows["profit"], rows["profit_low"], rows["profit_high"], strict=True)]  # fmt: skip
    return pd.DataFrame(
        {
            t("Product") if other == "product_id" else t("Subgroup"): [called.get(str(c), str(c)) for c in rows[other]],
            t("People"): [say.count(n) for n in rows["people"]],
            t("Eligible"): [say.count(n) for n in rows["eligible"]],
            t("Worth an offer"): [say.count(n) for n in rows["worth_offering"]],
            t("Offered"): [say.count(n) for n in rows["planned"]],
            t("Expected takers"): [say.short(n) for n in rows["takers"]],
            t("Expected value"): [say.money(v) for v in rows["profit"]],
            t("95% interval"): ends,
            t("Expected loss"): [say.money(v) for v in rows["loss"]],
            t("Most are kept by"): [words.get(str(c), EMPTY) if isinstance(c, str) else EMPTY
                                    for c in rows["blocked_by"]],
        }
    )  # fmt: skip


@st.cache_data(max_entries=6, show_spinner=False)
def subgroups_of(key: str, by: str) -> SubgroupPlan:
    """Product × subgroup of a kept plan."""
    kept = kept_again(key)
    return subgroup_plan(kept.case, kept.plan, by)
