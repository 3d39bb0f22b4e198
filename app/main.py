"""The app's frame: language, data set, run and state; the pages hang in it."""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st

from app.engine import Opened, opened
from app.i18n import LANGUAGES, Speech, plain
from scenefit.contracts.errors import ScenefitError

STATES = {"exact": "green", "stale": "orange", "failed": "red"}


def main() -> None:
    """Draw the frame and the chosen page."""
    st.set_page_config(page_title="Scenefit", page_icon="🎯", layout="wide")
    st.session_state["workspace"] = os.environ.get("SCENEFIT_WORKSPACE", "workspace")
    lang = _language()
    t = Speech(lang).t
    page = st.navigation(
        [
            st.Page(
                "views/segments.py",
                title=t("Segments & scenes"),
                icon=":material/groups:",
                url_path="segments",
                default=True,
            ),
            st.Page("views/audiences.py", title=t("Audiences"), icon=":material/group_add:", url_path="audiences"),
            st.Page("views/offers.py", title=t("Offers"), icon=":material/redeem:", url_path="offers"),
            st.Page(
                "views/workbench.py",
                title=t("Product workbench"),
                icon=":material/design_services:",
                url_path="workbench",
            ),
            st.Page("views/features.py", title=t("Models & features"), icon=":material/schema:", url_path="features"),
            st.Page("views/report.py", title=t("Run report"), icon=":material/lab_profile:", url_path="report"),
        ]
    )
    try:
        _frame(opened(Path(st.session_state["workspace"]), lang))
        page.run()
    except ScenefitError as error:
        st.error(plain(error), icon=":material/error:")


def _language() -> str:
    """The language of the session, kept in the address as ?lang=en, so that a link says it too."""
    asked = st.query_params.get("lang")
    if "lang" not in st.session_state:
        st.session_state["lang"] = asked if asked in LANGUAGES else "zh"
    with st.sidebar:
        # ids are the values; the widget's own binding would write the labels into the address
        st.segmented_control(
            "语言 / Language", list(LANGUAGES), required=True, format_func=LANGUAGES.__getitem__, key="lang"
        )
    lang = str(st.session_state["lang"])
    if asked != lang:
        st.query_params["lang"] = lang
    return lang


def _frame(open_run: Opened) -> None:
    """What every number on the page stands on."""
    run, say, state = open_run
    t = say.t
    words = {"exact": t("exact: the data is what this run read"), "stale": t("stale: the data changed since this run"),
             "failed": t("failed: the data cannot be read any more")}  # fmt: skip
    with st.sidebar:
        st.subheader(plain(run.dataset["name"]), anchor=False)
        if run.dataset["synthetic"]:
            st.warning(f"**{t('SYNTHETIC DATA – no real person, no real result')}**", icon=":material/science:")
        st.markdown(f":{STATES[state]}-badge[{words[state]}]")
        lines = [
            (t("Data until"), say.day(run.dataset["until"], run.timezone)),
            (t("As of"), say.day(run.manifest["as_of"], run.timezone)),
            (t("Time zone"), run.timezone),
            (t("Run"), run.run_id),
            *(
                (t("Feature service {name}").format(name=name), say.day(moment, run.timezone))
                for name, moment in run.manifest["services"].items()
            ),
        ]
        st.caption("\n\n".join(f"{name}  \n**{plain(value)}**" for name, value in lines))


if __name__ == "__main__":
    main()
