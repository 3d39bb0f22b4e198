"""What if, on the page of offers: other limits and terms re-planned, the frontier, how steady the plan is."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from app import offer_charts
from app.choices import kept_choice
from app.finished_run import FinishedRun
from app.i18n import EMPTY, Speech, plain
from app.offer_case import Kept, all_names, limit_names, product_names, stands_on
from app.offer_facts import OTHERS
from app.offer_what_if import DRAWS, Answer, Question, answered, frontier_point, one_draw, steadied, typical_value
from recsys.plan_figures import SMALLEST
from recsys.stability import CHURN

SHARES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
INERTIAS = (0.0, 0.05, 0.1, 0.25, 0.5)
KEY = "what_if_question"


@st.fragment
def re_plan(run: FinishedRun, kept: Kept, say: Speech) -> None:
    """A form of changes, and the plan they lead to beside the plan as it is."""
    t = say.t
    st.subheader(t("Plan again with other limits"), anchor=False)
    products = product_names(kept, say)
    left, right = st.columns(2)
    with left:
        product = kept_choice(t("Product"), list(products), products.__getitem__, "what_if_product", say)
    with right:
        channels = list(dict.fromkeys(kept.case.offers["channel"]))
        channel = kept_choice(t("Channel"), channels, say.label, "what_if_channel", say)
    with st.form("what_if", border=True):
        asked = _form(kept, product, channel, say)
        if st.form_submit_button(t("Plan again"), type="primary", icon=":material/autorenew:"):
            st.session_state[KEY] = asked
    question = st.session_state.get(KEY)
    if question is None:
        st.caption(
            t("Nothing is planned again until the button is pressed; the kept plan and the run stay as they are.")
        )
        return
    with st.spinner(t("Planning again"), show_time=True):
        found = answered(kept.key, question, all_names(kept, run))
    st.markdown(f"**{t('Asked')}**: {plain(question_words(question, kept, run, say))}")
    if found.conflict_en:
        lines = found.conflict_zh if say.lang == "zh" else found.conflict_en
        st.error(plain(lines[0]), icon=":material/block:")
        st.markdown("\n".join(f"- {plain(line)}" for line in lines[1:]))
        return
    _before_after(found, run, kept, say)
    stands_on(kept, run, say)


def _form(kept: Kept, product: str, channel: str, say: Speech) -> Question:
    t = say.t
    totals = {spec.name: spec.total for spec in kept.case.limits}
    one, two, three = st.columns(3, gap="large")
    wanted: list[tuple[str, float]] = []
    with one:
        for name, label in (("budget", t("Budget, % of now")), ("expected loss", t("Expected loss limit, % of now"))):
            if name in totals:
                share = st.slider(label, 10, 300, 100, 5, key=f"what_if_{name}",
                                  help=t("Now: {total}").format(total=say.money(totals[name])))  # fmt: skip
                if share != 100:
                    wanted.append((name, totals[name] * share / 100))
        risk = st.number_input(t("Risk appetite: highest probability of default, %"), 0.0, 100.0, None, 0.5,
                               key="what_if_pd", placeholder=t("as it is"))  # fmt: skip
    with two:
        capacity = f"capacity {product}"
        places = st.number_input(
            t("Capacity of the product"), 0, None, None, 10, key=f"what_if_capacity_{product}",
            placeholder=t("now {n}").format(n=say.count(totals[capacity])) if capacity in totals else t("no limit"),
            disabled=capacity not in totals,
        )  # fmt: skip
        if places is not None:
            wanted.append((capacity, float(places)))
        contacts = st.number_input(t("Most contacts on the channel"), 0, None, None, 10, key=f"what_if_on_{channel}",
                                   placeholder=t("as it is"))  # fmt: skip
    with three:
        apr = st.number_input(t("APR of the product, %"), 0.0, 36.0, None, 0.1, key=f"what_if_apr_{product}",
                              placeholder=t("now {n}").format(n=say.percent(_apr(kept, product))))  # fmt: skip
        slope = st.number_input(t("Change of log-odds of taking per point of APR"), -2.0, 0.0, 0.0, 0.05,
                                key="what_if_slope", help=t("An assumption: 0 leaves the chances of taking as they "
                                                            "are."))  # fmt: skip
        lever = st.number_input(t("Business lever of the product"), 0.0, 10.0, 1.0, 0.1, key=f"what_if_lever_{product}")
    return Question(
        tuple(wanted),
        None if contacts is None else (channel, float(contacts)),
        None if apr is None else (product, float(apr) / 100),
        None if lever == 1 else (product, float(lever)),
        None if risk is None else float(risk) / 100,
        float(slope) if apr is not None else 0.0,
    )


def _apr(kept: Kept, product: str) -> float | None:
    offers = kept.case.offers
    return float(offers.loc[offers["product_id"] == product, "apr"].iloc[0]) if "apr" in offers else None


def question_words(asked: Question, kept: Kept, run: FinishedRun, say: Speech) -> str:
    """A question in words."""
    t, names, products = say.t, limit_names(kept, run, say), product_names(kept, say)
    money = {spec.name for spec in kept.case.limits if spec.of in ("cost", "loss")}
    said = [f"{names.get(n, n)} → {say.money(v) if n in money else say.count(v)}" for n, v in asked.totals]
    if asked.contacts:
        said.append(t("contacts on {channel} → {n}").format(channel=say.label(asked.contacts[0]),
                                                            n=say.count(asked.contacts[1])))  # fmt: skip
    if asked.apr:
        said.append(
            t("APR of {name} → {rate}").format(
                name=products.get(asked.apr[0], asked.apr[0]), rate=say.percent(asked.apr[1], 2)
            )
        )
    if asked.lever:
        said.append(
            t("lever of {name} → {n}").format(
                name=products.get(asked.lever[0], asked.lever[0]), n=say.figure(asked.lever[1], 1)
            )
        )
    if asked.pd_max is not None:
        said.append(t("nobody above a probability of default of {share}").format(share=say.percent(asked.pd_max)))
    return " · ".join(said) or t("nothing is different")


def _before_after(found: Answer, run: FinishedRun, kept: Kept, say: Speech) -> None:
    t = say.t
    assert found.before is not None
    assert found.after is not None
    figures: tuple[tuple[str, float, float, Callable[[float | None], str]], ...] = (
        (t("Expected value"), found.before.value, found.after.value, say.money),
        (t("People offered"), found.before.customers, found.after.customers, say.short),
        (t("Expected takers"), found.before.takers, found.after.takers, say.short),
        (t("Cost"), found.before.cost, found.after.cost, say.money),
        (t("Expected loss"), found.before.expected_loss, found.after.expected_loss, say.money),
        (t("Bad rate"), found.before.bad_rate, found.after.bad_rate, lambda v: say.percent(v, 2)),
    )
    for column, (name, old, new, write) in zip(st.columns(len(figures)), figures, strict=True):
        worse = name in (t("Cost"), t("Expected loss"), t("Bad rate"))
        step = new - old
        same = pd.isna(step) or abs(step) < 1e-12
        column.metric(name, write(new), None if same else ("+" if step > 0 else "-") + write(abs(step)),
                      delta_color="inverse" if worse else "normal", border=True,
                      help=t("before: {value}").format(value=write(old)))  # fmt: skip
    st.markdown(plain(t("{n} people get another offer: {share} of those with an offer before or after.").format(
        n=say.count(found.changed), share=say.percent(found.changed_share))))  # fmt: skip
    names = all_names(kept, run)[say.lang]
    left, right = st.columns(2, gap="large")
    by = found.by_product.rename(columns={"product_id": "key", "offers_before": "before", "offers_after": "after"})
    shown = int(((by["before"] > 0) | (by["after"] > 0)).sum())
    with left:
        st.markdown(f"**{t('By product: people offered')}**")
        st.echarts_chart(offer_charts.change_chart(by, names, say), height=50 + 30 * min(shown, 20),
                         alt=t("Offers before and after by product"))  # fmt: skip
    with right:
        st.markdown(f"**{t('Whose product changes')}**")
        st.dataframe(flows_table(found.flows, names, say), hide_index=True, height=260)
        st.caption(t("Changes of fewer than 20 people stand together."))
        st.markdown(f"**{t('By segment')}**")
        st.dataframe(sides_table(found.by_segment, "segment_id", names, say), hide_index=True, height=300,
                     column_config={t("Group"): st.column_config.Column(width=190)})  # fmt: skip


def flows_table(moved: pd.DataFrame, names: dict[str, str], say: Speech) -> pd.DataFrame:
    """From what to what, and how many."""
    t = say.t
    called = names | {"": t("no offer"), OTHERS: t("(small groups)")}
    return pd.DataFrame(
        {t("Before"): [called.get(p, p) for p in moved["before"]],
         t("After"): [called.get(p, p) for p in moved["after"]],
         t("People"): [say.count(n) for n in moved["customers"]]}
    )  # fmt: skip


def sides_table(table: pd.DataFrame, key: str, names: dict[str, str], say: Speech) -> pd.DataFrame:
    """Offers, value and loss before and after, one row per group; money of 1 to 19 people as a dash."""
    t = say.t
    few = {side: table[f"customers_{side}"].between(1, SMALLEST - 1) for side in ("before", "after")}
    table = table.assign(**{f"{name}_{side}": table[f"{name}_{side}"].mask(hidden)
                            for side, hidden in few.items() for name in ("value", "loss")})  # fmt: skip
    rows: dict[str, list[str]] = {t("Group"): [names.get(str(k), str(k)) or EMPTY for k in table[key]]}
    for column, title, write in (("offers", t("People"), say.count), ("value", t("Value"), say.money),
                                 ("loss", t("Loss"), say.money)):  # fmt: skip
        rows[title] = [f"{write(a)} → {write(b)}" for a, b in
                       zip(table[f"{column}_before"], table[f"{column}_after"], strict=True)]  # fmt: skip
    return pd.DataFrame(rows)


@st.fragment
def budget_frontier(run: FinishedRun, kept: Kept, say: Speech) -> None:
    """What more or less of a limit would bring, computed on a button, point by point."""
    t = say.t
    st.subheader(t("What more or less would bring"), anchor=False)
    totals = {s.name: s.total for s in kept.case.limits if s.of in ("cost", "loss") and s.sense == "<=" and s.total > 0}
    if not totals:
        st.info(t("The plan has no limit in money."))
        return
    names = limit_names(kept, run, say)
    place, side = st.columns([3, 7], vertical_alignment="bottom")
    with place:
        limit = kept_choice(t("Limit"), list(totals), lambda n: names.get(n, n), "frontier_limit", say)
    done = f"frontier_{limit}_{kept.key}"
    if side.button(t("Compute the frontier"), key=f"{done}_go", icon=":material/show_chart:"):
        st.session_state[done] = True
    if not st.session_state.get(done):
        st.caption(t("One plan per point, {n} in all; nothing is computed until the button is pressed.").format(
            n=len(SHARES)))  # fmt: skip
        return
    bar = st.progress(0.0, t("Planning"))
    rows = []
    for number, share in enumerate(SHARES, start=1):
        rows.append(frontier_point(kept.key, limit, share * totals[limit]))
        bar.progress(number / len(SHARES), t("Point {n} of {of}").format(n=number, of=len(SHARES)))
    bar.empty()
    points = pd.concat(rows, ignore_index=True)
    st.echarts_chart(offer_charts.frontier_chart(points, totals[limit], names.get(limit, limit), say), height=320,
                     alt=t("Value and loss by the total of a limit"))  # fmt: skip
    out = points.loc[~points["feasible"].astype(bool), "total"]
    if len(out):
        st.caption(plain(t("No plan keeps the other limits at {totals}.").format(
            totals=", ".join(say.money(v) for v in out))))  # fmt: skip
    st.dataframe(points_table(points, say), hide_index=True)
    stands_on(kept, run, say)


def points_table(points: pd.DataFrame, say: Speech) -> pd.DataFrame:
    """Each point of a frontier: value, loss, takers, bad rate and what one more unit would earn."""
    t = say.t
    rows = points[points["feasible"].astype(bool)]
    return pd.DataFrame(
        {
            t("Limit"): [say.money(v) for v in rows["total"]],
            t("Expected value"): [say.money(v) for v in rows["value"]],
            t("Expected loss"): [say.money(v) for v in rows["expected_loss"]],
            t("Expected takers"): [say.short(v) for v in rows["takers"]],
            t("Bad rate"): [say.percent(v, 2) for v in rows["bad_rate"]],
            t("One more unit earns"): [say.money(v) for v in rows["marginal_price"]],
        }
    )


@st.fragment
def steadiness(run: FinishedRun, kept: Kept, say: Speech) -> None:
    """How much of the plan changes when inputs are a little off, and what holding on to offers costs."""
    t = say.t
    st.subheader(t("How steady the plan is"), anchor=False)
    done = f"steady_{kept.key}"
    if st.button(t("Try inputs that are 1% off"), key=f"{done}_go", icon=":material/vibration:"):
        st.session_state[done] = True
    if not st.session_state.get(done):
        st.caption(t("Every input is moved by up to 1% and planned again, {n} times.").format(n=DRAWS))
        return
    steps = DRAWS + 1
    bar = st.progress(0.0, t("Planning"))
    draws = []
    for seed in range(DRAWS):
        draws.append(one_draw(kept.key, seed))
        bar.progress((seed + 1) / steps, t("Draw {n} of {of}").format(n=seed + 1, of=DRAWS))
    inertias = tuple(round(share * typical_value(kept), 2) for share in INERTIAS)
    curve = steadied(kept.key, inertias, 1)
    bar.empty()
    churn = [d.churn for d in draws if not pd.isna(d.churn)]
    worth = [d.value_kept for d in draws if not pd.isna(d.value_kept)]
    if churn:
        said = t("After a 1% change of all inputs {share} of the offers change (draws: {all}; goal: at most {goal}); "
                 "the plan keeps {kept} of its value.")  # fmt: skip
        st.markdown(plain(said.format(share=say.percent(sum(churn) / len(churn)), goal=say.percent(CHURN, 0),
                                      all=", ".join(say.percent(c) for c in churn),
                                      kept=say.percent(sum(worth) / len(worth), 2))))  # fmt: skip
    else:
        st.warning(t("No draw of the inputs can be planned under the limits."))
    st.echarts_chart(offer_charts.inertia_chart(curve, CHURN, say), height=260, alt=t("Changed offers by inertia"))
    st.caption(t("Inertia: what the current offer counts more than its value when plans are compared, per person."))
    stands_on(kept, run, say)
