"""Audiences: a rule edited live with exact size and the cost of each step, kept, compared, grown and exported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from app import audience_panels, audience_shelf
from app.audience_columns import ColumnFacts, column_facts
from app.audience_editor import Vocabulary, current_rule, put_rule, text_editor, tree_editor
from app.audiences import Desk, desk
from app.engine import current
from app.finished_run import FinishedRun
from app.i18n import Speech, plain
from scenefit.contracts.errors import ScenefitError
from scenefit.runtime.workspace import Workspace
from segmentation.rules import Compare, Rule

# a first rule that everybody understands and that keeps a good part of the people
FIRST = Rule(where=Compare(column="visits_90d", op=">=", value=1))


def page() -> None:
    """The page from top to bottom."""
    run, say, _ = current()
    t = say.t
    st.title(t("Audiences"), anchor=False)
    root = Path(st.session_state["workspace"])
    with st.spinner(t("Reading the people")):
        found, columns = _desk(str(root), _state(root, run.run_id))
    _take_draft()
    workbench(found, columns, run, say)
    st.divider()
    _shelf(found, say)


@st.fragment
def workbench(found: Desk, columns: dict[str, ColumnFacts], run: FinishedRun, say: Speech) -> None:
    """Editor on the left, answer on the right; an edit redraws nothing else."""
    t = say.t
    rule = current_rule(FIRST, say.lang)
    source = st.container()
    # the answer stands above the editor, but is known only after it
    answer = st.container()
    left, right = st.columns([7, 5], gap="large")
    with left:
        by_hand, typed = st.tabs([t("Conditions"), t("As text")])
        with by_hand:
            rule = tree_editor(rule, _words(found, columns, run, say), say)
        with typed:
            text_editor(found, rule, say)
        st.caption(plain(rule.sentence("zh" if say.lang == "zh" else "en")))
    if draft := audience_shelf.draft_of(rule):
        name = plain(draft[f"name_{say.lang}"])
        source.info(t("From a mined subgroup: {name}").format(name=name), icon=":material/hub:")
    try:
        edit = found.store.edit(rule, found.reach)
    except ScenefitError as error:
        # such as an audience that is gone; the editor above stays, so that the rule can be mended
        answer.error(plain(error), icon=":material/error:")
        return
    with right:
        audience_panels.funnel(edit, say)
    with answer:
        audience_panels.headline(found, rule, edit, say)
    more, who, keep = st.tabs([t("Relax"), t("Who they are"), t("Keep")])
    with more:
        _guarded(audience_panels.relaxing, found, rule, say)
    with who:
        _guarded(audience_panels.who_they_are, found, rule, say)
    with keep:
        audience_shelf.saving(found, rule, say)


def _shelf(found: Desk, say: Speech) -> None:
    t = say.t
    st.subheader(t("Kept audiences"), anchor=False)
    table = audience_shelf.kept(found, say)
    if table.empty:
        return
    if said := st.session_state.pop(audience_shelf.SAID, ""):
        st.success(plain(said), icon=":material/check:")
    chosen = _chosen(list(table["audience_id"]), found, say)
    reference = f"{chosen}@{audience_shelf.newest_versions(found)[chosen]}"
    names = [t("Export"), t("Versions"), t("Overlap"), t("Look-alikes")]
    out, versions, overlap, alike = st.tabs(names)
    with out:
        _guarded(audience_shelf.leaving, found, reference, table, say)
    with versions:
        _guarded(audience_shelf.versions, found, chosen, say)
    with overlap:
        _guarded(audience_shelf.overlaps, found, table, say)
    with alike:
        _guarded(audience_shelf.growing, found, reference, say)


def _chosen(ids: list[str], found: Desk, say: Speech) -> str:
    """Id of the kept audience that is looked at, one just kept first of all; it can be opened in the editor."""
    t, key = say.t, f"kept_{say.lang}"
    wanted = st.session_state.pop(audience_shelf.NEW, None)
    if wanted in ids:
        st.session_state[key] = wanted
    elif st.session_state.get(key) not in ids:
        # another language has a select of its own, with the same choice
        last = st.session_state.get("audience_kept")
        st.session_state[key] = last if last in ids else ids[0]
    left, right = st.columns([4, 2], vertical_alignment="bottom")
    chosen = str(left.selectbox(t("Audience"), ids, key=key))
    st.session_state["audience_kept"] = chosen
    rule, number = None, 0
    try:
        version = found.store.load(chosen).version
        rule, number = version.rule, version.version
    except ScenefitError as error:
        st.error(plain(error), icon=":material/error:")
    right.button(t("Open in the editor"), on_click=_open, args=(found, chosen, number, rule), disabled=rule is None,
                 width="stretch")  # fmt: skip
    return chosen


def _guarded(draw: Callable[..., None], *given: object) -> None:
    """Draw a part of the page; where it cannot be drawn, say why and leave the other parts alone."""
    try:
        draw(*given)
    except ScenefitError as error:
        st.error(plain(error), icon=":material/error:")


def _open(found: Desk, audience_id: str, version: int, rule: Rule | None) -> None:
    if rule is not None:
        st.session_state.pop(audience_shelf.DRAFT, None)
        audience_shelf.opened(found, audience_id, version)
        put_rule(rule)


def _take_draft() -> None:
    """A rule that another page sent here, such as a mined subgroup."""
    draft = st.session_state.get(audience_shelf.DRAFT)
    if not draft:
        return
    if not draft.get("taken"):
        put_rule(Rule.read(str(draft["rule"])))
        st.session_state[audience_shelf.DRAFT] = {**draft, "taken": True}


def _words(found: Desk, columns: dict[str, ColumnFacts], run: FinishedRun, say: Speech) -> Vocabulary:
    segments = found.store.people.context.segments
    names = run.segment_names(say.lang)
    ids = [] if segments is None else sorted(set(segments["segment_id"]))
    kept = found.store.list()
    return Vocabulary(
        columns,
        run.scene_names(say.lang),
        {s: f"{s} · {names[s]}" if s in names else s for s in ids},
        audience_shelf.whole(kept),
    )


def _state(root: Path, run_id: str) -> str:
    """What conditions and figures stand on: data, run, scenes that people made, kept segments, settings."""
    files = [*root.glob("scenes/*"), *root.glob("models/segments/*/*"), root / "scenefit.toml"]
    changed = max((file.stat().st_mtime_ns for file in files if file.exists()), default=0)
    return f"{Workspace(root).dataset().fingerprint} {run_id} {changed}"


# one per process: a million people would not fit once per session
@st.cache_resource(max_entries=2, show_spinner=False)
def _desk(root: str, state: str) -> tuple[Desk, dict[str, ColumnFacts]]:  # noqa: ARG001 (a new state is a new entry)
    found = desk(Workspace(Path(root)))
    return found, column_facts(found.frame)


if __name__ == "__main__":
    page()
