"""The firm's own last campaign, planned again: the same number of contacts, the features and rules of then.

What is compared is expected by the models of then; what they really brought is told by
`campaign.offpolicy_list`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd

from recsys.backtest_list import PastList
from recsys.case import Case, LimitSpec, case_limits, case_value, worthwhile
from recsys.problem import Plan, Problem
from recsys.value import Value, worth
from scenefit.contracts.errors import ContractError, NotEligible

DRAWS = 400
CONTACTS, SPENT = "contacts of the list", "cost of the list"
STEPS = 7  # halvings of the price of risk
SIGNS = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])  # ways of the take and the default model


class Listed(NamedTuple):
    """A list as (customer, offer) pairs: positions in the case."""

    who: np.ndarray
    offer: np.ndarray


class Overlap(NamedTuple):
    """How many people two lists have in common."""

    theirs: int
    ours: int
    both: int
    jaccard: float
    by_segment: pd.DataFrame


class Expected(NamedTuple):
    """What a list is expected to bring, in people and currency units; `bad_rate` is of the takers."""

    contacts: int
    takers: float
    performing: float
    bad_rate: float
    loss: float
    cost: float
    value: float


class Extra(NamedTuple):
    """Expected difference of our list to theirs with its 95 % interval of the models' errors, see `extra`."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Replanned:
    """Their list and ours, both as the case of then sees them.

    `forbidden` counts contacts of their list by the first rule that would have kept the person from the offer; `ours`
    is bound by the same number of contacts (and cost, where stated), `as_safe` by no larger a bad rate as well: None
    where no list keeps it.
    """

    theirs: Listed
    ours: Listed
    as_safe: Listed | None
    overlap: Overlap
    expected: dict[str, Expected]
    extra: tuple[Extra, ...]
    forbidden: dict[str, int]
    dropped: tuple[str, ...]


def replanned(
    case: Case, past: PastList, rng: np.random.Generator, dropped: tuple[str, ...] = ("budget",)
) -> Replanned:
    """The last campaign's list beside the one the engine would have made.

    Parameters
    ----------
    dropped : limits of the case that the list's own size takes the place of; reach floors always go, because they are
        promises of a whole plan and not of one campaign

    Raises
    ------
    ContractError : the list names a product or channel that was not on offer then.
    NotEligible : no offer of then is worth making.
    """
    value = case_value(case)
    theirs = their_offers(case, past, value)
    kept, gone = _kept_limits(case, dropped)
    plan = same_size(case, value, theirs, past, kept)
    ours = listed(plan.assignment)
    as_safe = no_riskier(case, value, theirs, past, kept, ours)
    lists = {"theirs": theirs, "ours": ours} | ({} if as_safe is None else {"as_safe": as_safe})
    return Replanned(
        theirs=theirs,
        ours=ours,
        as_safe=as_safe,
        overlap=overlap(theirs.who, ours.who, case.groups["segment_id"]),
        expected={name: expected(case, value, pairs) for name, pairs in lists.items()},
        extra=extra(case, theirs, ours, rng),
        forbidden=_forbidden(case, theirs),
        dropped=gone,
    )


def their_offers(case: Case, past: PastList, value: Value) -> Listed:
    """The contacts of a past list as pairs of the case.

    Where the list states no product or channel, the offer of most value to that person stands in: what is not known
    speaks for the old list and not for ours.
    """
    rows = pd.Index(case.customers.astype(str)).get_indexer(pd.Index(past.customers.astype(str)))
    inside = past.contacted & (rows >= 0)
    if not inside.any():
        raise NotEligible("list: nobody that was contacted was a customer then; choose a later as_of")
    fits = np.ones((int(inside.sum()), len(case.offers)), bool)
    for name, given in (("product_id", past.product), ("channel", past.channel)):
        stated, there = given[inside].astype(str), case.offers[name].to_numpy(str)
        unknown = sorted(set(stated.tolist()) - set(there.tolist()) - {""})
        if unknown:
            raise ContractError(
                f"list: the {name} {unknown[0]!r} was not on offer then; there were {', '.join(sorted(set(there)))}"
            )
        fits &= (stated[:, None] == there[None, :]) | (stated == "")[:, None]
    if not fits.any(axis=1).all():
        raise ContractError("list: a product was stated on a channel on which it is not offered; leave channel empty")
    return Listed(rows[inside], np.where(fits, value.value[rows[inside]], -np.inf).argmax(axis=1))


