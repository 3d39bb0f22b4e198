"""Segments & scenes: who belongs together in a scene, and whom marketing does not reach yet."""

from __future__ import annotations

import streamlit as st

from app import charts, heatmaps
from app.engine import current
from app.finished_run import FinishedRun
from app.i18n import Speech, plain
from app.tables import evidence_table, profile_table, segments_table


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
    _headline(run, scene, say)
    left, right = st.columns([4, 7], gap="large")
    with left:
        _criteria(run, scene, say)
    with right:
        _segments(run, scene, say)
    _profiles(run, scene, say)
    _subgroups(run, scene, say)


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
    st.caption(t("Filled points: the tie set. Band: one standard error over seeds."))


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


def _subgroups(run: FinishedRun, scene: str, say: Speech) -> None:
    t = say.t
    st.subheader(t("Subgroups that marketing does not reach yet"), anchor=False)
    subgroups = run.table("subgroups", scene)
    if subgroups.empty:
        st.info(t("No rule stood out beyond chance in this scene. That is a finding, not a fault."))
        return
    shown = evidence_table(subgroups, say).map(plain)
    colours = ["green" if confirmed else "gray" for confirmed in subgroups["confirmed"]]
    confirmed = shown.columns[-1]
    shown[confirmed] = [f":{c}-badge[{word}]" for c, word in zip(colours, shown[confirmed], strict=True)]
    st.table(shown, border="horizontal", hide_index=True)
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f"**{t('Evidence: lift with 95 % interval')}**")
        height = max(80 + 46 * len(subgroups), 280)
        st.echarts_chart(charts.lift_intervals(subgroups, say), height=height, alt=t("Lift by subgroup"))
    with right:
        st.markdown(f"**{t('Need and reach')}**")
        st.echarts_chart(charts.need_reach(subgroups, say), height=height, alt=t("Need against reach"))
    st.caption(
        t(
            "Green: confirmed on the half of customers that mining did not see. q: share of false discoveries among "
            "rules this strong. Unreached is not a reason to over-lend: eligibility comes first."
        )
    )


if __name__ == "__main__":
    page()
