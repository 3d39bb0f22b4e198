"""The commands around the champion on a small finished run: fit, tune, explain, promote, roll back, list."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from app.model_tables import models_folder
from app.recs_fairness import age_bands, plan_selection
from app.recs_model_cli import app
from recsys import champions
from scenefit.contracts.errors import ContractError, SettingsError, StoreError
from scenefit.runtime import models
from scenefit.runtime.catalogue import catalogue
from scenefit.runtime.workspace import Workspace


@pytest.fixture(scope="module")
def place(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy of the small run, to which the tests add versions in order."""
    return Workspace(shutil.copytree(small_run, tmp_path_factory.mktemp("recs") / "w"))


@pytest.fixture(scope="module")
def recs(place: Workspace) -> Callable[..., Any]:
    """Call `recs …` on the workspace; the JSON document it prints."""

    def call(*words: object) -> Any:
        result = CliRunner().invoke(app, [*map(str, words), "--workspace", str(place.root), "--json"])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return call


@pytest.fixture(scope="module")
def fitted(recs: Callable[..., Any]) -> dict[str, Any]:
    """The first version."""
    found: dict[str, Any] = recs("fit")
    return found


@pytest.fixture(scope="module")
def worse(recs: Callable[..., Any], fitted: dict[str, Any]) -> int:
    """A second version that can hardly learn anything."""
    return int(recs("fit", "--factors", 2, "--iterations", 1, "--regularization", 5000)["version"])


@pytest.fixture(scope="module")
def customer(place: Workspace) -> str:
    """Somebody with ranked offers."""
    return str(pd.read_parquet(place.latest() / "scores.parquet")["customer_id"].iloc[0])


def test_the_fitted_version_is_the_model_of_the_run_to_the_byte(place: Workspace, fitted: dict[str, Any]) -> None:
    own = champions.read_version(models_folder(place), fitted["version"])
    run = models.load(place.latest() / "models" / "champion")
    for name in ("coef", "item_factors", "intercept"):
        assert own.arrays[name].tobytes() == run.arrays[name].tobytes()


def test_its_figures_are_those_of_the_manifest(place: Workspace, fitted: dict[str, Any]) -> None:
    manifest = json.loads((place.latest() / "manifest.json").read_text())
    told = fitted["quality"]["ndcg@10"]
    assert told["model"] == pytest.approx(manifest["metrics"]["offers"]["ndcg@10"]["model"])
    assert told["popularity"] == pytest.approx(manifest["metrics"]["offers"]["ndcg@10"]["popularity"])
    assert told["low"] <= told["difference"] <= told["high"]


def test_groups_of_a_few_people_are_not_told_of(fitted: dict[str, Any]) -> None:
    assert all(row["customers"] >= 20 for row in fitted["quality"]["by_segment"])


def test_a_customer_is_told_why_and_why_not(
    recs: Callable[..., Any], fitted: dict[str, Any], place: Workspace, customer: str
) -> None:
    document = recs("explain", customer)
    scores = pd.read_parquet(place.latest() / "scores.parquet").set_index("customer_id").loc[[customer]]
    ranked = [offer for offer in document["offers"] if offer["rank"] is not None]
    assert [offer["product_id"] for offer in ranked] == scores.sort_values("rank")["product_id"].tolist()
    assert len(document["offers"]) == len(fitted["products"])
    assert sum(offer["probability"] for offer in document["offers"]) == pytest.approx(1)
    for offer in document["offers"]:
        assert sum(offer["parts"].values()) == pytest.approx(offer["difference"])
    logs = np.log([offer["probability"] for offer in document["offers"]])
    differences = [offer["difference"] for offer in document["offers"]]
    np.testing.assert_allclose(differences, logs - logs.mean(), atol=1e-3)


def test_who_did_nothing_is_answered_by_profile_and_segment(
    recs: Callable[..., Any], fitted: dict[str, Any], place: Workspace
) -> None:
    events = pd.read_parquet(place.raw / "events").dropna(subset=["merchant_id"])
    active = set(events.loc[events["kind"].isin(["visit", "browse", "purchase"]), "customer_id"])
    people = pd.read_parquet(place.raw / "customers")["customer_id"]
    quiet = str(people[~people.isin(active)].iloc[0])
    document = recs("explain", quiet, "--version", fitted["version"])
    assert document["cold"]
    assert document["behaviour"] == 0
    assert sum(offer["probability"] for offer in document["offers"]) == pytest.approx(1)
    assert not any(reason["kind"] == "behaviour" for offer in document["offers"] for reason in offer["reasons"])