def same_size(
    case: Case, value: Value, theirs: Listed, past: PastList, kept: tuple[LimitSpec, ...], price: float = 0.0,
    rate: float = 0.0,
) -> Plan:  # fmt: skip
    """The most valuable list of at most as many contacts (and cost, where the list states it).

    Parameters
    ----------
    price, rate : every expected bad loan above the rate `rate` of the expected loans counts `price` currency units less
    """
    specs = [*kept, LimitSpec(CONTACTS, "<=", float(len(theirs.who)), "offers")]
    if past.cost is not None:
        incentives = value.expected_incentive[theirs.who, theirs.offer].sum()
        # what was spent on people who are not in the case is not ours to spend
        inside = past.contacted & np.isin(past.customers.astype(str), case.customers.astype(str))
        specs.append(LimitSpec(SPENT, "<=", float(past.cost[inside].sum() + incentives), "cost"))
    bits = worthwhile(case, value)
    if not bits.any():
        raise NotEligible("back-test: no offer of then is both allowed and worth more than it costs; check the rules")
    risk = case.p_take * (case.pd_given_take[:, None] - rate) if price else 0.0
    return Problem(value.value - price * risk, bits, case_limits(case, value, tuple(specs))).solve()


def no_riskier(
    case: Case, value: Value, theirs: Listed, past: PastList, kept: tuple[LimitSpec, ...], ours: Listed
) -> Listed | None:
    """The list of ours whose expected bad rate is no larger than theirs; None where there is none.

    The price of an expected bad loan above their rate is raised until the rate is met, then narrowed down.
    """
    rate = expected(case, value, theirs).bad_rate
    if not expected(case, value, ours).bad_rate > rate:
        return ours
    low, high, found = 0.0, float(np.median(case.terms.amount)), None
    for _ in range(2 * STEPS):
        tried = listed(same_size(case, value, theirs, past, kept, high, rate).assignment)
        if len(tried.who) and expected(case, value, tried).bad_rate <= rate:
            found = tried
            break
        low, high = high, 4 * high
    if found is None:
        return None
    for _ in range(STEPS):
        middle = (low + high) / 2
        tried = listed(same_size(case, value, theirs, past, kept, middle, rate).assignment)
        if len(tried.who) and expected(case, value, tried).bad_rate <= rate:
            high, found = middle, tried
        else:
            low = middle
    return found


def listed(assignment: np.ndarray) -> Listed:
    """Who is contacted with what in a plan."""
    who = np.flatnonzero(assignment >= 0)
    return Listed(who, assignment[who])


def overlap(theirs: np.ndarray, ours: np.ndarray, segment: pd.Series) -> Overlap:
    """People on both lists, over all and by segment."""
    both = np.intersect1d(theirs, ours)
    united = len(np.union1d(theirs, ours))
    counts = {
        name: segment.iloc[who].value_counts() for name, who in (("theirs", theirs), ("ours", ours), ("both", both))
    }
    table = pd.DataFrame(counts).fillna(0).astype(np.int64).sort_index().rename_axis("segment_id").reset_index()
    table["jaccard"] = table["both"] / (table["theirs"] + table["ours"] - table["both"])
    return Overlap(len(theirs), len(ours), len(both), len(both) / max(1, united), table)


def expected(case: Case, value: Value, pairs: Listed) -> Expected:
    """What a list is expected to bring by the models of the case."""
    who, offer = pairs
    p = case.p_take[who, offer].astype(float)
    bad = float((p * case.pd_given_take[who]).sum())
    takers = float(p.sum())
    return Expected(
        contacts=len(who),
        takers=takers,
        performing=takers - bad,
        bad_rate=bad / takers if takers > 0 else 0.0,
        loss=float(value.expected_loss[who, offer].sum()),
        cost=float((case.contact_cost[offer] + value.expected_incentive[who, offer]).sum()),
        value=float(value.value[who, offer].sum()),
    )


