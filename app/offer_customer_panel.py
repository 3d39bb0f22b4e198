"""One customer on the page of offers: what is offered at a moment, through which stages, what it is worth, why not."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import streamlit as st

from app import offer_charts
from app.choices import EVERY, kept_choice
from app.finished_run import FinishedRun
from app.i18n import EMPTY, Speech, plain
from app.labels import mark
from app.offer_case import (
    Kept,
    all_names,
    decider_of,
    mean_take,
    moment_of,
    offer_name,
    product_names,
    situations_of,
    stands_on,
)
from app.offer_facts import parts_of, ranked_offers, ranks_by, row_of, stage_grid
from app.offer_samples import masked, sample_customers
from recsys.coarse import coarse
from recsys.decision import Decision
from recsys.value_factors import Factors

BEST = 5
MOST_RANKED = 12
SITUATIONS = {
    "planned": mark("is offered something"),
    "owner": mark("owns a product, is offered another"),
    "crowded out": mark("crowded out by limits"),
    "nothing worth it": mark("no offer is worth its cost"),
    "no rule leaves anything": mark("rules leave nothing"),
}
CONTROLS = {
    "P": mark("P · chance of taking"),
    "C": mark("C · context"),
    "V": mark("V · value"),
    "L": mark("L · lever"),
}


@st.fragment
def one_customer(run: FinishedRun, kept: Kept, say: Speech) -> None:
    """Search, choose scene, channel and moment; then offers, stages and contributions."""
    t = say.t
    customer = _customer(run, kept, say)
    row = row_of(kept.case, customer)
    if row is None:
        st.warning(t("{id}: this run does not know the id.").format(id=plain(masked(customer))))
        return
    scene, channel, at = _moment(run, kept, say)
    decision = decider_of(kept.key, *_quiet_hours(run)).decide(customer, scene, channel, at=at, k=BEST)
    _heading(run, kept, row, say)
    _offers(decision, kept, row, say)
    _stages(decision, run, kept, say)
    _contributions(decision, kept, row, channel, say)
    more = t("decision {id}").format(id=decision.decision_id[:8])
    stands_on(kept, run, say, more)


def _customer(run: FinishedRun, kept: Kept, say: Speech) -> str:
    """The id of the customer looked at: typed, of a situation, or a sample of a scene."""
    t = say.t
    found = situations_of(kept.key)
    samples = {f"sample {i}": c for i, c in enumerate(sample_customers(run), 1) if row_of(kept.case, c) is not None}
    people = found | samples
    left, right, _ = st.columns([4, 3, 3], vertical_alignment="top")
    with right:
        typed = st.text_input(t("or a customer's full id"), key="customer",
                              placeholder=masked(next(iter(people.values()), ""))).strip()  # fmt: skip
    with left:
        picked = kept_choice(
            t("Test customer"),
            list(people),
            lambda code: f"{t(SITUATIONS[code])} · {masked(people[code])}" if code in SITUATIONS
            else f"{t('from the plan')} · {masked(people[code])} · {code.removeprefix('sample ')}",
            "situation", say,
        )  # fmt: skip
    return typed or people.get(picked, "")


def _moment(run: FinishedRun, kept: Kept, say: Speech) -> tuple[str | None, str | None, pd.Timestamp]:
    t = say.t
    scenes = run.scene_names(say.lang)
    there = sorted({str(s) for s in kept.case.groups["scene_id"].unique() if s})
    start = pd.Timestamp(str(kept.case.facts["as_of"])).tz_convert(run.timezone)
    one, two, three, four = st.columns([3, 3, 2, 2], vertical_alignment="top")
    with one:
        scene = kept_choice(
            t("Scene"),
            [EVERY, *there],
            lambda s: t("All scenes") if s == EVERY else scenes.get(s, s),
            "asked_scene",
            say,
        )
    with two:
        channels = list(dict.fromkeys(kept.case.offers["channel"]))
        channel = kept_choice(
            t("Channel"), [EVERY, *channels], lambda c: t("All channels") if c == EVERY else say.label(c),
            "asked_channel", say,
        )  # fmt: skip
    day = three.date_input(t("Day"), value=date(start.year, start.month, start.day), key="asked_day")
    hour = four.slider(t("Hour"), 0, 23, 10, key="asked_hour")
    return None if scene == EVERY else scene, None if channel == EVERY else channel, moment_of(run, day, int(hour))


def _quiet_hours(run: FinishedRun) -> tuple[int, int, str]:
    """Hours of the business clock between which channels that ring keep quiet, as the run's settings say."""
    told = run.manifest.get("settings", {}).get("limits", {})
    return int(told.get("quiet_from", 21)), int(told.get("quiet_until", 8)), run.timezone


