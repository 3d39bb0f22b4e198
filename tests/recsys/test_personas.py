"""Personas: test customers that say when a decision has changed."""

import dataclasses

import pandas as pd
import pytest

from recsys.decide import Decider
from recsys.personas import Persona, personas_json, read_personas, run_personas
from scenefit.contracts.errors import ContractError
from tests.recsys.made_case import made_case

AT = pd.Timestamp("2026-07-01 10:00", tz="UTC")
OPEN = dict.fromkeys([f"{p}@{c}" for p in ("p1", "p2", "p3") for c in ("sms", "call")], "")
TRAVELLER = Persona(
    "eager traveller", "c000001", p_take={"p1@sms": 0.5}, pd_given_take=0.01,
    rules={**OPEN, "p2@sms": "already has it"},
    offered=("p1@sms",), not_offered=("p2@sms",), blocked_by={"p2@sms": "already has it", "p1@sms": ""},
)  # fmt: skip


@pytest.fixture
def decider():
    case = made_case(30)
    return Decider(case, {spec.name: 0.0 for spec in case.limits})


def test_a_persona_that_gets_what_it_should_is_ok(decider):
    found = run_personas([TRAVELLER], decider, AT)
    assert list(found.columns) == ["persona", "expectation", "found", "ok"]
    assert len(found) == 4
    assert found["ok"].all()


def test_a_changed_decision_is_seen(decider):
    changed = dataclasses.replace(TRAVELLER, p_take={"p1@sms": 0.0})
    found = run_personas([changed], decider, AT).set_index("expectation")
    assert not found.loc["p1@sms offered", "ok"]
    assert "cost more" in found.loc["p1@sms offered", "found"]


def test_the_stored_form_round_trips():
    assert read_personas(personas_json([TRAVELLER])) == (TRAVELLER,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"offered": ("p9@sms",)}, "no offer 'p9@sms'"),
        ({"blocked_by": {"p1@sms": "mood"}}, "no rule 'mood'"),
        ({"groups": {"mood": "good"}}, "no group 'mood'"),
        ({"customer": "nobody"}, "no customer 'nobody'"),
    ],
)
def test_what_does_not_exist_is_refused_by_name(decider, change, message):
    with pytest.raises(ContractError, match=message):
        run_personas([dataclasses.replace(TRAVELLER, **change)], decider, AT)


def test_an_unknown_field_is_refused():
    with pytest.raises(ContractError, match="unknown field 'mood'"):
        read_personas('[{"name": "a", "customer": "c", "mood": 1}]')
