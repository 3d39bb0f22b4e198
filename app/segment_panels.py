"""The kept segments of a scene on the page: names edited in place, what they bring, who moved, what drifted.

Modules that load scikit-learn are imported where segments were kept, so that the pages open without them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
import streamlit as st

from app import segment_plots, segment_tables
from app.finished_run import FinishedRun
from app.i18n import Speech, plain
from app.segment_folders import fitted_scenes, version_folder, version_numbers
from app.segment_names import read_names
from scenefit.contracts.errors import ScenefitError
from scenefit.runtime.settings import FILE
from scenefit.runtime.workspace import Workspace
from segmentation.names import LONGEST, SegmentName

if TYPE_CHECKING:
    from app.segment_facts import CustomerFacts
    from app.segment_store import Kept

SAID = "segment_names_said"
MOST_ALERTS = 6
# a date needs more room
HEAD_WIDTHS = (1, 1.5, 1, 1.1, 1.2)
WIDTHS = (1.3, 3.7, 1.5, 1.6, 0.9, 1.2, 1.2)


class KeptScene(NamedTuple):
    """One scene's newest kept segments for the page: the version, and the document that tells of it.

    earlier : the segments of the version before, by their present names
    """

    kept: Kept
    document: dict[str, Any]
    earlier: tuple[dict[str, Any], ...] = ()

    def names(self, lang: str) -> dict[str, str]:
        """Segment id to name; a segment that is no more has the name it had."""
        rows = (*self.earlier, *self.document["segments"])
        return {row["segment_id"]: row[f"name_{lang}"] for row in rows}


def kept_panel(workspace: Workspace, run: FinishedRun, scene: str, say: Speech) -> None:
    """The kept segments of a scene, or how to find them."""
    numbers = version_numbers(workspace, scene)
    if not numbers:
        _not_fitted(workspace, run, scene, say)
        return
    try:
        with st.spinner(say.t("Reading the kept segments…")):
            found = _kept_scene(workspace, scene, numbers)
            changes = _compared(workspace, scene, numbers[-2:]) if len(numbers) > 1 else None
    except ScenefitError as error:
        st.error(plain(error), icon=":material/error:")
        return
    _headline(found, run, say)
    _names(workspace, scene, found, say)
    _notes(found, run, say)
    _pictures(found, changes, say)
    _news(found, changes, say)
    _character(found, run, say)


def _not_fitted(workspace: Workspace, run: FinishedRun, scene: str, say: Speech) -> None:
    t = say.t
    st.info(t("No segments are kept for this scene yet. Kept segments stay the same from fit to fit and bear the names "
              "you give them. Find them with:"))  # fmt: skip
    st.code(f"scenefit segments fit --scene {scene} --workspace {workspace.root}", language="bash")
    others = fitted_scenes(workspace)
    if others:
        names = run.scene_names(say.lang)
        st.caption(t("Kept so far: {scenes}.").format(scenes=plain(", ".join(names.get(s, s) for s in others))))


def _headline(found: KeptScene, run: FinishedRun, say: Speech) -> None:
    t, document = say.t, found.document
    kept_share = document["kept_share"]
    figures = (
        (t("Version"), f"v{document['version']}", t(segment_tables.WHY[document["why"]])),
        (t("Features of"), say.day(document["as_of"], run.timezone)[:10], t("Moment of the features")),
        (t("Members"), say.short(document["n"]), t("People active in this scene who were segmented")),
        (t("Stayed"), say.percent(kept_share),
         t("Of those in this version and the one before, how many kept their segment")),
        (t("Rules imitate"), say.percent(document["surrogate"]["fidelity"], 0),
         t("of people not seen; always naming the largest segment: {share}").format(
             share=say.percent(document["surrogate"]["baseline"], 0))),
    )  # fmt: skip
    for column, (name, value, note) in zip(st.columns(HEAD_WIDTHS), figures, strict=True):
        column.metric(name, value, help=note, border=True)


def _names(workspace: Workspace, scene: str, found: KeptScene, say: Speech) -> None:
    t, rows = say.t, found.document["segments"]
    st.subheader(t("Segments and their names"), anchor=False)
    _said(say)
    with st.form(f"names_{scene}_{say.lang}"):
        heads = (t("Segment"), t("Name in English and Chinese"), *segment_tables.outcome_cells(rows[0], say))
        for column, head in zip(st.columns(WIDTHS), heads, strict=True):
            column.caption(head)
        for row in rows:
            columns = st.columns(WIDTHS, vertical_alignment="center")
            # the browser would break an id after its slash
            columns[0].markdown(plain(row["segment_id"]).replace("/", "/\u2060"))
            for lang, label in (("en", t("English name")), ("zh", t("Chinese name"))):
                # a name given elsewhere is a new field: what was typed here before must not undo it
                columns[1].text_input(f"{label}: {row['segment_id']}", row[f"name_{lang}"], max_chars=LONGEST,
                                      key=_field(row, lang), label_visibility="collapsed")  # fmt: skip
            cells = segment_tables.outcome_cells(row, say).values()
            for column, cell in zip(columns[2:], cells, strict=True):
                column.markdown(plain(cell))
        st.form_submit_button(t("Save names"), type="primary", on_click=_save, args=(workspace, scene, rows))
    earlier = [row for row in rows if len(row["names_given"]) > 1]
    if earlier:
        with st.popover(t("Earlier names")):
            for row in earlier:
                for name in row["names_given"][:-1]:
                    st.markdown(f"`{row['segment_id']}` {plain(name['en'])} / {plain(name['zh'])} · "
                                f"{plain(name['by'])} · {name['at'][:10]}")  # fmt: skip


def _field(row: dict[str, Any], lang: str) -> str:
    return f"name_{lang} {row['segment_id']} {row[f'name_{lang}']} {len(row['names_given'])}"


def _save(workspace: Workspace, scene: str, rows: list[dict[str, Any]]) -> None:
    """Keep the names that were changed; what is wrong with one is said, and then none is kept."""
    from app.audited import audited
    from app.segment_names import rename

    wanted = {}
    for row in rows:
        en, zh = (str(st.session_state[_field(row, lang)]).strip() for lang in ("en", "zh"))
        if (en, zh) != (row["name_en"], row["name_zh"]):
            wanted[row["segment_id"]] = SegmentName(en, zh)
    if not wanted:
        st.session_state[SAID] = ("info", "")
        return
    detail = {"names": {segment: name._asdict() for segment, name in wanted.items()}, "by": "page"}
    try:
        with audited(workspace, "segments rename", detail):
            rename(workspace, scene, wanted)
    except ScenefitError as error:
        st.session_state[SAID] = ("error", str(error))
        return
    st.session_state[SAID] = ("success", ", ".join(wanted))


def _said(say: Speech) -> None:
    kind, text = st.session_state.pop(SAID, ("", ""))
    if kind == "success":
        st.success(say.t("Saved: {segments}").format(segments=plain(text)), icon=":material/check:")
    elif kind == "error":
        st.error(plain(text), icon=":material/error:")
    elif kind == "info":
        st.info(say.t("No name was changed."))


def _notes(found: KeptScene, run: FinishedRun, say: Speech) -> None:
    notes = segment_tables.outcome_notes(found.document["outcomes"], say, run.timezone)
    st.caption((" " if say.lang == "en" else "").join(plain(note) for note in notes))
    absent = segment_tables.gaps(found.document["outcomes"], say)
    if absent:
        st.caption(say.t("Not known:") + "\n" + "\n".join(f"- {plain(line)}" for line in absent))


def _pictures(found: KeptScene, changes: dict[str, Any] | None, say: Speech) -> None:
    t = say.t
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader(t("Who is like whom"), anchor=False)
        _map(found, say)
    with right:
        st.subheader(t("Who moved"), anchor=False)
        if changes is None:
            st.info(t("One version so far: fit again on later features to see who moves."))
            return
        versions = changes["from_version"], changes["to_version"]
        chart = segment_plots.migration_sankey(pd.DataFrame(changes["migration"]), found.names(say.lang), versions, say)
        st.echarts_chart(chart, height=400, alt=t("Customers by segment before and after"))
        st.caption(t("Left: version {before}, right: version {after}. The width of a band is its people.").format(
            before=versions[0], after=versions[1]))  # fmt: skip


def _news(found: KeptScene, changes: dict[str, Any] | None, say: Speech) -> None:
    t, curve = say.t, found.document["outcomes"]["pareto"]
    left, right = st.columns(2, gap="large")
    if curve is not None:
        with left:
            st.subheader(t("How unevenly value is spread"), anchor=False)
            chart = segment_plots.pareto_chart(curve["curve"], curve["top_fifth"], say)
            st.echarts_chart(chart, height=280, alt=t("Pareto curve"))
            st.caption(t("{n} members hold an account. Gini {gini}: 0 all alike, 1 all value with one.").format(
                n=say.count(curve["customers"]), gini=say.figure(curve["gini"], 2)))  # fmt: skip
    if changes is not None:
        with left if curve is None else right:
            st.subheader(t("What changed"), anchor=False)
            told = segment_tables.event_sentences(changes["events"], found.names(say.lang), say)
            st.markdown("\n".join(f"- {plain(line)}" for line in told))
            _drift(changes["drift"], say)


def _map(found: KeptScene, say: Speech) -> None:
    from segmentation.projection import read_projection

    t, stored = say.t, found.kept.facts.get("map")
    if stored is None:
        st.info(t("This version was kept without a map; the next fit makes one."))
        return
    drawn, names = read_projection(stored), found.names(say.lang)
    called = [(segment, names[segment]) for segment in found.kept.model.ids]
    chart = segment_plots.segment_map(drawn.points, drawn.labels, drawn.explained, called, say)
    st.echarts_chart(chart, height=400, alt=t("A sample of members, coloured by segment"))
    st.caption(t("{n} members drawn at random, on the two directions in which members differ most.").format(
        n=say.count(len(drawn.points))))  # fmt: skip


def _drift(drift: dict[str, Any], say: Speech) -> None:
    t = say.t
    if drift["absent"]:
        st.caption(t("Drift of the features is not known: {why}").format(why=plain(drift["absent"])))
        return
    if not drift["alerts"]:
        st.caption(t("No feature drifted beyond chance ({n} compared).").format(n=drift["rows"]))
        return
    st.caption(t("{n} of {rows} distributions moved (population stability index, PSI): watch from 0.1, alarm from "
                 "0.25.").format(n=len(drift["alerts"]), rows=drift["rows"]))  # fmt: skip
    table = segment_tables.drift_table(drift["alerts"], say)
    table.iloc[:, 1:] = table.iloc[:, 1:].map(plain)
    # as tall as the chart beside it
    with st.container(height="content" if len(table) <= MOST_ALERTS else 300, border=False):
        st.table(table, border="horizontal", hide_index=True)


def _character(found: KeptScene, run: FinishedRun, say: Speech) -> None:
    t, outcomes = say.t, found.document["outcomes"]
    st.subheader(t("Who they are"), anchor=False)
    scene_names = run.scene_names(say.lang)
    table = segment_tables.character_table(found.document["segments"], outcomes["scenes"], scene_names, say)
    st.table(table.map(plain), border="horizontal", hide_index=True)


def _kept_scene(workspace: Workspace, scene: str, numbers: list[int]) -> KeptScene:
    from app.segment_documents import shown
    from app.segment_outcomes import outcome_document

    *before, kept = (
        _version(str(workspace.root), scene, number, _stamp(workspace, scene, number)) for number in numbers[-2:]
    )
    facts, names = _facts(str(workspace.root), _inputs(workspace)), read_names(workspace, scene)
    earlier = [row for one in before for row in shown(one, names)["segments"]]
    return KeptScene(kept, shown(kept, names, outcome_document(facts, kept)), tuple(earlier))


def _inputs(workspace: Workspace) -> tuple[str, ...]:
    """What figures beside the segments are made of; changes with the data, the run, features built and settings."""
    made = [workspace.root / FILE, *sorted(workspace.features.glob("*"))]
    changed = str(max((file.stat().st_mtime_ns for file in made if file.exists()), default=0))
    return workspace.dataset().fingerprint, workspace.latest().name, changed


def _compared(workspace: Workspace, scene: str, numbers: list[int]) -> dict[str, Any]:
    stamps = tuple(_stamp(workspace, scene, number) for number in numbers)
    return _changes_of(str(workspace.root), scene, stamps, _inputs(workspace))


def _stamp(workspace: Workspace, scene: str, version: int) -> tuple[str, int]:
    """What tells a version from another of the same number."""
    folder = version_folder(workspace, scene, version)
    manifest = folder / "model" / "sha256.json"
    return folder.name, manifest.stat().st_mtime_ns if manifest.is_file() else 0


# resources, not data: never changed, and a copy per session would cost their size again
@st.cache_resource(max_entries=20, show_spinner=False)
def _version(root: str, scene: str, version: int, stamp: tuple[str, int]) -> Kept:  # noqa: ARG001 (new file, new entry)
    from app.segment_store import read_version

    return read_version(Workspace(Path(root)), scene, version)


@st.cache_resource(max_entries=2, show_spinner=False)
def _facts(root: str, inputs: tuple[str, ...]) -> CustomerFacts:  # noqa: ARG001 (other data, new entry)
    from app.segment_facts import customer_facts
    from scenefit.runtime.settings import read_settings

    return customer_facts(Workspace(Path(root)), read_settings(Path(root)))


@st.cache_resource(max_entries=20, show_spinner=False)
def _changes_of(
    root: str,
    scene: str,
    stamps: tuple[tuple[str, int], ...],  # noqa: ARG001 (as above)
    inputs: tuple[str, ...],  # noqa: ARG001
) -> dict[str, Any]:
    from app.segment_changes import compared

    return compared(Workspace(Path(root)), scene)
