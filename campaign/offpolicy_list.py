"""What a re-planned list would really have brought, told from the past campaign where its history supports that.

The question is asked among the people of the past campaign alone: with as many contacts, whom of them (and with what)
would our list have contacted, and what did those do who by chance were treated just so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from campaign.offpolicy import LEAST_EFFECTIVE, Estimate, effective_sample, estimate, gain, weights
from recsys.backtest import listed, restricted, same_size, their_offers
from recsys.backtest_list import PastList
from recsys.case import Case, case_value
from scenefit.contracts.errors import EmptyArm, NotEligible, NotFitted

FEWEST_TAKERS = 20  # fewer weighted takers than this say nothing about a rate
Z = 1.959963984540054


class Share(NamedTuple):
    """A share with its 95 % interval (Wilson) and the number of people that it is of."""

    share: float
    low: float
    high: float
    people: float


class Reading(NamedTuple):
    """One outcome per person of the past campaign: under our list, and how much more that is than what happened."""

    name: str
    ours: Estimate
    past: float
    gain: Estimate


class Refused(NamedTuple):
    """Why no realised figure is given: a code and what to do."""

    code: str
    said: str


@dataclass(frozen=True)
class Realised:
    """What was realised, or why that cannot be said.

    people : of the past campaign that the reading is over
    contacts_theirs, contacts_ours : contacts among them, really and on our list
    readings : takers, performing loans and profit (currency units) per person, as far as stated
    bad_rate : of our list's takers, weighted; None without enough of them
    """

    people: int
    contacts_theirs: int
    contacts_ours: int
    readings: tuple[Reading, ...]
    bad_rate: Share | None
    refused: tuple[Refused, ...]


class _Logged(NamedTuple):
    """The past as actions: 0 not contacted, 1 what the past or our list shows, 2 another product or channel than it."""

    rows: np.ndarray
    shown: np.ndarray
    policy: np.ndarray
    ours: np.ndarray


def wilson(share: float, people: float) -> Share:
    """A share of so many people with its interval.

    >>> [round(end, 3) for end in wilson(0.8, 70.0)[1:3]]
    [0.692, 0.877]
    """
    centre = (share + Z * Z / (2 * people)) / (1 + Z * Z / people)
    half = Z / (1 + Z * Z / people) * np.sqrt(share * (1 - share) / people + Z * Z / (4 * people**2))
    return Share(share, float(max(0.0, centre - half)), float(min(1.0, centre + half)), people)


def bad_rate_of(took: np.ndarray, went_bad: np.ndarray, weight: np.ndarray) -> Share | None:
    """Share of takers that went bad, each counting by its weight; None with fewer than 20 in effect."""
    judged = took & np.isfinite(went_bad) & (weight > 0)
    people = effective_sample(weight[judged])
    if people < FEWEST_TAKERS:
        return None
    return wilson(float((weight[judged] * went_bad[judged]).sum() / weight[judged].sum()), people)


def realised(case: Case, past: PastList, rng: np.random.Generator, least: float = LEAST_EFFECTIVE) -> Realised:
    """What our list would have brought among the people of the past campaign, or why that cannot be said.

    An action is a product on a channel; where the past used a single channel, or states none, it is the product.

    Parameters
    ----------
    least : smallest effective sample at which a figure is given
    """
    refused = _unsupported(past)
    if refused is not None:
        return Realised(len(past.customers), int(past.contacted.sum()), 0, (), None, (refused,))
    try:
        logged = _logged(case, past)
        return _read(case, past, logged, rng, least)
    except (EmptyArm, NotFitted, NotEligible) as error:
        code = {EmptyArm: "no overlap", NotEligible: "nothing to offer"}.get(type(error), "thin or unfitting")
        return Realised(len(past.customers), int(past.contacted.sum()), 0, (), None, (Refused(code, str(error)),))


def _unsupported(past: PastList) -> Refused | None:
    """What is missing in the list itself."""
    if past.propensity is None:
        return Refused(
            "no propensity",
            "the list does not state with which probability each person was contacted; log it at the next campaign, "
            "and hold out a random control",
        )
    if past.has_control or max(len(_used(part, past.contacted)) for part in (past.product, past.channel)) > 1:
        return None
    return Refused(
        "no control",
        "everybody on the list was contacted with the same product on the same channel: nothing that another "
        "list would do differently was tried. Hold out a random control, and list its people with the arm 'control'",
    )


def _logged(case: Case, past: PastList) -> _Logged:
    """Our list among the people of the past campaign, beside what the past did with them."""
    value = case_value(case)
    positions = pd.Index(case.customers.astype(str)).get_indexer(pd.Index(past.customers.astype(str)))
    inside = np.zeros(len(case.customers), bool)
    inside[positions[positions >= 0]] = True
    fewer = restricted(case, inside, _tried(past))
    keeps = tuple(spec for spec in case.limits if spec.sense == "<=" and spec.name != "budget")
    plan = same_size(fewer, value, their_offers(case, past, value), past, keeps)
    planned = listed(plan.assignment)
    offer = np.full(len(case.customers), -1)
    offer[planned.who] = planned.offer
    ours = np.where(positions >= 0, offer[positions], -1)
    same = _as_shown(case, past.product, past.contacted, ours, "product_id")
    same &= _as_shown(case, past.channel, past.contacted, ours, "channel")
    wanted = np.where(ours < 0, 0, np.where(past.contacted & ~same, 2, 1))
    # without a control only the choice of product was tried: among those whom both contact
    rows = np.flatnonzero((positions >= 0) & (past.has_control | (ours >= 0)))
    return _Logged(rows, past.contacted.astype(np.int64)[rows], np.eye(3)[wanted[rows]], ours[rows])


def _used(stated: np.ndarray, contacted: np.ndarray) -> list[str]:
    return sorted(set(stated[contacted].astype(str).tolist()) - {""})


def _tried(past: PastList) -> set[tuple[str, str]]:
    """The pairs (product, channel) of the past; where a single one is stated, it is that of all contacts."""
    parts = []
    for stated in (past.product, past.channel):
        used, given = _used(stated, past.contacted), stated[past.contacted].astype(str)
        parts.append(used * len(given) if len(used) == 1 else given.tolist())
    return set(zip(*parts, strict=True))


def _as_shown(case: Case, stated: np.ndarray, contacted: np.ndarray, ours: np.ndarray, name: str) -> np.ndarray:
    """Who got by the past the product or channel that our list has for them; all where the past knows of one only."""
    given = stated.astype(str)
    used = _used(stated, contacted)
    if len(used) <= 1:
        return np.ones(len(given), bool)
    silent = int((given[contacted] == "").sum())
    if silent:
        raise NotFitted(
            f"back-test: {silent:,} contacts state no {name}, others were made with {', '.join(used)}: it is not known "
            f"what those people were shown; state the {name} of every contact, or leave these people out"
        )
    found: np.ndarray = given == np.where(ours >= 0, case.offers[name].to_numpy(str)[ours], "")
    return found


def _read(case: Case, past: PastList, logged: _Logged, rng: np.random.Generator, least: float) -> Realised:
    rows, shown, policy, ours = logged
    propensity = np.asarray(past.propensity)[rows]
    took = past.took[rows]
    weight, _ = weights(shown, propensity, policy)
    refused = []
    if effective_sample(weight[took]) < FEWEST_TAKERS:
        raise NotFitted(
            f"back-test: {int((took & (weight > 0)).sum()):,} takers were treated as our list would have, "
            f"{FEWEST_TAKERS} are needed in effect; use a larger or longer campaign"
        )
    outcomes = {"takers": took.astype(float)}
    bad = None if past.went_bad is None else past.went_bad[rows]
    if bad is None or not np.isfinite(bad[took]).all():
        refused.append(
            Refused("no bad rate", "the list does not state of every taker whether the loan went bad; add went_bad")
        )
    else:
        outcomes["performing"] = (took & (bad == 0)).astype(float)
        outcomes["profit"] = _profit(case, past, rows, bad)
    readings = [
        Reading(
            name,
            estimate(reward, shown, propensity, policy, rng=rng, least=least),
            float(reward.mean()),
            gain(reward, shown, propensity, policy, rng=rng, least=least),
        )
        for name, reward in outcomes.items()
    ]
    rate = None if bad is None else bad_rate_of(took, bad, weight)
    theirs = int(past.contacted[rows].sum())
    return Realised(len(rows), theirs, int((ours >= 0).sum()), tuple(readings), rate, tuple(refused))


def _profit(case: Case, past: PastList, rows: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """What each person brought, currency units: margin less what went bad, the incentive and the contact."""
    products = case.offers["product_id"].to_numpy(str)
    first = {product: place for place, product in reversed(list(enumerate(products)))}
    made = [first[one] for one in past.product[past.contacted].astype(str) if one in first]
    usual = int(np.bincount(made).argmax()) if made else 0
    # whoever is without a stated product, as most of a control, took what the campaign offered most
    offer = np.array([first.get(one, usual) for one in past.product[rows].astype(str)])
    took, contacted = past.took[rows], past.contacted[rows]
    spent = _contact_costs(case, past)[rows]
    earned = case.terms.margin[offer] - contacted * case.terms.incentive[offer]
    lost = np.where(bad == 1, case.lgd * case.terms.amount[offer], 0.0)
    found: np.ndarray = np.where(took, earned - lost, 0.0) - spent
    return found


def _contact_costs(case: Case, past: PastList) -> np.ndarray:
    """Stated costs, else the price of the channel, else of the cheapest; nothing for the control."""
    if past.cost is not None:
        return past.cost
    price = dict(zip(case.offers["channel"].astype(str), case.contact_cost, strict=True))
    cheapest = float(min(price.values()))
    costs = np.array([price.get(channel, cheapest) for channel in past.channel.astype(str)])
    return np.where(past.contacted, costs, 0.0)
