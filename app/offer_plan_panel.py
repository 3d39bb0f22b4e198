"""The plan on the page of offers: how sure it is, its limits and prices, who is served, what the checker says."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import charts, heatmaps, offer_charts
from app.choices import EVERY, kept_choice
from app.finished_run import FinishedRun
from app.i18n import EMPTY, Speech, plain
from app.offer_case import Kept, all_names, kept_again, limit_names, stands_on
from app.offer_facts import limit_use
from app.tables import home_scenes, limit_sentences, limits_table, plan_figures
from recsys.distribution import FOUR_FIFTHS, SUPPRESSED, UNKNOWN, Fairness, distribution, fairness
from recsys.plan_check import PlanCheck, check
from recsys.plan_figures import SMALLEST
from recsys.price_words import price_words
from recsys.value_interval import PlanTotals, plan_totals

SENTENCES, BARS = 6, 14
LARGEST_CHECKED = 3_000_000  # pairs that are checked while the page opens; larger plans on a button


def summary(run: FinishedRun, kept: Kept | None, say: Speech) -> None:
    """The plan in six figures, with intervals where the case was kept."""
    plan = run.metrics["plan"]
    figures = plan_figures(plan, say)
    for column, (name, value, note) in zip(st.columns(len(figures)), figures, strict=True):
        column.metric(name, value, help=note, border=True)
    st.caption(plain(" · ".join((figures[0].note, figures[4].note, figures[5].note))))
    if kept is not None:
        t, found = say.t, _totals(kept.key)
        if 0 < int((kept.plan.assignment >= 0).sum()) < SMALLEST:
            # the figures of so few would tell how likely one of them is to default
            return
        if found.takers.low == found.takers.high:
            st.caption(t("Intervals are not known: the models of this run kept no errors."))
            return
        text = t("95% intervals: takers {takers}, loss {loss}, value {value}; errors of the models alone, taken to err "
                 "the same way for everybody, so rather too wide")  # fmt: skip
        ends = {
            "takers": f"{say.short(found.takers.low)} – {say.short(found.takers.high)}",
            "loss": f"{say.money(found.loss.low)} – {say.money(found.loss.high)}",
            "value": f"{say.money(found.value.low)} – {say.money(found.value.high)}",
        }
        st.caption(plain(text.format(**ends)))


def limits(run: FinishedRun, kept: Kept | None, say: Speech) -> None:
    """What limits cost, as sentences, bars and a table."""
    t = say.t
    st.subheader(t("Limits and what they cost"), anchor=False)
    listed = run.metrics["plan"].get("limits", [])
    if not listed:
        st.info(t("The plan had no limits."))
        return
    tight = sum(abs(limit["shadow_price"] or 0) > 1e-9 for limit in listed)
    if kept is None:
        st.markdown("\n".join(f"- {plain(sentence)}" for sentence in limit_sentences(listed, run, say)))
    else:
        plan, case = kept.plan, kept.case
        said = price_words(case.limits, plan.shadow_prices, plan.usage, all_names(kept, run), say.symbol)
        told = [words.zh if say.lang == "zh" else words.en for words in said if not words.slack][:SENTENCES]
        told = told or [t("No limit binds: more room would not raise the plan's value.")]
        left, right = st.columns([5, 6], gap="large")
        left.markdown("\n".join(f"- {plain(sentence)}" for sentence in told))
        use = limit_use(case.limits, plan.usage, plan.shadow_prices).head(BARS)
        with right:
            st.echarts_chart(
                offer_charts.usage_chart(use, limit_names(kept, run, say), say), height=32 * len(use) + 12,
                alt=t("Use of each limit")
            )  # fmt: skip
            st.caption(t("Use of the dearest limits; orange: a floor and what is reached of it; pale: costs nothing."))
    with st.expander(t("All {n} limits, {tight} of them tight").format(n=len(listed), tight=tight)):
        st.dataframe(
            limits_table(listed, run, say),
            hide_index=True,
            column_config={t("Use"): st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)},
        )


def who_gets_what(run: FinishedRun, say: Speech) -> None:
    """The plan by product and scene or segment."""
    t = say.t
    st.subheader(t("The plan: who gets what"), anchor=False)
    cells = run.table("plan_cells")
    if cells.empty:
        st.info(t("The plan offers nothing: nobody was reachable and eligible, or no offer was worth its cost."))
        return
    scenes = home_scenes(run, say)
    left, right, _ = st.columns([3, 3, 4], vertical_alignment="top")
    with left:
        scene = kept_choice(t("Scene"), [EVERY, *scenes], lambda s: scenes.get(s, t("All scenes")), "plan_scene", say)
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


@st.fragment
def who_is_served(run: FinishedRun, kept: Kept, say: Speech) -> None:
    """Shares served by group, with the fairness ratio; groups of fewer than 20 people only together."""
    t = say.t
    st.subheader(t("Who is served"), anchor=False)
    columns = [*map(str, kept.case.groups.columns), *map(str, kept.case.protected.columns)]
    protected = set(map(str, kept.case.protected.columns))
    marked = {c: f"{say.label(c)} · {t('protected')}" if c in protected else say.label(c) for c in columns}
    marked |= {"scene_id": t("Scene"), "segment_id": t("Segment")}
    place, _ = st.columns([3, 7])
    with place:
        by = kept_choice(t("Compare by"), columns, lambda c: marked.get(c, c), "served_by", say)
    table, fair = _served(kept.key, by)
    names = all_names(kept, run)[say.lang] | {SUPPRESSED: t("(small groups)"), UNKNOWN: t("(unknown)")}
    left, right = st.columns([3, 7], gap="large")
    with left:
        st.echarts_chart(offer_charts.groups_chart(table, names, say), height=26 * len(table) + 12,
                         alt=t("Share served by group"))  # fmt: skip
        st.caption(t("Share of the eligible that is offered anything."))
    with right:
        st.markdown(plain(fairness_words(fair, names, say)))
        st.dataframe(served_table(table, names, say), hide_index=True)
    if by in protected:
        st.caption(t("A protected attribute is compared by and never steered by."))


@st.fragment
def verdict(kept: Kept, say: Speech) -> None:
    """What an independent checker says of the plan."""
    t = say.t
    st.subheader(t("Checked again"), anchor=False)
    if kept.case.p_take.size > LARGEST_CHECKED and not st.session_state.get(f"checked_{kept.key}"):
        if not st.button(t("Check the plan now"), key="check_plan"):
            st.caption(t("The checker adds the plan up again from ids, shares and rules, without the solver."))
            return
        st.session_state[f"checked_{kept.key}"] = True
    with st.spinner(t("Checking the plan")):
        found = _checked(kept.key)
    sentence = plain(found.zh if say.lang == "zh" else found.en)
    (st.success if found.ok else st.error)(sentence, icon=":material/fact_check:")
    with st.expander(t("What was checked")):
        rows = found.rows
        st.dataframe(
            pd.DataFrame({t("Check"): rows["check"], t("Found"): rows["found"], t("Must be"): rows["must_be"],
                          t("Holds"): [t("yes") if ok else t("no") for ok in rows["ok"]],
                          t("First fault"): rows["offender"]}),
            hide_index=True,
        )  # fmt: skip


def eligibility(run: FinishedRun, say: Speech) -> None:
    """How many people each rule keeps from each product."""
    t = say.t
    st.subheader(t("Who may be offered what, and why not"), anchor=False)
    table = run.table("eligibility")
    if table.empty:
        st.info(t("This run kept no eligibility counts."))
        return
    chart = charts.eligibility_bars(table, run.product_names(say.lang), say)
    products = table["product_id"].nunique()
    # many products scroll in a window of their own, so that the page stays short
    place = st.container(height=620) if products > 22 else st.container()
    place.echarts_chart(chart, height=90 + 26 * products, alt=t("Eligible people and first reason against, by product"))
    st.caption(t("Each person counts once per product: as eligible, or under the first rule that said no."))


def footing(run: FinishedRun, kept: Kept, say: Speech) -> None:
    """Which run the plan's figures belong to."""
    stands_on(kept, run, say)


