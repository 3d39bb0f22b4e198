"""The people of a desk, the names a rule may use there, and what the latest run is allowed to say of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from app.audience_names import Names, RawNames, require_known
from app.audience_people import SceneRows, best_offers
from app.audiences import Desk, desk, expected, read_rule, rule_columns
from app.labels import REACH
from app.scene_maps import made_scenes, remade_scenes, scene_frames, workspace_map, workspace_order
from app.scene_store import UserScene, save_user_scene
from scenefit.contracts.errors import ContractError
from scenefit.runtime.settings import read_settings
from scenefit.runtime.workspace import Workspace, write_text
from segmentation.audience_edit import Conflict, Step, gate_words
from segmentation.bits import packed
from segmentation.rules import Rule

DAY = pd.Timedelta(days=1)


@pytest.fixture(scope="module")
def found(small_run: Path) -> Desk:
    return desk(Workspace(small_run))


@pytest.fixture
def own(small_run: Path, tmp_path: Path) -> Workspace:
    """A copy to write to."""
    return Workspace(shutil.copytree(small_run, tmp_path / "w"))


def size(found: Desk, text: str) -> int:
    return found.store.count(read_rule(found, text))


def made(scene_id: str, **parts: tuple[str, ...]) -> UserScene:
    now = pd.Timestamp("2026-07-01", tz="UTC").to_pydatetime()
    return UserScene(scene_id=scene_id, name_en=scene_id, name_zh=scene_id, made_by="kim", made_at=now, as_of=now,
                     fingerprint="f", figures={}, **parts)  # fmt: skip


def test_purchases_below_a_scene_are_purchases_in_it(found):
    bought = size(found, 'did purchase within 365 days in scene "travel"')
    assert bought == size(found, 'in scene "travel" (scene_purchases_365d >= 1)') > 0
    parts = [name for name, above in found.raw_names.scenes.items() if above == "travel"]
    each = " or ".join(f'did purchase within 365 days in scene "{part}"' for part in parts)
    assert size(found, each) == bought
    assert 0 < size(found, f'did purchase within 365 days in scene "{parts[0]}"') < bought


def test_yes_and_no_are_read_in_columns_of_0_and_1(found):
    leads = int((found.frame["is_lead"] == 1).sum())
    assert size(found, "is_lead = true") == size(found, "is_lead = 1") == leads > 0
    assert size(found, "is_lead is false") == len(found.frame) - leads


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('did visit within 9 days in scene "travle"', "scene 'travle' is unknown. Did you mean 'travel'"),
        ('did visit within 9 days with product "P01x"', "product 'P01x' is unknown. Did you mean 'P01'"),
        ('did visit within 9 days at merchant "m0001x"', "merchant 'm0001x' is unknown. Did you mean 'm0001'"),
        ('not in segment "travl/1"', "segment 'travl/1' is unknown. Did you mean '"),
        ('visits_90d > 1 or in audience "vip"', "audience 'vip' is unknown"),
        ('in scene "travl" (visits_90d >= 1)', "scene 'travl' is unknown. Did you mean 'travel'"),
        ('in scene "travel.flight" (visits_90d >= 1)', "is a part of 'travel' and has no features of its own"),
        ("visits_90d > 1 and scene_visits_90d >= 1", "column 'scene_visits_90d' is known inside a scene alone"),
    ],
)
def test_what_there_is_not_is_refused_and_not_nobody(found, text, message):
    with pytest.raises(ContractError) as refused:
        read_rule(found, text)
    assert message in str(refused.value)


def test_a_made_scene_is_asked_for_by_its_features_and_not_by_events():
    names = Names(["x"], ["x", "y"], RawNames({"travel": None}, frozenset(), frozenset()), ["camping"], [], [])
    require_known(Rule.parse('in scene "camping" (x > 1 and in scene "travel" (y > 1))'), names)
    with pytest.raises(ContractError, match="scene 'camping' was made here, and no event bears its id"):
        require_known(Rule.parse('in scene "travel" (did visit within 3 days in scene "camping")'), names)


def test_an_outdated_or_damaged_made_scene_keeps_nothing_else_back(own):
    save_user_scene(own, made("gone", merchants=("closed-down",)))
    save_user_scene(own, made("outing", categories=("travel",)))
    write_text(own.root / "scenes" / "torn.json", "{")
    found, settings = desk(own), read_settings(own.root)
    scenes = found.store.people.context.scenes
    assert isinstance(scenes, SceneRows)
    assert size(found, 'in scene "outing" (visits_90d >= 1)') > 0
    with pytest.raises(ContractError, match=r"merchant 'closed-down' is unknown.*remove scenes/gone\.json"):
        size(found, 'in scene "gone" (visits_90d >= 1)')
    assert [one.definition.scene_id for one in made_scenes(own, found.at)] == ["outing"]
    drawn = workspace_map(own, settings)
    assert "outing" in set(drawn.cells["scene_id"])
    assert [("closed-down" in note, "damaged" in note) for note in drawn.notes[-2:]] == [(False, True), (True, False)]
    assert len(workspace_order(own, settings).notes) == 2


def test_a_made_scene_with_nobody_is_empty(own):
    save_user_scene(own, made("outing", categories=("travel",)))
    early = own.dataset().until - 4_000 * DAY
    (scene,) = remade_scenes(own, early).scenes
    assert (scene.definition.scene_id, len(scene.members)) == ("outing", 0)
    frames = scene_frames(own, own.dataset().until, [scene])
    assert len(frames["outing"]) == 0
    assert set(frames["outing"].columns) == set(frames["travel"].columns)
    rule = Rule.parse("visits_90d >= 1 and occupation is not missing and scene_visits_90d in top 20%")
    assert rule.mask(frames["outing"]).tolist() == []


def test_no_row_of_a_scene_is_read_to_know_its_columns(small_run, monkeypatch):
    found = desk(Workspace(small_run))
    monkeypatch.setattr(SceneRows, "_read", lambda _: pytest.fail("rows of scenes were read"))
    assert {"visits_90d", "scene_visits_90d"} <= set(rule_columns(found))
    assert read_rule(found, 'in scene "travel" (scene_visits_90d >= 1)')


def test_sums_of_fewer_than_twenty_people_are_not_told(found):
    nineteen = np.zeros(len(found.frame), dtype=bool)
    nineteen[:19] = True
    few = expected(found, packed(nineteen))
    assert few[:3] == (None, None, None)
    assert few.why_en == "fewer than 20 people: their sums are not told"
    nineteen[19] = True
    assert expected(found, packed(nineteen)).profit is not None


def test_the_gates_of_reach_are_said_in_chinese():
    nobody = np.zeros(1, dtype=np.uint64)
    conflict = Conflict((Step(None, "outside hold-out", nobody), Step(None, "not on list: staff", nobody)))
    assert conflict.sentence("zh") == "互相矛盾：不在全局对照组 ↔ 不在名单“staff”中"
    assert conflict.sentence("en") == "Nobody fits both: outside hold-out; not on list: staff"
    gates = [step for step in REACH if step != "all"]
    assert all(gate_words(step, "zh") != step for step in gates)


def test_only_a_run_of_the_same_moment_and_data_speaks_of_people(own):
    found = desk(own)
    customers = np.append(found.frame["customer_id"].to_numpy(object), "somebody new")
    hopes = best_offers(own, customers, found.at)
    assert hopes.value is not None
    scores = pd.read_parquet(own.latest() / "scores.parquet")
    segments = pd.read_parquet(own.latest() / "segments.parquet")
    offered = set(scores.loc[(scores["rank"] == 1) & (scores["value"] > 0), "customer_id"])
    known = {*scores["customer_id"], *segments["customer_id"]}
    # known without an offer worth making is nothing, not known at all is a gap
    assert {hopes.value[i] for i, one in enumerate(customers) if one in known - offered} == {0.0}
    assert np.isnan([hopes.value[i] for i, one in enumerate(customers) if one not in known]).all()
    assert (hopes.value[[one in offered for one in customers]] > 0).all()
    earlier = best_offers(own, customers, found.at - DAY)
    assert (earlier.value, earlier.loss, earlier.p_take) == (None, None, None)
    assert earlier.why_en == "the run is of another moment"
    file = own.latest() / "manifest.json"
    manifest = json.loads(file.read_text("utf8"))
    manifest["dataset"]["fingerprint"] = "another"
    file.write_text(json.dumps(manifest), "utf8")
    assert best_offers(own, customers, found.at).why_en == "the data changed since the run"
    (own.root / "latest").unlink()
    assert "there is no run" in best_offers(own, customers, found.at).why_en
