"""Who may get which offer: rules as data in four stages; the first that says no is the reason.

Eligibility (law, age, product rule, hard stops), then applicability (owns it already, cooling-off), then suitability
(can afford it, owes elsewhere, likely default), then contact policy (consent, caps, quiet hours, suppression).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from recsys.ranking import pack
from scenefit.contracts.errors import ContractError

Stage = Literal["eligibility", "applicability", "suitability", "contact"]
Message = Literal["marketing", "service", "mandatory"]
STAGES: tuple[Stage, ...] = get_args(Stage)
MESSAGES: tuple[Message, ...] = get_args(Message)
MOST_RULES = int(np.iinfo(np.uint8).max)
PASSED = "eligible"


@dataclass(frozen=True)
class OfferRule:
    """One rule as data: what it is called, at which stage it speaks, what it tells a customer, where it comes from.

    Parameters
    ----------
    source : law, policy or setting it rests on
    valid_from, valid_to : half-open; None for no bound. Outside it the rule does nothing
    bypass : kinds of message the rule does not hold back; contact policy only, and never a hard stop
    hard_stop : holds against every message: block lists, withdrawn consent

    Raises
    ------
    ContractError : a field is empty or unknown, the dates are the wrong way round, or a bypass nobody may have.
    """

    code: str
    stage: Stage
    en: str
    zh: str
    source: str
    valid_from: pd.Timestamp | None = None
    valid_to: pd.Timestamp | None = None
    bypass: tuple[Message, ...] = ()
    hard_stop: bool = False

    def __post_init__(self) -> None:
        what = f"eligible: rule {self.code!r}"
        for name in ("code", "en", "zh", "source"):
            if not getattr(self, name).strip():
                raise ContractError(
                    f"{what} has no {name}; every rule has a code, a sentence in each language, a source"
                )
        if self.code == PASSED:
            raise ContractError(f"{what} is named like passing every rule; give it another code")
        if self.stage not in STAGES:
            raise ContractError(f"{what} has the stage {self.stage!r}; the stages are {', '.join(STAGES)}")
        _check_dates(what, self.valid_from, self.valid_to)
        _check_bypass(what, self)

    def holds(self, at: pd.Timestamp) -> bool:
        """Whether the rule is in force at a moment: from `valid_from`, before `valid_to`."""
        return (self.valid_from is None or self.valid_from <= at) and (self.valid_to is None or at < self.valid_to)


class Applied(NamedTuple):
    """One rule applied: the (customer, offer) pairs it forbids, bool that broadcasts to (n, m)."""

    rule: OfferRule
    forbids: np.ndarray


@dataclass(frozen=True)
class StageGrid:
    """Which offers the rules leave to whom.

    `reason` (n, m) uint8 is 0 where every rule passes, else 1 + the place in `rules` of the first that said no;
    `rules` are those in force, stage after stage.
    """

    reason: np.ndarray
    rules: tuple[OfferRule, ...]

    @property
    def allowed(self) -> np.ndarray:
        """(n, m) bool."""
        return self.reason == 0

    @property
    def reasons(self) -> tuple[str, ...]:
        """Code of every reason, the first of them "eligible"."""
        return (PASSED, *(rule.code for rule in self.rules))

    @property
    def bits(self) -> np.ndarray:
        """Offers left, packed: offer j at bit j % 64 of word j // 64."""
        return pack(self.allowed)

    @property
    def stage(self) -> np.ndarray:
        """(n, m) uint8: 0 where every rule passes, else 1 + the place in `STAGES` of the first that said no."""
        return np.array([0, *(1 + STAGES.index(rule.stage) for rule in self.rules)], np.uint8)[self.reason]

    def rule_of(self, customer: int, offer: int) -> OfferRule | None:
        """The rule that kept an offer from a customer, None where none did."""
        number = int(self.reason[customer, offer])
        return self.rules[number - 1] if number else None


def stage_grid(
    applied: Sequence[Applied],
    n: int,
    m: int,
    at: pd.Timestamp,
    message: Message | Sequence[Message] = "marketing",
) -> StageGrid:
    """Apply rules stage after stage; the first one that forbids a pair gives its reason.

    Parameters
    ----------
    applied : rules with the pairs they forbid; within a stage in the order given
    message : kind of every offer, or one kind for each of the m offers; service and mandatory messages pass the rules
        that declare it

    Raises
    ------
    ContractError : a shape does not fit, something is neither true nor false, a kind of message is unknown, two
        versions of a rule hold at once, or more rules than a reason code can count.
    """
    rules = in_force(applied, n, m, at)
    kinds = _kinds(message, m)
    reason = np.zeros((n, m), np.uint8)
    for number, one in enumerate(rules, start=1):
        np.copyto(reason, number, where=_held_back(one, kinds) & (reason == 0))
    return StageGrid(reason, tuple(one.rule for one in rules))


