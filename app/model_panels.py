"""The champion and its challengers on the page: how good, how honest, who is chosen, who decides.

Modules that load scikit-learn or implicit are imported where a version is promoted: the page opens without them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from app import model_charts, model_tables
from app.charts import model_bars
from app.finished_run import FinishedRun
from app.i18n import EMPTY, Speech, plain
from app.model_response import evidence_panel, response_panel
from app.recs_fairness import plan_selection
from recsys import champions
from recsys.selection import LEAST_PEOPLE
from scenefit.contracts.errors import ScenefitError
from scenefit.runtime.workspace import Workspace
from segmentation.phrases import phrase

SAID = "models_said"
MOST_GROUPS = 8


def models_panel(workspace: Workspace, run: FinishedRun, say: Speech) -> None:
    """Everything about models: the run's figures, the versions, one version in depth, whom the plan chooses."""
    _said(say)
    _of_run(run, say)
    response_panel(run, say)
    folder = model_tables.models_folder(workspace)
    try:
        documents = [_document(str(folder), *stamp) for stamp in _stamps(folder)]
        current, events = champions.champion(folder), champions.history(folder)
    except ScenefitError as error:
        st.error(plain(error), icon=":material/error:")
        documents, current, events = [], None, []
    versions = [{**document, "champion": document["version"] == current} for document in documents]
    st.subheader(say.t("Champion and challengers"), anchor=False)
    if not versions:
        _none_yet(workspace, say)
    else:
        _headline(versions, run, say)
        _versions(versions, run, say)
        _decide(workspace, versions, say)
        chosen = _chosen(versions, say)
        _quality(chosen, run, say)
        _card(chosen, run, say)
        _history(events, run, say)
    evidence_panel(workspace, run, say)
    _selection(workspace, run, say)


def _of_run(run: FinishedRun, say: Speech) -> None:
    """Model against popularity in the newest run."""
    t = say.t
    table = model_tables.run_quality(run.metrics, say)
    st.subheader(t("In the newest run"), anchor=False)
    if table.empty:
        st.info(t("The newest run has no figures of its models."))
        return
    left, right = st.columns([6, 5], gap="large")
    with left:
        st.echarts_chart(model_bars(table, say), height=60 + 52 * len(table), alt=t("Model against popularity"))
    with right:
        st.table(model_tables.probability_table(run.metrics, say), border="horizontal", hide_index=True)
        st.caption(t("AUC: how well takers are told from others, 0.5 is chance. Calibration error: mean distance "
                     "between promised and observed share."))  # fmt: skip


def _none_yet(workspace: Workspace, say: Speech) -> None:
    st.info(say.t("No version is registered yet. A registered version is judged customer by customer on a window that "
                  "it has not seen, and keeps its predictions. Fit one with:"))  # fmt: skip
    st.code(f"scenefit recs fit --workspace {workspace.root}", language="bash")


def _headline(versions: list[dict[str, Any]], run: FinishedRun, say: Speech) -> None:
    t = say.t
    shown = next((v for v in versions if v["champion"]), None)
    quality = None if shown is None else shown["quality"]
    ndcg = {} if quality is None else quality["ndcg@10"]
    figures = (
        (t("Champion"), EMPTY if shown is None else f"v{shown['version']}",
         t("The version that explanations speak for")),
        (t("Challengers"), say.count(len(versions) - (shown is not None)), t("Registered versions that do not decide")),
        ("NDCG@10", say.figure(ndcg.get("model")), t("Popularity alone: {figure}").format(
            figure=say.figure(ndcg.get("popularity")))),
        (t("Calibration error"), say.figure(None if quality is None else quality["ece"], 4),
         t("Mean distance between promised and observed share")),
        (t("As of"), EMPTY if shown is None else say.day(shown["as_of"], run.timezone)[:10],
         t("End of what it learned")),
    )  # fmt: skip
    for column, (name, value, note) in zip(st.columns([1, 1, 1, 1.2, 1.3]), figures, strict=True):
        column.metric(name, value, help=note, border=True)


