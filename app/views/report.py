"""Run report: how good the models are, whom a plan can reach, what past campaigns did, what the run cost."""

from __future__ import annotations

import json

import pandas as pd
import streamlit as st

from app import charts
from app.engine import current
from app.finished_run import FinishedRun
from app.i18n import Speech, plain
from app.quality import absent, classifier_rows, no_effects, quality_frame, ranking_rows, why_absent
from app.tables import effects_frame, effects_table, ranking_table


def page() -> None:
    """The page from top to bottom."""
    run, say, _ = current()
    st.title(say.t("Run report"), anchor=False)
    _ranking(run, say)
    _classifiers(run, say)
    _reach(run, say)
    _effects(run, say)
    _assumptions(run, say)
    _timings(run, say)
    _downloads(run, say)


def _ranking(run: FinishedRun, say: Speech) -> None:
    t = say.t
    st.subheader(t("Recommendations against popularity"), anchor=False)
    for sentence in absent(run.metrics, ("behaviour", "offers"), say):
        st.info(plain(sentence))
    rows = ranking_rows(run.metrics, say)
    if not rows:
        return
    frame = quality_frame(rows)
    shown = frame[frame["measure"] == "ndcg@10"]
    left, right = st.columns([5, 6], gap="large", vertical_alignment="center")
    left.echarts_chart(charts.model_bars(shown, say), height=270, alt=t("Model against popularity"))
    right.table(ranking_table(rows, say).map(plain), border="horizontal", hide_index=True)
    st.caption(
        t(
            "NDCG@10 and Hit@10 on the held-out last weeks: how high what was really taken stands among ten "
            "suggestions. New: only what the customer had not taken before."
        )
    )


def _classifiers(run: FinishedRun, say: Speech) -> None:
    t = say.t
    st.subheader(t("Response and default models"), anchor=False)
    for sentence in absent(run.metrics, ("response", "default"), say):
        st.info(plain(sentence))
    for title, figures in classifier_rows(run.metrics, say):
        st.markdown(f"**{plain(title)}**")
        for column, (name, value, note) in zip(st.columns(5), figures, strict=False):
            column.metric(name, value, help=note, border=True)


def _reach(run: FinishedRun, say: Speech) -> None:
    t = say.t
    st.subheader(t("Whom the plan can reach"), anchor=False)
    steps = run.metrics.get("reach")
    if not isinstance(steps, list) or not steps:
        st.info(plain(why_absent(steps, say)))
        return
    st.echarts_chart(charts.reach_waterfall(pd.DataFrame(steps), say), height=300, alt=t("Reach step by step"))


def _effects(run: FinishedRun, say: Speech) -> None:
    t = say.t
    st.subheader(t("What past campaigns did"), anchor=False)
    effects = run.metrics.get("effects")
    if not isinstance(effects, list) or not effects:
        st.info(plain(no_effects(effects, say)))
        return
    frame = effects_frame(effects)
    st.echarts_chart(charts.effect_intervals(frame, say), height=80 + 30 * len(frame), alt=t("Effect by campaign arm"))
    st.caption(
        t("Green: randomised, so the difference is an effect. Orange: observational, groups may differ otherwise too.")
    )
    with st.expander(t("All figures")):
        st.dataframe(effects_table(frame, run, say), hide_index=True)


def _timings(run: FinishedRun, say: Speech) -> None:
    t = say.t
    st.subheader(t("Time and memory"), anchor=False)
    seconds = run.timings.get("seconds", {})
    if not seconds:
        st.info(t("This run kept no timings."))
        return
    figures = (
        (t("Seconds"), say.figure(run.timings.get("total_seconds"), 1)),
        (t("CPU seconds"), say.figure(run.timings.get("cpu_seconds"), 1)),
        (t("Peak memory"), f"{run.timings['peak_rss_mb']:,.0f} MB" if "peak_rss_mb" in run.timings else "–"),
        (t("Work ran on"), str(run.timings.get("backend", "–"))),
    )
    for column, (name, value) in zip(st.columns(len(figures)), figures, strict=True):
        column.metric(name, value, border=True)
    st.echarts_chart(charts.seconds_bars(seconds, say), height=60 + 26 * len(seconds), alt=t("Seconds by step"))


def _assumptions(run: FinishedRun, say: Speech) -> None:
    t = say.t
    st.subheader(t("Assumptions"), anchor=False)
    sentences = run.dataset.get(f"assumptions_{say.lang}", [])
    if not sentences:
        st.info(t("The data set declares no assumption."))
    st.markdown("\n".join(f"- {plain(sentence)}" for sentence in sentences))


def _downloads(run: FinishedRun, say: Speech) -> None:
    t = say.t
    st.subheader(t("Take it with you"), anchor=False)
    row = st.container(horizontal=True)
    manifest = json.dumps(run.manifest, ensure_ascii=False, indent=1, sort_keys=True)
    row.download_button(
        t("Manifest (JSON)"), manifest, f"manifest-{run.run_id}.json", "application/json", on_click="ignore"
    )
    for name, label, kind in (
        ("report.html", t("Report (HTML)"), "text/html"),
        ("report.md", t("Report (Markdown)"), "text/markdown"),
    ):
        file = run.folder / name
        if file.is_file():
            row.download_button(label, file.read_bytes(), f"{run.run_id}-{name}", kind, on_click="ignore")


if __name__ == "__main__":
    page()
