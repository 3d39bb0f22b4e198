"""Best offers for one customer, scene, channel and moment, by the prices of a plan: so online choices keep its budget.

An offer is worth its value less what it takes of each limit at the limit's shadow price. Prices alone leave sums near
the totals; a `Room` that is handed from decision to decision keeps them below.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from recsys.case import Case, LimitSpec, chosen_rows
from recsys.decision import WORDS, Decision, Paid, Room, Stage, Traced
from recsys.eligible import MESSAGES, Message, OfferRule
from recsys.limits import TOLERANCE
from recsys.offer_rules import RULES
from recsys.on_sale import on_sale, refuse_drafts
from recsys.value import expected_value
from scenefit.contracts.errors import ContractError

__all__ = ("COUNTED", "Decider", "Moment", "Person", "refuse_drafts")

# rule code → the offers (m,) that it holds back at a moment: quiet hours, rules that begin or end
Moment = Callable[[pd.Timestamp], Mapping[str, np.ndarray]]
COUNTED = ("offers", "cost", "loss", "takers")


class Person(NamedTuple):
    """What a decision needs of one customer: shares (m,), rule codes (m,) with "" for none, and groups by column."""

    customer: str
    p_take: np.ndarray
    pd_given_take: float
    rules: tuple[str, ...]
    groups: dict[str, str]


class _Worth(NamedTuple):
    """Value of every offer to one person with its parts, costs negative; `weights` (limits, m), `paid` likewise."""

    parts: dict[str, np.ndarray]
    value: np.ndarray
    weights: np.ndarray
    paid: np.ndarray
    reduced: np.ndarray


class _Verdict(NamedTuple):
    stage: Stage
    rule: str
    en: str
    zh: str


class Decider:
    """Decides for one customer at a time by the prices of a plan.

    Parameters
    ----------
    case : people, offers, terms and rules
    prices : shadow price of every limit, by name, as `Plan.shadow_prices`
    specs : the limits the prices belong to; None: those of the case
    rules : what a rule's code says, its stage and bypass; a code that is not there speaks by its own name
    moment : which rules hold back which offers at a moment, on top of the case
    per_customer : so many of the offers returned are made and use the limits
    exclusive : (m,) group of each offer, at most one offer of a group; None: one channel per product

    Raises
    ------
    ContractError : an offer is a draft or its dates cannot be read, a price is missing, unknown or has the wrong sign,
        or a limit does not fit.
    """

    def __init__(
        self,
        case: Case,
        prices: Mapping[str, float],
        specs: Sequence[LimitSpec] | None = None,
        rules: Mapping[str, OfferRule] = RULES,
        moment: Moment | None = None,
        per_customer: int = 1,
        exclusive: Sequence[int] | None = None,
    ) -> None:
        self._on_sale = on_sale(case.offers, "decide")
        self.case, self.rules, self.moment, self.per_customer = case, rules, moment, per_customer
        self.specs = tuple(case.limits if specs is None else specs)
        self.prices = _prices(self.specs, prices)
        m = len(case.offers)
        chosen = [chosen_rows(spec.name, spec.offers, case.offers, "offers") for spec in self.specs]
        self._columns = np.array([np.ones(m, bool) if one is None else one for one in chosen]).reshape(-1, m)
        for spec in self.specs:
            chosen_rows(spec.name, spec.where, case.groups, "groups")
            if spec.of not in COUNTED:
                raise ContractError(f"limit {spec.name!r} counts {spec.of!r}; it can count {', '.join(COUNTED)}")
        self._group = np.unique(case.offers["product_id"].to_numpy(str), return_inverse=True)[1]
        if exclusive is not None:
            self._group = np.asarray(exclusive)
        self._offer_ids = case.offers["offer_id"].astype(str).tolist()
        self._channels = case.offers["channel"].to_numpy(str)
        self._scenes = [_scenes(one) for one in case.offers["scenes"]] if "scenes" in case.offers.columns else None
        known = set().union(*self._scenes) if self._scenes else set()
        homes = case.groups["scene_id"].unique() if "scene_id" in case.groups.columns else ()
        self._known_scenes = known | {str(one) for one in homes if one}
        self.policy = self._version()

    def person(self, customer: str) -> Person:
        """What is known of a customer of the case.

        Raises
        ------
        ContractError : there is no such customer.
        """
        case = self.case
        row = int(np.searchsorted(case.customers, customer)) if len(case.customers) else 0
        if row >= len(case.customers) or case.customers[row] != customer:
            raise ContractError(
                f"decide: there is no customer {customer!r} among {len(case.customers):,}; check the id"
            )
        rules = tuple(case.reasons[code] if code else "" for code in case.reason[row].tolist())
        groups = {str(name): str(case.groups[name].iat[row]) for name in case.groups.columns}
        return Person(str(customer), case.p_take[row], float(case.pd_given_take[row]), rules, groups)

    def decide(
        self,
        customer: str,
        scene: str | None = None,
        channel: str | None = None,
        *,
        at: pd.Timestamp,
        k: int = 3,
        message: Message = "marketing",
        room: Room | None = None,
    ) -> Decision:
        """The best up to k offers for a customer of the case, with the trace of every offer; see `decide_for`."""
        return self.decide_for(self.person(customer), scene, channel, at=at, k=k, message=message, room=room)

    def decide_for(
        self,
        person: Person,
        scene: str | None = None,
        channel: str | None = None,
        *,
        at: pd.Timestamp,
        k: int = 3,
        message: Message = "marketing",
        room: Room | None = None,
    ) -> Decision:
        """The best up to k offers for a person, with the trace of every offer.

        Parameters
        ----------
        message : kinds that a rule of the moment declares as its bypass pass it. Rules of the case stand as they are:
            make the case with `eligible.stage_grid(message=…)` for other messages
        room : what is left of the ceilings; an offer that needs more is refused. None: prices alone keep the plan

        Raises
        ------
        ContractError : no time zone, an unknown scene, channel or kind of message, k below 1, room of an unknown limit.
        """
        self._check(scene, channel, at, k, message, room)
        worth = self._worth(person)
        held = self._held_back(person, at, message)
        verdicts = [self._before(j, held[j], scene, channel, worth) for j in range(len(self._offer_ids))]
        live = [j for j in np.argsort(-worth.reduced, kind="stable").tolist() if verdicts[j] is None]
        winners = self._arbitrate(live, verdicts, worth, k, room)
        ranks = {j: place for place, j in enumerate(live, start=1)}
        trace = tuple(self._traced(j, one, worth, person, ranks.get(j, 0)) for j, one in enumerate(verdicts) if one)
        used = worth.weights[:, winners[: self.per_customer]].sum(axis=1)
        facts = [scene, channel, at.isoformat(), k, message, held, None if room is None else dict(room.left)]
        return Decision(
            self._decision_id(person, facts), self.policy, person.customer, at.isoformat(), scene, channel, message,
            tuple(self._offer_ids[j] for j in winners), min(len(winners), self.per_customer),
            {spec.name: float(amount) for spec, amount in zip(self.specs, used, strict=True)}, trace,
        )  # fmt: skip

    def _worth(self, person: Person) -> _Worth:
        case = self.case
        p = np.asarray(person.p_take)[None, :]
        priced = expected_value(
            p, case.terms, np.array([person.pd_given_take]), case.contact_cost[None, :], case.lgd, case.p_unoffered
        )
        extra = np.maximum(p[0].astype(float) - case.p_unoffered, 0.0)
        parts = {
            "margin": extra * case.terms.margin,
            "loss": -extra * person.pd_given_take * case.lgd * case.terms.amount,
            "incentive": -priced.expected_incentive[0].astype(float),
            "contact": -case.contact_cost.astype(float),
        }
        counted = {
            "offers": np.ones(p.shape[1]),
            "cost": case.contact_cost + priced.expected_incentive[0],
            "loss": priced.expected_loss[0],
            "takers": p[0].astype(float),
        }
        inside = np.array([_inside(spec, person.groups) for spec in self.specs], bool)
        stacked = np.array([counted[spec.of] for spec in self.specs]).reshape(len(self.specs), -1)
        weights = stacked * self._columns * inside[:, None] if len(self.specs) else np.zeros((0, p.shape[1]))
        paid = self.prices[:, None] * weights
        value = priced.value[0].astype(float)
        return _Worth(parts, value, weights, paid, value - paid.sum(axis=0))

    def _held_back(self, person: Person, at: pd.Timestamp, message: Message) -> list[str]:
        """Per offer the code of the first rule that says no, of the case before those of the moment; "" for none."""
        # no rule of a caller and no kind of message sells a product before or after its dates
        gone = self._on_sale.held_back(at).tolist()
        codes = [one or ("product not live" if stops else "") for one, stops in zip(person.rules, gone, strict=True)]
        for code, offers in (self.moment(at) if self.moment else {}).items():
            rule = self.rules.get(code)
            if rule is not None and (message in rule.bypass or not rule.holds(at)):
                continue
            codes = [one or (code if stops else "") for one, stops in zip(codes, offers, strict=True)]
        return codes

    def _before(self, j: int, rule: str, scene: str | None, channel: str | None, worth: _Worth) -> _Verdict | None:
        """The stage before arbitration that removes an offer, None where none does."""
        if rule:
            known = self.rules.get(rule)
            return _Verdict(*((known.stage, rule, known.en, known.zh) if known else ("eligibility", rule, rule, rule)))
        if scene is not None and self._scenes and self._scenes[j] and scene not in self._scenes[j]:
            return _said("scene")
        if channel is not None and self._channels[j] != channel:
            return _said("channel")
        if worth.reduced[j] > 0 and worth.value[j] > 0:
            return None
        if not worth.value[j] > 0:
            return _said("value")
        return _said("price", limits=self.specs[int(worth.paid[:, j].argmax())].name)

    def _arbitrate(
        self, live: list[int], verdicts: list[_Verdict | None], worth: _Worth, k: int, room: Room | None
    ) -> list[int]:
        """The winners, best first; writes the verdict of every offer that was still in."""
        left = np.array([np.inf if room is None else room.left.get(spec.name, np.inf) for spec in self.specs])
        slack = TOLERANCE * np.array([max(1.0, abs(spec.total)) for spec in self.specs])
        winners: list[int] = []
        for j in live:
            weight = worth.weights[:, j]
            short = np.flatnonzero((weight > 0) & (weight > left + slack))
            same = [w for w in winners if self._group[w] == self._group[j]]
            if same:
                verdicts[j] = _said("arbitration", "same", winner=self._offer_ids[same[0]])
            elif len(short):
                verdicts[j] = _said("room", limits=self.specs[int(short[0])].name)
            elif len(winners) >= k:
                verdicts[j] = _said("arbitration", winner=self._offer_ids[winners[0]])
            else:
                winners.append(j)
                if len(winners) <= self.per_customer:
                    left = left - weight
                verdicts[j] = _said("offered", rank=str(len(winners)))
        return winners

    def _traced(self, j: int, verdict: _Verdict, worth: _Worth, person: Person, rank: int) -> Traced:
        touched = np.flatnonzero(worth.weights[:, j]).tolist()
        paid = tuple(
            Paid(
                self.specs[s].name,
                self.specs[s].of,
                float(worth.weights[s, j]),
                float(self.prices[s]),
                float(worth.paid[s, j]),
            )
            for s in touched
        )
        parts: dict[str, Any] = {name: float(values[j]) for name, values in worth.parts.items()}
        return Traced(
            j, self._offer_ids[j], *verdict, p_take=float(person.p_take[j]), **parts, value=float(worth.value[j]),
            paid=paid, reduced=float(worth.reduced[j]), rank=rank,
        )  # fmt: skip

    def _check(
        self, scene: str | None, channel: str | None, at: pd.Timestamp, k: int, message: str, room: Room | None
    ) -> None:
        if at.tzinfo is None:
            raise ContractError(f"decide: the moment {at} has no time zone; give one in UTC")
        if k < 1:
            raise ContractError(f"decide: k is {k}; ask for at least one offer")
        if message not in MESSAGES:
            raise ContractError(f"decide: message of kind {message!r}; the kinds are {', '.join(MESSAGES)}")
        if channel is not None and channel not in self._channels:
            raise ContractError(f"decide: no offer is on channel {channel!r}; there are {sorted(set(self._channels))}")
        if scene is not None and scene not in self._known_scenes:
            raise ContractError(f"decide: there is no scene {scene!r}; there are {sorted(self._known_scenes)}")
        unknown = sorted(set(room.left) - {spec.name for spec in self.specs}) if room is not None else []
        if unknown:
            raise ContractError(
                f"decide: room is given for {unknown[0]!r}, which is no limit of this plan; leave it out"
            )

    def _version(self) -> str:
        """What the answers rest on besides the customer: offers, terms, prices, limits, rules."""
        case = self.case
        rules = [[r.code, r.stage, str(r.valid_from), str(r.valid_to), r.bypass] for r in self.rules.values()]
        told = [case.offers.to_json(), case.lgd, self.prices.tolist(), [asdict(s) for s in self.specs], rules,
                self._group.tolist(), self.per_customer]  # fmt: skip
        digest = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode())
        for numbers in (*case.terms, case.contact_cost, case.p_unoffered):
            digest.update(np.ascontiguousarray(numbers, np.float64).tobytes())
        return digest.hexdigest()[:16]

    def _decision_id(self, person: Person, facts: Sequence[object]) -> str:
        told = [self.policy, person.customer, person.pd_given_take, person.rules, person.groups, facts]
        digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
        digest.update(np.ascontiguousarray(person.p_take, np.float64).tobytes())
        return digest.hexdigest()[:24]


def _prices(specs: Sequence[LimitSpec], prices: Mapping[str, float]) -> np.ndarray:
    names = [spec.name for spec in specs]
    odd = sorted(set(names) ^ set(prices))
    if odd:
        known = "has no price" if odd[0] in names else "is no limit of this plan"
        raise ContractError(f"decide: {odd[0]!r} {known}; give the prices of the plan that has the limits {names}")
    for spec in specs:
        price = prices[spec.name]
        if not np.isfinite(price) or (price < 0 if spec.sense == "<=" else price > 0):
            sign = "not below 0 for a ceiling" if spec.sense == "<=" else "not above 0 for a floor"
            raise ContractError(f"decide: the price of {spec.name!r} is {price}; it must be finite and {sign}")
    return np.array([prices[name] for name in names], np.float64)


def _inside(spec: LimitSpec, groups: Mapping[str, str]) -> bool:
    return spec.where is None or all(groups.get(column, "") in values for column, values in spec.where.items())


def _scenes(told: object) -> frozenset[str]:
    """Scenes of an offer from a list, or from text with commas; empty: every scene."""
    if isinstance(told, str):
        return frozenset(part.strip() for part in told.split(",") if part.strip())
    return frozenset(map(str, told)) if isinstance(told, (list, tuple, set, frozenset, np.ndarray)) else frozenset()


def _said(stage: Stage, words: str | None = None, **filled: str) -> _Verdict:
    en, zh = WORDS[words or stage]
    return _Verdict(stage, "", en.format(**filled), zh.format(**filled))
