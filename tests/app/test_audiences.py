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

import pandas as pd
import pytest

from app import audiences
from app.audience_exports import KEY_FILE, SECRET_VARIABLE
from app.errors import EXIT_CODES
from scenefit.contracts.errors import ContractError, NotEligible, NotFitted, PurposeError, SettingsError, StoreError
from scenefit.runtime.workspace import Workspace
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
    assert "expected profit: not known, there is no run" in found.out
    assert document(audience("count", "--rule", WIDE, "--json"))["expected"]["profit"] is None
    assert "scenefit run" in refused(audience("lookalike", "none-yet", "--size", 10), NotFitted)


def test_from_a_mined_subgroup_to_the_receipt(own, audience):
    """Mine, confirm, make an audience, relax a rule, expand, suppress, export, receipt: one id and one chain."""
    mined = pd.read_parquet(Workspace(own).latest() / "subgroups.parquet")
    mined = mined.sort_values(["confirmed", "size"], ascending=False)
    assert len(mined), "the small world mines some rules"
    row = mined.iloc[0]
    place = f"{row['scene_id']}/{row['rank']}"
    first = document(audience("save", "found", "--subgroup", place, "--zh", "挖掘", "--en", "mined", "--json"))
    assert first["size"] == row["size"] or first["size"] > 0
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
