"""Models & features: what every feature means, where it comes from, who may use it, and whether it is healthy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from app import feature_charts
from app.engine import current, feature_report
from app.feature_facts import FeatureFact, Freshness, feature_facts, stream_freshness
from app.feature_tables import (
    BADGES,
    ORDER,
    Newest,
    alert_word,
    catalogue_table,
    chosen_rows,
    feature_rows,
    marks,
    newest_snapshots,
    purposes,
    service_name,
    unit,
    views_table,
    worth_a_look,
)
from app.finished_run import FinishedRun
from app.i18n import EMPTY, Speech, plain
from app.labels import ALERTS, CHANNELS, FEATURE_KINDS, KINDS, PURPOSES
from app.model_panels import models_panel
from feature_repo.on_demand import ON_DEMAND
from feature_repo.quality_tables import Quality
from feature_repo.services import SERVICES
from feature_repo.views import VIEWS
from scenefit.runtime.workspace import Workspace

FEW = 8


def page() -> None:
    """The page from top to bottom."""
    run, say, state = current()
    workspace = Workspace(Path(st.session_state["workspace"]))
    st.title(say.t("Models & features"), anchor=False)
    features, models = _tabs(say)
    if features.open:
        with features:
            _features(workspace, run, state, say)
    if models.open:
        with models:
            models_panel(workspace, run, say)


def _tabs(say: Speech) -> Sequence[Any]:
    """The page's two tabs; which one is open outlives a language switch."""
    labels = [say.t("Features"), say.t("Models")]
    key, default = f"features_tabs_{say.lang}", f"features_tabs_{say.lang}_first"
    # another default while the tabs stand would take the reader back to it
    if key not in st.session_state:
        st.session_state[default] = labels[st.session_state.get("features_tab", 0)]
    tabs = st.tabs(labels, default=st.session_state[default], key=key, on_change="rerun")
    st.session_state["features_tab"] = next((i for i, tab in enumerate(tabs) if tab.open), 0)
    return tabs


def _features(workspace: Workspace, run: FinishedRun, state: str, say: Speech) -> None:
    """The catalogue of features with its alerts and one feature in depth."""
    report = feature_report(workspace)
    streams = stream_freshness(workspace, pd.Timestamp(run.manifest["as_of"]) if report is None else report.as_of)
    rows = feature_rows(feature_facts(), report, say)
    if report is None:
        command = f"scenefit features quality --workspace {workspace.root}"
        st.info(say.t("No quality report yet: nothing is known of freshness, distribution and drift. Make one with"))
        st.code(command, language="bash")
    else:
        # data that cannot be read any more is told of in the frame
        fingerprint = report.fingerprint if state == "failed" else workspace.dataset().fingerprint
        found = worth_a_look(report, rows, say)
        _headline(len(rows), found, report, run, fingerprint, say)
        _worth_a_look(found, say)
        _views(report, streams, run, say)
    listed = _catalogue(rows, say)
    _feature(listed, report, newest_snapshots(report, streams), run, say)


def _headline(
    features: int, found: pd.DataFrame, report: Quality, run: FinishedRun, fingerprint: str, say: Speech
) -> None:
    t = say.t
    if report.fingerprint != fingerprint:
        st.warning(
            t("The data changed since this quality report was made. Make a new one: `scenefit features quality`")
        )
    counts = found["alert"].value_counts()
    late = int((report.views["age_days"] > report.views["ttl_days"]).sum())
    figures = (
        (t("Features"), say.count(features), t("Declared features of all views")),
        (t("Alert"), say.count(counts.get("alert", 0)), t("Features and views that changed strongly or are too old")),
        (
            t("Watch"),
            say.count(counts.get("watch", 0)),
            t("Features and views that changed enough for somebody to look"),
        ),
        (t("Views past their time to live"), say.count(late), t("Their features are empty until a snapshot is built")),
        (t("Judged as of"), say.day(report.as_of.isoformat(), run.timezone), t("Moment of the quality report")),
    )
    for column, (name, value, note) in zip(st.columns([2, 2, 2, 3, 3]), figures, strict=True):
        column.metric(name, value, help=note, border=True)


