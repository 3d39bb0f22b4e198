"""Why limits cannot be met together: the smallest set that conflicts, and what would resolve it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from recsys.feasibility import Choices, smallest_slack
from recsys.limits import Limit
from recsys.price_words import quantity
from recsys.problem import Problem
from scenefit.contracts.errors import ContractError, Infeasible

MARGIN = 1e-6  # relative, added to a relaxed total so that whole customers have room


class Member(NamedTuple):
    """One limit of a conflict: `enough` is the total at which it alone ends the conflict.

    `confirmed`: a plan in whole offers was found that keeps the conflicting limits with this total.
    """

    name: str
    sense: str
    total: float
    enough: float
    confirmed: bool


class Conflict(NamedTuple):
    """A set of limits that cannot be met together, though any fewer of them can; sentences, the first says the set."""

    members: tuple[Member, ...]
    en: tuple[str, ...]
    zh: tuple[str, ...]


def conflict(
    problem: Problem,
    totals: Mapping[str, float] | None = None,
    units: Mapping[str, str] | None = None,
    names: Mapping[str, str] | None = None,
) -> Conflict | None:
    """The smallest set of limits that stand against each other; None where all can be met together.

    Parameters
    ----------
    totals : totals to ask for instead of the stated ones, by limit name
    units : limit name → "cost", "loss", "takers" or "offers", for the sentences
    names : limit name → what to call it

    Raises
    ------
    ContractError : there is no limit of that name, or a total is not finite.

    Notes
    -----
    Deletion filter (Chinneck & Dravnieks 1991, ORSA Journal on Computing 3, 157): a limit stays in the set if the
    others can be met without it. Smallest means that no member can be left out, not that no other set is smaller.
    Whether limits can be met is asked of a linear programme over everybody's choices; offers in parts are allowed in
    it, so a set that conflicts only in whole offers is not found. How far each limit has to move is the least slack it
    needs with the others of the set kept, then tried in whole offers.
    """
    limits = _with(problem.limits, totals or {})
    choices = Choices(problem, limits)
    rest = list(range(len(limits)))
    verdict = smallest_slack(choices, rest)
    if verdict.met:
        return None
    rest = list(verdict.needed)
    for number in list(rest):
        if number not in rest:
            continue
        without = [other for other in rest if other != number]
        verdict = smallest_slack(choices, without)
        if not verdict.met:
            rest = [other for other in without if other in verdict.needed]
    members = tuple(_member(problem, choices, limits, rest, number) for number in rest)
    return Conflict(members, _words(members, units or {}, names or {}, "en"),
                    _words(members, units or {}, names or {}, "zh"))  # fmt: skip


def _member(problem: Problem, choices: Choices, limits: Sequence[Limit], rest: list[int], number: int) -> Member:
    """How far one limit of the set has to move when the others stay."""
    limit = limits[number]
    slack = smallest_slack(choices, rest, soft=number).slack
    sign = 1.0 if limit.sense == "<=" else -1.0
    enough = limit.total + sign * slack
    if np.isin(limit.weight, (0.0, 1.0)).all():
        enough = float(np.ceil(enough - MARGIN) if sign > 0 else np.floor(enough + MARGIN))
    else:
        enough += sign * MARGIN * max(1.0, abs(enough))
    relaxed = [replace(limits[other], total=enough) if other == number else limits[other] for other in rest]
    some = Problem(problem.values, problem.eligible, relaxed, problem.per_customer, problem.group)
    try:
        some.solve()
        confirmed = True
    except Infeasible:
        confirmed = False
    return Member(limit.name, limit.sense, limit.total, enough, confirmed)


def _with(limits: Sequence[Limit], totals: Mapping[str, float]) -> list[Limit]:
    there = [limit.name for limit in limits]
    unknown = sorted(set(totals) - set(there))
    if unknown:
        raise ContractError(f"conflict: there is no limit {unknown[0]!r}; there are {', '.join(there)}")
    wrong = [name for name, total in totals.items() if not np.isfinite(total)]
    if wrong:
        raise ContractError(f"conflict: limit {wrong[0]!r} has the total {totals[wrong[0]]}; give a finite number")
    return [replace(limit, total=float(totals.get(limit.name, limit.total))) for limit in limits]


def _words(members: Sequence[Member], units: Mapping[str, str], names: Mapping[str, str], lang: str) -> tuple[str, ...]:
    """The set, then one way out per member."""
    called = [names.get(member.name, member.name) for member in members]
    said = [[quantity(at, units.get(m.name, ""), lang) for at in (m.total, m.enough)] for m in members]
    if lang == "zh":
        bounds = [f"“{name}”{'至多' if m.sense == '<=' else '至少'} {now}"
                  for name, m, (now, _) in zip(called, members, said, strict=True)]  # fmt: skip
        first = f"以下限额无法同时满足：{'；'.join(bounds)}。只需放宽其中任意一项："
        ways = [
            f"将“{name}”由 {now} {'提高' if m.sense == '<=' else '降低'}到 {then}"
            + ("。" if m.confirmed else "（按整数客户可能还需略多）。")
            for name, m, (now, then) in zip(called, members, said, strict=True)
        ]
        return (first, *ways)
    bounds = [f"{name!r} {'at most' if m.sense == '<=' else 'at least'} {now}"
              for name, m, (now, _) in zip(called, members, said, strict=True)]  # fmt: skip
    first = f"These limits cannot be met together: {'; '.join(bounds)}. Any one of these changes is enough:"
    ways = [
        f"{'raise' if m.sense == '<=' else 'lower'} {name!r} from {now} to {then}"
        + ("." if m.confirmed else " (whole customers may need a little more).")
        for name, m, (now, then) in zip(called, members, said, strict=True)
    ]
    return (first, *ways)
