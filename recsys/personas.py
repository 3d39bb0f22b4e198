"""Named test customers with what they must and must not be offered: a regression suite of decisions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
import pandas as pd

from recsys.decide import Decider, Person
from recsys.eligible import PASSED
from scenefit.contracts.errors import ContractError


@dataclass(frozen=True)
class Persona:
    """A test customer: a row of the case, changed where stated, and what is expected.

    Parameters
    ----------
    customer : id of the row it starts from
    p_take : offer id → share
    pd_given_take : share; None: that of the row
    rules : offer id → code of the rule that holds it back, "" for none
    groups : column → value
    offered, not_offered : offer ids
    blocked_by : offer id → code of the first rule that says no, "" for none
    """

    name: str
    customer: str
    p_take: Mapping[str, float] = field(default_factory=dict)
    pd_given_take: float | None = None
    rules: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    scene: str | None = None
    channel: str | None = None
    k: int = 3
    offered: tuple[str, ...] = ()
    not_offered: tuple[str, ...] = ()
    blocked_by: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shares = [*self.p_take.values(), *([] if self.pd_given_take is None else [self.pd_given_take])]
        if not all(0 <= share <= 1 for share in shares):
            raise ContractError(f"persona {self.name!r}: a share lies outside 0 to 1; correct p_take or pd_given_take")
        if not self.name.strip():
            raise ContractError(f"persona of customer {self.customer!r} has no name; give one to tell it by")


def run_personas(personas: Sequence[Persona], decider: Decider, at: pd.Timestamp) -> pd.DataFrame:
    """What every persona expects and what was found: persona, expectation, found, ok; one row per expectation.

    Raises
    ------
    ContractError : a persona names a customer, offer, rule or group that does not exist.
    """
    rows: list[tuple[str, str, str, bool]] = []
    for one in personas:
        decision = decider.decide_for(_person(one, decider), one.scene, one.channel, at=at, k=one.k)
        for offer in (*one.offered, *one.not_offered):
            wanted, got = offer in one.offered, offer in decision.offers
            told = f"{offer} {'offered' if wanted else 'not offered'}"
            rows.append((one.name, told, decision.of(offer).en, wanted == got))
        for offer, rule in one.blocked_by.items():
            got_rule = decision.of(offer).rule
            rows.append((one.name, f"{offer} blocked by {rule or 'no rule'}", got_rule or "no rule", rule == got_rule))
    return pd.DataFrame(rows, columns=["persona", "expectation", "found", "ok"]).astype({"ok": bool})


def personas_json(personas: Sequence[Persona]) -> str:
    """Personas in their stored form."""
    return json.dumps([asdict(one) for one in personas], ensure_ascii=False, indent=1, sort_keys=True)


def read_personas(text: str) -> tuple[Persona, ...]:
    """Personas from their stored form.

    Raises
    ------
    ContractError : no JSON list, an unknown or missing field, or two personas of one name.
    """
    try:
        told = json.loads(text)
    except json.JSONDecodeError as error:
        raise ContractError(f"personas: the file is no JSON: {error}") from error
    if not isinstance(told, list) or not all(isinstance(one, dict) for one in told):
        raise ContractError("personas: the file must hold a list of personas, each with fields by name")
    known = {one.name for one in fields(Persona)}
    for one in told:
        unknown = sorted(set(one) - known)
        if unknown:
            raise ContractError(f"personas: unknown field {unknown[0]!r}; there are {', '.join(sorted(known))}")
        if not {"name", "customer"} <= set(one):
            raise ContractError(f"personas: a persona has no name or no customer: {one}")
    names = [one["name"] for one in told]
    if len(set(names)) < len(names):
        raise ContractError(f"personas: two are called {max(names, key=names.count)!r}; give each its own name")
    lists = ("offered", "not_offered")
    tidy: list[dict[str, Any]] = [{k: tuple(v) if k in lists else v for k, v in one.items()} for one in told]
    return tuple(Persona(**one) for one in tidy)


def _person(one: Persona, decider: Decider) -> Person:
    case = decider.case
    place = {str(offer): j for j, offer in enumerate(case.offers["offer_id"])}
    rules = {*decider.rules, *case.reasons, ""} - {PASSED}
    named = (
        ("offer", {*one.p_take, *one.rules, *one.offered, *one.not_offered, *one.blocked_by}, set(place)),
        ("rule", {*one.rules.values(), *one.blocked_by.values()}, rules),
        ("group", set(one.groups), set(case.groups.columns)),
    )
    for what, used, known in named:
        unknown = sorted(used - known)
        if unknown:
            raise ContractError(
                f"persona {one.name!r}: there is no {what} {unknown[0]!r}; there are {', '.join(sorted(known - {''}))}"
            )
    person = decider.person(one.customer)
    p_take, codes = np.array(person.p_take, np.float64), list(person.rules)
    for offer, share in one.p_take.items():
        p_take[place[offer]] = share
    for offer, rule in one.rules.items():
        codes[place[offer]] = rule
    risk = person.pd_given_take if one.pd_given_take is None else one.pd_given_take
    return Person(f"{one.name} ({one.customer})", p_take, risk, tuple(codes), {**person.groups, **one.groups})
