"""Audiences: a rule edited live with exact size and the cost of each step, kept, compared, grown and exported."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app import audience_panels, audience_shelf
from app.audience_columns import ColumnFacts, column_facts
from app.audience_editor import Vocabulary, current_rule, put_rule, text_editor, tree_editor
from app.audiences import Desk, desk, rule_columns
from app.engine import current
from app.finished_run import FinishedRun
from app.i18n import Speech, plain
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
    _take_draft(say)
    workbench(found, columns, run, say)
    st.divider()
    _shelf(found, say)


@st.fragment
def workbench(found: Desk, columns: dict[str, ColumnFacts], run: FinishedRun, say: Speech) -> None:
    """Editor on the left, answer on the right; an edit redraws nothing else."""
    t = say.t
    rule = current_rule(FIRST, say.lang)
    # the answer stands above the editor, but is known only after it
    answer = st.container()
    left, right = st.columns([7, 5], gap="large")
    with left:
        by_hand, typed = st.tabs([t("Conditions"), t("As text")])
        with by_hand:
            rule = tree_editor(rule, _words(found, columns, run, say), say)
        with typed:
            text_editor(rule, rule_columns(found), say)
        st.caption(plain(rule.sentence("zh" if say.lang == "zh" else "en")))
    edit = found.store.edit(rule, found.reach)
    with right:
        audience_panels.funnel(edit, say)
    with answer:
        audience_panels.headline(found, rule, edit, say)
    more, who, keep = st.tabs([t("Relax"), t("Who they are"), t("Keep")])
    with more:
        audience_panels.relaxing(found, rule, say)
    with who:
        audience_panels.who_they_are(found, rule, say)
    with keep:
        audience_shelf.saving(found, rule, say)


def _shelf(found: Desk, say: Speech) -> None:
    t = say.t
    st.subheader(t("Kept audiences"), anchor=False)
    table = audience_shelf.kept(found, say)
    if table.empty:
        return
    ids = list(table["audience_id"])
    wanted = st.session_state.get("audience_kept")
    left, right = st.columns([4, 2], vertical_alignment="bottom")
    chosen = left.selectbox(t("Audience"), ids, index=ids.index(wanted) if wanted in ids else 0, key=f"kept_{say.lang}")
    st.session_state["audience_kept"] = chosen
    version = found.store.load(str(chosen)).version
    listed = version.rule is None
    right.button(t("Open in the editor"), on_click=_open, args=(version.rule,), disabled=listed, width="stretch")
    names = [t("Export"), t("Versions"), t("Overlap"), t("Look-alikes")]
    out, versions, overlap, alike = st.tabs(names)
    with out:
        audience_shelf.leaving(found, str(chosen), table, say)
    with versions:
        audience_shelf.versions(found, str(chosen), say)
    with overlap:
        audience_shelf.overlaps(found, table, say)
    with alike:
        audience_shelf.growing(found, str(chosen), say)


def _open(rule: Rule | None) -> None:
    if rule is not None:
        st.session_state.pop(audience_shelf.DRAFT, None)
        put_rule(rule)


def _take_draft(say: Speech) -> None:
    """A rule that another page sent here, such as a mined subgroup."""
    draft = st.session_state.get(audience_shelf.DRAFT)
    if not draft:
        return
    if not draft.get("taken"):
        put_rule(Rule.read(str(draft["rule"])))
        st.session_state[audience_shelf.DRAFT] = {**draft, "taken": True}
    st.info(say.t("From a mined subgroup: {name}").format(name=plain(draft[f"name_{say.lang}"])), icon=":material/hub:")


def _words(found: Desk, columns: dict[str, ColumnFacts], run: FinishedRun, say: Speech) -> Vocabulary:
    segments = found.store.people.context.segments
    names = run.segment_names(say.lang)
    ids = [] if segments is None else sorted(set(segments["segment_id"]))
    kept = found.store.list()
    return Vocabulary(
        columns,
        run.scene_names(say.lang),
        {s: f"{s} · {names[s]}" if s in names else s for s in ids},
        list(kept["audience_id"]),
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