def _worth_a_look(found: pd.DataFrame, say: Speech) -> None:
    t = say.t
    st.subheader(t("Worth a look"), anchor=False)
    if found.empty:
        st.success(t("Nothing stands out: every view is fresh and no feature moved."), icon=":material/check_circle:")
        return
    shown = pd.DataFrame(
        {
            t("Status"): [f":{BADGES[alert]}-badge[{t(ALERTS[alert])}]" for alert in found["alert"]],
            t("Where"): found["where"].map(plain),
            t("Why"): found["why"].map(plain),
        }
    )
    st.table(shown.head(FEW), border="horizontal", hide_index=True)
    if len(shown) > FEW:
        with st.expander(t("{n} more").format(n=len(shown) - FEW)):
            st.table(shown.iloc[FEW:], border="horizontal", hide_index=True)


def _views(report: Quality, streams: Mapping[str, Freshness], run: FinishedRun, say: Speech) -> None:
    t = say.t
    st.subheader(t("How fresh the views are"), anchor=False)
    bar = st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)
    table = views_table(report, streams, say, run.timezone)
    st.dataframe(
        table,
        hide_index=True,
        height=_tall(table),
        placeholder=EMPTY,
        column_config={
            t("Status"): _pills(say),
            t("Of its time to live"): bar,
            t("Age, days"): st.column_config.NumberColumn(format="%.1f"),
        },
    )
    bands = report.bands
    st.caption(
        t(
            "PSI below {watch}: stable; from {alert}: moved. Each view is compared with the snapshot named; a figure "
            "of a text rests on at least {fewest} people."
        ).format(watch=f"{bands.psi_watch:g}", alert=f"{bands.psi_alert:g}", fewest=bands.fewest)
    )


def _catalogue(rows: pd.DataFrame, say: Speech) -> pd.DataFrame:
    """The list of features with its filters; what they leave."""
    t = say.t
    st.subheader(t("Catalogue"), anchor=False)
    search, view, purpose, service, alert = st.columns([3, 3, 2, 3, 2])
    with search:
        words = st.text_input(t("Search"), key="feature_words", placeholder=t("name, owner, raw column"))
    with view:
        views = _kept(t("View"), [*VIEWS, *ON_DEMAND], say.label, "feature_views", say)
    with purpose:
        uses = _kept(t("May be used for"), list(PURPOSES), lambda p: t(PURPOSES[p]), "feature_purposes", say)
    with service:
        services = _kept(t("Read by"), list(SERVICES), lambda s: service_name(s, say), "feature_services", say)
    with alert:
        alerts = _kept(t("Status"), list(ORDER), lambda a: alert_word(a, say), "feature_alerts", say)
    found = chosen_rows(rows, words, views, uses, services, alerts)
    table = catalogue_table(found, say)
    st.dataframe(
        table,
        hide_index=True,
        height=min(420, _tall(table)),
        placeholder=EMPTY,
        column_config={
            t("Status"): _pills(say),
            t("Feature"): st.column_config.TextColumn(width=175),
            t("Empty"): st.column_config.NumberColumn(format="percent"),
            "PSI": st.column_config.NumberColumn(format="%.3f"),
        },
    )
    st.caption(t("{n} of {all} features").format(n=len(found), all=len(rows)))
    return found


def _feature(found: pd.DataFrame, report: Quality | None, newest: Newest, run: FinishedRun, say: Speech) -> None:
    t = say.t
    st.subheader(t("One feature"), anchor=False)
    if found.empty:
        st.info(t("No feature fits these filters."))
        return
    names = {
        id_: f"{name} · {say.label(view)}"
        for id_, name, view in zip(found["id"], found["name"], found["view"], strict=True)
    }
    options, wanted = list(names), st.session_state.get("feature_id")
    chosen = st.selectbox(
        t("Feature"), options, index=options.index(wanted) if wanted in names else 0,
        format_func=lambda id_: names.get(id_, id_), key=f"feature_{say.lang}", width=520,
    )  # fmt: skip
    st.session_state["feature_id"] = chosen
    row = {str(name): value for name, value in found[found["id"] == chosen].iloc[0].items()}
    fact = FeatureFact(*(row[name] for name in FeatureFact._fields))
    left, right = st.columns([5, 6], gap="large")
    with left:
        _facts(fact, newest, run, say)
    with right:
        _distribution(row, report, run, say)
    st.markdown(f"**{t('Where it comes from and who reads it')}**")
    chart = feature_charts.lineage_chart(fact, (row["name"], say.label(fact.view)), say)
    st.echarts_chart(chart, height=feature_charts.lineage_height(fact), alt=t("Raw columns, feature, view, services"))


