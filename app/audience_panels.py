"""What the page of audiences shows beside the editor: size and cost of each step, who they are, the shelf."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import audience_charts
from app.audience_documents import told
from app.audience_editor import put_rule
from app.audiences import FEWEST, Desk, contrast, expected, on_channels, sample
from app.i18n import Speech, plain
from scenefit.contracts.errors import ScenefitError
from segmentation.audience_edit import Edit
from segmentation.bits import count, packed
from segmentation.rules import Rule

MORE = (100, 500, 1_000, 5_000)
MASKED = 4


def headline(found: Desk, rule: Rule, edit: Edit, say: Speech) -> None:
    """Exact size, who may be contacted, what the latest run expects."""
    t, n = say.t, len(found.frame)
    words = found.store.bits(rule)
    size, may = int(count(words)), int(count(words & packed(found.reach.mask)))
    hopes = expected(found, words & packed(found.reach.mask))
    unknown = plain(hopes.why_zh if say.lang == "zh" else hopes.why_en)
    best = t("If everybody who may be contacted got the best offer")
    after = t("After expected loss, incentive and contact cost")
    lost = t("P(take) × PD given take × LGD × EAD, summed")
    exact = t("{share} of {n} people, exact").format(share=say.percent(size / n), n=say.count(n))
    figures = (
        (t("People"), say.count(size), exact),
        (t("May be contacted"), say.count(may), t("After consent, lists, contact cap and global hold-out")),
        (t("Expected approvals"), say.short(hopes.approvals), unknown if hopes.approvals is None else best),
        (t("Expected profit"), say.money(hopes.profit), unknown if hopes.profit is None else after),
        (t("Expected loss"), say.money(hopes.loss), unknown if hopes.loss is None else lost),
    )
    for column, (name, value, note) in zip(st.columns(len(figures)), figures, strict=True):
        column.metric(name, value, help=note, border=True)
    if edit.conflict is not None:
        st.warning(plain(edit.conflict.sentence("zh" if say.lang == "zh" else "en")), icon=":material/block:")


def funnel(edit: Edit, say: Speech) -> None:
    """Who is lost at each step, and what each step costs."""
    t = say.t
    steps, costs = told(edit.waterfall), told(edit.leave_one_out)
    st.markdown(f"**{t('Who is left after each step')}**")
    high = audience_charts.tall(audience_charts.step_names(steps, say))
    st.echarts_chart(audience_charts.waterfall_chart(steps, say), height=high, alt=t("People left after each step"))
    st.markdown(f"**{t('What each step costs')}**")
    st.caption(t("How many more people there would be without this step alone."))
    high = audience_charts.tall(audience_charts.step_names(costs, say))
    st.echarts_chart(audience_charts.cost_chart(costs, say), height=high, alt=t("People each step costs"))


def relaxing(found: Desk, rule: Rule, say: Speech) -> None:
    """Ways to get more people, each with what it brings; one click takes it."""
    t, lang = say.t, "zh" if say.lang == "zh" else "en"
    st.markdown(f"**{t('More people: which condition to relax')}**")
    more = st.segmented_control(t("At least so many more"), MORE, default=MORE[1], key="relax_more",
                                format_func=lambda n: f"+{say.count(n)}")  # fmt: skip
    outside = len(found.frame) - found.store.count(rule)
    if not outside:
        st.info(t("Everybody is in it already."))
        return
    try:
        ways = found.store.relax(rule, min(int(more or MORE[1]), outside)).head(6)
    except ScenefitError as error:
        st.error(plain(error), icon=":material/error:")
        return
    if ways.empty:
        st.info(t("Nobody more can be had by relaxing one condition."))
        return
    for number, way in enumerate(ways.to_dict("records")):
        left, right = st.columns([9, 2], vertical_alignment="center")
        worth = "" if pd.isna(way["extra_value"]) else f" · {t('profit')} {say.money(way['extra_value'])}"
        worth += "" if pd.isna(way["extra_loss"]) else f" · {t('loss')} {say.money(way['extra_loss'])}"
        said = _condition_words(way["condition"], lang)
        change = f"{said} → {_condition_words(way['relaxed'], lang)}"
        if way["how"] == "drop":
            change = t("drop: {condition}").format(condition=said)
        few = "" if way["enough"] else f" ({t('not enough alone')})"
        left.markdown(f"**+{say.count(way['extra'])}**{plain(worth)}{few}  \n{plain(change)}")
        right.button(t("Relax"), key=f"relax_{number}_{way['how']}_{way['step']}", on_click=put_rule,
                     args=(Rule.read(way["rule"]),), width="stretch")  # fmt: skip
    note = str(ways.iloc[0][f"note_{lang}"])
    if note:
        st.caption(plain(note))


def who_they_are(found: Desk, rule: Rule, say: Speech) -> None:
    """Channels, contrast with everybody, and a masked sample."""
    t = say.t
    words = found.store.bits(rule)
    left, right = st.columns([4, 6], gap="large")
    with left:
        st.markdown(f"**{t('Who may be contacted where')}**")
        counts = on_channels(found, words)
        st.echarts_chart(audience_charts.channels_chart(counts, int(count(words)), say), height=32 * len(counts) + 16,
                         alt=t("People reachable by channel"))  # fmt: skip
    with right:
        st.markdown(f"**{t('What sets them apart from everybody')}**")
        table = contrast(found, words)
        if table.empty:
            st.info(t("Fewer than 20 people, or everybody: nothing is said of them."))
        else:
            st.echarts_chart(audience_charts.contrast_chart(table, say), height=30 * len(table) + 40,
                             alt=t("Contrast with everybody"))  # fmt: skip
    st.markdown(f"**{t('Some of them')}**")
    # a sample of three persons is no sample
    if 0 < int(count(words)) < FEWEST:
        st.info(t("Fewer than 20 people: nobody of them is shown."))
    else:
        _sample(found, words, say)


def _sample(found: Desk, words: object, say: Speech) -> None:
    t = say.t
    rows = sample(found, words)  # type: ignore[arg-type]
    if rows.empty:
        st.info(t("There is nobody to show."))
        return
    shown = rows.assign(customer_id=[masked(str(c)) for c in rows["customer_id"]])
    keep = ["customer_id", *[c for c in ("region", "city_tier", "occupation", "income_rank", "is_lead", "visits_90d",
                                         "purchases_90d", "spend_90d", "top_scene_id", "accounts_open")
                             if c in shown]]  # fmt: skip
    names = {c: t("Customer") if c == "customer_id" else say.label(c) for c in keep}
    picked = st.dataframe(shown[keep].rename(columns=names), hide_index=True, height=260, on_select="rerun",
                          selection_mode="single-row", key="sample_rows")  # fmt: skip
    chosen = picked["selection"]["rows"]
    if chosen:
        person = rows.iloc[chosen[0]]
        st.markdown(f"**{masked(str(person['customer_id']))}**")
        profile = pd.DataFrame(
            {t("Feature"): [say.label(c) for c in rows.columns if c != "customer_id"],
             t("Value"): [str(person[c]) for c in rows.columns if c != "customer_id"]}
        )  # fmt: skip
        st.dataframe(profile, hide_index=True, height=320)


def masked(customer: str) -> str:
    """An id of which only the last letters are shown."""
    return "•" * max(len(customer) - MASKED, MASKED) + customer[-MASKED:]


def _condition_words(condition: str, lang: str) -> str:
    if not condition:
        return ""
    return Rule.read(f'{{"where": {condition}}}').sentence("zh" if lang == "zh" else "en")
