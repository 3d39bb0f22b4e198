"""`scenefit audience …` over a small synthetic world: mined, kept, relaxed, grown, suppressed, exported; refusals."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from app import audience_lookalikes, audiences
from app.audience_exports import KEY_FILE, SECRET_VARIABLE
from app.errors import EXIT_CODES
from app.scene_maps import made_scenes, scene_frames
from app.subgroup_store import save_mined
from scenefit.contracts.errors import ContractError, NotEligible, NotFitted, PurposeError, SettingsError, StoreError
from scenefit.runtime.workspace import Workspace
from segmentation.rules import Compare, Rule
from tests.faults.command_line import Ended

WIDE = "city_tier >= 2 and visits_90d >= 1"


@pytest.fixture
def own(small_run: Path, tmp_path: Path) -> Path:
    """A copy of the finished run to write to."""
    return shutil.copytree(small_run, tmp_path / "w")


@pytest.fixture
def audience(scenefit: Callable[..., Ended], own: Path) -> Callable[..., Ended]:
    """Call `scenefit audience` on the own copy."""

    def call(command: str, *words: object) -> Ended:
        return scenefit("audience", command, "-w", own, *words)

    return call


def document(ended: Ended) -> dict[str, Any]:
    assert ended.code == 0, ended
    return json.loads(ended.out)


def refused(ended: Ended, error: type[Exception]) -> str:
    # a mistake in a typed rule is shown below the sentence, so there may be several lines
    assert ended.code == EXIT_CODES[error], ended
    assert ended.err.startswith("scenefit: ")
    assert "Traceback" not in ended.err
    return ended.err


def test_the_size_is_the_number_of_people_whose_features_fit(small_run, scenefit):
    found = document(scenefit("audience", "count", "-w", small_run, "--rule", WIDE, "--json"))
    frame = audiences.desk(Workspace(small_run)).frame
    fits = (frame["city_tier"] >= 2) & (frame["visits_90d"] >= 1)
    assert found["customers"] == int(fits.sum()) > 0
    assert found["everybody"] == len(frame)
    assert found["exact"] is True
    assert found["text"] == WIDE


def test_what_a_rule_costs_and_what_reach_costs_add_up(small_run, scenefit):
    found = document(scenefit("audience", "waterfall", "-w", small_run, "--rule", WIDE, "--json"))
    steps = found["waterfall"]
    assert [s["step"] for s in steps][:3] == ["all", "condition", "condition"]
    assert steps[0]["customers"] - sum(s["removed"] for s in steps) == found["customers"]
    for row in found["leave_one_out"]:
        assert row["customers"] == found["customers"] + row["extra"]
    assert {"consent", "not blocked", "contact cap", "outside hold-out"} <= {s["step"] for s in steps}
    alone = document(scenefit("audience", "waterfall", "-w", small_run, "--rule", WIDE, "--no-reach", "--json"))
    assert alone["customers"] > found["customers"]


def test_expected_profit_is_that_of_the_runs_scores(small_run, scenefit):
    found = document(scenefit("audience", "count", "-w", small_run, "--rule", "tenure_days >= 0", "--json"))
    scores = pd.read_parquet(Workspace(small_run).latest() / "scores.parquet")
    best = scores[(scores["rank"] == 1) & (scores["value"] > 0)]
    assert found["expected"]["profit"] == pytest.approx(best["value"].sum())
    assert found["expected"]["loss"] == pytest.approx(best["expected_loss"].sum())
    assert found["expected"]["approvals"] == pytest.approx(best["p_take"].sum())


def test_without_a_run_nothing_is_expected_and_it_is_said(own, audience):
    (own / "latest").unlink()
    found = audience("count", "--rule", WIDE)
    assert "expected profit: not known: there is no run" in found.out
    assert document(audience("count", "--rule", WIDE, "--json"))["expected"]["profit"] is None
    assert "scenefit run" in refused(audience("lookalike", "none-yet", "--size", 10), NotFitted)


def mined_rule(workspace: Workspace) -> pd.Series:
    """A rule kept as mined: so few people are no ground for mining any beyond chance."""
    rule = Rule(where=Compare(column="scene_visits_365d", op=">=", value=3))
    row = {"scene_id": "travel", "rank": 1, "rule_en": "x", "rule_zh": "x", "size": 1, "unreached": 1, "rate": 0.1,
           "base": 0.1, "p": 0.1, "q": 0.1, "confirmed": True, "rule": rule.model_dump_json()}  # fmt: skip
    dataset = workspace.dataset()
    manifest = {"as_of": dataset.until.isoformat(), "scenes": ["travel"], "fingerprint": dataset.fingerprint}
    return save_mined(workspace, pd.DataFrame([row]), manifest).rules.iloc[0]


def test_from_a_mined_subgroup_to_the_receipt(own, audience):
    """Mined, made an audience, a rule relaxed, expanded, suppressed, exported, receipt: one id and one chain."""
    row = mined_rule(Workspace(own))
    place = f"{row['scene_id']}/{row['rank']}"
    first = document(audience("save", "found", "--subgroup", place, "--zh", "挖掘", "--en", "mined", "--json"))
    found = audiences.desk(Workspace(own))
    travel = scene_frames(found.workspace, found.at, made_scenes(found.workspace, found.at))["travel"]
    known = found.frame["customer_id"]
    meant = travel[(travel["scene_visits_365d"] >= 3) & travel["customer_id"].isin(known)]
    assert first["size"] == len(meant) > 0
    assert first["origin"]["kind"] == "subgroup"
    assert first["origin"]["confirmed"] == bool(row["confirmed"])
    ways = document(audience("relax", 50, "--rule", f'in audience "found" and {WIDE}', "--json"))["ways"]
    assert ways
    assert all(way["extra"] > 0 for way in ways)
    wider = ways[0]["rule"]
    file = own / "wider.json"
    file.write_text(wider, "utf8")
    document(audience("save", "wider", "--rule-file", file, "--zh", "放宽", "--en", "wider", "--json"))
    document(audience("save", "wide", "--rule", WIDE, "--zh", "宽", "--en", "wide", "--json"))
    grown = document(audience("lookalike", "wide", "--size", 100, "--keep-as", "wide-like", "--json"))
    assert grown["added"] == 100
    assert grown["kept_as"] == "wide-like@1"
    assert {r["method"] for r in grown["bake_off"] if r["chosen"]} == {grown["method"]}
    target = own / "out.csv"
    words = ("--to", "partner", "--channel", "sms", "--column", "city_tier", "--suppress", "found", "--out", target)
    receipt = document(audience("export", "wide-like", *words, "--json"))
    steps = [step["customers"] for step in receipt["steps"]]
    assert receipt["members"] - sum(step["customers"] for step in receipt["removed"]) == receipt["written"] == steps[-1]
    assert any("found" in step["step"] for step in receipt["steps"])
    lines = target.read_text("utf8").splitlines()
    assert len(lines) == receipt["written"] + 1
    assert json.loads((own / "out.csv.receipt.json").read_text("utf8"))["sha256"] == receipt["sha256"]
    story = document(audience("lineage", "wide-like", "--json"))["steps"]
    assert [step["event"] for step in story if step["audience_id"] == "wide-like"] == ["origin", "saved", "export"]
    assert any(step["audience_id"] == "wide" and step["event"] == "lookalike" for step in story)
    with sqlite3.connect(own / "catalogue.db") as connection:
        actions = [row[0] for row in connection.execute("SELECT action FROM audit ORDER BY seq")]
    assert actions.count("audience save") == 3
    assert {"audience lookalike", "audience export"} <= set(actions)


def test_versions_differ_in_words_and_people(audience):
    document(audience("save", "a-team", "--rule", WIDE, "--json"))
    document(audience("save", "a-team", "--rule", "city_tier >= 3 and visits_90d >= 1", "--json"))
    found = document(audience("diff", "a-team@1", "a-team@2", "--json"))
    assert found["joined"] == 0
    assert found["left"] == found["size_before"] - found["size_after"] > 0
    assert any("city tier" in line for line in found["en"])
    rows = document(audience("list", "--json"))["audiences"]
    assert [(row["audience_id"], row["version"]) for row in rows] == [("a-team", 2)]


def test_overlap_counts_people_in_both_and_priority_counts_each_once(audience):
    document(audience("save", "first", "--rule", WIDE, "--json"))
    document(audience("save", "second", "--rule", "visits_90d >= 1", "--json"))
    found = document(audience("overlap", "first", "second", "--once", "--json"))
    (a, both), (again, b) = found["overlap"]
    assert a == both == again <= b
    kept = {row["audience_id"]: row["kept"] for row in found["once"]}
    assert kept == {"first": a, "second": b - both}


def test_pseudonyms_are_the_workspaces_own_and_stay(own, audience):
    document(audience("save", "team", "--rule", WIDE, "--json"))
    shared = partial(audience, "export", "team", "--to", "x", "--channel", "sms", "--json")
    document(shared("--out", own / "a.csv"))
    document(shared("--out", own / "b.csv"))
    assert (own / "a.csv").read_bytes() == (own / "b.csv").read_bytes()
    assert (own / KEY_FILE).stat().st_mode & 0o077 == 0
    assert "already" in refused(shared("--out", own / "a.csv"), StoreError)
    assert re.fullmatch(r'"[0-9a-f]{64}"', (own / "a.csv").read_text("utf8").splitlines()[1].split(",")[0])


def test_who_is_suppressed_is_a_step_one_can_see(audience):
    document(audience("save", "loyal", "--rule", "visits_90d >= 3", "--json"))
    document(audience("save", "old-list", "--rule", "city_tier >= 4", "--json"))
    lists = ("--suppress", "loyal", "--suppress", "old-list@1")
    plain = document(audience("waterfall", "--rule", WIDE, "--json"))
    fewer = document(audience("waterfall", "--rule", WIDE, *lists, "--json"))
    names = [step["step"] for step in fewer["waterfall"]]
    at = names.index("not blocked")
    assert names[at + 1 : at + 3] == ["not on list: loyal", "not on list: old-list@1"]
    assert fewer["waterfall"][: at + 1] == plain["waterfall"][: at + 1]
    assert fewer["customers"] < plain["customers"]
    counted = document(audience("count", "--rule", WIDE, *lists, "--json"))
    assert counted["reachable"] == fewer["customers"]
    assert sum(counted["reachable_by_channel"].values()) >= counted["reachable"]
    both = document(audience("overlap", "loyal", "old-list", "--json"))["overlap"]
    assert 0 < counted["suppressed"]["loyal"] <= both[0][0]
    assert "left out as members of old-list@1:" in audience("count", "--rule", WIDE, *lists).out
    refusal = refused(audience("waterfall", "--rule", WIDE, *lists, "--no-reach"), SettingsError)
    assert "leave out --no-reach" in refusal


def test_people_like_one_are_the_nearest_by_taste(small_run, scenefit):
    found = audiences.desk(Workspace(small_run))
    _, vectors = audience_lookalikes.tastes(found)
    lengths = np.linalg.norm(vectors, axis=1)
    place = int(np.flatnonzero(lengths > 0)[7])
    customer = str(found.frame["customer_id"].iloc[place])
    rows = document(scenefit("audience", "like", customer, "-w", small_run, "--top", 5, "--json"))["alike"]
    assert [set(row) for row in rows] == [{"customer_id", "likeness"}] * 5
    cosines = vectors @ vectors[place] / np.where(lengths > 0, lengths, np.inf) / lengths[place]
    cosines[place] = -1
    assert [row["likeness"] for row in rows] == pytest.approx(sorted(cosines, reverse=True)[:5], abs=1e-5)
    assert customer not in {row["customer_id"] for row in rows}
    told = scenefit("audience", "like", customer, "-w", small_run, "--top", 5)
    assert all(row["customer_id"] in told.out for row in rows)
    nobody = scenefit("audience", "like", "nobody", "-w", small_run)
    assert "there is no customer 'nobody'" in refused(nobody, ContractError)


def test_a_damaged_audience_is_listed_with_its_problem(own, audience):
    (own / "audiences" / "yy").mkdir(parents=True)
    (own / "audiences" / "yy" / "v0001.json").write_text("{", "utf8")
    (row,) = document(audience("list", "--json"))["audiences"]
    assert (row["audience_id"], row["size"], row["at"]) == ("yy", None, None)
    told = audience("list")
    assert told.code == 0, told
    assert told.out.startswith("yy@1  cannot be read: ")
    assert "damaged" in told.out


def test_saving_over_somebody_elses_version_is_refused(audience):
    document(audience("save", "team", "--rule", WIDE, "--after", 0, "--json"))
    assert "version 1 is the newest, not none" in refused(
        audience("save", "team", "--rule", WIDE, "--after", 0), StoreError
    )
    assert document(audience("save", "team", "--rule", WIDE, "--after", 1, "--json"))["version"] == 2


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (("count", "--rule", "city_tie >= 2"), ContractError, "Did you mean 'city_tier'"),
        (("count", "--rule", "city_tier >="), ContractError, "line 1, column"),
        (("count", "--rule", "bureau_score >= 2"), ContractError, "bureau_score"),
        (("count",), SettingsError, "give one of --rule"),
        (("count", "--rule", WIDE, "--audience", "x"), SettingsError, "give one of --rule"),
        (("count", "--audience", "nobody-here"), StoreError, "nobody-here"),
        (("count", "--subgroup", "travel"), SettingsError, "write scene/rank"),
        (("count", "--subgroup", "moon/1"), SettingsError, "moon/1 was not mined"),
        (("save", "empty", "--rule", "city_tier >= 5 and city_tier < 2"), NotEligible, "fits nobody"),
        (("save", "../up", "--rule", WIDE), ContractError, "lower-case letters"),
        (("lookalike", "nobody-here"), StoreError, "nobody-here"),
        (("export", "nobody-here", "--to", "x", "--out", "x.csv"), StoreError, "nobody-here"),
        (("export", "nobody-here", "--to", "x"), SettingsError, "--out FILE or --webhook"),
    ],
)
def test_wrong_requests_are_refused_with_the_way_out(small_run, scenefit, words, error, message):
    assert message in refused(scenefit("audience", words[0], "-w", small_run, *words[1:]), error)


def test_a_rule_on_risk_columns_is_refused_with_the_path(small_run):
    found = audiences.desk(Workspace(small_run))
    rule = '{"where": {"kind": "compare", "column": "bureau_score", "op": ">=", "value": 1}}'
    with pytest.raises(PurposeError, match=r"rule > bureau_score: made of \['bureau\.score'\]"):
        audiences.read_rule(found, rule)


def test_below_the_floor_and_without_consent_nothing_is_written(own, audience):
    document(audience("save", "few", "--rule", "visits_90d in top 1%", "--json"))
    refusal = refused(audience("export", "few", "--to", "x", "--channel", "sms", "--out", own / "few.csv"), NotEligible)
    assert "100" in refusal
    assert not list(own.glob("few.csv*"))


def test_a_webhook_without_secret_is_refused_before_anything_is_sent(audience, monkeypatch):
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    document(audience("save", "team", "--rule", WIDE, "--json"))
    ended = audience("export", "team", "--to", "x", "--channel", "sms", "--webhook", "https://example.org/in")
    assert "secret" in refused(ended, SettingsError)
