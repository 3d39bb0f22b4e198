"""Each page in both languages, without a browser: what it says about the run, and what it says when something lacks."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.serve import MAIN, check_port, command
from scenefit.contracts.errors import SettingsError
from scenefit.runtime.workspace import Workspace, write_text

# Streamlit's own: AppTest runs the script outside a server
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def change_manifest(workspace: Workspace, **changes: object) -> None:
    file = workspace.latest() / "manifest.json"
    manifest = json.loads(file.read_text("utf8"))
    for name, value in changes.items():
        manifest[name] |= value
    write_text(file, json.dumps(manifest, ensure_ascii=False))


def texts(page: AppTest) -> str:
    elements = (*page.markdown, *page.caption, *page.info, *page.warning, *page.subheader, *page.title)
    return "\n".join(str(e.value) for e in elements)


@pytest.mark.parametrize(
    ("view", "lang", "title"),
    [("segments", "zh", "客群与场景"), ("segments", "en", "Segments & scenes"), ("offers", "zh", "产品匹配"),
     ("offers", "en", "Offers"),
     ("features", "zh", "模型与特征"), ("features", "en", "Models & features"),
     ("report", "zh", "运行报告"), ("report", "en", "Run report")],
)  # fmt: skip
def test_every_page_opens_in_both_languages(shown, run_workspace: Workspace, view: str, lang: str, title: str) -> None:
    page = shown(run_workspace, view, lang)
    assert page.title[0].value == title
    assert not page.error


def test_the_frame_says_what_numbers_stand_on(shown, run_workspace: Workspace) -> None:
    frame = shown(run_workspace).sidebar
    assert "SYNTHETIC DATA" in frame.warning[0].value
    assert "exact" in frame.markdown[0].value
    assert "2026-07-01 00:00" in frame.caption[0].value.replace("\\", "")
    assert "segments_v1" in frame.caption[0].value


def test_numbers_are_stale_once_the_data_changes(shown, own_workspace: Workspace) -> None:
    file = own_workspace.raw / "dataset.json"
    write_text(file, json.dumps(json.loads(file.read_text("utf8")) | {"fingerprint": "other"}))
    assert "stale" in shown(own_workspace).sidebar.markdown[0].value


def test_real_data_carries_no_synthetic_label(shown, own_workspace: Workspace) -> None:
    change_manifest(own_workspace, dataset={"synthetic": False})
    assert not shown(own_workspace).sidebar.warning


def test_the_language_switch_keeps_the_chosen_scene(shown, run_workspace: Workspace) -> None:
    page = shown(run_workspace)
    page.selectbox[0].select("education").run()
    page.session_state["lang"] = "zh"
    page.run()
    assert page.title[0].value == "客群与场景"
    assert page.selectbox[0].value == "education"
    assert page.metric[0].value == "320"


def test_segments_are_listed_largest_first(shown, run_workspace: Workspace) -> None:
    table = shown(run_workspace).table[0].value
    people = [int(re.match(r"\d+", text)[0]) for text in table["People"]]
    assert people == sorted(people, reverse=True)
    assert sum(people) == 600


def test_a_scene_without_subgroups_says_so(shown, run_workspace: Workspace) -> None:
    page = shown(run_workspace)
    page.selectbox[0].select("education").run()
    assert "No rule stood out beyond chance" in texts(page)


def test_the_plan_is_summed_up_with_its_limits(shown, run_workspace: Workspace) -> None:
    page = shown(run_workspace, "offers")
    assert [m.label for m in page.metric] == ["People offered", "Expected takers", "Expected value", "Expected loss",
                                              "Against greedy", "Gap to bound"]  # fmt: skip
    assert page.metric[0].value == "420"
    assert "Renovation loan: room for one person more would earn about ¥21.4" in texts(page).replace("\\", "")


def test_one_customer_is_found_by_id_and_shown_masked(shown, run_workspace: Workspace) -> None:
    page = shown(run_workspace, "offers")
    page.text_input[0].input("c0000042").run()
    assert "c0•••042" in texts(page)
    assert "c0000042" not in texts(page)
    ranked = page.dataframe[-1].value
    assert list(ranked["#"]) == [1, 2, 3]
    assert (ranked["In the plan"] != "–").sum() == 1


def test_an_unknown_customer_is_said_to_be_unknown(shown, run_workspace: Workspace) -> None:
    page = shown(run_workspace, "offers")
    page.text_input[0].input("nobody-1").run()
    assert "no ranked offer" in texts(page)


def test_one_scene_of_the_plan_shows_its_segments(shown, run_workspace: Workspace) -> None:
    page = shown(run_workspace, "offers")
    page.selectbox[0].select("home").run()
    assert not page.exception


def test_absent_blocks_say_why(shown, own_workspace: Workspace) -> None:
    reason = "The data states nothing of the kind."
    blocks = ("behaviour", "offers", "response", "default", "plan", "reach", "effects")
    change_manifest(own_workspace, metrics={block: {"absent": reason} for block in blocks})
    assert texts(shown(own_workspace, "report")).count(reason) == 6
    assert reason in texts(shown(own_workspace, "offers"))


@pytest.mark.parametrize("damage", ["latest", "runs"])
def test_a_workspace_without_a_run_gives_one_sentence(shown, own_workspace: Workspace, damage: str) -> None:
    if damage == "latest":
        (own_workspace.root / "latest").unlink()
    else:
        (own_workspace.latest() / "manifest.json").unlink()
    page = shown(own_workspace)
    assert len(page.error) == 1
    assert "scenefit run" in page.error[0].value


def test_a_damaged_table_gives_one_sentence(shown, own_workspace: Workspace) -> None:
    (own_workspace.latest() / "scores.parquet").write_bytes(b"PAR1")
    assert "not a whole Parquet file" in shown(own_workspace).error[0].value


def test_the_pages_load_neither_feast_nor_ray(run_workspace: Workspace) -> None:
    code = (
        "import sys\nfrom streamlit.testing.v1 import AppTest\n"
        f"page = AppTest.from_file({str(MAIN)!r}, default_timeout=60).run()\n"
        "assert not page.exception and not page.error, page.error\n"
        "print(sorted({'feast', 'ray', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    environment = {"SCENEFIT_WORKSPACE": str(run_workspace.root), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr[-2000:]


def test_the_server_stays_on_this_machine_and_hides_details() -> None:
    line = command(8600)
    assert "--server.address=127.0.0.1" in line
    for flag in ("--browser.gatherUsageStats=false", "--client.showErrorDetails=none", "--server.maxUploadSize=50"):
        assert flag in line
    assert Path(line[4]) == MAIN


def test_a_port_in_use_is_refused_before_the_server_starts() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SettingsError, match=f"127.0.0.1:{port} cannot be used"):
            check_port(port, "127.0.0.1")


def test_a_port_that_is_no_port_is_refused() -> None:
    with pytest.raises(SettingsError, match="choose another --port"):
        check_port(70_000, "127.0.0.1")
