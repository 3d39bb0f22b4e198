"""Subgroups of a scene with their evidence, and the map of all scenes, as parts of the page Segments & scenes."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from app import charts, scene_plots, scene_tables
from app.finished_run import FinishedRun
from app.i18n import Speech, plain
from app.subgroup_store import present_subgroups
from scenefit.contracts.errors import ScenefitError
from scenefit.runtime.workspace import Workspace

AUDIENCES = "views/audiences.py"
DRAFT = "audience_draft"
LONGEST_NAME = 80
SHOWN = 15


def subgroups_panel(run: FinishedRun, scene: str, say: Speech) -> None:
    """The mined subgroups of a scene with their evidence, each one click from an audience."""
    t = say.t
    st.subheader(t("Subgroups that marketing does not reach yet"), anchor=False)
    try:
        rules = _present(run)
    except ScenefitError as error:
        st.error(plain(error), icon=":material/error:")
        return
    names = run.scene_names(say.lang)
    elsewhere = [names.get(name, name) for name in dict.fromkeys(rules["scene_id"])]
    rules = rules[rules["scene_id"] == scene].reset_index(drop=True)
    if rules.empty:
        st.info(t("No rule stood out beyond chance in this scene. That is a finding, not a fault."))
        if elsewhere:
            st.caption(plain(t("Rules stood out in: {scenes}").format(scenes=", ".join(elsewhere))))
        return
    for row in rules.to_dict("records"):
        _rule_card(run, scene, {str(name): value for name, value in row.items()}, say)
    left, right = st.columns(2, gap="large")
    height = max(80 + 46 * len(rules), 280)
    with left:
        st.markdown(f"**{t('Evidence: lift with 95 % interval')}**")
        st.echarts_chart(charts.lift_intervals(rules, say), height=height, alt=t("Lift by subgroup"))
    with right:
        st.markdown(f"**{t('Need and reach')}**")
        st.echarts_chart(charts.need_reach(rules, say), height=height, alt=t("Need against reach"))
    st.caption(
        t(
            "Green: confirmed on the half of customers that mining did not see. q: share of false discoveries among "
            "rules this strong. Unreached is not a reason to over-lend: eligibility comes first."
        )
    )
    st.caption(t("People are counted as of the mining moment; an audience made of a rule counts those of today."))


def scene_map_panel(workspace: Workspace, run: FinishedRun, say: Speech) -> None:
    """Need against reach of every scene and group, and what to open next; computed on demand."""
    t = say.t
    st.subheader(t("The map of scenes"), anchor=False)
    st.caption(t("Who is reached, who is not, where the need is above the base, and what it may be worth."))
    if not st.toggle(t("Compute the map (seconds)"), value=False, key=f"scene_map_{say.lang}"):
        return
    try:
        with st.spinner(t("Reading people, demand and consents…")):
            mapped, ordered = _made(str(workspace.root), run.run_id, _stamp(workspace))
    except ScenefitError as error:
        st.info(plain(error))
        return
    _map(mapped, run, say)
    _order(ordered, say)


def audience_draft(run: FinishedRun, scene: str, row: dict[str, Any]) -> dict[str, Any]:
    """A mined rule as the draft of an audience: the rule read on the scene's own rows, names, where it comes from."""
    from app.audiences import draft_of

    draft = draft_of(scene, row)
    titles = {
        f"name_{lang}": _cut(f"{run.scene_names(lang).get(scene, scene)}{colon}{row[f'rule_{lang}']}")
        for lang, colon in (("en", ": "), ("zh", "："))
    }
    return {**draft, **titles, "origin": {**draft["origin"], "mined": str(row.get("origin", run.run_id))}}


def _rule_card(run: FinishedRun, scene: str, row: dict[str, Any], say: Speech) -> None:
    """One rule: its words, whether it was confirmed, the figures, the button."""
    t = say.t
    with st.container(border=True):
        words, button = st.columns([5, 1], vertical_alignment="center")
        colour, sure = ("green", t("confirmed")) if row["confirmed"] else ("gray", t("not confirmed"))
        words.markdown(f"**#{row['rank']}** {plain(row[f'rule_{say.lang}'])} :{colour}-badge[{sure}]")
        told = " · ".join(f"{name} **{plain(figure)}**" for name, figure in scene_tables.evidence(row, say))
        words.caption(told)
        able = isinstance(row.get("rule"), str)
        note = None if able else t("This run kept no rule that can be applied; mine again.")
        if button.button(
            t("Make audience"), key=f"audience_{scene}_{row['rank']}_{say.lang}", disabled=not able, help=note
        ):
            st.session_state[DRAFT] = audience_draft(run, scene, row)
            st.switch_page(AUDIENCES)


