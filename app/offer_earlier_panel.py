"""One customer on the page of offers, for runs that kept no case: ranked offers as the run wrote them down."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.choices import kept_choice
from app.finished_run import FinishedRun
from app.i18n import Speech, plain
from app.offer_samples import masked, sample_customers
from recsys.coarse import coarse


def one_customer(run: FinishedRun, say: Speech) -> None:
    """A sample or a typed id, and the ranked offers of the run."""
    t = say.t
    st.subheader(t("One customer"), anchor=False)
    samples = sample_customers(run)
    if not samples:
        st.info(t("No customer has an eligible offer in this run."))
        return
    left, right, _ = st.columns([3, 3, 4], vertical_alignment="top")
    with left:
        picked = kept_choice(t("Example"), samples, masked, "sample", say)
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
                t("Probability of taking"): [coarse(float(p)) for p in offers["p_take"]],
                t("Expected value"): [say.money(coarse(float(v))) for v in offers["value"]],
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
