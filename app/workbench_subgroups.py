"""The second tab of the workbench: what the plan does for every product in every subgroup of a chosen grouping."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from app import offer_charts
from app.audiences import desk, draft_of
from app.choices import EVERY, kept_choice
from app.finished_run import FinishedRun, read_finished_run
from app.heatmaps import plan_heatmap
from app.i18n import Speech
from app.labels import mark
from app.offer_case import Kept, kept_again, product_names, reason_words, stands_on
from app.offer_subgroup_panel import cells_table
from recsys.subgroup_plan import SubgroupPlan, subgroup_plan
from scenefit.runtime.workspace import Workspace
from segmentation.rules import Rule

MINED = "mined"
GROUPINGS = {"scene_id": mark("Scene"), "segment_id": mark("Segment"), "region": mark("Region"),
             "city_tier": mark("City tier"), MINED: mark("Mined subgroups")}  # fmt: skip
MEASURES = {"planned": mark("People offered"), "profit": mark("Expected profit")}
MOST_COLUMNS = 14  # of the heat map: more cannot be read


@st.fragment
def by_subgroup(run: FinishedRun, kept: Kept, say: Speech) -> None:
    """Product × subgroup, worked out on a button: heat map, table, and whom nobody serves."""
    t = say.t
    groupings = [g for g in GROUPINGS if g in kept.case.groups.columns or (g == MINED and len(run.table("subgroups")))]
    one, two, three = st.columns(3, vertical_alignment="bottom")
    with one:
        by = kept_choice(t("Group people by"), groupings, lambda g: t(GROUPINGS[g]), "workbench_by", say)
    with two:
        measure = kept_choice(t("Show"), list(MEASURES), lambda m: t(MEASURES[m]), "workbench_measure", say)
    done = f"workbench_{by}_{kept.key}"
    if three.button(t("Work out who gets what"), key=f"{done}_go", icon=":material/table_view:", width="stretch"):
        st.session_state[done] = True
    if not st.session_state.get(done):
        st.caption(
            t("For every product and subgroup: who is eligible, who is offered it, what it brings, what blocks it.")
        )
        return
    with st.spinner(t("Working out the subgroups"), show_time=True):
        found = _mined_plan(kept.key, str(run.folder)) if by == MINED else _plan_by(kept.key, by)
    names = group_names(found, by, run, say)
    products = product_names(kept, say)
    codes = {str(c) for c in found.cells["blocked_by"].dropna()} | {str(c) for c in found.blocked["reason"]}
    words = {code: reason_words(code, kept, run, say) for code in codes if code}
    _heat(found.cells, names, products, words, measure, say)
    if by == MINED:
        st.caption(t("Mined subgroups may share people; their figures do not add up."))
    _tables(found, names, products, words, say)
    stands_on(kept, run, say, t("figures of fewer than 20 people are missing"))


def group_names(found: SubgroupPlan, by: str, run: FinishedRun, say: Speech) -> dict[str, str]:
    """What the subgroups of a grouping are called, the largest first."""
    sizes = found.cells.groupby("subgroup")["people"].max().sort_values(ascending=False, kind="stable")
    scenes, segments = run.scene_names(say.lang), run.segment_names(say.lang)
    named: dict[str, str] = {}
    for code in map(str, sizes.index):
        if by == "segment_id":
            scene = code.rpartition("/")[0]
            named[code] = f"{scenes.get(scene, scene)} · {segments.get(code, code)}"
        elif by == MINED:
            scene, _, rank = code.rpartition("/")
            named[code] = f"{scenes.get(scene, scene)} #{rank}"
        else:
            named[code] = scenes.get(code, code) if by == "scene_id" else say.label(code)
    return named


def mined_masks(workspace: Workspace, run: FinishedRun, customers: np.ndarray) -> dict[str, np.ndarray]:
    """Who stands in each mined subgroup of a run, by scene/rank; the rules are applied as of the run.

    Raises
    ------
    StoreError : the features of that moment are gone.
    PurposeError : a rule reads what marketing may not use.
    """
    found = desk(workspace, pd.Timestamp(run.manifest["as_of"]))
    place = pd.Index(customers).get_indexer(pd.Index(found.frame["customer_id"]))
    masks = {}
    for row in run.table("subgroups").dropna(subset=["rule"]).to_dict("records"):
        rule = Rule.read(str(draft_of(str(row["scene_id"]), row)["rule"]))
        mask = np.zeros(len(customers), bool)
        inside = place[found.store.mask(rule)]
        mask[inside[inside >= 0]] = True
        masks[f"{row['scene_id']}/{row['rank']}"] = mask
    return masks


def _heat(
    cells: pd.DataFrame, names: dict[str, str], products: dict[str, str], words: dict[str, str], measure: str,
    say: Speech,
) -> None:  # fmt: skip
    t = say.t
    columns = dict(list(names.items())[:MOST_COLUMNS])
    shown = cells[cells["subgroup"].isin(list(columns))]
    if measure == "planned":
        chart = offer_charts.subgroups_chart(shown, columns, products, words, say)
    else:
        worth = shown.rename(columns={"profit": "value"}).dropna(subset=["value"])
        chart = plan_heatmap(worth, "subgroup", columns, products, "value", say)
    st.echarts_chart(chart, height=110 + 28 * shown["product_id"].nunique(),
                     alt=f"{t(MEASURES[measure])}: {t('product by subgroup')}")  # fmt: skip
    if len(names) > MOST_COLUMNS:
        st.caption(t("The {n} largest of {all} subgroups are drawn; the table has all.").format(
            n=MOST_COLUMNS, all=say.count(len(names))))  # fmt: skip


def _tables(
    found: SubgroupPlan, names: dict[str, str], products: dict[str, str], words: dict[str, str], say: Speech
) -> None:
    t = say.t
    product = kept_choice(t("Product"), [EVERY, *products], lambda p: products.get(p, t("All products")),
                          "workbench_product", say)  # fmt: skip
    rows = found.cells if product == EVERY else found.cells[found.cells["product_id"] == product]
    rows = rows.sort_values(["planned", "eligible"], ascending=False, kind="stable")
    st.dataframe(whole_table(rows, names, products, words, say), hide_index=True, height=320)
    st.markdown(f"**{t('Worth an offer, but nobody gets one')}**")
    out = rows[rows["unserved"].fillna(False).astype(bool)]
    if out.empty:
        st.caption(t("Every subgroup in which an offer is worth making gets some."))
        return
    st.dataframe(
        pd.DataFrame(
            {
                t("Subgroup"): [names.get(str(g), str(g)) for g in out["subgroup"]],
                t("Product"): [products.get(str(p), str(p)) for p in out["product_id"]],
                t("Worth an offer"): [say.count(n) for n in out["worth_offering"]],
                t("What keeps people from it"): blockers(found.blocked, out, words, say),
            }
        ),
        hide_index=True,
    )


def whole_table(
    rows: pd.DataFrame, names: dict[str, str], products: dict[str, str], words: dict[str, str], say: Speech
) -> pd.DataFrame:
    """One row per product and subgroup, in words."""
    table = cells_table(rows, "subgroup", names, words, say)
    table.insert(1, say.t("Product"), [products.get(str(p), str(p)) for p in rows["product_id"]])
    return table


def blockers(blocked: pd.DataFrame, out: pd.DataFrame, words: dict[str, str], say: Speech) -> list[str]:
    """The three reasons that keep most people from a product, for every row of `out`."""
    told = []
    for product, group in zip(out["product_id"], out["subgroup"], strict=True):
        rows = blocked[(blocked["product_id"] == product) & (blocked["subgroup"] == group)]
        first = rows.sort_values("people", ascending=False, kind="stable").head(3)
        told.append("; ".join(f"{words.get(str(c), str(c))}: {say.count(n)}"
                              for c, n in zip(first["reason"], first["people"], strict=True)))  # fmt: skip
    return told


@st.cache_data(max_entries=6, show_spinner=False)
def _plan_by(key: str, by: str) -> SubgroupPlan:
    kept = kept_again(key)
    return subgroup_plan(kept.case, kept.plan, by)


@st.cache_data(max_entries=2, show_spinner=False)
def _mined_plan(key: str, folder: str) -> SubgroupPlan:
    kept = kept_again(key)
    workspace = Workspace(Path(folder).parent.parent)
    masks = mined_masks(workspace, read_finished_run(Path(folder), workspace), kept.case.customers)
    return subgroup_plan(kept.case, kept.plan, masks)