def _versions(versions: list[dict[str, Any]], run: FinishedRun, say: Speech) -> None:
    t = say.t
    left, right = st.columns([7, 4], gap="large")
    with left:
        st.dataframe(model_tables.versions_table(versions, say, run.timezone), hide_index=True, placeholder=EMPTY)
    with right:
        chart = model_charts.versions_chart(versions, say)
        st.echarts_chart(chart, height=70 + 34 * len(versions), alt=t("Gain over popularity with interval"))
        st.caption(t("Bands: 95 % interval of the mean over the same customers, by resampling them."))


def _decide(workspace: Workspace, versions: list[dict[str, Any]], say: Speech) -> None:
    """Promote a challenger or roll back; both ask for a reason where one is needed, and both are audited."""
    t = say.t
    others = [v["version"] for v in versions if not v["champion"]]
    with st.form(f"decide_{say.lang}", border=True):
        which, why, may = st.columns([2, 5, 2], vertical_alignment="bottom")
        which.selectbox(t("Version"), others, format_func=lambda n: f"v{n}", key="models_version", placeholder=EMPTY)
        why.text_input(t("Reason"), key="models_reason", max_chars=300)
        may.checkbox(t("Also if not surely better"), key="models_force",
                     help=t("Needs a reason; it stands in the history."))  # fmt: skip
        one, two, _ = st.columns([2, 2, 5])
        one.form_submit_button(t("Promote"), type="primary", disabled=not others, on_click=_promote, args=(workspace,))
        two.form_submit_button(t("Roll back"), on_click=_roll_back, args=(workspace,),
                               help=t("The champion before this one decides again; needs a reason."))  # fmt: skip


def _promote(workspace: Workspace) -> None:
    from app.audited import audited, person
    from app.recs_models import promote

    number, reason = int(st.session_state["models_version"]), str(st.session_state["models_reason"])
    force = bool(st.session_state["models_force"])
    detail = {"version": number, "reason": reason, "forced": force, "by": "page"}
    try:
        with audited(workspace, "recs promote", detail):
            promote(workspace, number, reason, force, _now(), person())
    except ScenefitError as error:
        st.session_state[SAID] = ("error", str(error))
        return
    st.session_state[SAID] = ("promoted", f"v{number}")


def _roll_back(workspace: Workspace) -> None:
    from app.audited import audited, person
    from app.recs_models import roll_back

    reason = str(st.session_state["models_reason"])
    try:
        with audited(workspace, "recs rollback", {"reason": reason, "by": "page"}):
            event = roll_back(workspace, reason, _now(), person())
    except ScenefitError as error:
        st.session_state[SAID] = ("error", str(error))
        return
    st.session_state[SAID] = ("promoted", f"v{event.version}")


def _said(say: Speech) -> None:
    kind, text = st.session_state.pop(SAID, ("", ""))
    if kind == "promoted":
        st.success(say.t("{version} is the champion now.").format(version=text), icon=":material/check:")
    elif kind == "error":
        st.error(plain(text), icon=":material/error:")


def _chosen(versions: list[dict[str, Any]], say: Speech) -> dict[str, Any]:
    """The version looked at: the champion first, else the newest."""
    numbers = [v["version"] for v in versions]
    first = next((v["version"] for v in versions if v["champion"]), numbers[-1])
    wanted = st.session_state.get("models_shown", first)
    number = st.selectbox(
        say.t("Look at"), numbers, index=numbers.index(wanted if wanted in numbers else first),
        format_func=lambda n: f"v{n}", key=f"models_look_{say.lang}", width=220,
    )  # fmt: skip
    st.session_state["models_shown"] = number
    return versions[numbers.index(number)]


