"""Offers: what the plan gives to whom, what limits cost, and why one customer is offered what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from app import charts, heatmaps
from app.engine import current
from app.finished_run import FinishedRun
from app.i18n import Speech, plain
from app.sentences import binding
from app.tables import home_scenes, limit_sentences, limits_table, plan_figures

SAMPLES = 6
EVERY = "*"  # all scenes; the empty id stands for customers without a home scene


def page() -> None:
    """The page from top to bottom."""
    run, say, _ = current()
    st.title(say.t("Offers"), anchor=False)
    plan = run.metrics.get("plan", {})
    if "absent" in plan or not plan:
        st.info(plain(plan.get("absent") or say.t("This run made no plan.")))
    else:
        _summary(plan, say)
        _limits(run, plan, say)
    _plan(run, say)
    _customer(run, say)
    _eligibility(run, say)


def _summary(plan: dict[str, Any], say: Speech) -> None:
    figures = plan_figures(plan, say)
    for column, (name, value, note) in zip(st.columns(len(figures)), figures, strict=True):
        column.metric(name, value, help=note, border=True)
    st.caption(plain(" · ".join((figures[0].note, figures[4].note, figures[5].note))))


def _limits(run: FinishedRun, plan: dict[str, Any], say: Speech) -> None:
    t = say.t
    st.subheader(t("Limits and what they cost"), anchor=False)
    limits = plan.get("limits", [])
    if not limits:
        st.info(t("The plan had no limits."))
        return
    st.markdown("\n".join(f"- {plain(sentence)}" for sentence in limit_sentences(limits, run, say)))
    tight = len(binding(limits))
    with st.expander(t("All {n} limits, {tight} of them tight").format(n=len(limits), tight=tight)):
        st.dataframe(
            limits_table(limits, run, say),
            hide_index=True,
            column_config={t("Use"): st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)},
        )


def _plan(run: FinishedRun, say: Speech) -> None:
    t = say.t
    st.subheader(t("The plan: who gets what"), anchor=False)
    cells = run.table("plan_cells")
    if cells.empty:
        st.info(t("The plan offers nothing: nobody was reachable and eligible, or no offer was worth its cost."))
        return
    scenes = home_scenes(run, say)
    left, right, _ = st.columns([3, 3, 4], vertical_alignment="top")
    with left:
        scene = _kept(t("Scene"), [EVERY, *scenes], lambda s: scenes.get(s, t("All scenes")), "plan_scene", say)
    labels = {"customers": t("People"), "expected_takers": t("Expected takers"), "value": t("Value")}
    with right:
        measure = st.segmented_control(
            t("Show"), list(labels), default="customers", required=True, format_func=labels.__getitem__, key="measure"
        )
    group, groups = "scene_id", scenes
    if scene != EVERY:
        cells, group = cells[cells["scene_id"] == scene], "segment_id"
        named = run.segment_names(say.lang)
        groups = {s: named.get(s, scenes[scene]) for s in sorted(set(cells["segment_id"]))}
    names = run.product_names(say.lang)
    chart = heatmaps.plan_heatmap(cells, group, groups, names, str(measure), say)
    rows = min(cells["product_id"].nunique(), heatmaps.MOST_PRODUCTS)
    st.echarts_chart(chart, height=76 + 30 * rows, alt=t("Plan by product and scene or segment"))
    if cells["product_id"].nunique() > rows:
        st.caption(t("The {n} products with most are shown.").format(n=rows))


def _customer(run: FinishedRun, say: Speech) -> None:
    t = say.t
    st.subheader(t("One customer"), anchor=False)
    samples = sample_customers(run)
    if not samples:
        st.info(t("No customer has an eligible offer in this run."))
        return
    left, right, _ = st.columns([3, 3, 4], vertical_alignment="top")
    with left:
        picked = _kept(t("Example"), samples, masked, "sample", say)
    with right:
        typed = st.text_input(t("or a customer's full id"), key="customer", placeholder=masked(samples[0])).strip()
    customer = typed or picked
    offers = run.tables["scores"]
    offers = offers[offers["customer_id"] == customer].sort_values("rank")
    if offers.empty:
        st.warning(
            t("{id}: no ranked offer. The id is unknown to this run, or no product admits this customer.").format(
                id=masked(customer)
            )
        )
        return
    plan = run.tables["plan"]
    planned = plan[plan["customer_id"] == customer]
    segments = run.tables["segments"]
    member = segments[segments["customer_id"] == customer]
    names, scenes = run.segment_names(say.lang), run.scene_names(say.lang)
    badges = "".join(
        f" :blue-badge[{plain(scenes.get(scene, scene))} · {plain(names.get(s, s))}]"
        for scene, s in zip(member["scene_id"], member["segment_id"], strict=True)
    )
    st.markdown(f"**{masked(customer)}**{badges}")
    _ranked(offers, planned, run, say)


def _ranked(offers: pd.DataFrame, planned: pd.DataFrame, run: FinishedRun, say: Speech) -> None:
    t = say.t
    products = run.products.set_index("product_id").reindex(offers["product_id"])
    channel = dict(zip(planned["product_id"], planned["channel"], strict=True))
    st.dataframe(
        pd.DataFrame(
            {
                "#": offers["rank"].to_numpy(),
                t("Product"): [run.product_names(say.lang).get(p, p) for p in offers["product_id"]],
                t("Kind"): [say.label(str(k)) for k in products["kind"]],
                t("APR"): [say.yearly(r) for r in products["apr"]],
                t("Probability of taking"): offers["p_take"].to_numpy(),
                t("Expected value"): [say.money(v) for v in offers["value"]],
                t("In the plan"): [
                    t("yes, by {channel}").format(channel=say.label(channel[p])) if p in channel else "–"
                    for p in offers["product_id"]
                ],
            }
        ),
        hide_index=True,
        column_config={
            t("Probability of taking"): st.column_config.ProgressColumn(
                format="percent", min_value=0, max_value=max(float(offers["p_take"].max()), 0.01)
            )
        },
    )
    if planned.empty:
        st.caption(t("Not in the plan: not reachable, or a limit gave the place to a customer worth more."))


def _eligibility(run: FinishedRun, say: Speech) -> None:
    t = say.t
    st.subheader(t("Who may be offered what, and why not"), anchor=False)
    eligibility = run.table("eligibility")
    if eligibility.empty:
        st.info(t("This run kept no eligibility counts."))
        return
    chart = charts.eligibility_bars(eligibility, run.product_names(say.lang), say)
    products = eligibility["product_id"].nunique()
    # many products scroll in a window of their own, so that the page stays short
    place = st.container(height=620) if products > 22 else st.container()
    place.echarts_chart(chart, height=90 + 26 * products, alt=t("Eligible people and first reason against, by product"))
    st.caption(t("Each person counts once per product: as eligible, or under the first rule that said no."))


def masked(customer: str) -> str:
    """A customer id that others looking on cannot note down.

    >>> masked("c0001234567"), masked("17")
    ('c0••••••567', '••')
    """
    if len(customer) < 6:
        return "•" * len(customer)
    return customer[:2] + "•" * (len(customer) - 5) + customer[-3:]


def sample_customers(run: FinishedRun) -> list[str]:
    """A few customers to look at: one per scene of the plan, and one with offers but no place in it."""
    plan, scores = run.tables["plan"], run.tables["scores"]
    planned = plan.sort_values("customer_id").drop_duplicates("scene_id")["customer_id"].head(SAMPLES).tolist()
    rest = scores.loc[~scores["customer_id"].isin(plan["customer_id"]), "customer_id"].head(1).tolist()
    return [str(c) for c in dict.fromkeys(planned + rest)]


def _kept(label: str, options: list[str], named: Callable[[str], str], key: str, say: Speech) -> str:
    """A select box whose choice survives the language switch."""
    wanted = st.session_state.get(f"{key}_id")
    chosen = st.selectbox(
        label,
        options,
        index=options.index(wanted) if wanted in options else 0,
        format_func=named,
        key=f"{key}_{say.lang}",
    )
    st.session_state[f"{key}_id"] = chosen
    return str(chosen)


if __name__ == "__main__":
    page()
