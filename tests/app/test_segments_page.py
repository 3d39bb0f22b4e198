"""The page Segments & scenes without a browser: three tabs, kept segments, names edited in place."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.segment_names import read_names, rename
from app.serve import MAIN
from scenefit.runtime import models
from scenefit.runtime.workspace import Workspace
from segmentation.names import SegmentName

# Streamlit's own: AppTest runs the script outside a server
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, run_workspace: Workspace) -> Workspace:
    """The made run with two kept versions of travel and one of home; tests may not change it."""
    spec = importlib.util.spec_from_file_location("made_segments", Path(__file__).with_name("made_segments.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    place = Workspace(shutil.copytree(run_workspace.root, tmp_path_factory.mktemp("kept") / "w"))
    module.keep_segments(place, "travel", ("2026-05-05", "2026-06-30"))
    module.keep_segments(place, "home", ("2026-06-30",))
    return place


@pytest.fixture
def own(kept: Workspace, tmp_path: Path) -> Workspace:
    """A copy to write to."""
    return Workspace(shutil.copytree(kept.root, tmp_path / "w"))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Open one of the page's tabs: 0 of the run, 1 kept, 2 subgroups."""

    def show(workspace: Workspace, tab: int = 1, lang: str = "en", scene: str = "travel") -> AppTest:
        monkeypatch.setenv("SCENEFIT_WORKSPACE", str(workspace.root))
        page = AppTest.from_file(str(MAIN), default_timeout=60)
        for key, value in {"lang": lang, "segments_tab": tab, "scene_id": scene}.items():
            page.session_state[key] = value
        page.run()
        assert not page.exception
        return page

    return show


def texts(page: AppTest) -> str:
    elements = (*page.markdown, *page.caption, *page.info, *page.success, *page.error, *page.subheader, *page.code)
    return "\n".join(str(e.value) for e in elements).replace("\\", "")


def names_shown(page: AppTest) -> list[tuple[str, str]]:
    inputs = [field.value for field in page.text_input]
    return list(zip(inputs[::2], inputs[1::2], strict=True))


def save(page: AppTest) -> AppTest:
    page.button[0].click().run()
    assert not page.exception
    return page


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("tab", [0, 1, 2])
def test_every_tab_opens_in_both_languages(
    opened: Callable[..., AppTest], kept: Workspace, tab: int, lang: str
) -> None:
    page = opened(kept, tab, lang)
    assert not page.error
    assert len(page.tabs) == 3


def test_the_kept_tab_is_not_computed_before_it_is_opened(opened: Callable[..., AppTest], kept: Workspace) -> None:
    assert len(opened(kept, 0).text_input) == 0
    assert len(opened(kept, 1).text_input) == 6


def test_the_open_tab_outlives_the_language_switch(opened: Callable[..., AppTest], kept: Workspace) -> None:
    page = opened(kept, 1)
    page.session_state["lang"] = "zh"
    page.run()
    assert len(page.text_input) == 6
    assert page.metric[-5].value == "v2"


def test_the_newest_version_is_told_with_who_moved(opened: Callable[..., AppTest], kept: Workspace) -> None:
    page = opened(kept)
    assert page.metric[-5].value == "v2"
    said = texts(page)
    assert "Who moved" in said
    assert "Left: version 1, right: version 2." in said
    assert "Every segment lives on with its number." in said
    # the features of May are not kept in this workspace
    assert "Drift of the features is not known: " in said


def test_what_is_not_known_is_said_and_not_shown_as_nought(opened: Callable[..., AppTest], kept: Workspace) -> None:
    said = texts(opened(kept))
    assert "Value: No open account with a balance is known." in said
    assert "Risk: The newest run has no default model" in said
    assert "Contacted: No message to anybody is recorded." in said
    assert "The data states no consent" in said
    assert "0.0%" not in said


def test_one_version_has_nobody_who_moved(opened: Callable[..., AppTest], kept: Workspace) -> None:
    said = texts(opened(kept, scene="home"))
    assert "One version so far: fit again on later features to see who moves." in said
    assert "What changed" not in said


