"""The product workbench without a browser: fields, preview, history, subgroups, an uploaded list, and the commands."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from app.i18n import Speech
from app.kept_case import read_case, read_plan
from app.workbench_backtest import document_of, expected_table, extra_table, markdown_of
from app.workbench_charts import recipients_chart, taken_from_chart
from app.workbench_documents import preview_document, preview_lines
from app.workbench_fields import draft_of, entries_of, first_entries, problems_of
from app.workbench_store import draft_history, keep_draft, move_draft
from app.workbench_subgroups import blockers
from recsys.subgroup_plan import subgroup_plan
from recsys.workbench import preview
from scenefit.contracts.errors import StoreError
from scenefit.runtime.workspace import Workspace
from tests.faults.command_line import Ended
from tests.recsys.made_case import made_case

# Streamlit's own: AppTest runs the script outside a server
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
EN = Speech("en")


@pytest.fixture(scope="module")
def place(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(shutil.copytree(small_run, tmp_path_factory.mktemp("workbench") / "w"))


def field(page: AppTest, kind: str, label: str):
    return next(one for one in getattr(page, kind) if one.label == label)


def filled(**changes):
    entries = first_entries(made_case(50), "p1")
    return {**entries, "product_id": "night-loan", "name_zh": "夜间贷", "name_en": "Night loan", **changes}


def test_a_new_draft_begins_with_the_terms_of_the_similar_product():
    entries = filled()
    assert entries["apr"] == 12.0
    assert entries["amount"] == 8_000
    assert problems_of(entries, {"p1"}, EN) == {}
    draft = draft_of(entries, "p1", made_case(50))
    assert draft.apr == pytest.approx(0.12)
    assert entries_of(draft, "")["apr"] == 12.0


@pytest.mark.parametrize(
    ("change", "at"),
    [({"product_id": "p1"}, "product_id"), ({"product_id": "../x"}, "product_id"), ({"name_zh": " "}, "name_zh"),
     ({"amount": 500.0}, "amount"), ({"tenor": 500}, "tenor"), ({"apr": None}, "apr"),
     ({"incentive": 9e9}, "incentive"),
     ({"lift": 1.5}, "lift_reason"), ({"lift": 1.5, "lift_reason": "x" * 501}, "lift_reason")],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_field(change, at):
    assert list(problems_of(filled(**change), {"p1"}, EN)) == [at]


def test_a_preview_of_few_people_tells_no_loss():
    case = made_case(400)
    draft = draft_of(filled(capacity=5.0), "p1", case)
    document = preview_document(preview(case, draft), draft, "made")
    assert 0 < document["people"] <= 5
    assert document["loss"] is document["profit"] is document["gain"] is None
    assert "not told of fewer than 20 people" in " ".join(preview_lines(document))
    json.dumps(document, allow_nan=False)


def test_the_charts_show_what_the_tables_say():
    recipients = pd.DataFrame({"segment_id": ["a/0", "b/1"], "scene_id": ["a", "b"], "people": [20, 50]})
    marks = recipients_chart(recipients, {"a": "Travel"}, EN)["series"][0]["data"]
    assert [mark["value"] for mark in marks] == [50, 20]
    taken = pd.DataFrame({"product_id": ["", "p1"], "people": [30, 40], "value": [0.0, 9.0]})
    assert taken_from_chart(taken, {"p1": "Loan"}, EN)["yAxis"]["data"] == ["Loan", "no offer today"]


def test_whom_nobody_serves_is_told_with_what_blocks_them(place: Workspace):
    case, (plan, _) = read_case(place.latest()), read_plan(place.latest())
    found = subgroup_plan(case, plan, "scene_id")
    out = found.cells[found.cells["unserved"].fillna(False).astype(bool)]
    told = blockers(found.blocked, out, {}, EN)
    assert len(told) == len(out)


@pytest.mark.parametrize(("lang", "title"), [("en", "Product workbench"), ("zh", "产品工坊")])
def test_the_page_opens_in_both_languages_and_works_nothing_out(shown, place: Workspace, lang: str, title: str) -> None:
    page = shown(place, "workbench", lang)
    assert page.title[0].value == title
    assert not page.error
    assert not page.metric


def test_a_run_without_a_case_says_what_is_needed(shown, run_workspace: Workspace) -> None:
    page = shown(run_workspace, "workbench")
    assert "kept no case" in page.info[0].value


def test_a_product_is_drafted_previewed_kept_and_submitted(shown: Callable[..., AppTest], place: Workspace) -> None:
    page = shown(place, "workbench")
    field(page, "button", "Check and preview").click().run()
    assert [m.value for m in page.markdown if m.value.startswith(":red[Write 1 to 40")]
    field(page, "text_input", "Id of the draft").set_value("night-loan")
    field(page, "text_input", "Name in Chinese").set_value("夜间贷")
    field(page, "text_input", "Name in English").set_value("Night loan")
    field(page, "number_input", "Capacity, offers (empty: any)").set_value(60)
    field(page, "button", "Check and preview").click().run()
    assert not page.exception
    assert not page.error
    assert [m.label for m in page.metric][:3] == ["Offered to", "Offered nothing today", "Expected takers"]
    assert any("chances of the similar product" in w.value for w in page.warning)
    field(page, "button", "Keep the draft").click().run()
    assert "who you are" in page.error[0].value
    field(page, "text_input", "Your name").set_value("Li Na")
    field(page, "text_input", "Reason, for the history").set_value("night owls")
    field(page, "button", "Keep the draft").click().run()
    assert not page.exception
    assert [s.by for s in draft_history(place, "night-loan")] == ["Li Na"]
    names = [one for one in page.text_input if one.label == "Your name"]
    names[-1].set_value("Li Na")
    field(page, "text_input", "Reason").set_value("ready")
    field(page, "button", "Do it").click().run()
    assert not page.exception
    assert draft_history(place, "night-loan")[-1].state == "submitted"


def test_the_commands_keep_and_list_what_the_page_does(scenefit: Callable[..., Ended], place, tmp_path) -> None:
    case = read_case(place.latest())
    like = str(case.offers["product_id"].iloc[0])
    entries = {**first_entries(case, like), "product_id": "day-loan", "name_zh": "日间贷", "name_en": "Day loan"}
    file = tmp_path / "day.json"
    file.write_text(draft_of(entries, like, case).json(), "utf8")
    kept = scenefit("product", "draft", file, "-w", place.root, "--reason", "try", "--json")
    assert json.loads(kept.out)["state"] == "draft"
    assert scenefit("product", "submit", "day-loan", "-w", place.root, "--reason", "ready").code == 0
    told = json.loads(scenefit("product", "list", "-w", place.root, "--json").out)["drafts"]
    assert {"product_id": "day-loan", "state": "submitted"}.items() <= next(
        one for one in told if one["product_id"] == "day-loan"
    ).items()
    again = scenefit("product", "submit", "day-loan", "-w", place.root, "--reason", "ready")
    assert again.code != 0
    assert "cannot become 'submitted'" in again.err


@pytest.mark.slow
def test_a_submitted_draft_changes_no_run(place: Workspace, tmp_path: Path) -> None:
    from app.flow import run
    from scenefit.runtime.settings import read_settings

    own = Workspace(shutil.copytree(place.root, tmp_path / "w"))
    before = (own.latest() / "plan.parquet").read_bytes()
    case = read_case(own.latest())
    like = str(case.offers["product_id"].iloc[0])
    entries = {**first_entries(case, like), "product_id": "big-loan", "name_zh": "大额贷", "name_en": "Big loan"}
    who = {"by": "Li", "at": pd.Timestamp("2026-07-01", tz="UTC"), "reason": "test"}
    keep_draft(own, draft_of(entries, like, case), **who)
    move_draft(own, "big-loan", "submitted", **who)
    again = run(own, read_settings(own.root), backend="local", quiet=True)
    assert (again.folder / "plan.parquet").read_bytes() == before
    assert "big-loan" not in set(read_case(again.folder).offers["product_id"])


def test_an_uploaded_list_that_cannot_be_read_names_the_file_and_no_folder(place: Workspace) -> None:
    with pytest.raises(StoreError) as told:
        document_of(place, "../../last list.exe", b"x")
    assert "list.exe: is neither .csv nor .parquet" in str(told.value)
    assert "/" not in str(told.value).split(":")[0]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_report_is_drawn_as_tables_and_as_a_text_to_send_on(lang: str) -> None:
    from tests.app.test_backtests import made_report

    document, say = made_report().document, Speech(lang)
    assert len(expected_table(document, say)) == 7
    assert len(extra_table(document, say)) == len(document["extra"])
    text = markdown_of(document, say)
    assert text.startswith("# ")
    assert all(one["said"].split(";")[0].split(" ")[0] in text for one in document["realised"]["refused"])
