"""Names that people give to segments: in the catalogue, none lost, old ones taken over once."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from app.segment_folders import scene_folder, version_folder
from app.segment_names import read_names, rename
from scenefit.contracts.errors import ContractError, StoreError
from scenefit.runtime.catalogue import MIGRATIONS, catalogue, verify_audit
from scenefit.runtime.store import write_table
from scenefit.runtime.workspace import Workspace
from segmentation.lifecycle import SEGMENT_VERSIONS
from segmentation.names import Names, SegmentName

OLD = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    """A workspace in which the scene travel has been fitted once."""
    found = Workspace(tmp_path)
    fit(found, "2026-01-01")
    return found


def fit(place: Workspace, moment: str) -> None:
    folder = version_folder(place, "travel", 1)
    folder.mkdir(parents=True, exist_ok=True)
    at = pd.Timestamp(moment, tz="UTC")
    row = ("travel", 1, at, at, 900, 3, "3", 0.9, "first", None)
    write_table(folder, SEGMENT_VERSIONS, pd.DataFrame([row], columns=SEGMENT_VERSIONS.names))


def named(place: Workspace) -> dict[str, tuple[str, str]]:
    return {name.segment_id: (name.en, name.zh) for name in read_names(place, "travel").current()}


def test_the_newest_name_speaks_and_the_old_ones_stay(place: Workspace) -> None:
    rename(place, "travel", {"travel/1": SegmentName("Flyers", "飞行者")})
    rename(place, "travel", {"travel/1": SegmentName("Weekend flyers", "周末出行")})
    assert named(place) == {"travel/1": ("Weekend flyers", "周末出行")}
    assert [name.en for name in read_names(place, "travel").given] == ["Flyers", "Weekend flyers"]
    assert all(name.by and name.at.tzinfo for name in read_names(place, "travel").given)


def test_reading_names_of_a_workspace_without_any_makes_no_file(place: Workspace) -> None:
    assert read_names(place, "travel") == Names()
    assert not place.catalogue.exists()


def test_of_several_names_all_are_kept_or_none(place: Workspace) -> None:
    wanted = {"travel/1": SegmentName("Flyers", "飞行者"), "travel/2": SegmentName("flyers", "他人")}
    with pytest.raises(ContractError, match="'travel/1' is already called 'Flyers'"):
        rename(place, "travel", wanted)
    assert named(place) == {}
    assert len(rename(place, "travel", wanted | {"travel/2": SegmentName("Others", "他人")})) == 2
    assert set(named(place)) == {"travel/1", "travel/2"}


@pytest.mark.parametrize("en", ["", "   ", "x" * 61])
def test_a_name_is_not_empty_and_not_too_long(place: Workspace, en: str) -> None:
    with pytest.raises(ContractError, match="give a name of 1 to 60 characters in each language"):
        rename(place, "travel", {"travel/1": SegmentName(en, "甲")})


def test_of_many_who_rename_at_once_none_is_lost(place: Workspace) -> None:
    # processes of their own, by a script: pages tested before may have left another main module behind
    people = [subprocess.Popen([sys.executable, "-c", RENAMING, str(place.root), str(n)]) for n in (1, 2, 3)]
    assert [person.wait(120) for person in people] == [0, 0, 0]
    assert len(read_names(place, "travel").given) == 45
    assert named(place) == {f"travel/{n}": (f"Group {n} no. 14", f"第{n}组14") for n in (1, 2, 3)}


RENAMING = """
import sys
from pathlib import Path
from app.segment_names import SegmentName, rename
from scenefit.runtime.workspace import Workspace
root, number = Path(sys.argv[1]), sys.argv[2]
for i in range(15):
    name = SegmentName(f"Group {number} no. {i}", f"第{number}组{i}")
    rename(Workspace(root), "travel", {f"travel/{number}": name})
"""


class TestOldFile:
    """names.json, where names stood before the catalogue held them."""

    @pytest.fixture
    def file(self, place: Workspace) -> Path:
        names = Names().renamed("travel/1", "Flyers", "飞行者", by="li", at=OLD)
        names = names.renamed("travel/1", "Weekend flyers", "周末出行", by="wang", at=OLD.replace(month=2))
        file = scene_folder(place, "travel") / "names.json"
        file.write_text(names.model_dump_json(), "utf8")
        return file

    def test_its_names_are_taken_over_once(self, place: Workspace, file: Path) -> None:
        assert named(place) == {"travel/1": ("Weekend flyers", "周末出行")}
        assert not file.exists()
        assert [(name.by, name.at) for name in read_names(place, "travel").given] == [
            ("li", OLD), ("wang", OLD.replace(month=2)),
        ]  # fmt: skip

    def test_taken_over_twice_they_are_the_same(self, place: Workspace, file: Path) -> None:
        text = file.read_text("utf8")
        rename(place, "travel", {"travel/1": SegmentName("Travellers", "旅客")})
        # as if the process had been stopped before the file was put aside, or a copy came back
        file.write_text(text, "utf8")
        assert named(place) == {"travel/1": ("Travellers", "旅客")}
        assert len(read_names(place, "travel").given) == 3

    def test_a_rename_sees_them(self, place: Workspace, file: Path) -> None:
        assert file.is_file()
        with pytest.raises(ContractError, match="'travel/1' is already called 'Weekend flyers'"):
            rename(place, "travel", {"travel/2": SegmentName("weekend flyers", "别名")})

    def test_a_damaged_one_is_refused_and_stays(self, place: Workspace, file: Path) -> None:
        file.write_bytes(b"\xff\xfe")
        with pytest.raises(StoreError, match=r"names.json: damaged .* restore or remove it"):
            read_names(place, "travel")
        file.write_text("{}x", "utf8")
        with pytest.raises(ContractError, match="restore the stored names"):
            read_names(place, "travel")
        assert file.is_file()

    def test_a_catalogue_from_before_is_brought_up_with_its_audit_chain(self, place: Workspace, file: Path) -> None:
        assert file.is_file()
        with sqlite3.connect(place.catalogue) as connection:
            connection.executescript(f"{MIGRATIONS[0]} {MIGRATIONS[1]} PRAGMA user_version = 2;")
        connection.close()
        assert named(place) == {"travel/1": ("Weekend flyers", "周末出行")}
        with catalogue(place.catalogue) as opened:
            assert verify_audit(opened) is None


def test_segments_begun_again_do_not_inherit_names(place: Workspace) -> None:
    rename(place, "travel", {"travel/1": SegmentName("Flyers", "飞行者")})
    # the scene's folder was removed and fitted anew: number 1 is another segment now
    fit(place, "2100-01-01")
    assert named(place) == {}
    fit(place, "2026-01-01")
    assert named(place) == {"travel/1": ("Flyers", "飞行者")}
