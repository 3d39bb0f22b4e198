"""`scenefit subgroups …` over a finished run of a small synthetic world: mined, mapped, ordered, opened; refusals."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from app.flow import run
from app.scene_maps import made_scenes, scene_frames, workspace_map
from app.scene_store import user_scenes
from app.subgroup_mining import Asked, mine, mined_scene, miner_settings
from app.subgroup_store import save_mined
from app.synthetic import write_world
from app.tasks import SceneMembers
from scenefit.runtime.settings import read_settings
from scenefit.runtime.workspace import Workspace, write_text
from segmentation.rules import Compare, InScene, Rule

SMALL = """
[segments]
k_max = 4
seeds = 2
[flow]
scene_members = 100
max_scenes = 2
label_windows = 3
[recommend]
factors = 8
iterations = 3
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,000 people with a finished run; tests may not change it."""
    root = tmp_path_factory.mktemp("subgroups") / "w"
    workspace = Workspace(root)
    write_world(workspace, 2_000, seed=5)
    write_text(root / "scenefit.toml", SMALL)
    run(workspace, read_settings(root), backend="local", quiet=True)
    return root


@pytest.fixture
def own(finished: Path, tmp_path: Path) -> Path:
    """A copy to write to."""
    return shutil.copytree(finished, tmp_path / "w")


@pytest.fixture
def told(scenefit: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """The JSON document of a command that ends well."""

    def call(*words: object) -> dict[str, Any]:
        ended = scenefit("subgroups", *words, "--json")
        assert ended.code == 0, ended.err
        document: dict[str, Any] = json.loads(ended.out)
        return document

    return call


@pytest.fixture
def refused(scenefit: Callable[..., Any]) -> Callable[..., tuple[int, str]]:
    """Exit code and sentence of a command that is refused."""

    def call(*words: object) -> tuple[int, str]:
        ended = scenefit("subgroups", *words)
        return ended.code, ended.err

    return call


def test_the_map_adds_up_for_every_scene_group_and_kind(finished, told):
    document = told("map", "-w", finished)
    cells = pd.DataFrame(document["cells"])
    assert (cells[["reached", "unreached", "hard", "held_out"]].sum(axis=1) == cells["size"]).all()
    scenes = cells[cells["origin"] == "scene"].groupby("scene_id")["size"].sum()
    segments = cells[cells["origin"] == "segment"].groupby("scene_id")["size"].sum()
    assert segments.to_dict() == {scene: scenes[scene] for scene in segments.index}
    assert set(cells["kind"]) == {"customer", "lead", "visitor"}
    # a share or mean of credit facts is that of twenty people or more
    assert (cells.loc[cells["affordable_share"].notna(), "with_pd"] >= 20).all()
    assert (cells.loc[cells["headroom"].notna(), "with_headroom"] >= 20).all()
    assert "pd" not in cells
    assert document["reach_days"] == 90
    assert document["need_days"] == 84
    one = told("map", "-w", finished, "--scene", "travel", "--kind", "lead")["cells"]
    assert {(row["scene_id"], row["kind"]) for row in one} == {("travel", "lead")}


def test_the_order_has_one_rank_and_a_reason_each(finished, told):
    document = told("order", "-w", finished, "--top", 1000)
    options = pd.DataFrame(document["options"])
    assert options["rank"].tolist() == list(range(1, len(options) + 1))
    known = options[options["gain"].notna()]
    assert (known["gain_low"] <= known["gain"]).all()
    assert (known["gain"] <= known["gain_high"]).all()
    assert known["gain_low"].is_monotonic_decreasing
    assert (options["active"] >= 20).all()
    assert options["reason_zh"].str.len().min() > 10
    merchants = told("order", "-w", finished, "--kind", "merchant", "--top", 3)["options"]
    assert {row["kind"] for row in merchants} == {"merchant"}


def test_a_made_scene_equals_the_scene_of_the_data_it_is_made_of(own, told):
    document = told("open-scene", "outing", "--en", "Outing", "--zh", "出游", "--category", "travel", "-w", own)
    workspace = Workspace(own)
    at = workspace.dataset().until
    frames = scene_frames(workspace, at, made_scenes(workspace, at))
    ours, theirs = (frames[scene].set_index("customer_id") for scene in ("outing", "travel"))
    assert sorted(ours.columns) == sorted(theirs.columns)
    features = [name for name in theirs.columns if name.startswith("scene_")]
    active = theirs[theirs["scene_days_since_activity"].notna()]
    assert document["members"] == len(active) == len(ours)
    for name in features:
        ours_now = ours[name].reindex(active.index).to_numpy(dtype=float)
        np.testing.assert_allclose(ours_now, active[name].to_numpy(dtype=float), err_msg=name)
    cells = workspace_map(workspace, read_settings(own)).cells.set_index(["group_id", "kind"])
    figures = ["size", "reached", "unreached", "hard", "demand", "rate"]
    assert cells.loc[("outing", "customer"), figures].tolist() == cells.loc[("travel", "customer"), figures].tolist()


def test_a_source_makes_a_scene_once_and_the_raw_data_stays(own, told, refused):
    before = sorted((file, file.stat().st_mtime_ns) for file in (own / "raw").rglob("*.parquet"))
    source = told("order", "-w", own, "--kind", "source", "--top", 1)["options"][0]["option_id"]
    words = ("open-scene", "maps", "--en", "Maps", "--zh", "地图", "--source", source, "-w", own)
    made = told(*words)
    assert made["customers"] + made["leads"] + made["visitors"] == made["members"] > 0
    assert [scene.scene_id for scene in user_scenes(Workspace(own))] == ["maps"]
    code, sentence = refused(*words)
    assert code == 5
    assert "was made already; choose another id" in sentence
    assert sorted((file, file.stat().st_mtime_ns) for file in (own / "raw").rglob("*.parquet")) == before


def test_ids_that_do_not_exist_come_with_a_guess_and_leave_nothing_behind(own, refused):
    words = ("--en", "X", "--zh", "甲", "-w", own)
    code, sentence = refused("open-scene", "x", "--category", "travel.outdor", *words)
    assert code == 3
    assert "Did you mean 'travel.outdoor'?" in sentence
    assert refused("open-scene", "travel", "--category", "home", *words)[0] == 3
    assert not (own / "scenes").exists()
    code, sentence = refused("map", "--scene", "travl", "-w", own)
    assert code == 4
    assert "did you mean 'travel'?" in sentence


@pytest.fixture(scope="module")
def mined(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with subgroups mined anew."""
    root = shutil.copytree(finished, tmp_path_factory.mktemp("mined") / "w")
    settings = miner_settings(read_settings(root), {"support": 20, "top": 2})
    workspace = Workspace(root)
    mine(workspace, settings, workspace.dataset().until, backend="local")
    return root


