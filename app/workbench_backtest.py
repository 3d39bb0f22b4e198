"""The third tab of the workbench: the last campaign's list beside the one the engine would have made then."""

from __future__ import annotations

import json
import re
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from app.backtest_text import WHY, sentences
from app.backtests import backtest
from app.finished_run import FinishedRun
from app.i18n import EMPTY, Speech, plain
from app.labels import mark
from scenefit.contracts.errors import ScenefitError
from scenefit.runtime.settings import read_settings
from scenefit.runtime.workspace import Workspace

MOST_MEGABYTES = 50
TASK, REPORT = "workbench_backtest", "workbench_backtest_report"
WHICH = {"theirs": mark("the old list"), "ours": mark("our list"), "as_safe": mark("our list, as safe")}
FIGURES = {"contacts": mark("Contacts"), "takers": mark("Expected takers"), "performing": mark("Performing loans"),
           "bad_rate": mark("Bad rate"), "loss": mark("Expected loss"), "value": mark("Expected value"),
           "cost": mark("Cost")}  # fmt: skip


def last_list(run: FinishedRun, say: Speech) -> None:
    """Upload, a job beside the page, and what it found; the list is forgotten with the session."""
    t = say.t
    st.markdown(
        t("Upload the last campaign: who was contacted, when, and what came of it. The engine plans again as of then, "
          "by models that knew nothing of the outcome, and says what it would have done with as many contacts.")
    )  # fmt: skip
    with st.expander(t("Columns of the list")):
        st.markdown(
            t("Needed: customer_id, contacted_at, took (0 or 1). Useful: arm (contacted or control), product_id, "
              "channel, propensity (how likely this person was to be contacted), took_at, went_bad (0 or 1).")
        )  # fmt: skip
    given = st.file_uploader(t("The list, CSV or Parquet"), type=["csv", "parquet"], max_upload_size=MOST_MEGABYTES,
                             key="workbench_list")  # fmt: skip
    task: Future[dict[str, Any]] | None = st.session_state.get(TASK)
    busy = task is not None and not task.done()
    st.caption(
        t("It takes a minute with a few thousand people and several minutes with 50,000. The list is kept in "
          "memory for this session only; nothing is written to the workspace but features of that time.")
    )  # fmt: skip
    pressed = st.button(t("Plan the list again"), type="primary", icon=":material/history:",
                        disabled=given is None or busy)  # fmt: skip
    # a second press before the page was drawn anew starts nothing
    if pressed and given is not None and not busy:
        workspace = Workspace(run.folder.parent.parent)
        st.session_state[TASK] = _worker().submit(document_of, workspace, given.name, given.getvalue())
        st.session_state.pop(REPORT, None)
        busy = True
    if busy or st.session_state.get(TASK) is not None:
        _waiting(say, busy)
    if document := st.session_state.get(REPORT):
        _told(document, say)


def document_of(workspace: Workspace, name: str, content: bytes) -> dict[str, Any]:
    """The back-test of an uploaded list; the file lives as long as the calculation.

    Raises
    ------
    ScenefitError : see `app.backtests.backtest`.
    """
    # a file's name comes from outside as well
    safe = re.sub(r"[^\w.-]", "_", name)[-80:].lstrip(".")
    with tempfile.TemporaryDirectory(prefix="scenefit-list-") as folder:
        file = Path(folder) / (safe or "list")
        file.write_bytes(content)
        try:
            return backtest(workspace, read_settings(workspace.root), file).document
        except ScenefitError as error:
            # the folder is gone when this is read, and it is nobody's business
            raise type(error)(str(error).replace(f"{folder}/", "")) from error


def _waiting(say: Speech, busy: bool) -> None:
    """The status line; looks every two seconds while the job runs, and never afterwards."""

    @st.fragment(run_every=2 if busy else None)
    def look() -> None:
        task: Future[dict[str, Any]] | None = st.session_state.get(TASK)
        if task is None:
            return
        if not task.done():
            st.status(say.t("Planning the list again as of then"), state="running")
            return
        error = task.exception()
        if error is None:
            st.session_state[REPORT] = task.result()
            st.session_state.pop(TASK)
            st.rerun()
        if busy:
            # once more without the clock
            st.rerun()
        if isinstance(error, ScenefitError):
            st.error(plain(error), icon=":material/error:")
        else:
            raise error

    look()


