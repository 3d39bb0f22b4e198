"""The back-test as a document and as sentences, and lists that cannot be read."""

import json

import numpy as np
import pandas as pd
import pytest

from app.backtest_text import sentences
from app.backtests import backtest, backtest_of, campaign_list, read_list
from recsys.backtest_list import past_list
from scenefit.contracts.errors import ContractError, StoreError
from scenefit.runtime.settings import read_settings
from scenefit.runtime.workspace import Workspace
from tests.recsys.made_case import made_case

UNTIL = pd.Timestamp("2026-07-01", tz="UTC")


def made_report(**changes):
    facts = {"currency": "CNY", "run_id": "made", "as_of": "2026-04-30T00:00:00+00:00", "synthetic": True}
    case = made_case(500, facts=facts, **changes)
    frame = pd.DataFrame(
        {"customer_id": case.customers[:100], "contacted_at": "2026-05-01", "took": [1, 0, 0, 0] * 25, "channel": "sms"}
    )
    return backtest_of(case, past_list(frame, case.customers, UNTIL), 7, "may.csv")


@pytest.fixture(scope="module")
def document():
    return made_report().document


def test_the_document_is_plain_values(document):
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["list"]["contacted"] == document["overlap"]["theirs"] == 100
    assert document["expected"]["ours"]["contacts"] <= 100
    assert document["realised"]["refused"][0]["code"] == "no propensity"
    assert document["evidence"] == "observational"


def test_models_without_standard_errors_give_no_interval():
    found = made_report(logit_error=np.zeros(500), pd_error=np.zeros(500)).document
    assert all(one["low"] is None for one in found["extra"])


def test_a_list_of_few_people_tells_nothing_of_their_risk():
    case = made_case(500)
    frame = pd.DataFrame(
        {"customer_id": case.customers[:19], "contacted_at": "2026-05-01", "took": 0, "channel": "sms"}
    )
    found = backtest_of(case, past_list(frame, case.customers, UNTIL), 7, "few.csv").document
    theirs = found["expected"]["theirs"]
    assert theirs["contacts"] == 19
    assert theirs["takers"] > 0
    for figures in found["expected"].values():
        assert [figures[name] for name in ("performing", "bad_rate", "loss", "value")] == [None] * 4
    assert [one[end] for one in found["extra"] for end in ("value", "low", "high")] == [None] * 12
    assert found["forbidden"] is None


def test_rules_broken_are_counted_from_twenty_people_on():
    assert sum(made_report().document["forbidden"].values()) > 0


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_sentences_say_what_is_claimed_and_what_is_not(document, lang):
    told = sentences(document, lang)
    assert len(told) >= 6
    assert all(one and "{" not in one for one in told)


def test_english_sentences_name_size_source_and_refusal(document):
    told = " ".join(sentences(document, "en"))
    assert "contacted 100 people, 25 took" in told
    assert "The data is synthetic." in told
    assert "No realised claim is made" in told


def test_lists_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(StoreError, match="there is no such file"):
        read_list(tmp_path / "no.csv")
    (tmp_path / "list.xls").write_text("a")
    with pytest.raises(StoreError, match=r"neither \.csv nor \.parquet"):
        read_list(tmp_path / "list.xls")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(StoreError, match="is empty"):
        read_list(tmp_path / "empty.csv")
    (tmp_path / "broken.parquet").write_text("not parquet")
    with pytest.raises(StoreError, match="cannot be read"):
        read_list(tmp_path / "broken.parquet")


def test_ids_keep_their_zeros(tmp_path):
    (tmp_path / "list.csv").write_text("customer_id,took\n00012,1\n")
    assert read_list(tmp_path / "list.csv")["customer_id"].tolist() == ["00012"]


@pytest.mark.slow
def test_a_campaign_of_the_workspace_is_tested_again(small_run, tmp_path):
    import shutil

    root = shutil.copytree(small_run, tmp_path / "w")
    workspace, settings = Workspace(root), read_settings(root)
    with pytest.raises(StoreError, match="campaign 'k99': nobody was assigned"):
        campaign_list(workspace, "k99", 28)
    listed = campaign_list(workspace, "k20", settings.flow.horizon_days)
    assert set(listed["arm"]) == {"control", "contacted"}
    file = tmp_path / "list.csv"
    listed.to_csv(file, index=False)
    with pytest.raises(ContractError, match="is after the first contact"):
        backtest(workspace, settings, file, workspace.dataset().until)
    before = sorted(workspace.runs.iterdir())
    report = backtest(workspace, settings, file)
    assert report.document["list"]["people"] == len(listed)
    assert sorted(workspace.runs.iterdir()) == before
