"""The page of features, without a browser: alerts first, what a search leaves, one feature, and what is absent."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from app.feature_facts import feature_facts
from app.serve import MAIN
from feature_repo.views import VIEWS
from scenefit.runtime.workspace import Workspace, write_text

# Streamlit's own: AppTest runs the script outside a server
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

DECLARED = len(feature_facts())


def said(page: AppTest) -> str:
    elements = (*page.markdown, *page.caption, *page.info, *page.warning, *page.success)
    return "\n".join(str(e.value) for e in elements).replace("\\", "")


def test_what_is_wrong_comes_first(shown: Callable[..., AppTest], run_workspace: Workspace) -> None:
    page = shown(run_workspace, "features")

    worst = page.table[0].value
    assert [status.split("[")[1][:-1] for status in worst["Status"]] == ["alert", "alert", "watch"]
    assert list(worst["Where"]) == ["merchant", "person, daily · spend, 28 days", "person, daily · activity trend"]
    assert "days old, past its TTL" in worst["Why"][0]
    figures = {m.label: m.value for m in page.metric}
    assert (figures["Alert"], figures["Watch"], figures["Views past their time to live"]) == ("2", "1", "1")


def test_every_declared_feature_is_listed_alerts_first(shown: Callable[..., AppTest], run_workspace: Workspace) -> None:
    listed = shown(run_workspace, "features").dataframe[1].value

    assert len(listed) == DECLARED
    assert list(listed["Code"][:2]) == ["spend_28d", "trend_28d"]
    assert {word for words in listed["Status"][2:] for word in words} <= {"fine", "unrated"}


def test_a_search_and_filters_narrow_the_list(shown: Callable[..., AppTest], run_workspace: Workspace) -> None:
    page = shown(run_workspace, "features")

    page.text_input(key="feature_words").input("BUREAU.score newest record").run()
    assert set(page.dataframe[1].value["Code"]) == {"bureau_score", "bureau_score_change"}
    assert f"2 of {DECLARED} features" in said(page)

    page.text_input(key="feature_words").input("").run()
    page.multiselect(key="feature_views_en").select("customer_risk").run()
    page.multiselect(key="feature_purposes_en").select("marketing").run()
    codes = set(page.dataframe[1].value["Code"])
    assert "bureau_score" not in codes
    assert codes <= set(VIEWS["customer_risk"].names)


def test_filters_that_leave_nothing_say_so(shown: Callable[..., AppTest], run_workspace: Workspace) -> None:
    page = shown(run_workspace, "features")
    page.text_input(key="feature_words").input("no such feature").run()
    assert "No feature fits these filters" in said(page)


def test_one_feature_shows_meaning_code_uses_and_readers(
    shown: Callable[..., AppTest], run_workspace: Workspace
) -> None:
    page = shown(run_workspace, "features", "zh")
    page.selectbox(key="feature_zh").select("customer_risk:bureau_score").run()

    facts = dict(page.table[-1].value.itertuples(index=False))
    facts = {name.replace("\u2060", ""): value.replace("\\", "") for name, value in facts.items()}
    assert facts["代码"] == "`customer_risk:bureau_score`"
    assert facts["允许用途"] == "风控"
    assert "default_v1" in facts["使用方"]
    assert "最近一次征信评分。" in said(page)


def test_the_chosen_feature_and_filter_outlive_a_language_switch(
    shown: Callable[..., AppTest], run_workspace: Workspace
) -> None:
    page = shown(run_workspace, "features")
    page.multiselect(key="feature_views_en").select("customer_risk").run()
    page.selectbox(key="feature_en").select("customer_risk:bureau_debt").run()
    page.session_state["lang"] = "zh"
    page.run()

    assert page.title[0].value == "模型与特征"
    assert page.selectbox(key="feature_zh").value == "customer_risk:bureau_debt"
    assert page.multiselect(key="feature_views_zh").value == ["customer_risk"]


def test_without_a_report_the_page_says_how_to_make_one(
    shown: Callable[..., AppTest], own_workspace: Workspace
) -> None:
    (own_workspace.features / "quality.json").unlink()
    page = shown(own_workspace, "features")

    assert "No quality report yet" in said(page)
    assert page.code[0].value == f"scenefit features quality --workspace {own_workspace.root}"
    assert len(page.dataframe[0].value) == DECLARED


def test_a_report_of_other_data_is_said_to_be_old(shown: Callable[..., AppTest], own_workspace: Workspace) -> None:
    file = own_workspace.features / "quality.json"
    write_text(file, json.dumps(json.loads(file.read_text("utf8")) | {"fingerprint": "other"}))
    assert "The data changed since this quality report" in said(shown(own_workspace, "features"))


def test_a_report_outlives_the_data(shown: Callable[..., AppTest], own_workspace: Workspace) -> None:
    page = shown(own_workspace, "features")
    (own_workspace.raw / "dataset.json").unlink()
    page.run()
    assert not page.error
    assert "failed" in page.sidebar.markdown[0].value
    assert len(page.dataframe[1].value) == DECLARED


def test_a_damaged_report_gives_one_sentence(shown: Callable[..., AppTest], own_workspace: Workspace) -> None:
    write_text(own_workspace.features / "quality.json", "{")
    page = shown(own_workspace, "features")
    assert len(page.error) == 1
    assert "scenefit features quality" in page.error[0].value


def test_the_page_computes_nothing_and_loads_no_feast(run_workspace: Workspace) -> None:
    code = (
        "import sys\nfrom streamlit.testing.v1 import AppTest\n"
        f"page = AppTest.from_file({str(MAIN)!r}, default_timeout=60).run().switch_page('views/features.py').run()\n"
        "assert not page.exception and not page.error, page.error\n"
        "print(sorted({'feast', 'ray', 'sklearn', 'matplotlib', 'feature_repo.quality'} & set(sys.modules)))"
    )
    environment = {"SCENEFIT_WORKSPACE": str(run_workspace.root), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr[-2000:]