def first_failures(
    applied: Sequence[Applied],
    customers: Sequence[int] | np.ndarray,
    n: int,
    m: int,
    at: pd.Timestamp,
    message: Message | Sequence[Message] = "marketing",
) -> np.ndarray:
    """For some customers the first rule of each stage that says no, shape (customers, m, 4) uint8, stages in order.

    0 where a stage passes, else 1 + the rule's place in `stage_grid(...).rules`; the first that is not 0 is the reason
    `stage_grid` gives. Raises as `stage_grid`, and for a customer that is not there.
    """
    rows = np.asarray(customers, dtype=np.int64)
    if ((rows < 0) | (rows >= n)).any():
        raise ContractError(f"eligible: customer {rows[(rows < 0) | (rows >= n)][0]} of {n:,}; count from 0")
    kinds = _kinds(message, m)
    failed = np.zeros((len(rows), m, len(STAGES)), np.uint8)
    for number, one in enumerate(in_force(applied, n, m, at), start=1):
        some = one.forbids if one.forbids.shape[0] == 1 else one.forbids[rows]
        stage = failed[:, :, STAGES.index(one.rule.stage)]
        np.copyto(stage, number, where=_held_back(Applied(one.rule, some), kinds) & (stage == 0))
    return failed


def grid_of(
    customer: int,
    applied: Sequence[Applied],
    n: int,
    m: int,
    at: pd.Timestamp,
    message: Message | Sequence[Message] = "marketing",
) -> pd.DataFrame:
    """One customer's offers × stages: code of the first rule of each stage that says no, "" where the stage passes.

    Every stage is asked, also behind one that said no: what else stands in the way. Raises as `first_failures`.
    """
    codes = np.array(["", *(one.rule.code for one in in_force(applied, n, m, at))], object)
    failed = first_failures(applied, [customer], n, m, at, message)[0]
    return pd.DataFrame(codes[failed], columns=list(STAGES))


def in_force(applied: Sequence[Applied], n: int, m: int, at: pd.Timestamp) -> list[Applied]:
    """The rules that hold at a moment, stage after stage, each with pairs of shape (1 or n, 1 or m).

    Raises
    ------
    ContractError : see `stage_grid`.
    """
    if at.tzinfo is None:
        raise ContractError(f"eligible: the moment {at} has no time zone; give one in UTC")
    _check_versions([one.rule for one in applied])
    held = [Applied(one.rule, _pairs(one, n, m)) for one in applied]
    rules = sorted((one for one in held if one.rule.holds(at)), key=lambda one: STAGES.index(one.rule.stage))
    if len(rules) > MOST_RULES:
        raise ContractError(
            f"eligible: {len(rules)} rules in force, a reason code counts to {MOST_RULES}; join some of them"
        )
    return rules


def _held_back(one: Applied, kinds: np.ndarray) -> np.ndarray:
    """The pairs a rule forbids to offers of these kinds; none where a kind may pass it."""
    if not one.rule.bypass:
        return one.forbids
    pairs: np.ndarray = one.forbids & ~np.isin(kinds, one.rule.bypass)[None, :]
    return pairs


def _kinds(message: Message | Sequence[Message], m: int) -> np.ndarray:
    kinds = np.array([message] * m if isinstance(message, str) else list(message), object)
    if len(kinds) != m:
        raise ContractError(f"eligible: {len(kinds)} kinds of message for {m} offers; give one each, or one for all")
    unknown = [kind for kind in kinds if kind not in MESSAGES]
    if unknown:
        raise ContractError(f"eligible: message of kind {unknown[0]!r}; the kinds are {', '.join(MESSAGES)}")
    return kinds


def _pairs(one: Applied, n: int, m: int) -> np.ndarray:
    forbids, what = np.asarray(one.forbids), f"eligible: rule {one.rule.code!r}"
    if forbids.dtype != bool:
        raise ContractError(
            f"{what} gives {forbids.dtype} values; it must say true or false for each pair, also where a number is "
            "not known"
        )
    if forbids.shape not in ((n, 1), (1, m), (n, m), (1, 1)):
        raise ContractError(f"{what} has shape {forbids.shape}; use ({n}, 1), (1, {m}), ({n}, {m}) or (1, 1)")
    return forbids


def _check_dates(what: str, start: pd.Timestamp | None, end: pd.Timestamp | None) -> None:
    for name, moment in (("valid_from", start), ("valid_to", end)):
        if moment is not None and (pd.isna(moment) or moment.tzinfo is None):
            raise ContractError(f"{what} has {name} {moment}; give a moment in UTC, or None for no bound")
    if start is not None and end is not None and end <= start:
        raise ContractError(f"{what} is valid from {start} to {end}; the end must lie after the start")


def _check_bypass(what: str, rule: OfferRule) -> None:
    odd = sorted(set(rule.bypass) - {"service", "mandatory"})
    if odd:
        raise ContractError(
            f"{what} lets {odd[0]!r} messages pass; only service and mandatory messages may pass a rule"
        )
    if rule.bypass and (rule.hard_stop or rule.stage != "contact"):
        kind = "a hard stop" if rule.hard_stop else f"a rule of {rule.stage}"
        raise ContractError(f"{what} is {kind} and declares a bypass; only caps and the like of contact policy may")


def _check_versions(rules: Sequence[OfferRule]) -> None:
    """Refuse two versions of one rule that hold at once."""
    versions: dict[str, list[OfferRule]] = {}
    for rule in rules:
        versions.setdefault(rule.code, []).append(rule)
    for code, same in versions.items():
        for one, other in combinations(same, 2):
            apart = _before(one.valid_to, other.valid_from) or _before(other.valid_to, one.valid_from)
            if not apart:
                raise ContractError(
                    f"eligible: two versions of rule {code!r} hold at once, from {one.valid_from} to {one.valid_to} "
                    f"and from {other.valid_from} to {other.valid_to}; end the earlier where the later begins"
                )


def _before(end: pd.Timestamp | None, start: pd.Timestamp | None) -> bool:
    return end is not None and start is not None and end <= start
