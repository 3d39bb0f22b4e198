"""`scenefit match …` on a small kept case: planned again, changed, checked, explained, decided."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from app import backtests
from app.flow import Finished
from app.kept_case import read_case, read_plan, write_case, write_plan
from app.match_plans import one_channel, read_kept
from app.match_text import frontier_lines
from app.match_typed import numbers_of, totals_of
from app.summary import run_summary
from recsys.backtest_list import past_list
from recsys.coarse import coarse
from recsys.what_if import problem_of
from scenefit.contracts.errors import SettingsError
from scenefit.runtime.catalogue import catalogue
from scenefit.runtime.workspace import Workspace
from tests.recsys.made_case import made_case

TERMS = {"funding_cost": 0.03, "tenor_months": 12.0, "discount_rate": 0.05}
FACTS = {
    "currency": "CNY", "run_id": "made", "as_of": "2026-06-30T16:00:00+00:00", "dataset": "made-up people",
    "synthetic": True, "timezone": "Asia/Shanghai",
    "rules": [{"code": "already has it", "stage": "applicability", "en": "holds the product already (accounts)",
               "zh": "已持有该产品（账户）", "source": "open accounts"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def place(run_workspace, tmp_path_factory):
    """A workspace whose newest run kept a case of 200 people and its plan; tests may add plans, no more."""
    root = shutil.copytree(run_workspace.root, tmp_path_factory.mktemp("match") / "w")
    case = made_case(120, facts=FACTS)
    case = made_case(120, facts=FACTS, offers=case.offers.assign(**TERMS))
    workspace = Workspace(root)
    folder = workspace.latest()
    write_case(folder, case)
    write_plan(folder, problem_of(case, exclusive=one_channel(case)).solve(), case.limits)
    return workspace


@pytest.fixture
def match(place, scenefit):
    """Call `match …` on the workspace; how it ended."""

    def call(*words, of=place):
        return scenefit("match", *words, "--workspace", of.root)

    return call


@pytest.fixture
def told(match):
    """Call `match …`; its JSON document."""

    def call(*words, code=0):
        ended = match(*words, "--json")
        assert ended.code == code, ended
        return json.loads(ended.out)

    return call


@pytest.fixture(scope="module")
def kept(place):
    return read_kept(place)


def files(root):
    return {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


def test_planning_again_under_less_budget_writes_nothing(told, place, kept):
    before = files(place.root)
    document = told("run", "--limit", "budget=-20%")
    assert files(place.root) == before
    rows = {row["name"]: row for row in document["limits"]}
    assert rows["budget"]["total"] == pytest.approx(38.4)
    assert rows["budget"]["used"] <= 38.4 * (1 + 1e-9)
    assert document["compared"]["totals"] == {"budget": [48.0, pytest.approx(38.4)]}
    assert document["figures"]["value"] <= kept.plan.value
    assert document["plan"]["value"] == pytest.approx(document["figures"]["value"])
    assert document["plan"]["gap"] < 1e-3
    assert document["figures"]["value_low"] < document["figures"]["value"] < document["figures"]["value_high"]


def test_the_prices_come_as_sentences_in_both_languages(match):
    ended = match("run", "--limit", "budget=20")
    assert "more budget earns ¥" in ended.out
    assert "预算每增加" in ended.out
    assert "(SYNTHETIC)" in ended.out.splitlines()[0]


def test_a_kept_plan_holds_its_checks_and_stays_as_it_is(match, told, place):
    assert told("run", "--limit", "budget=20", "--save", "lean")["saved"] == "lean"
    document = told("check", "--plan", "lean")
    assert document["ok"]
    assert document["about"]["plan"] == "lean"
    assert any(row["must_be"].startswith("<= 20 ") for row in document["rows"])
    before = files(place.root / "plans")
    again = match("run", "--limit", "budget=30", "--save", "lean")
    assert again.code == 5
    assert "plans are never changed; choose another name" in again.err
    assert files(place.root / "plans") == before
    with catalogue(place.catalogue) as connection:
        [entry] = connection.execute("SELECT detail FROM audit WHERE action = 'match run'").fetchall()
    assert json.loads(entry[0])["plan"] == "lean"


def test_a_kept_plan_of_another_case_is_refused(match, told, place, tmp_path):
    told("run", "--save", "old")
    other = Workspace(shutil.copytree(place.root, tmp_path / "w"))
    write_case(other.latest(), made_case(120, seed=1, facts=FACTS))
    ended = match("check", "--plan", "old", of=other)
    assert ended.code == 5
    assert "whose case is gone or another one by now" in ended.err


def test_two_offers_each_of_different_products(told, kept):
    told("run", "--per-customer", 2, "--save", "two")
    assert told("check", "--plan", "two")["ok"]
    assert told("check", "--plan", "two")["about"]["per_customer"] == 2


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("run", "--per-customer", 4), 4, "there are 3 products and one offer of each at most"),
        (("run", "--limit", "budgt=5"), 4, "there is no limit 'budgt'; did you mean 'budget'?"),
        (("run", "--limit", "budget"), 4, "is not NAME=TOTAL"),
        (("run", "--save", "../x"), 4, "is no name; write up to 64 of a-z"),
        (("check", "--plan", "gone"), 5, "plan 'gone': there is none"),
        (("what-if", "--apr", "p9=0.1"), 3, "APR is for product 'p9', which has no offer; there are p1, p2, p3"),
        (("what-if", "--lever", "p1"), 4, "is not NAME=NUMBER"),
        (("explain", "nobody"), 3, "there is no customer 'nobody'"),
        (("explain", "c000001", "--product", "p9"), 3, "no offer is of product 'p9'; there are p1, p2, p3"),
        (("frontier", "--limit", "nope"), 3, "there is no limit 'nope'; there are budget"),
        (("decide", "c000001", "--scene", "moon"), 3, "there is no scene 'moon'"),
        (("decide", "c000001", "--used", "nope=1"), 3, "'nope' is no ceiling of this plan"),
        (("backtest", "--list", "nowhere.csv"), 5, "there is no such file"),
        (("personas", "run", "nowhere.json"), 5, "keep a persona with `scenefit match personas add`"),
    ],
)
def test_what_cannot_be_done_is_said_by_name(match, words, code, message):
    ended = match(*words)
    assert (ended.code, ended.out) == (code, "")
    assert message in ended.err


def test_limits_that_cannot_be_met_together_name_each_other(told, match):
    document = told("run", "--limit", "budget=0", code=10)
    assert document["exit_code"] == 10
    assert "'budget' at most ¥0; 'reach digital/1' at least 3" in document["error"]
    assert "将“reach digital/1”由 3 降低到 0" in document["error"]
    assert match("what-if", "--set", "budget=0").code == 10


def test_the_loss_of_few_people_is_not_told(told):
    document = told("run", "--limit", "budget=1", "--limit", "reach digital/1=0")
    assert 0 < document["figures"]["customers"] < 20
    assert (document["figures"]["expected_loss"], document["figures"]["bad_rate"]) == (None, None)
    [loss] = [row for row in document["limits"] if row["counts"] == "loss"]
    assert (loss["used"], loss["room"], loss["en"]) == (None, None, "Expected loss: shown for 20 people or more.")


def test_inertia_keeps_offers_and_says_what_the_plan_is_worth_without_it(told):
    free, held = told("run", "--limit", "budget=30"), told("run", "--limit", "budget=30", "--inertia", 20)
    assert held["compared"]["changed"] <= free["compared"]["changed"]
    assert held["plan"]["value"] == pytest.approx(held["figures"]["value"])
    assert held["plan"]["value"] <= free["plan"]["value"] * (1 + 1e-9)
    assert held["plan"]["value"] <= held["plan"]["upper_bound"]


def test_what_if_shows_before_and_after(told, match, kept):
    document = told("what-if", "--set", "budget=+50%", "--apr", "p1=0.14", "--lever", "p2=1.2")
    assert document["before"]["value"] == pytest.approx(kept.plan.value)
    assert document["after"]["value"] > document["before"]["value"]
    assert document["change"]["totals"] == {"budget": pytest.approx(72)}
    assert [row["product_id"] for row in document["by_product"]] == ["p1", "p2", "p3"]
    lines = match("what-if", "--set", "budget=+50%").out
    assert "customers get something else" in lines
    assert "segment_id" in lines


def test_a_stricter_appetite_for_risk_lowers_the_bad_rate(told):
    document = told("what-if", "--pd-max", 0.03)
    assert document["after"]["bad_rate"] < document["before"]["bad_rate"]
    assert document["after"]["bad_rate"] <= 0.03


def test_every_offer_of_a_customer_is_explained(told, kept):
    case = kept.case
    offered = int(np.flatnonzero(kept.plan.assignment >= 0)[0])
    document = told("explain", case.customers[offered])
    assert document["offered"] == [case.offers["offer_id"].iloc[kept.plan.assignment[offered]]]
    assert len(document["offers"]) == len(case.offers)
    first, *others = document["offers"]
    assert first["offered"]
    assert set(first["said"].values()) == {"passes"}
    for one in others:
        said = [one["said"][stage] for stage in document["stages"]]
        assert said.count("fails") == 1
        assert said == sorted(said, key=["passes", "fails", "not asked"].index)
    assert not any(name in one for one in document["offers"] for name in ("pd", "loss", "pd_given_take"))


def test_figures_of_one_person_are_told_in_two_digits(told, kept):
    customer = kept.case.customers[0]
    explained, decided = told("explain", customer)["offers"], told("decide", customer)["trace"]
    for one, worth in [(one, "after_limits") for one in explained] + [(one, "reduced") for one in decided]:
        assert all(one[name] == coarse(one[name]) for name in ("p_take", "value", worth))
    assert all("loss" not in one and "expected loss" not in {p["limit"] for p in one["paid"]} for one in decided)


def test_a_rule_is_told_as_the_case_states_it(match, told, kept):
    row = int(np.flatnonzero((kept.case.reason == 2).any(axis=1))[0])
    held = str(kept.case.offers["product_id"].iloc[int(kept.case.reason[row].argmax())])
    document = told("explain", kept.case.customers[row], "--product", held)
    assert {one["product_id"] for one in document["offers"]} == {held}
    assert {(one["stage"], one["rule"], one["source"]) for one in document["offers"]} == {
        ("applicability", "already has it", "open accounts")
    }
    text = match("explain", kept.case.customers[row], "--product", held, "--lang", "zh").out
    assert "已持有该产品（账户）" in text


def test_the_check_of_a_run_holds_and_a_changed_plan_fails(match, told, place, tmp_path):
    assert told("check")["ok"]
    assert match("check").out.splitlines()[-1].endswith("项检查全部通过。")
    other = Workspace(shutil.copytree(place.root, tmp_path / "w"))
    case, (plan, specs) = read_case(other.latest()), read_plan(other.latest())
    who, offer = (int(axis[0]) for axis in np.nonzero(case.reason))
    plan.assignment[who] = offer
    write_plan(other.latest(), plan, specs)
    ended = match("check", of=other)
    assert ended.code == 1
    assert "BAD  nobody ineligible" in ended.out
    assert f"customer {case.customers[who]}" in ended.out


def test_the_summary_of_a_run_tells_of_the_check(place):
    folder = place.latest()
    manifest, timings = (json.loads((folder / f"{name}.json").read_text("utf8")) for name in ("manifest", "timings"))
    manifest |= {"assumed": {"en": []}}
    [line] = [one for one in run_summary(Finished(folder, manifest, timings)).splitlines() if "check" in one]
    assert line.startswith("  check      All ")
    assert "checks hold." in line


def test_more_budget_never_brings_less(told, match):
    document = told("frontier", "--points", 3)
    points = document["points"]
    assert [one["total"] for one in points] == pytest.approx([4.8, 50.4, 96])
    # fewer than 20 people are offered anything under the least budget: what they bring is not told
    assert [one["value"] is None for one in points] == [0 < one["customers"] < 20 for one in points]
    values = [one["value"] for one in points if one["value"] is not None]
    assert len(values) >= 2
    assert values == sorted(values)
    assert len(match("frontier", "--points", 2, "--limit", "reach digital/1").out.splitlines()) == 4


def test_totals_that_no_plan_keeps_are_said():
    about = {"run": "r", "plan": "lean", "per_customer": 2, "dataset": None, "synthetic": False, "as_of": "2026-06-30"}
    point = {"total": 5.0, "feasible": False}
    head, _, line = frontier_lines({"about": about, "limit": "budget", "points": [point]})
    assert head == "plan lean of run r, data, as of 2026-06-30, up to 2 offers each"
    assert line.endswith("5  cannot be kept together with the other limits")


def test_a_steady_plan_changes_little(told, match):
    document = told("stability", "--draws", 1, "--goal", 1)
    assert 0 <= document["churn"] <= 1
    assert document["value_kept"] == pytest.approx(1, abs=0.05)
    assert [one["draw"] for one in document["draws"]] == [0]
    assert (document["recommended"]["inertia"], document["recommended"]["reached"]) == (0.0, True)
    assert "their standard errors" in match("stability", "--draws", 1, "--within-errors").out


def test_one_customer_is_decided_within_what_is_left(told, match, kept):
    customer = str(kept.case.customers[int(np.flatnonzero(kept.plan.assignment >= 0)[0])])
    document = told("decide", customer, "--most", 1)
    [offer] = document["offers"]
    assert document["made"] == 1
    assert {one["offer_id"]: one["stage"] for one in document["trace"]}[offer] == "offered"
    spent = told("decide", customer, "--used", "budget=48", "--used", "expected loss=240")
    assert spent["offers"] == []
    assert {"room"} <= {one["stage"] for one in spent["trace"]}
    assert "pd_given_take" not in json.dumps(document)
    assert "1  " + offer in match("decide", customer, "--most", 1).out
    assert "无推荐" in match("decide", customer, "--used", "budget=48", "--lang", "zh").out


def test_quiet_hours_are_asked_where_a_moment_is_given(told, match, kept):
    customer = str(kept.case.customers[int(np.flatnonzero(kept.plan.assignment >= 0)[0])])
    night = told("decide", customer, "--at", "2026-07-01T23:00")
    assert night["offers"] == []
    assert "quiet hours" in {one["rule"] for one in night["trace"]}
    assert told("decide", customer, "--at", "2026-07-01T12:00")["offers"]
    assert "quiet hours are asked with --at" in match("decide", customer).out


def test_personas_are_a_regression_suite(told, match, kept, tmp_path):
    file = tmp_path / "personas.json"
    row = int(np.flatnonzero(kept.plan.assignment >= 0)[0])
    customer = str(kept.case.customers[row])
    now = told("decide", customer)["offers"]
    kept_persona = told("personas", "add", file, "--name", "buyer", "--customer", customer)["persona"]
    assert kept_persona["offered"] == now
    assert told("personas", "run", file)["ok"]
    assert match("personas", "add", file, "--name", "buyer", "--customer", customer).code == 3
    match("personas", "add", file, "--name", "never", "--customer", customer, "--not-offered", now[0])
    ended = match("personas", "run", file)
    assert ended.code == 1
    assert f"BAD  never: {now[0]} not offered; found: offered at rank 1" in ended.out
    assert "1 of" in ended.out.splitlines()[-1]
    unknown = match("personas", "add", file, "--name", "x", "--customer", customer, "--offered", "p9@sms")
    assert unknown.code == 3
    assert "there is no offer 'p9@sms'" in unknown.err


def test_a_persona_held_back_by_rules_expects_them(told, kept, tmp_path):
    row = int(np.flatnonzero((kept.case.reason == 1).all(axis=1))[0])
    customer = str(kept.case.customers[row])
    persona = told("personas", "add", tmp_path / "p.json", "--name", "closed", "--customer", customer)["persona"]
    assert persona["offered"] == []
    assert set(persona["blocked_by"].values()) == {"not reachable"}


def test_the_back_test_is_told_in_sentences(match, told, monkeypatch, tmp_path):
    def tested(workspace, settings, file, at):
        assert at == pd.Timestamp("2026-04-30T16:00", tz="UTC")
        case = made_case(500, facts=FACTS)
        rows = {"customer_id": case.customers[:100], "contacted_at": "2026-05-01", "took": [1, 0, 0, 0] * 25,
                "channel": "sms"}  # fmt: skip
        past = past_list(pd.DataFrame(rows), case.customers, pd.Timestamp("2026-07-01", tz="UTC"))
        return backtests.backtest_of(case, past, 7, file.name)

    monkeypatch.setattr(backtests, "backtest", tested)
    words = ("backtest", "--list", tmp_path / "may.csv", "--at", "2026-05-01")
    assert told(*words)["evidence"] == "observational"
    assert "No realised claim is made" in match(*words).out
    assert match(*words, "--lang", "zh").code == 0


@pytest.mark.parametrize(
    ("typed", "total"),
    [("budget=40", 40), ("budget = 4e1", 40), ("budget=+10%", 52.8), ("budget=-25%", 36), ("budget=+5", 53),
     ("budget=-48", 0), ("reach digital/1=7", 7)],
)  # fmt: skip
def test_totals_are_typed_as_they_are_said(kept, typed, total):
    [found] = totals_of([typed], kept.case, "--limit").values()
    assert found == pytest.approx(total)


@pytest.mark.parametrize("typed", ["budget", "=5", "budget=", "budget=nan", "budget=10%", "budget=5x", "budget=--5"])
def test_what_is_no_total_is_refused(kept, typed):
    with pytest.raises(SettingsError, match="--limit"):
        totals_of([typed], kept.case, "--limit")


def test_numbers_by_name():
    assert numbers_of(["P01=0.12", "P02 = 1"], "--apr") == {"P01": 0.12, "P02": 1.0}
    with pytest.raises(SettingsError, match="names nothing"):
        numbers_of(["=1"], "--apr")


def test_the_plan_of_a_real_run_holds_every_check(scenefit, small_run):
    ended = scenefit("match", "check", "--workspace", small_run)
    assert ended.code == 0, ended.out
    assert "checks hold." in ended.out
    case = read_kept(Workspace(small_run)).case
    document = json.loads(scenefit("match", "explain", case.customers[0], "--workspace", small_run, "--json").out)
    assert {one["stage"] for one in document["offers"]} <= {*document["stages"], "offered"}
    assert len(document["offers"]) == len(case.offers)
    product = str(case.offers["product_id"].iloc[0])
    changed = scenefit("match", "what-if", "--apr", f"{product}=0.2", "--workspace", small_run, "--json")
    assert changed.code == 0, changed.err
    after = json.loads(changed.out)
    assert after["after"]["value"] >= after["before"]["value"] * (1 - 1e-6)