def _quality(version: dict[str, Any], run: FinishedRun, say: Speech) -> None:
    t, quality = say.t, version["quality"]
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f"**{t('Does it keep what it promises')}**")
        st.echarts_chart(model_charts.calibration_chart(quality["curve"], say), height=320, alt=t("Calibration curve"))
        st.caption(model_tables.calibration_note(quality, say))
    with right:
        st.markdown(f"**{t('How much better than chance')}**")
        st.echarts_chart(model_charts.lift_chart(quality["lift"], say), height=320, alt=t("Lift by tenth"))
        st.caption(t("Pairs of {n} customers who took something in the last window, and all products.").format(
            n=say.count(quality["customers"])))  # fmt: skip
    with left:
        st.markdown(f"**{t('By product')}**")
        table = model_tables.offers_table(quality["by_offer"], run.product_names(say.lang), say)
        st.dataframe(table, hide_index=True, height=320, placeholder=EMPTY)
    with right:
        st.markdown(f"**{t('By segment')}**")
        if quality["by_segment"]:
            table = model_tables.segments_table(quality["by_segment"], run.segment_names(say.lang), say)
            narrow = {t("Segment"): st.column_config.TextColumn(width=210)}
            st.dataframe(table, hide_index=True, height=320, placeholder=EMPTY, column_config=narrow)
            worst, best = (f(row["ndcg"] for row in quality["by_segment"]) for f in (min, max))
            st.caption(t("Worst over best segment: {ratio}").format(
                ratio=say.figure(worst / best if best > 0 else None, 2)))  # fmt: skip
        else:
            st.info(t("No segment has {n} judged customers: a figure of fewer is not shown.").format(n=LEAST_PEOPLE))


def _card(version: dict[str, Any], run: FinishedRun, say: Speech) -> None:
    with st.expander(say.t("Model card"), icon=":material/badge:"):
        rows = model_tables.card_rows(version, say, run.timezone)
        shown = pd.DataFrame([(plain(name), plain(value)) for name, value in rows])
        st.table(shown, border="horizontal", hide_index=True, hide_header=True)
        st.markdown("\n".join(f"- {plain(line)}" for line in model_tables.limits(version, say)))


def _history(events: list[champions.Event], run: FinishedRun, say: Speech) -> None:
    with st.expander(say.t("What happened"), icon=":material/history:"):
        table = model_tables.history_table(events, say, run.timezone)
        st.table(table.map(plain), border="horizontal", hide_index=True)


def _selection(workspace: Workspace, run: FinishedRun, say: Speech) -> None:
    t = say.t
    st.subheader(t("Whom the plan chooses"), anchor=False)
    try:
        table = _selection_of(str(workspace.root), run.folder.name, workspace.dataset().fingerprint)
    except ScenefitError as error:
        st.error(plain(error), icon=":material/error:")
        return
    if table.empty:
        st.info(t("The data states no protected attribute: nothing can be compared."))
        return
    for pair in _pairs(list(table["attribute"].unique())):
        for column, attribute in zip(st.columns(2, gap="large"), pair, strict=False):
            rows = model_tables.records(table[table["attribute"] == attribute].head(MOST_GROUPS))
            named = [model_tables.level(row["group"], say) for row in rows]
            named_attribute = phrase(attribute)
            column.markdown(f"**{plain(named_attribute.zh if say.lang == 'zh' else named_attribute.en)}**")
            with column:
                chart = model_charts.selection_chart(rows, named, say)
                st.echarts_chart(chart, height=30 + 30 * len(rows), alt=t("Share of each group offered something"))
    st.caption(t("Share of registered people whom the plan offers something. Groups of fewer than {n} people are not "
                 "shown. Dashed: four fifths of the most chosen group; below it the reason should be known, such as "
                 "age limits, consent or risk.").format(n=LEAST_PEOPLE))  # fmt: skip


def _pairs(names: list[str]) -> list[list[str]]:
    return [names[i : i + 2] for i in range(0, len(names), 2)]


def _stamps(folder: Path) -> list[tuple[int, int]]:
    """Number of each version and when its files were written."""
    numbers = champions.version_numbers(folder)
    return [(n, (folder / f"v{n:04d}" / "sha256.json").stat().st_mtime_ns) for n in numbers]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


# resources, not data: never changed, and a copy per session would cost their size again
@st.cache_resource(max_entries=50, show_spinner=False)
def _document(folder: str, number: int, changed: int) -> dict[str, Any]:  # noqa: ARG001 (a new file is a new entry)
    return {"version": number, **champions.read_version(Path(folder), number).facts}


@st.cache_resource(max_entries=5, show_spinner=False)
def _selection_of(root: str, run_id: str, fingerprint: str) -> pd.DataFrame:  # noqa: ARG001 (other data, new entry)
    from app.finished_run import read_finished_run

    workspace = Workspace(Path(root))
    return plan_selection(workspace, read_finished_run(workspace.runs / run_id, workspace))