def test_a_ranked_offer_is_eligible_and_the_planned_one_is_offered(
    recs: Callable[..., Any], fitted: dict[str, Any], place: Workspace
) -> None:
    plan = pd.read_parquet(place.latest() / "plan.parquet").iloc[0]
    document = recs("explain", plan["customer_id"], "--version", fitted["version"])
    stages = {offer["product_id"]: offer["why_not"]["stage"] for offer in document["offers"]}
    assert stages[plan["product_id"]] == "offered"
    for offer in document["offers"]:
        assert (offer["rank"] is None) or offer["why_not"]["stage"] != "eligibility"


def test_what_is_told_is_pinned_to_the_version(
    recs: Callable[..., Any], fitted: dict[str, Any], worse: int, customer: str
) -> None:
    before = recs("explain", customer, "--version", 1)
    recs("promote", 1, "--force", "--reason", "the first")
    recs("promote", worse, "--force", "--reason", "to see the other speak")
    assert recs("explain", customer, "--version", 1) == before
    assert recs("explain", customer)["version"] == worse
    assert recs("rollback", "--reason", "seen")["version"] == 1


def test_promotions_are_refused_listed_and_audited(
    recs: Callable[..., Any], fitted: dict[str, Any], worse: int, place: Workspace
) -> None:
    with pytest.raises(SettingsError, match=r"not surely better|are needed"):
        recs("promote", worse)
    with catalogue(place.catalogue) as connection:
        rows = connection.execute("SELECT detail FROM audit WHERE action = 'recs promote' ORDER BY seq").fetchall()
    last = json.loads(rows[-1][0])
    assert (last["version"], last["state"], last["forced"]) == (worse, "failed", False)
    assert {v["version"] for v in recs("list")["versions"]} == {1, worse}


@pytest.mark.slow
def test_a_search_is_resumed_and_its_best_settings_can_be_fitted(recs: Callable[..., Any], tmp_path: Path) -> None:
    first = recs("tune", "--trials", 3, "--out", tmp_path / "search")
    again = recs("tune", "--trials", 3, "--out", tmp_path / "search")
    assert first == again
    assert recs("fit", "--best", tmp_path / "search")["als"].items() >= first["best"].items()


def test_text_is_printed_in_both_languages(fitted: dict[str, Any], place: Workspace, customer: str) -> None:
    for lang, word in (("en", "not active"), ("zh", "不活跃")):
        words = ["explain", customer, "--lang", lang, "--workspace", str(place.root), "--reasons", "10"]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0
        assert word in result.stdout
    listed = CliRunner().invoke(app, ["list", "--workspace", str(place.root)]).stdout
    assert "next-offer version 1" in listed
    assert "history:" in listed


def test_what_is_not_there_is_named(recs: Callable[..., Any], fitted: dict[str, Any], small_run: Path) -> None:
    with pytest.raises(ContractError, match="nobody of that id"):
        recs("explain", "nobody")
    with pytest.raises(StoreError, match="no version 99; there are: 1"):
        recs("explain", "nobody", "--version", 99)
    with pytest.raises(StoreError, match="no finished search"):
        recs("fit", "--best", "nowhere")
    bare = CliRunner().invoke(app, ["explain", "nobody", "--workspace", str(small_run)])
    assert "no version yet; fit one with" in str(bare.exception)


def test_the_plan_is_compared_by_protected_group_in_aggregates(place: Workspace) -> None:
    from app.finished_run import read_finished_run

    run = read_finished_run(place.latest(), place)
    table = plan_selection(place, run)
    assert set(table["attribute"]) <= {"age", "gender", "marital_status", "education"}
    assert (table["people"] >= 20).all()
    assert table.groupby("attribute")["ratio"].max().eq(1).all()
    assert table.loc[table["attribute"] == "gender", "chosen"].sum() <= len(run.tables["plan"])


def test_ages_fall_into_bands() -> None:
    bands = age_bands(pd.Series([2026.0 - 17, 2026 - 18, 2026 - 24, 2026 - 25, 2026 - 70, None]), 2026)
    assert bands.tolist() == ["< 18", "18–24", "18–24", "25–34", "65+", ""]
