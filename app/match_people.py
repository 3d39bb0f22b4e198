"""What a plan does for one person, as plain documents: why and why not, decided now, personas. Wires the rooms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from app.contactable import quiet_hours
from app.match_plans import Kept, about, one_channel
from app.recs_documents import plain_records
from recsys.case import Case
from recsys.coarse import coarse
from recsys.decide import Decider, Moment
from recsys.decision import Traced, full_room
from recsys.eligible import STAGES
from recsys.offer_rules import RULES, in_quiet_hours
from recsys.personas import Persona, personas_json, read_personas, run_personas
from scenefit.contracts.errors import ContractError, StoreError
from scenefit.runtime.settings import Settings
from scenefit.runtime.workspace import write_text

# what comes after the rules, in the order in which an offer is asked
AFTER = ("value", "price", "arbitration")
ASKED = (*STAGES, *AFTER)
KEPT_BACK = (
    "worth its price, but the limits do not reach this far",
    "价值高于限额成本，但受方案限额约束未能推荐",
)
GIVEN = ("is offered", "已推荐")


def decider_of(kept: Kept, moment: Moment | None = None) -> Decider:
    """Decisions by the prices of a plan."""
    return Decider(
        kept.case, kept.plan.shadow_prices, kept.case.limits, moment=moment, per_customer=kept.per_customer,
        exclusive=one_channel(kept.case).tolist(),
    )  # fmt: skip


def quiet_moment(case: Case, settings: Settings) -> Moment:
    """Which offers have to wait at a moment: those on channels that ring in quiet hours."""
    hours = quiet_hours(settings, str(case.facts.get("timezone") or "Asia/Shanghai"))
    channels = case.offers["channel"].astype(str).tolist()

    def waits(at: pd.Timestamp) -> Mapping[str, np.ndarray]:
        return {} if hours is None else {"quiet hours": in_quiet_hours(channels, at, hours)[0]}

    return waits


def moment_of(case: Case) -> pd.Timestamp:
    """The moment a case is of."""
    return pd.Timestamp(case.facts["as_of"])


def explain_document(kept: Kept, customer: str, product: str | None = None) -> dict[str, Any]:
    """What the plan offers a customer, and for every other offer the first stage that said no.

    Chance and money of the person in two digits that matter, ordered by what they are exactly.

    Raises
    ------
    ContractError : there is no such customer or product.
    """
    case, decider = kept.case, decider_of(kept)
    decision = decider.decide(customer, at=moment_of(case), k=kept.per_customer)
    there = case.offers["product_id"].astype(str)
    if product is not None and product not in set(there):
        raise ContractError(
            f"explain: no offer is of product {product!r}; there are {', '.join(sorted(set(there))[:20])}"
        )
    row = int(np.searchsorted(case.customers, customer))
    given = {int(offer) for offer in np.atleast_1d(kept.plan.assignment[row]) if offer >= 0}
    sources = {rule["code"]: rule for rule in case.facts.get("rules", [])}
    offers = [
        {**_named(case, one.offer), **_outcome(one, one.offer in given, sources),
         "p_take": coarse(one.p_take), "value": coarse(one.value), "after_limits": coarse(one.reduced)}
        for one in sorted(decision.trace, key=lambda one: (-one.reduced, one.offer_id))
        if product is None or there.iloc[one.offer] == product
    ]  # fmt: skip
    return {
        "about": about(kept), "customer": customer, "groups": decider.person(customer).groups,
        "offered": [case.offers["offer_id"].iloc[offer] for offer in sorted(given)], "stages": list(ASKED),
        "offers": sorted(offers, key=lambda told: not told["offered"]),
    }  # fmt: skip


def decide_document(
    kept: Kept, settings: Settings, customer: str, scene: str | None, channel: str | None, at: pd.Timestamp | None,
    k: int, used: Mapping[str, float],
) -> dict[str, Any]:  # fmt: skip
    """The best offers for a customer by the plan's prices, with the trace of every offer as marketers may see it.

    Quiet hours bind the moment of sending: they are asked where a moment is given. `used` is what other decisions have
    taken of the ceilings already.

    Raises
    ------
    ContractError : an unknown customer, scene, channel or limit.
    """
    case = kept.case
    ceilings = [spec.name for spec in case.limits if spec.sense == "<="]
    unknown = sorted(set(used) - set(ceilings))
    if unknown:
        raise ContractError(f"decide: {unknown[0]!r} is no ceiling of this plan; there are {', '.join(ceilings)}")
    decider = decider_of(kept, None if at is None else quiet_moment(case, settings))
    room = full_room(case.limits, used)
    moment = moment_of(case) if at is None else at
    decision = decider.decide(customer, scene, channel, at=moment, k=k, room=room)
    told = decision.record()
    told["trace"] = [_named(case, one["offer"]) | one for one in told["trace"]]
    return {"about": about(kept), "quiet_hours_asked": at is not None, **told}


def read_personas_file(file: Path) -> tuple[Persona, ...]:
    """The personas of a file.

    Raises
    ------
    StoreError : it cannot be read.
    ContractError : it holds no personas.
    """
    try:
        text = file.read_text("utf8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(
            f"{file}: cannot be read ({error}); keep a persona with `scenefit match personas add`"
        ) from error
    return read_personas(text)


def personas_document(
    kept: Kept, personas: Sequence[Persona], settings: Settings, at: pd.Timestamp | None
) -> dict[str, Any]:
    """What every persona expects and what was found; quiet hours only where a moment is given."""
    decider = decider_of(kept, None if at is None else quiet_moment(kept.case, settings))
    found = run_personas(personas, decider, moment_of(kept.case) if at is None else at)
    failed = int((~found["ok"]).sum())
    return {
        "about": about(kept), "personas": len(personas), "expectations": len(found), "failed": failed,
        "ok": not failed, "rows": plain_records(found),
    }  # fmt: skip


def with_persona(kept: Kept, file: Path, persona: Persona) -> Persona:
    """Keep a persona in a file; one that states no expectation expects what it is offered now.

    Raises
    ------
    ContractError : there is one of that name, or it names what does not exist.
    """
    personas = read_personas_file(file) if file.is_file() else ()
    if persona.name in {one.name for one in personas}:
        raise ContractError(f"personas: {file} has one called {persona.name!r}; choose another name")
    decider, at = decider_of(kept), moment_of(kept.case)
    if not (persona.offered or persona.not_offered or persona.blocked_by):
        now = decider.decide(persona.customer, persona.scene, persona.channel, at=at, k=persona.k)
        rules = {one.offer_id: one.rule for one in now.trace if one.rule}
        persona = Persona(**vars(persona) | {"offered": now.offers, "blocked_by": {} if now.offers else rules})
    # whatever it names has to exist
    run_personas([persona], decider, at)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, personas_json([*personas, persona]) + "\n")
    return persona


def _named(case: Case, offer: int) -> dict[str, Any]:
    row = case.offers.iloc[offer]
    return {name: str(row[name]) for name in ("offer_id", "product_id", "channel", "name_en", "name_zh")}


def _outcome(one: Traced, given: bool, sources: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """The stage that removed an offer in words, and what every stage said: passes, fails, or was not asked any more."""
    stage, (en, zh), rule = str(one.stage), (one.en, one.zh), one.rule
    if rule in sources:
        stage, en, zh = (sources[rule][name] for name in ("stage", "en", "zh"))
    if given:
        stage, en, zh = "offered", *GIVEN
    elif stage == "offered":
        # by prices alone it would be made; whole customers and ties decided otherwise
        stage, en, zh = "arbitration", *KEPT_BACK
    at = ASKED.index(stage) if stage in ASKED else len(ASKED)
    said = {
        name: "passes" if place < at else "fails" if place == at else "not asked" for place, name in enumerate(ASKED)
    }
    source = sources[rule]["source"] if rule in sources else RULES[rule].source if rule in RULES else ""
    return {"offered": given, "stage": stage, "rule": rule, "en": en, "zh": zh, "source": source, "said": said}