def test_mined_rules_are_kept_apart_from_the_run(mined, finished, told):
    kept = (mined / "subgroups" / "latest").read_text("utf8")
    manifest = json.loads((mined / "subgroups" / kept / "manifest.json").read_text("utf8"))
    assert manifest["options"]["top"] == 2
    assert manifest["synthetic"] is True
    rules = told("show", "-w", mined)["rules"]
    of_run = Workspace(finished).latest().name
    # what was mined anew speaks for its scenes, also where it found nothing
    assert all(row["origin"] != of_run for row in rules if row["scene_id"] in manifest["scenes"])


def test_a_mined_group_has_as_many_people_on_the_map_as_in_its_audience(own):
    from app.audience_people import people

    workspace = Workspace(own)
    at, rule = workspace.dataset().until, Rule(where=Compare(column="scene_visits_365d", op=">=", value=3))
    row = {"scene_id": "travel", "rank": 1, "rule_en": "x", "rule_zh": "x", "size": 1, "unreached": 1, "rate": 0.1,
           "base": 0.1, "p": 0.1, "q": 0.1, "confirmed": True, "rule": rule.model_dump_json()}  # fmt: skip
    fingerprint = workspace.dataset().fingerprint
    save_mined(workspace, pd.DataFrame([row]),
               {"as_of": at.isoformat(), "scenes": ["travel"], "fingerprint": fingerprint})  # fmt: skip
    cells = workspace_map(workspace, read_settings(own)).cells
    everybody = people(workspace, at)
    meant = Rule(where=InScene(scene="travel", of=rule.where)).mask(everybody.frame, everybody.context)
    assert 0 < cells.loc[cells["group_id"] == "travel#1", "size"].sum() == meant.sum()


def test_mining_by_command_is_audited_and_kept(own, mined, told):
    scene = json.loads((newest(mined) / "manifest.json").read_text("utf8"))["scenes"][0]
    document = told("mine", "-w", own, "--scene", scene, "--support", 20, "--top", 2, "--backend", "local")
    assert document["scenes"] == [scene]
    assert newest(own).name == document["mined_id"]
    with sqlite3.connect(own / "catalogue.db") as connection:
        action, detail = connection.execute("SELECT action, detail FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    assert action == "subgroups mine"
    assert json.loads(detail)["mined"] == document["mined_id"]


def newest(root: Path) -> Path:
    folder = root / "subgroups"
    return folder / (folder / "latest").read_text("utf8")


def test_a_scene_gives_the_same_rules_alone_and_with_others():
    rng = np.random.default_rng(2)
    features = pd.DataFrame({"city_tier": rng.integers(1, 7, 3_000).astype(float), "age": rng.integers(20, 60, 3_000)})
    outcome = rng.random(3_000) < np.where(features["city_tier"] == 3, 0.3, 0.05)
    members = SceneMembers(np.arange(3_000), features, outcome, np.zeros(3_000, dtype=bool))
    miner = read_settings().subgroups.model_dump(exclude={"reach_days"})
    asked = Asked(SimpleNamespace(mined={"travel": members, "home": members}, miner=miner), 7)  # type: ignore[arg-type]
    first = mined_scene("travel", asked, np.random.default_rng(0))
    again = mined_scene("travel", asked, np.random.default_rng(99))
    assert len(first.rules)
    pd.testing.assert_frame_equal(first.rules, again.rules)
    # another scene draws other halves
    assert not mined_scene("home", asked, np.random.default_rng(0)).rules["rate"].equals(first.rules["rate"])


def test_mining_what_cannot_be_mined_is_refused(own, refused):
    code, sentence = refused("mine", "-w", own, "--scene", "moon", "--backend", "local")
    assert code == 4
    assert "scene 'moon' cannot be mined" in sentence
    code, sentence = refused("mine", "-w", own, "--depth", 99)
    assert code == 4
    assert "depth = 99" in sentence
    assert not (own / "subgroups").exists()


def test_the_lines_say_what_the_documents_hold(mined, scenefit):
    for words in (("map",), ("order", "--top", "2"), ("show",)):
        ended = scenefit("subgroups", *words, "-w", mined)
        assert ended.code == 0, ended.err
        assert "None" not in ended.out
        assert "nan" not in ended.out


def test_a_map_of_changed_data_is_refused(own, refused):
    file = own / "raw" / "dataset.json"
    write_text(file, json.dumps(json.loads(file.read_text("utf8")) | {"fingerprint": "other"}))
    code, sentence = refused("map", "-w", own)
    assert code == 5
    assert "the data changed since run" in sentence
