"""Segments & scenes: who belongs together in a scene, who stays together, and whom marketing does not reach yet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from app import charts, heatmaps
from app.engine import current
from app.finished_run import FinishedRun
from app.i18n import Speech, plain
from app.segment_panels import kept_panel
from app.subgroup_panels import scene_map_panel, subgroups_panel
from app.tables import profile_table, segments_table
from scenefit.runtime.workspace import Workspace


def page() -> None:
    """The page from top to bottom."""
    run, say, _ = current()
    t = say.t
    st.title(t("Segments & scenes"), anchor=False)
    scenes = run.scenes_by_size()
    if not scenes:
        absent = run.metrics.get("segments", {}).get("absent")
        st.info(plain(absent or t("No scene had enough active members to be segmented.")))
        return
    scene = _scene_picker(run, scenes, say)
    workspace = Workspace(Path(st.session_state["workspace"]))
    of_run, kept, subgroups = _tabs(say)
    with of_run:
        _headline(run, scene, say)
        left, right = st.columns([4, 7], gap="large")
        with left:
            _criteria(run, scene, say)
        with right:
            _segments(run, scene, say)
        _profiles(run, scene, say)
    if kept.open:
        with kept:
            kept_panel(workspace, run, scene, say)
    with subgroups:
        subgroups_panel(run, scene, say)
        scene_map_panel(workspace, run, say)


def _tabs(say: Speech) -> Sequence[Any]:
    """The page's three tabs; which one is open outlives a language switch."""
    t = say.t
    labels = [t("Segments of this run"), t("Kept segments"), t("Subgroups & scenes")]
    key, default = f"segments_tabs_{say.lang}", f"segments_tabs_{say.lang}_first"
    # another default while the tabs stand would take the reader back to it
    if key not in st.session_state:
        st.session_state[default] = labels[st.session_state.get("segments_tab", 0)]
    tabs = st.tabs(labels, default=st.session_state[default], key=key, on_change="rerun")
    st.session_state["segments_tab"] = next((i for i, tab in enumerate(tabs) if tab.open), 0)
    return tabs


def _scene_picker(run: FinishedRun, scenes: list[str], say: Speech) -> str:
    names = run.scene_names(say.lang)
    members = {scene: int(run.segments_of(scene)["size"].sum()) for scene in scenes}
    # the widget's own state would not outlive a language switch: its stored text is the old label
    wanted = st.session_state.get("scene_id")
    chosen = st.selectbox(
        say.t("Scene"),
        scenes,
        index=scenes.index(wanted) if wanted in scenes else 0,
        format_func=lambda s: say.t("{scene} · {members} members").format(
            scene=names.get(s, s), members=say.count(members[s])
        ),
        key=f"scene_{say.lang}",
        width=420,
    )
    st.session_state["scene_id"] = chosen
    return str(chosen)


def _headline(run: FinishedRun, scene: str, say: Speech) -> None:
    t = say.t
    found = run.metrics.get("segments", {}).get(scene, {})
    segments = run.segments_of(scene)
    ties = ", ".join(str(k) for k in found.get("tie_set", [])) or "–"
    figures = (
        (t("Members"), say.short(int(segments["size"].sum())), t("People active in this scene who were segmented")),
        (t("Segments"), str(len(segments)), t("The smallest number of segments in the tie set")),
        (t("Tie set"), ties, t("Numbers of segments that are not clearly worse than the best")),
        (t("Separation"), say.figure(found.get("silhouette"), 2), t("Silhouette: 1 clear cut, 0 none")),
        (t("Stability"), say.figure(found.get("stability"), 2), t("Agreement between seeds (adjusted Rand index)")),
    )
    for column, (name, value, note) in zip(st.columns(len(figures)), figures, strict=True):
        column.metric(name, value, help=note, border=True)


def _criteria(run: FinishedRun, scene: str, say: Speech) -> None:
    t = say.t
    st.subheader(t("How many segments?"), anchor=False)
    criteria = run.table("segment_criteria", scene)
    if criteria.empty:
        st.info(t("This run kept no comparison of numbers of segments for this scene."))
        return
    chart = charts.criteria_chart(criteria, say)
    st.echarts_chart(chart, height=350, alt=t("Separation and stability by number of segments"))
    st.caption(t("Filled points: the tie set. Band: one standard error over seeds and rows."))


def _segments(run: FinishedRun, scene: str, say: Speech) -> None:
    t = say.t
    st.subheader(t("The segments"), anchor=False)
    st.table(segments_table(run, scene, say).map(plain), border="horizontal", hide_index=True)


def _profiles(run: FinishedRun, scene: str, say: Speech) -> None:
    t = say.t
    st.subheader(t("Profiles"), anchor=False)
    profiles, segments = run.table("segment_profiles", scene), run.segments_of(scene)
    features = heatmaps.distinctive(profiles)
    if not features:
        st.info(t("The profiles of this scene hold no comparable figure."))
        return
    chart = heatmaps.profile_heatmap(profiles, segments, features, say)
    st.echarts_chart(chart, height=130 + 34 * len(segments), alt=t("Profile of each segment by feature"))
    st.caption(
        t("The {n} features that differ most. Red: above the scene's mean, blue: below.").format(n=len(features))
    )
    with st.expander(t("All figures")):
        st.dataframe(profile_table(run, scene, say), hide_index=True, height=420)


if __name__ == "__main__":
    page()