def _heading(run: FinishedRun, kept: Kept, row: int, say: Speech) -> None:
    t = say.t
    group = kept.case.groups.iloc[row]
    scenes, segments = run.scene_names(say.lang), run.segment_names(say.lang)
    badges = [scenes.get(str(group["scene_id"]), ""), segments.get(str(group["segment_id"]), "")]
    shown = "".join(f" :blue-badge[{plain(name)}]" for name in badges if name)
    got = np.atleast_1d(kept.plan.assignment[row])
    planned = [offer_name(kept, int(j), say) for j in got if j >= 0]
    said = t("In the plan: {offers}").format(offers=", ".join(planned)) if planned else t("Not in the plan")
    st.markdown(f"**{plain(masked(str(kept.case.customers[row])))}**{shown}  \n{plain(said)}")


def _offers(decision: Decision, kept: Kept, row: int, say: Speech) -> None:
    t = say.t
    st.subheader(t("Best offers now"), anchor=False)
    if not decision.offers:
        st.info(t("Nothing is offered here and now; the grid below says what stands in the way."))
        return
    ranked = ranked_offers(kept.case, decision, kept.plan, row)
    offers = kept.case.offers.iloc[ranked["offer"]]
    st.dataframe(
        pd.DataFrame(
            {
                "#": ranked["rank"],
                t("Product"): offers[f"name_{say.lang}"].to_numpy(),
                t("Channel"): [say.label(str(c)) for c in offers["channel"]],
                t("Probability of taking"): ranked["p_take"],
                t("Expected value"): [say.money(v) for v in ranked["value"]],
                t("95% interval"): [EMPTY if a == b else f"{say.money(a)} – {say.money(b)}" for a, b in
                                    zip(ranked["low"], ranked["high"], strict=True)],
                t("In the plan"): [t("yes") if yes else "–" for yes in ranked["planned"]],
            }
        ),
        hide_index=True,
        column_config={
            t("Probability of taking"): st.column_config.ProgressColumn(
                format="percent", min_value=0, max_value=max(float(ranked["p_take"].max()), 0.01)
            )
        },
    )  # fmt: skip
    st.caption(t("Ranked by value less what the offer takes of each limit at its price; one channel per product."))


def _stages(decision: Decision, run: FinishedRun, kept: Kept, say: Speech) -> None:
    t = say.t
    st.subheader(t("Stage by stage: why not the others"), anchor=False)
    grid, names = stage_grid(decision, kept.case.offers), product_names(kept, say)
    lang, called = "zh" if say.lang == "zh" else "en", all_names(kept, run)[say.lang]
    grid[lang] = [said_by_name(text, called) for text in grid[lang]]
    place = st.container(height=560) if len(grid) > 16 else st.container()
    chart = offer_charts.stage_chart(grid, names, say)
    place.echarts_chart(chart, height=60 + 26 * len(grid), alt=t("Product by stage"))
    st.caption(
        t("Each product on the channel on which it comes farthest; behind the stage that stops it none is asked.")
    )
    with st.expander(t("In words")):
        st.dataframe(
            pd.DataFrame(
                {
                    t("Product"): [names.get(p, p) for p in grid["product_id"]],
                    t("Channel"): [say.label(str(c)) for c in grid["on"]],
                    t("Stage"): [t(offer_charts.STAGE_NAMES[s]) if s else t("offered") for s in grid["stage"]],
                    t("Why"): grid[lang],
                }
            ),
            hide_index=True,
        )