def extra(case: Case, theirs: Listed, ours: Listed, rng: np.random.Generator) -> tuple[Extra, ...]:
    """How much more our list is expected to bring, each with an interval of the models' errors.

    Not covered: our list is chosen by the same estimates that judge it, so that errors in its favour are chosen too
    (winner's curse), and the true difference tends to be smaller than `value`. Only `campaign.offpolicy_list` is free
    of that.

    Notes
    -----
    Log-odds move by their standard errors, all of a list at once. How the errors of different people hang together is
    not known: people on our list only, on both and on theirs only move the same way or opposite ways, in each model,
    and the interval reaches to the outermost of the ends found. That is wide rather than narrow.
    """
    moves = np.concatenate([np.zeros((1, 2)), rng.normal(size=(DRAWS, 2))])
    in_ours, in_theirs = np.isin(ours.who, theirs.who), np.isin(theirs.who, ours.who)
    ours_only = _sums(case, _part(ours, ~in_ours), moves)
    both = [
        (_sums(case, _part(ours, in_ours), moves * sign), _sums(case, _part(theirs, in_theirs), moves * sign))
        for sign in SIGNS
    ]
    theirs_only = [_sums(case, _part(theirs, ~in_theirs), moves * sign) for sign in SIGNS]
    drawn = np.array(
        [_figures(ours_only + mine) - _figures(old + others) for (mine, old), others in product(both, theirs_only)]
    )
    ends = np.percentile(drawn[:, 1:], [2.5, 97.5], axis=1)
    low, high = ends[0].min(axis=0), ends[1].max(axis=0)
    names = ("takers", "performing", "bad_rate", "value")
    return tuple(
        Extra(name, float(drawn[0, 0, place]), float(low[place]), float(high[place]))
        for place, name in enumerate(names)
    )


def _part(pairs: Listed, chosen: np.ndarray) -> Listed:
    return Listed(pairs.who[chosen], pairs.offer[chosen])


def _sums(case: Case, pairs: Listed, moves: np.ndarray) -> np.ndarray:
    """Takers, bad loans and value of a list under each move of the log-odds; (moves, 3)."""
    who, offer = pairs
    p_take, amount = case.p_take[who, offer].astype(float), case.lgd * case.terms.amount[offer]
    found = np.empty((len(moves), 3))
    for row, (by_p, by_pd) in enumerate(moves):
        p = moved(p_take, by_p * case.logit_error[who])
        risk = moved(case.pd_given_take[who], by_pd * case.pd_error[who])
        earned = worth(p, case.p_unoffered[offer], case.terms.margin[offer], risk * amount,
                       p * case.terms.incentive[offer], case.contact_cost[offer])  # fmt: skip
        found[row] = p.sum(), (p * risk).sum(), earned.sum()
    return found


def _figures(sums: np.ndarray) -> np.ndarray:
    """Takers, performing loans, bad rate and value of summed lists; (moves, 4)."""
    takers, bad, value = sums.T
    rate = np.divide(bad, takers, out=np.zeros_like(bad), where=takers > 0)
    return np.column_stack([takers, takers - bad, rate, value])


def moved(p: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Probabilities after their log-odds move.

    >>> moved(np.array([0.5, 0.0]), np.array([0.0, 3.0])).tolist()
    [0.5, 0.0]
    """
    odds = p * np.exp(by)
    found: np.ndarray = odds / (odds + 1 - p)
    return found


def restricted(case: Case, people: np.ndarray, tried: set[tuple[str, str]]) -> Case:
    """The case with offers to some people only, of the pairs (product, channel) that the past tried; "" for any."""
    there = list(zip(case.offers["product_id"].astype(str), case.offers["channel"].astype(str), strict=True))
    open_ = np.array([not tried.isdisjoint({(p, c), (p, ""), ("", c), ("", "")}) for p, c in there])
    return replace(case, reason=np.where(people[:, None] & open_[None, :], case.reason, np.uint8(255)))


def _kept_limits(case: Case, dropped: tuple[str, ...]) -> tuple[tuple[LimitSpec, ...], tuple[str, ...]]:
    gone = tuple(spec.name for spec in case.limits if spec.name in dropped or spec.sense == ">=")
    return tuple(spec for spec in case.limits if spec.name not in gone), gone


def _forbidden(case: Case, theirs: Listed) -> dict[str, int]:
    counts = np.bincount(case.reason[theirs.who, theirs.offer], minlength=len(case.reasons))
    return {case.reasons[code]: int(counts[code]) for code in range(1, len(case.reasons)) if counts[code]}
