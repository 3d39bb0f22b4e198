"""Who takes when offered, and what new products rest on, as the page of models shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from app import model_charts
from app.finished_run import FinishedRun
from app.i18n import EMPTY, Speech, plain
from app.labels import mark
from app.model_tables import METHODS
from scenefit.contracts.errors import ScenefitError
from scenefit.runtime.settings import FlowSettings
from scenefit.runtime.workspace import Workspace

STATES = {"own": mark("own offers"), "borrowed": mark("starting evidence"), "unknown": mark("nothing known")}
ALL = ""


def response_panel(run: FinishedRun, say: Speech) -> None:
    """Reliability, lift and profit of the response model on held-out campaigns, all together or on one channel."""
    t = say.t
    st.subheader(t("Who takes when offered"), anchor=False)
    try:
        told = _response(str(run.folder), (run.folder / "manifest.json").stat().st_mtime_ns)
    except ScenefitError as error:
        st.error(plain(error), icon=":material/error:")
        return
    if told is None:
        st.info(t("The newest run kept no offers of held-out campaigns: it had none, or an older version made it."))
        return
    by_channel = {str(part["channel"]): part for part in told["channels"]}
    shown = _channel(list(by_channel), say)
    part = told if shown == ALL else by_channel[shown]
    _headline(part, say)
    reliability, lift, profit = st.columns(3, gap="large")
    with reliability:
        st.markdown(f"**{t('Does it keep what it promises')}**")
        st.echarts_chart(model_charts.calibration_chart(part["curve"], say), height=280, alt=t("Calibration curve"))
        st.caption(correction_note(told["correction"], say))
    with lift:
        st.markdown(f"**{t('How much better than chance')}**")
        chart = model_charts.lift_chart(part["lift"], say, model_charts.TENTHS_OF_OFFERS)
        st.echarts_chart(chart, height=280, alt=t("Lift by tenth"))
        st.caption(t("Held-out campaigns: {names}. The model that promised knew none of them.").format(
            names=plain(", ".join(told["campaigns"]))))  # fmt: skip
    with profit:
        _profit(part, say)
    if shown == ALL and by_channel:
        st.dataframe(channel_table(told["channels"], say), hide_index=True, placeholder=EMPTY)


def channel_table(channels: list[dict[str, Any]], say: Speech) -> pd.DataFrame:
    """One row per channel: offers, takers, how honest and how sharp the promises are, profit of the first tenth."""
    t = say.t
    rows = [
        {
            t("Channel"): say.label(part["channel"]), t("Offers"): say.count(part["offers"]),
            t("Share that took"): say.percent(part["base_rate"], 2), t("promised"): say.percent(part["promised"], 2),
            t("Calibration error"): say.figure(part["ece"], 4),
            t("Lift of the first tenth"): say.figure(part["lift"][0]["lift"], 2),
            t("Profit of the first tenth"): EMPTY if not part["profit"] else say.money(part["profit"][0]["profit"]),
        }
        for part in channels
    ]  # fmt: skip
    return pd.DataFrame(rows)


def correction_note(found: dict[str, Any], say: Speech) -> str:
    """Whether promises are put right in the plan, as a sentence."""
    if found["method"] == "none":
        return say.t("Bars: 95 % interval. No correction surely helps on offers it was not learned from: the "
                     "probabilities stand as they are.")  # fmt: skip
    text = (
        say.t("Bars: 95 % interval, before correction. Corrected in the plan ({method}, and a shift for each product): "
              "on offers it was not learned from the calibration error falls from {before} to {after}.")
        if found["by_offer"]
        else say.t("Bars: 95 % interval, before correction. Corrected in the plan ({method}): on offers it was not "
                   "learned from the calibration error falls from {before} to {after}.")
    )  # fmt: skip
    return text.format(
        method=say.t(METHODS[found["method"]]), before=say.figure(found["before"], 4),
        after=say.figure(found["after"], 4))  # fmt: skip


def evidence_panel(workspace: Workspace, run: FinishedRun, say: Speech) -> None:
    """Which products stand on what similar ones let expect, how much, and until when."""
    t = say.t
    st.subheader(t("What new products rest on"), anchor=False)
    try:
        horizon = int(run.manifest["settings"].get("flow", {}).get("horizon_days", FlowSettings().horizon_days))
        told = _evidence(str(workspace.root), str(run.manifest["as_of"]), horizon, workspace.dataset().fingerprint)
    except ScenefitError as error:
        st.error(plain(error), icon=":material/error:")
        return
    table = evidence_rows(told, run.product_names(say.lang), say, run.timezone)
    counts = pd.Series([row["state"] for row in told["products"]]).value_counts()
    st.markdown(t("{borrowed} products stand on starting evidence of similar ones, {own} on their own offers; of "
                  "{unknown} nothing is known from offers.").format(
        borrowed=say.count(counts.get("borrowed", 0)), own=say.count(counts.get("own", 0)),
        unknown=say.count(counts.get("unknown", 0))))  # fmt: skip
    bar = st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)
    st.dataframe(table, hide_index=True, height=320, placeholder=EMPTY, column_config={t("Borrowed"): bar})
    st.caption(t("Starting evidence: a Beta prior from products of similar kind, rate, tenor and scenes. It fades with "
                 "offers and days and is gone after {offers} offers or {days} days. A product never offered by then is "
                 "not guessed: offer it to a small random group first.").format(
        offers=say.count(told["expires_offers"]), days=say.count(told["expires_days"])))  # fmt: skip


def evidence_rows(told: dict[str, Any], names: dict[str, str], say: Speech, timezone: str) -> pd.DataFrame:
    """One row per product: those on starting evidence first, then the newest."""
    t = say.t
    order = {"borrowed": 0, "unknown": 1, "own": 2}
    ordered = sorted(told["products"], key=lambda row: (order[row["state"]], row["days"], row["product_id"]))
    rows = [
        {
            t("Product"): f"{row['product_id']} {names.get(row['product_id'], '')}".strip(),
            t("Rests on"): t(STATES[row["state"]]),
            t("Borrowed"): row["borrowed"],
            t("Offers"): say.count(row["offers"]),
            t("Takes"): say.count(row["takes"]),
            t("Own share"): say.percent(row["own"], 2),
            t("Similar products"): say.percent(row["start_rate"], 2),
            t("Estimate"): say.percent(row["rate"], 2),
            t("Most similar"): row["nearest"] or EMPTY,
            t("Counts for, offers"): say.figure(row["start_offers"], 0) if row["state"] == "borrowed" else EMPTY,
            t("Gone on"): say.day(row["gone_at"], timezone)[:10] if row["state"] == "borrowed" else EMPTY,
        }
        for row in ordered
    ]
    return pd.DataFrame(rows)


def _channel(channels: list[str], say: Speech) -> str:
    """The channel looked at; all together first."""
    if len(channels) < 2:
        return ALL
    options = [ALL, *channels]
    wanted = st.session_state.get("models_channel", ALL)
    chosen = st.segmented_control(
        say.t("Channel"), options, default=wanted if wanted in options else ALL, required=True,
        format_func=lambda name: say.t("All channels") if name == ALL else say.label(name),
        key=f"models_channel_{say.lang}",
    )  # fmt: skip
    st.session_state["models_channel"] = chosen
    return str(chosen)


def _headline(part: dict[str, Any], say: Speech) -> None:
    t, first = say.t, part["lift"][0]
    profit = part["profit"]
    figures = (
        (t("Offers"), say.count(part["offers"]), t("Made in campaigns that the model did not know")),
        (t("Share that took"), say.percent(part["base_rate"], 2), t("Promised: {share}").format(
            share=say.percent(part["promised"], 2))),
        (t("Calibration error"), say.figure(part["ece"], 4), t("Mean distance between promised and observed share")),
        (t("Lift of the first tenth"), say.figure(first["lift"], 2), t("{share} of all takes").format(
            share=say.percent(first["captured"], 0))),
        (t("Profit of the first tenth"), EMPTY if not profit else say.money(profit[0]["profit"]),
         EMPTY if not profit else t("{each} per contact").format(each=say.money(profit[0]["per_contact"]))),
    )  # fmt: skip
    for column, (name, value, note) in zip(st.columns(5), figures, strict=True):
        column.metric(name, value, help=note, border=True)


def _profit(part: dict[str, Any], say: Speech) -> None:
    t = say.t
    st.markdown(f"**{t('What the tenths brought')}**")
    if not part["profit"]:
        st.info(t("No profit can be told: the run kept no case, or the offers name no product that is offered now."))
        return
    st.echarts_chart(model_charts.profit_chart(part["profit"], say), height=280, alt=t("Profit by tenth"))
    contacts = sum(row["contacts"] for row in part["profit"])
    text = t(
        "Bars: profit of each tenth; line: of all so far. {n} offers at today's margins, expected losses and "
        "contact costs. All takers count, also those who would have taken anyway: observed, not caused."
    )
    st.caption(text.format(n=say.count(contacts)))


# resources, not data: never changed, and a copy per session would cost their size again
@st.cache_resource(max_entries=5, show_spinner=False)
def _response(folder: str, changed: int) -> dict[str, Any] | None:  # noqa: ARG001 (a new file is a new entry)
    from app.recs_response import response_document

    return response_document(Path(folder))


@st.cache_resource(max_entries=5, show_spinner=False)
def _evidence(root: str, as_of: str, horizon: int, fingerprint: str) -> dict[str, Any]:  # noqa: ARG001 (new data)
    from app.recs_evidence import evidence_document

    return evidence_document(Workspace(Path(root)), pd.Timestamp(as_of), horizon)