def test_a_scene_without_kept_segments_names_the_command(opened: Callable[..., AppTest], kept: Workspace) -> None:
    page = opened(kept, scene="education")
    assert f"scenefit segments fit --scene education --workspace {kept.root}" in page.code[0].value
    assert "Kept so far: Home renovation, Travel." in texts(page)


class TestNames:
    """Edited in place."""

    def test_a_new_name_is_saved_shown_and_audited(self, opened: Callable[..., AppTest], own: Workspace) -> None:
        page = opened(own)
        page.text_input[0].input("Night owls")
        page.text_input[1].input("夜猫子")
        save(page)
        assert "Saved: travel/" in texts(page)
        assert names_shown(page)[0] == ("Night owls", "夜猫子")
        [given] = read_names(own, "travel").given
        assert (given.en, given.zh) == ("Night owls", "夜猫子")
        with sqlite3.connect(own.catalogue) as connection:
            action, detail = connection.execute("SELECT action, detail FROM audit ORDER BY seq DESC").fetchone()
        connection.close()
        assert action == "segments rename"
        assert json.loads(detail)["names"] == {given.segment_id: {"en": "Night owls", "zh": "夜猫子"}}

    def test_only_what_was_changed_is_named_by_hand(self, opened: Callable[..., AppTest], own: Workspace) -> None:
        page = save(opened(own))
        assert "No name was changed." in texts(page)
        assert read_names(own, "travel").given == ()

    def test_two_segments_have_two_names_and_nothing_is_half_saved(
        self, opened: Callable[..., AppTest], own: Workspace
    ) -> None:
        page = opened(own)
        for field, name in zip(page.text_input, ("Owls", "猫头鹰", "owls", "夜猫子"), strict=False):
            field.input(name)
        save(page)
        assert "is already called 'Owls'" in texts(page)
        assert read_names(own, "travel").given == ()

    def test_an_empty_name_is_refused(self, opened: Callable[..., AppTest], own: Workspace) -> None:
        page = opened(own)
        page.text_input[0].input("   ")
        assert "give a name of 1 to 60 characters" in texts(save(page))

    def test_a_name_given_elsewhere_is_not_undone(self, opened: Callable[..., AppTest], own: Workspace) -> None:
        page = opened(own)
        segment = page.text_input[0].label.rpartition(" ")[2]
        rename(own, "travel", {segment: SegmentName("Owls", "猫头鹰")})
        page.run()
        assert names_shown(page)[0] == ("Owls", "猫头鹰")
        assert "No name was changed." in texts(save(page))
        rename(own, "travel", {segment: SegmentName("Night owls", "夜猫子")})
        page.run()
        assert "Owls / 猫头鹰" in texts(page)

    def test_no_name_becomes_markup(self, opened: Callable[..., AppTest], own: Workspace) -> None:
        page = opened(own)
        page.text_input[0].input("![x](http://y)")
        save(page)
        assert all("![x](" not in str(element.value) for element in (*page.markdown, *page.caption))


def test_a_damaged_version_gives_one_sentence(opened: Callable[..., AppTest], own: Workspace) -> None:
    file = own.models / "segments" / "travel" / "v0002" / "model" / "centers.npy"
    file.write_bytes(file.read_bytes()[:-4] + b"oops")
    page = opened(own)
    assert "missing or changed since it was saved" in page.error[0].value.replace("\\", "")
    assert page.title[0].value == "Segments & scenes"
    (file.parent / "sha256.json").unlink()
    assert "no model there; fit and save one first" in opened(own).error[0].value.replace("\\", "")


def test_a_version_from_before_there_were_maps_says_so(opened: Callable[..., AppTest], own: Workspace) -> None:
    folder = own.models / "segments" / "travel" / "v0002" / "model"
    saved = models.load(folder)
    models.save(folder, saved.arrays, {name: value for name, value in saved.facts.items() if name != "map"})
    assert "This version was kept without a map; the next fit makes one." in texts(opened(own))
