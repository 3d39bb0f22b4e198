"""Drafts of a workspace: a history that only grows, states in order, and no way into a decision or a run."""

from __future__ import annotations

import dataclasses
import json

import pandas as pd
import pytest

from app.workbench_store import draft_history, draft_ids, drafts_folder, keep_draft, move_draft, newest_step
from recsys.decide import Decider
from recsys.workbench import DraftProduct, drafted_case
from scenefit.contracts.errors import ContractError, StoreError
from scenefit.runtime.workspace import Workspace
from tests.recsys.made_case import made_case

DRAFT = DraftProduct("night-loan", "Night loan", "夜间贷", "instalment", "p1", apr=0.12, amount=8_000, amount_min=1_000,
                     amount_max=10_000, tenor=12, tenor_min=3, tenor_max=24)  # fmt: skip
AT = pd.Timestamp("2026-07-01 08:00", tz="UTC")
WHO = {"by": "Li Na", "at": AT, "reason": "night owls have no product"}


@pytest.fixture
def place(tmp_path):
    return Workspace(tmp_path / "w")


def test_a_history_only_grows_and_says_who_when_and_why(place):
    keep_draft(place, DRAFT, **WHO, run="r1")
    keep_draft(place, dataclasses.replace(DRAFT, apr=0.1), **{**WHO, "reason": "cheaper"})
    move_draft(place, "night-loan", "submitted", by="Wang", at=AT, reason="ready")
    steps = draft_history(place, "night-loan")
    assert [(s.number, s.state, s.by, s.reason) for s in steps] == [
        (1, "draft", "Li Na", "night owls have no product"), (2, "draft", "Li Na", "cheaper"),
        (3, "submitted", "Wang", "ready"),
    ]  # fmt: skip
    assert [s.draft.apr for s in steps] == [0.12, 0.1, 0.1]
    assert steps[0].at == AT
    assert draft_ids(place) == ["night-loan"]


def test_changing_a_submitted_draft_takes_it_back(place):
    keep_draft(place, DRAFT, **WHO)
    move_draft(place, "night-loan", "submitted", **WHO)
    keep_draft(place, dataclasses.replace(DRAFT, apr=0.1), **WHO)
    assert newest_step(place, "night-loan").state == "draft"


@pytest.mark.parametrize("wanted", ["approved", "risk signed off", "live"])
def test_a_draft_cannot_skip_a_step(place, wanted):
    keep_draft(place, DRAFT, **WHO)
    with pytest.raises(ContractError, match=f"from 'draft' it cannot become '{wanted}'"):
        move_draft(place, "night-loan", wanted, **WHO)


def test_a_withdrawn_draft_stays_withdrawn(place):
    keep_draft(place, DRAFT, **WHO)
    move_draft(place, "night-loan", "withdrawn", **WHO)
    with pytest.raises(ContractError, match="from 'withdrawn' it cannot become 'draft'"):
        keep_draft(place, DRAFT, **WHO)


@pytest.mark.parametrize("missing", ["by", "reason"])
def test_every_step_says_who_and_why(place, missing):
    with pytest.raises(ContractError, match=f"{missing} has 0 letters"):
        keep_draft(place, DRAFT, **{**WHO, missing: "  "})
    assert draft_ids(place) == [] or not list(drafts_folder(place).glob("*/*.json"))


def test_a_lift_needs_its_reason(place):
    lifted = dataclasses.replace(DRAFT, lift=1.5)
    with pytest.raises(ContractError, match=r"lift is 1\.5 and no reason is given"):
        keep_draft(place, lifted, **WHO)
    assert keep_draft(place, lifted, **WHO, lift_reason="a test in May").lift_reason == "a test in May"


def test_of_two_who_change_a_draft_at_once_the_second_is_told(place):
    keep_draft(place, DRAFT, **WHO)
    keep_draft(place, DRAFT, **WHO, after=1)
    with pytest.raises(ContractError, match=r"somebody changed it since you opened it \(step 1\)"):
        keep_draft(place, DRAFT, **WHO, after=1)
    assert len(draft_history(place, "night-loan")) == 2


@pytest.mark.parametrize("product_id", ["../night", "", "Night", "a" * 41, "a/b", "."])
def test_an_id_never_leads_out_of_the_folder(place, product_id):
    with pytest.raises(ContractError):
        keep_draft(place, dataclasses.replace(DRAFT, product_id=product_id), **WHO)
    with pytest.raises(ContractError, match="product_id is no id"):
        draft_history(place, product_id)


def test_a_damaged_or_missing_step_is_named(place):
    keep_draft(place, DRAFT, **WHO)
    keep_draft(place, DRAFT, **WHO)
    folder = drafts_folder(place) / "night-loan"
    second = (folder / "0002.json").read_text("utf8")
    (folder / "0002.json").write_text("{", "utf8")
    with pytest.raises(StoreError, match=r"0002\.json: damaged"):
        draft_history(place, "night-loan")
    (folder / "0002.json").write_text(json.dumps(json.loads(second) | {"number": 3}), "utf8")
    with pytest.raises(StoreError, match="another step than its name says"):
        draft_history(place, "night-loan")
    (folder / "0002.json").write_text(second, "utf8")
    (folder / "0001.json").unlink()
    with pytest.raises(StoreError, match="a step of the history is missing"):
        draft_history(place, "night-loan")


def test_an_unknown_draft_is_told_with_those_there_are(place):
    keep_draft(place, DRAFT, **WHO)
    with pytest.raises(ContractError, match="there is none in this workspace; there are night-loan"):
        newest_step(place, "day-loan")


def test_a_submitted_draft_is_never_decided(place):
    keep_draft(place, DRAFT, **WHO)
    step = move_draft(place, "night-loan", "submitted", **WHO)
    case = drafted_case(made_case(50), step.draft)
    with pytest.raises(ContractError, match="is 'draft', not live"):
        Decider(case, {spec.name: 0.0 for spec in case.limits})
