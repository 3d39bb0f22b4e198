"""The newest run of a workspace for the pages: read once per process, shared by all sessions, never changed."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import streamlit as st

from app.finished_run import FinishedRun, read_finished_run
from app.i18n import Speech
from feature_repo.quality_tables import Quality, load
from scenefit.contracts.errors import StoreError
from scenefit.runtime.workspace import Workspace


class Opened(NamedTuple):
    """A run, how to speak of it, and whether its numbers still match the data.

    `state` is exact (the data is what the run read), stale (the data changed since) or failed (the data cannot be
    read any more).
    """

    run: FinishedRun
    say: Speech
    state: str


def opened(root: Path, lang: str) -> Opened:
    """The newest finished run of the workspace at `root`.

    Raises
    ------
    StoreError : no data, no finished run, or damaged files.
    """
    folder = Workspace(root).latest()
    changed = (folder / "manifest.json").stat().st_mtime_ns
    run = _finished_run(str(root), str(folder), changed)
    return Opened(run, Speech(lang, str(run.dataset.get("currency", "CNY"))), state_of(run, Workspace(root)))


def current() -> Opened:
    """The run this session looks at, in its language: sessions hold ids only."""
    return opened(Path(st.session_state["workspace"]), st.session_state["lang"])


def feature_report(workspace: Workspace) -> Quality | None:
    """The newest quality report of the features; None while there is none.

    Raises
    ------
    StoreError : the report is damaged.
    """
    file = workspace.features / "quality.json"
    return _quality(str(workspace.root), file.stat().st_mtime_ns) if file.is_file() else None


def state_of(run: FinishedRun, workspace: Workspace) -> str:
    """exact, stale or failed."""
    try:
        now = workspace.dataset().fingerprint
    except StoreError:
        return "failed"
    return "exact" if now == run.dataset.get("fingerprint") else "stale"


# resource, not data: a copy per session of the score table would cost its size again
@st.cache_resource(max_entries=3, show_spinner=False)
def _finished_run(root: str, folder: str, changed: int) -> FinishedRun:  # noqa: ARG001 (a new file is a new entry)
    return read_finished_run(Path(folder), Workspace(Path(root)))


@st.cache_resource(max_entries=3, show_spinner=False)
def _quality(root: str, changed: int) -> Quality:  # noqa: ARG001 (a new file is a new entry)
    return load(Workspace(Path(root)))