def fairness_words(fair: Fairness, names: dict[str, str], say: Speech) -> str:
    """The fairness ratio as a sentence."""
    t = say.t
    if pd.isna(fair.ratio):
        return t("Fewer than two groups of 20 eligible people: there is nothing to compare.")
    told = t("{least} is served at {ratio} of the rate of {greatest} (95% interval {low} – {high}).").format(
        least=names.get(fair.least, fair.least), greatest=names.get(fair.greatest, fair.greatest),
        ratio=say.percent(fair.ratio, 0), low=say.percent(fair.low, 0), high=say.percent(fair.high, 0),
    )  # fmt: skip
    rule = say.percent(FOUR_FIFTHS, 0)
    if fair.doubtful:
        return f"{told} {t('The whole interval lies below {rule}: look why.').format(rule=rule)}"
    return f"{told} {t('A rule of thumb asks for {rule}; this is no verdict.').format(rule=rule)}"


def served_table(table: pd.DataFrame, names: dict[str, str], say: Speech) -> pd.DataFrame:
    """People, eligible, offered and expected figures of each group; hidden ones as a dash."""
    t = say.t
    return pd.DataFrame(
        {
            t("Group"): [names.get(str(g), str(g)) for g in table["group"]],
            t("People"): [say.count(n) for n in table["people"]],
            t("Eligible"): [say.count(n) for n in table["eligible"]],
            t("Offered"): [say.count(n) for n in table["offered"]],
            t("Expected takers"): [EMPTY if pd.isna(n) else say.short(n) for n in table["takers"]],
            t("Expected value"): [say.money(v) for v in table["profit"]],
            t("Expected loss"): [say.money(v) for v in table["loss"]],
            t("Bad rate"): [say.percent(v) for v in table["bad_rate"]],
        }
    )


@st.cache_data(max_entries=8, show_spinner=False)
def _totals(key: str) -> PlanTotals:
    kept = kept_again(key)
    return plan_totals(kept.case, kept.plan.assignment)


@st.cache_data(max_entries=32, show_spinner=False)
def _served(key: str, by: str) -> tuple[pd.DataFrame, Fairness]:
    kept = kept_again(key)
    return distribution(kept.case, kept.plan.assignment, by), fairness(kept.case, kept.plan.assignment, by)


@st.cache_data(max_entries=4, show_spinner=False)
def _checked(key: str) -> PlanCheck:
    kept = kept_again(key)
    return check(kept.case, kept.plan, exclusive=kept.exclusive)