def _told(document: dict[str, Any], say: Speech) -> None:
    t = say.t
    lines = sentences(document, say.lang)
    refused = document["realised"]["refused"]
    whys = {t(WHY[one["code"]]) for one in refused}
    st.subheader(plain(document["list"]["name"]), anchor=False)
    st.markdown("\n".join(f"- {plain(line)}" for line in lines if line not in whys))
    st.markdown(f"**{t('Expected of both lists, by the models of then')}**")
    st.dataframe(expected_table(document, say), hide_index=True)
    st.markdown(f"**{t('Ours against the old list, with 95 % intervals')}**")
    st.dataframe(extra_table(document, say), hide_index=True)
    segments = segments_table(document, say)
    if len(segments):
        with st.expander(t("By segment: who is on which list")):
            st.dataframe(segments, hide_index=True)
    for one in refused:
        st.warning(f"**{plain(t(WHY[one['code']]))}**  \n{plain(one['said'])}", icon=":material/block:")
    left, right, _ = st.columns([1, 1, 3])
    left.download_button(t("Report as JSON"), json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True),
                         "backtest.json", "application/json", icon=":material/download:")  # fmt: skip
    right.download_button(t("Report as Markdown"), markdown_of(document, say), f"backtest_{say.lang}.md",
                          "text/markdown", icon=":material/download:")  # fmt: skip


def expected_table(document: dict[str, Any], say: Speech) -> pd.DataFrame:
    """What the models of then expect of each list, a figure per row."""
    t = say.t
    lists = {which: document["expected"][which] for which in WHICH if document["expected"].get(which) is not None}
    rows = [name for name in FIGURES if any(name in figures for figures in lists.values())]
    table = {t("Figure"): [t(FIGURES[name]) for name in rows]}
    for which, figures in lists.items():
        table[t(WHICH[which])] = [_figure(name, figures.get(name), say) for name in rows]
    return pd.DataFrame(table)


def extra_table(document: dict[str, Any], say: Speech) -> pd.DataFrame:
    """Ours less theirs with intervals; no interval where the models give none."""
    t = say.t
    rows = document["extra"]

    def interval(one: dict[str, Any]) -> str:
        if one.get("low") is None:
            return EMPTY
        return f"{_figure(one['name'], one['low'], say)} – {_figure(one['name'], one['high'], say)}"

    return pd.DataFrame(
        {
            t("Figure"): [t(FIGURES[one["name"]]) if one["name"] in FIGURES else say.label(one["name"])
                          for one in rows],
            t("Difference"): [_figure(one["name"], one["value"], say) for one in rows],
            t("95 % interval"): [interval(one) for one in rows],
        }
    )  # fmt: skip


def segments_table(document: dict[str, Any], say: Speech) -> pd.DataFrame:
    """People on the old list, on ours and on both, by segment."""
    t = say.t
    names = {"segment": t("Segment"), "segment_id": t("Segment"), "theirs": t("the old list"), "ours": t("our list"),
             "both": t("both")}  # fmt: skip
    table = pd.DataFrame(document["overlap"]["by_segment"])
    return table[[name for name in table.columns if name in names]].rename(columns=names)


def markdown_of(document: dict[str, Any], say: Speech) -> str:
    """The back-test as a document to send on."""
    t = say.t
    parts = [f"# {t('Last-list back-test')}: {plain(document['list']['name'])}", ""]
    parts += [f"- {plain(line)}" for line in sentences(document, say.lang)]
    parts += [
        "",
        f"## {t('Expected of both lists, by the models of then')}",
        "",
        *_piped(expected_table(document, say)),
    ]
    parts += ["", f"## {t('Ours against the old list, with 95 % intervals')}", "", *_piped(extra_table(document, say))]
    parts += ["", *(f"> {plain(one['said'])}" for one in document["realised"]["refused"])]
    return "\n".join(parts) + "\n"


def _piped(table: pd.DataFrame) -> list[str]:
    rows = [[str(c) for c in table.columns], ["---"] * len(table.columns)]
    rows += [[plain(cell) for cell in row] for row in table.itertuples(index=False)]
    return [f"| {' | '.join(row)} |" for row in rows]


def _figure(name: str, number: float | None, say: Speech) -> str:
    if name == "bad_rate":
        return say.percent(number, 2)
    return say.money(number) if name in ("loss", "value", "cost") else say.short(number)


# one at a time per process: a back-test takes the cores of a run
@st.cache_resource(show_spinner=False)
def _worker() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="backtest")