def _facts(fact: FeatureFact, newest: Newest, run: FinishedRun, say: Speech) -> None:
    t = say.t
    st.markdown(plain(fact.zh if say.lang == "zh" else fact.en) + ("。" if say.lang == "zh" else "."))
    freshness = EMPTY
    if fact.source in newest:
        at, days = newest[fact.source]
        freshness = t("{day}, {age} days old").format(
            day=say.day(at.isoformat(), run.timezone), age=say.short(round(days, 1))
        )
    kind = t(FEATURE_KINDS[fact.kind]) + (f", {unit(fact.unit, say)}" if fact.unit else "")
    lines = [
        (t("Code"), f"`{fact.view}:{fact.feature}`"),
        (
            t("Type and unit"),
            plain(kind),
        ),
        (t("May be used for"), plain(purposes(fact.purposes, say))),
        (t("Marks"), plain(marks(fact.protected, fact.pii, say))),
        (t("Owner"), plain(say.label(fact.owner))),
        (t("Computed"), plain(say.label(fact.cadence))),
        (t("Time to live"), plain(t("{n} days").format(n=say.short(fact.ttl_hours / 24)))),
        (t("Newest snapshot"), plain(freshness)),
        (t("Read by"), plain(", ".join(fact.services) or t("none yet"))),
    ]
    # names in one line: a narrow first column would break them
    shown = [("\u2060".join(name.replace(" ", "\u00a0")), value) for name, value in lines]
    st.table(pd.DataFrame(shown), border="horizontal", hide_index=True, hide_header=True)


def _distribution(row: dict[str, Any], report: Quality | None, run: FinishedRun, say: Speech) -> None:
    t = say.t
    measured = report is not None and not pd.isna(row["rows"])
    if report is None or not measured:
        st.info(t("The quality report holds no figures of this feature: it has no snapshots of its own, or none yet."))
        return
    if row["reason"]:
        badge = f":{BADGES[row['alert']]}-badge[{t(ALERTS[row['alert']])}] "
        st.markdown(badge + plain(row["reason_zh"] if say.lang == "zh" else row["reason"]))
    figures = (
        (t("Rows"), say.short(row["rows"])),
        (t("Without value"), say.percent(row["null_share"])),
        (t("Distinct"), say.short(row["distinct"])),
        # of numbers alone
        *(
            (name, say.short(row[column]))
            for name, column in ((t("Median"), "p50"), (t("Mean"), "mean"))
            if row["kind"] in ("int", "float")
        ),
    )
    for column, (name, value) in zip(st.columns(5), figures, strict=False):
        column.metric(name, value)
    codes = {code: say.label(code) for code in (*CHANNELS, *KINDS)}
    levels = {**codes, **run.scene_names(say.lang), **run.product_names(say.lang)}
    chart = feature_charts.distribution_chart(row, levels, say)
    if chart is None:
        st.info(t("No distribution is shown: there is no value, or too few people share one."))
    else:
        st.echarts_chart(chart, height=300, alt=t("Share of rows by value"))
    if pd.isna(row["psi"]):
        st.caption(t("Not compared: the view has no earlier snapshot."))
        return
    st.caption(t("How far the distribution moved since the baseline (population stability index, PSI)"))
    band = feature_charts.stability_band(float(row["psi"]), report.bands.psi_watch, report.bands.psi_alert, say)
    st.echarts_chart(band, height=78, alt=t("Population stability index with its bands"))


def _tall(table: pd.DataFrame) -> int:
    """Pixels that show every row of a table without a scroll bar of its own."""
    return 38 + 35 * max(len(table), 1)


def _pills(say: Speech) -> Any:
    """A column of coloured words, one colour per band."""
    words = [alert_word(alert, say) for alert in ORDER]
    return st.column_config.MultiselectColumn(options=words, color=[BADGES[alert] for alert in ORDER])


def _kept(label: str, options: list[str], named: Callable[[str], str], key: str, say: Speech) -> list[str]:
    """A choice of several that survives the language switch."""
    wanted = [option for option in st.session_state.get(f"{key}_ids", []) if option in options]
    chosen = st.multiselect(
        label, options, default=wanted, format_func=named, key=f"{key}_{say.lang}", placeholder=say.t("all")
    )
    st.session_state[f"{key}_ids"] = chosen
    return list(chosen)


if __name__ == "__main__":
    page()