def said_by_name(text: str, names: dict[str, str]) -> str:
    """A trace's sentence with names for ids: longer ids first, so that none is cut.

    >>> said_by_name("capacity P1 has no room left", {"P1": "Loan", "capacity P1": "Places of Loan"})
    'Places of Loan has no room left'
    """
    for code in sorted((c for c in names if len(c) > 2), key=len, reverse=True):
        if code in text:
            return text.replace(code, names[code])
    return text


def _contributions(decision: Decision, kept: Kept, row: int, channel: str | None, say: Speech) -> None:
    """What one offer brings in parts, and how the order changes with each control."""
    t = say.t
    st.subheader(t("What an offer is worth"), anchor=False)
    case = kept.case
    left, right = st.columns(2, gap="large")
    with right:
        factors = _factors(kept, channel, say)
    ranked = ranks_by(case, row, factors, mean_take(kept.key))
    live = np.flatnonzero(case.allowed[row])
    order = live[np.argsort(-ranked[live], kind="stable")][:MOST_RANKED]
    offered = [decision.of(name).offer for name in decision.offers]
    choices = [str(j) for j in dict.fromkeys([*offered, *order.tolist()])]
    if not choices:
        left.info(t("The rules leave no offer to value."))
        return
    with left:
        chosen = int(kept_choice(t("Offer"), choices, lambda j: offer_name(kept, int(j), say), "part_offer", say))
        parts = parts_of(case, row, chosen)
        st.echarts_chart(offer_charts.parts_chart(parts, say), height=190, alt=t("What the offer brings and costs"))
        st.caption(plain(_factor_words(case.p_take[row, chosen], chosen, factors, say)))
    with right:
        shown = [coarse(float(v)) for v in ranked[order]]
        st.dataframe(
            pd.DataFrame({"#": np.arange(1, len(order) + 1),
                          t("Offer"): [offer_name(kept, int(j), say) for j in order],
                          t("Ranks by"): [say.money(v) if factors.use_value else say.percent(v, 2) for v in shown]}),
            hide_index=True, height=300,
        )  # fmt: skip
        st.caption(t("Order before the limits' prices; an offer expected to lose is never promoted."))


def _factors(kept: Kept, channel: str | None, say: Speech) -> Factors:
    t = say.t
    on = st.pills(t("Controls: P × C × V × L"), list(CONTROLS), selection_mode="multi", default=list(CONTROLS),
                  format_func=lambda code: t(CONTROLS[code]), key=f"controls_{say.lang}")  # fmt: skip
    names = product_names(kept, say)
    one, two, three = st.columns([2, 3, 2], vertical_alignment="top")
    label = t("C: weight of {channel}").format(channel=say.label(channel)) if channel else t("C: choose a channel")
    weight = one.number_input(label, 0.0, 10.0, 1.0, 0.1, key="context", disabled=channel is None)
    with two:
        product = kept_choice(t("L: product"), list(names), names.__getitem__, "lever_product", say)
    lever = three.number_input(t("L: weight"), 0.0, 10.0, 1.0, 0.1, key="lever")
    offers = kept.case.offers
    context = np.where(offers["channel"] == (channel or ""), weight, 1.0)[None, :]
    levers = np.where(offers["product_id"] == product, lever, 1.0)
    return Factors(context, levers, *(code in on for code in ("P", "C", "V", "L")))


def _factor_words(p_take: float, offer: int, factors: Factors, say: Speech) -> str:
    t = say.t
    told = t("P {chance} · C {context} · L {lever}").format(
        chance=f"{coarse(100 * float(p_take)):g}%",
        context=say.figure(float(np.asarray(factors.context).reshape(-1)[offer]), 1),
        lever=say.figure(float(np.asarray(factors.lever).reshape(-1)[offer]), 1),
    )
    return told + " · " + t("amounts in two digits; margin and loss are one bar, so that nobody's risk can be read off")