def _map(mapped: Any, run: FinishedRun, say: Speech) -> None:
    t = say.t
    kinds = [kind for kind in scene_tables.KINDS if (mapped.cells["kind"] == kind).any()]
    kind = st.segmented_control(
        t("People"), kinds, default=kinds[0], required=True, format_func=lambda k: t(scene_tables.KINDS[k]),
        key=f"scene_map_kind_{say.lang}",
    )  # fmt: skip
    cells = mapped.cells[mapped.cells["kind"] == kind]
    scenes = cells[cells["origin"] == "scene"]
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f"**{t('Need and reach')}**")
        chart = scene_plots.quadrant_chart(cells, say)
        st.echarts_chart(chart, height=430, alt=t("Need against reach"))
        unknown = int(cells["need"].isna().sum())
        if unknown:
            st.caption(t("{n} groups without any demand on record are left out.").format(n=unknown))
    with right:
        st.markdown(f"**{t('Reached, not reached, hard to reach')}**")
        st.echarts_chart(scene_plots.reach_bars(scenes, say), height=430, alt=t("Reach by scene"))
    with st.expander(t("All figures of the map")):
        st.dataframe(scene_tables.map_table(cells, say), hide_index=True, height=420)
    st.caption(
        t(
            "As of {at}. Reached: contacted within {reach} days. Need: demand within {need} days against the base of "
            "the same kind of people; observed, not caused. A person active in several scenes counts in each. Shares "
            "and means of credit facts are shown for 20 people and more only."
        ).format(at=say.day(mapped.as_of.isoformat(), run.timezone), reach=mapped.reach_days, need=mapped.need_days)
    )  # fmt: skip
    for note in mapped.notes:
        st.caption(plain(note))


def _order(ordered: Any, say: Speech) -> None:
    t = say.t
    st.subheader(t("What to open next"), anchor=False)
    kinds = [kind for kind in scene_tables.OPTIONS if (ordered.options["kind"] == kind).any()]
    if not kinds:
        st.info(t("No merchant, partner, source or part of a scene has enough active people."))
        return
    kind = st.segmented_control(
        t("Options"), kinds, default=kinds[0], required=True, format_func=lambda k: t(scene_tables.OPTIONS[k]),
        key=f"scene_order_kind_{say.lang}",
    )  # fmt: skip
    options = ordered.options[ordered.options["kind"] == kind].head(SHOWN)
    if options["gain"].notna().any():
        height = max(90 + 34 * len(options), 200)
        st.echarts_chart(scene_plots.gain_bars(options, say), height=height, alt=t("Gain by option"))
    st.dataframe(scene_tables.order_table(options, say), hide_index=True)
    st.caption(
        t(
            "Gain of {days} days: people reachable and not contacted who have an offer of positive value, times the "
            "rate of takers there, times the value per taker, less the cost of the source. Ranked by its lower end."
        ).format(days=ordered.need_days)
    )


def _present(run: FinishedRun) -> pd.DataFrame:
    """The rules in force: mined anew, else of the run."""
    return present_subgroups(_place(run)).rules


def _place(run: FinishedRun) -> Workspace:
    """The workspace a run lies in."""
    return Workspace(run.folder.parent.parent)


def _stamp(workspace: Workspace) -> str:
    """Changes whenever the data, the made scenes or the mined subgroups change."""
    pointer = workspace.root / "subgroups" / "latest"
    scenes = sorted(file.name for file in (workspace.root / "scenes").glob("*.json"))
    mined = pointer.read_text("utf8") if pointer.is_file() else ""
    return f"{workspace.dataset().fingerprint} {mined} {' '.join(scenes)}"


# resource, not data: a copy per session of two small tables is not the cost, making them is
@st.cache_resource(max_entries=3, show_spinner=False)
def _made(root: str, run_id: str, stamp: str) -> Any:  # noqa: ARG001 (another run, data or scene is a new entry)
    from pathlib import Path

    from app.scene_maps import workspace_map, workspace_order
    from scenefit.runtime.settings import read_settings

    workspace, settings = Workspace(Path(root)), read_settings(Path(root))
    return workspace_map(workspace, settings), workspace_order(workspace, settings)


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
