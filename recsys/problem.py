"""A plan's problem, prepared once and solved for any totals of its limits.

Prices by Newton on the smoothed dual (`match_newton`), the torn customers exactly (`match_core`), the last few in whole
offers; the bound is the Lagrangian dual of everybody in float64. Method, picture and figures: docs/matching.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from recsys.least_prices import least_prices
from recsys.limits import TOLERANCE, Limit, check_limits, check_reach, furthest
from recsys.match_core import Columns, Solved, core_programme, pairs_of, used, whole_offers
from recsys.match_layout import NEVER, Layout, layout, signs
from recsys.match_newton import LAST, NEAR, TEMPERATURES, Descent, descent
from recsys.match_passes import choices, near, slope
from recsys.plan import BLOCK, Plan, upper_bound
from recsys.ranking import check_bits, unpack
from scenefit.contracts.errors import ContractError, Infeasible, NotEligible

__all__ = ["Plan", "Problem", "upper_bound"]

SAMPLED = 600_000  # prices of customers with so many pairs, or of a quarter of few, start those of all
SAMPLED_FROM = 300_000
CORE = 8_000  # torn customers solved exactly at first, or a quarter of few
EXACT_PAIRS = 20_000  # up to here everybody is
ROUNDS = 10
GROWTH = 1.7
PATIENCE = 1  # rounds that pass a limit before it is asked whether the limits can be met at all
CLOSE = 1e-7  # relative gap at which the linear programme counts as solved
DEAREST = 1e5  # of the typical worth: passing a limit for more would only be noise in the programme
MET = 1e-7  # of a limit's total
WHOLE_PAIRS = 2_500  # up to here everything is solved in whole offers at once
ENOUGH = 3e-7  # relative gap at which a plan in whole offers is good enough


class _Core(NamedTuple):
    """The torn customers' programme: candidate pairs, the offers of all others, its solution."""

    columns: Columns
    fixed_who: np.ndarray
    fixed_offer: np.ndarray
    fixed_use: np.ndarray
    margin: np.ndarray
    solved: Solved


class Problem:
    """Values, eligibility and limits of a plan; `solve` may be called again with other totals, from known prices.

    Parameters
    ----------
    values : (n, m) worth of offering, currency units
    eligible : bits (n, words)
    limits : see `Limit`
    per_customer : at most so many offers each
    exclusive : (m,) group of each offer, from 0; a customer gets at most one of a group; None: no groups

    Raises
    ------
    ContractError : values are not finite, or shapes do not fit.
    NotEligible : no customer may get any offer.
    """

    def __init__(
        self,
        values: np.ndarray,
        eligible: np.ndarray,
        limits: Sequence[Limit],
        per_customer: int = 1,
        exclusive: np.ndarray | None = None,
    ) -> None:
        _check(values, eligible, per_customer, exclusive)
        check_limits(limits, *values.shape)
        if not (eligible.any()):
            n, m = values.shape
            raise NotEligible(f"match: none of {n:,} customers may get any of {m} offers; loosen the eligibility rules")
        self.values = values
        self.eligible = eligible
        self.limits = list(limits)
        self.per_customer = min(per_customer, values.shape[1])
        self.group = np.arange(values.shape[1]) if exclusive is None else np.asarray(exclusive, np.int64)
        self._furthest = [furthest(limit, values.shape[1], eligible, self.per_customer) for limit in self.limits]
        self._laid: Layout | None = None

    @property
    def laid(self) -> Layout:
        """The arrays of the passes, made when first asked for."""
        if self._laid is None:
            self._laid = layout(self.values, self.eligible, self.limits)
        return self._laid

    def solve(self, totals: Mapping[str, float] | None = None, start: np.ndarray | None = None) -> Plan:
        """The most valuable plan that keeps every limit.

        Parameters
        ----------
        totals : totals that replace the stated ones, by limit name
        start : (limits,) shadow prices to begin at, such as those of a plan under other totals

        Raises
        ------
        ContractError : an unknown limit, a total or price that is not finite.
        Infeasible : names the limits that cannot be met together, and by how much.
        """
        limits = self._with(totals)
        check_reach(limits, self._furthest)
        sign = signs(limits)
        room = sign * np.array([limit.total for limit in limits])
        if not limits:
            return self._plan(
                limits, choices(self.laid, np.zeros(0), self.per_customer, self.group)[0], np.zeros(0), np.inf
            )
        first = self._first(start, sign)
        if self.values.size <= EXACT_PAIRS:
            core = self._everybody(limits, room)
            prices = core.solved.prices
            bound = self._bound(limits, prices)
        else:
            core, prices, bound = self._refined(limits, room, self._prices(limits, room, first))
        whole = self._whole(limits, room, core, bound)
        if whole is None:
            raise Infeasible(self._conflict(limits, core))
        picked, proven = whole
        prices = self._least(limits, prices, bound)
        return self._plan(limits, picked, prices, min(bound, proven))

    def _with(self, totals: Mapping[str, float] | None) -> list[Limit]:
        changed = dict(totals or {})
        unknown = sorted(set(changed) - {limit.name for limit in self.limits})
        if unknown:
            raise ContractError(f"match: there is no limit {unknown[0]!r}; there are {[x.name for x in self.limits]}")
        limits = [replace(limit, total=float(changed.get(limit.name, limit.total))) for limit in self.limits]
        for limit in limits:
            if not np.isfinite(limit.total):
                raise ContractError(f"match: limit {limit.name!r} has the total {limit.total}; give a finite number")
        return limits

    def _first(self, start: np.ndarray | None, sign: np.ndarray) -> np.ndarray | None:
        """Shadow prices as the method counts them: all ≥ 0."""
        if start is None:
            return None
        start = np.asarray(start, np.float64)
        if start.shape != sign.shape or not np.isfinite(start).all():
            raise ContractError(
                f"match: {start.shape} prices to start from, {len(sign)} limits; give one finite price each"
            )
        return np.maximum(sign * start, 0.0)

    def _scale(self, rows: np.ndarray) -> float:
        """The typical worth of a customer's best offer."""
        values = np.where(unpack(self.eligible[rows], self.values.shape[1]), self.values[rows], 0.0)
        best = values.max(axis=1)
        served = best[best > 0]
        return float(served.mean()) if len(served) else max(1.0, float(np.abs(values).max()))

    def _prices(self, limits: list[Limit], room: np.ndarray, start: np.ndarray | None) -> Descent:
        """Prices by Newton: from a sample to everybody, or from known prices straight on everybody."""
        n = len(self.values)
        sampled = self.values.size >= SAMPLED_FROM
        some = min(max(SAMPLED // self.values.shape[1], 1_000), max(n // 4, 1)) if sampled else n
        rows = np.sort(np.random.default_rng(0).permutation(n)[:some])
        scale, most = self._scale(rows), self._dearest(rows)
        prices = np.full(len(limits), 1e-3) * np.minimum(most, 1.0) if start is None else np.minimum(start, most)
        hot = [t * scale for t in (TEMPERATURES if start is None else NEAR)]
        last = [t * scale for t in LAST]
        if not sampled:
            return self._descent(self.laid, room, prices, [*hot, last[-1]], most, 1e-7)
        first = self._descent(self.laid.rows(rows), room * len(rows) / n, prices, hot, most, 1e-6)
        return self._descent(self.laid, room, first.last, last if start is None else last[-1:], most, 1e-6)

    def _dearest(self, rows: np.ndarray) -> np.ndarray:
        """A price for each limit at which nothing that uses it is worth offering any more."""
        laid = self.laid.rows(rows).laid
        top = max(1.0, float(np.abs(np.where(laid.values > -1e29, laid.values, 0.0)).max()))
        least = np.full(len(self.limits), np.inf)
        for number, limit in enumerate(self.limits):
            weight = limit.weight[rows] if limit.weight.shape[0] > 1 else limit.weight
            used_ = weight[weight > 0]
            least[number] = float(np.quantile(used_, 0.05)) if len(used_) else 1.0
        return 20.0 * top / least

    def _descent(
        self, laid: Layout, room: np.ndarray, prices: np.ndarray, temperatures: list[float], most: np.ndarray,
        tol: float,
    ) -> Descent:  # fmt: skip
        return descent(
            lambda at, tau, curved: slope(laid, room, at, tau, curved, self.per_customer, self.group),
            prices, temperatures, most, tol,
        )  # fmt: skip

    def _refined(self, limits: list[Limit], room: np.ndarray, found: Descent) -> tuple[_Core, np.ndarray, float]:
        """The torn customers solved exactly until the bound of everybody meets them."""
        n, prices, bound = len(self.values), found.best, np.inf
        target, scale = min(CORE, max(n // 4, 500), n), self._scale(np.arange(min(n, BLOCK)))
        # prices of a programme that had to pass a limit are worse than those it began with
        reference = found.exact + 1e-6 * abs(found.exact)
        cap = DEAREST * scale / self._typical(limits)
        hard = np.minimum(3.0 * prices + 10.0 * scale / self._typical(limits), cap)
        core = None
        for turn in range(ROUNDS):
            core = self._core(limits, room, prices, min(target, n), hard)
            new = self._bound(limits, core.solved.prices)
            if new <= min(bound, reference):
                bound, prices = new, core.solved.prices
            short = core.solved.slack > MET * np.maximum(1.0, np.abs(room))
            worth = core.solved.objective + self._worth(core.fixed_who, core.fixed_offer)
            if not short.any() and np.isfinite(bound) and bound - worth <= CLOSE * max(1.0, abs(bound)):
                break
            if short.any() and turn == PATIENCE:
                self._refuse_impossible(limits, room)
            if short.any():
                dearest = (hard >= cap)[short].all()
                hard = np.where(short, np.minimum(10.0 * hard, cap), hard)
                if target >= n and dearest:
                    break
            if target >= n and not short.any():
                break
            target = int(target * GROWTH)
        assert core is not None
        return core, prices, bound if np.isfinite(bound) else self._bound(limits, prices)

    def _refuse_impossible(self, limits: list[Limit], room: np.ndarray) -> None:
        """Make sure that prices do not prove the limits impossible together (Farkas' lemma: offers worth nothing would
        still pay to be refused)."""
        laid, typical = self.laid, self._typical(limits)
        free = Layout(
            laid.laid._replace(values=np.where(laid.laid.values > np.float32(-1e29), np.float32(0.0), NEVER)),
            laid.counts, laid.blocks, laid.owns,
        )  # fmt: skip
        most = 1.0 / typical
        found = self._descent(free, room, 0.5 * most, list(TEMPERATURES), most, 1e-5)
        zero = np.broadcast_to(np.float32(0.0), self.values.shape)
        gap = upper_bound(zero, self.eligible, limits, signs(limits) * found.best, self.per_customer, self.group)
        if gap >= -1e-6 * float(np.abs(found.best @ room)):
            return
        tied = np.flatnonzero(found.best > 1e-3 * most)
        moved = [
            f"{limits[k].name!r} ({limits[k].sense} {limits[k].total:,.6g}) would have to move by "
            f"{-gap / found.best[k]:,.6g}"
            for k in tied[np.argsort(-found.best[tied] / most[tied], kind="stable")].tolist()
        ]
        raise Infeasible(
            f"match: the limits cannot be met together: {' or '.join(moved[:5])}, at least. Loosen one of them"
        )

    def _typical(self, limits: list[Limit]) -> np.ndarray:
        """What an offer that counts towards a limit typically uses of it."""
        found = []
        for limit in limits:
            weight = limit.weight[:BLOCK]
            positive = weight[weight > 0]
            found.append(float(positive.mean()) if len(positive) else 1.0)
        return np.array(found)

    def _core(self, limits: list[Limit], room: np.ndarray, prices: np.ndarray, target: int, hard: np.ndarray) -> _Core:
        """The programme of the `target` customers with the least margins at these prices."""
        picked, margin = choices(self.laid, prices, self.per_customer, self.group)
        n = len(picked)
        order = np.argpartition(margin, target - 1)[:target] if target < n else np.arange(n)
        torn = np.sort(order)
        width = float(margin[torn].max()) if target < n else 1e29
        number, offer = near(self.laid, torn, prices, self.per_customer, self.group, width)
        clear = np.ones(n, bool)
        clear[torn] = False
        who, place = np.nonzero((picked >= 0) & clear[:, None])
        what = picked[who, place].astype(np.int64)
        fixed = used(limits, who, what)
        left = room - signs(limits) * fixed
        columns = pairs_of(self.values, limits, number, torn[number], offer)
        solved = self._solved(columns, left, hard)
        return _Core(columns, who, what, fixed, margin[torn], solved)

    def _everybody(self, limits: list[Limit], room: np.ndarray) -> _Core:
        """The programme of all customers and all they may get: for few it costs less than finding out who is torn."""
        who, offer = np.nonzero(unpack(self.eligible, self.values.shape[1]))
        people, number = np.unique(who, return_inverse=True)
        columns, nobody = pairs_of(self.values, limits, number, who, offer), np.zeros(0, np.int64)
        cap = DEAREST * self._scale(np.arange(len(self.values))) / self._typical(limits)
        hard = 0.01 * cap
        solved = self._solved(columns, room, hard)
        for _ in range(ROUNDS):
            short = solved.slack > MET * np.maximum(1.0, np.abs(room))
            if not short.any() or (hard >= cap)[short].all():
                break
            hard = np.where(short, np.minimum(100.0 * hard, cap), hard)
            solved = self._solved(columns, room, hard)
        margin = self._margins(columns, len(people), solved.prices)
        return _Core(columns, nobody, nobody, np.zeros(len(limits)), margin, solved)

    def _least(self, limits: list[Limit], prices: np.ndarray, bound: float) -> np.ndarray:
        """Prices without those that only keep everybody away, or in, at any height."""
        usual = 3.0 * self._scale(np.arange(min(len(self.values), BLOCK))) / self._typical(limits)
        few = self.values.size <= EXACT_PAIRS
        suspects = np.flatnonzero(prices > (0.0 if few else usual)).tolist()
        signed = signs(limits) * prices
        least = least_prices(self.values, self.eligible, limits, signed, suspects, bound, self.per_customer, self.group)
        return np.abs(least)

    def _margins(self, columns: Columns, people: int, prices: np.ndarray) -> np.ndarray:
        """By how much the offers a customer gets at the prices are better than the next."""
        ranked = np.full((people, self.values.shape[1] + self.per_customer), -np.inf)
        # each place may go to nothing, which is worth nothing
        ranked[:, -self.per_customer :] = 0.0
        ranked[columns.number, columns.offer] = columns.worth - prices @ columns.weights
        ranked = -np.sort(-ranked, axis=1)
        margin: np.ndarray = ranked[:, self.per_customer - 1] - ranked[:, self.per_customer]
        return margin

    def _solved(self, columns: Columns, room: np.ndarray, hard: np.ndarray) -> Solved:
        """The linear programme of some pairs, in which a limit may be passed at a price."""
        solved = core_programme(columns, room, self.per_customer, self.group, penalty=hard)
        if solved is None:
            raise Infeasible("match: the programme of the torn customers has no solution; loosen the limits")
        return solved

    def _worth(self, who: np.ndarray, offer: np.ndarray) -> float:
        return float(self.values[who, offer].sum(dtype=np.float64))

    def _bound(self, limits: list[Limit], prices: np.ndarray) -> float:
        return upper_bound(self.values, self.eligible, limits, signs(limits) * prices, self.per_customer, self.group)

    def _whole(
        self, limits: list[Limit], room: np.ndarray, core: _Core, bound: float
    ) -> tuple[np.ndarray, float] | None:
        """The plan in whole offers (n, K) and the best proven, inf for none; None when it cannot keep the limits."""
        columns = core.columns
        found = whole_offers(
            columns, core.solved.amounts, core.margin, room - signs(limits) * core.fixed_use, self.per_customer,
            self.group, ENOUGH * max(1e-6, abs(bound)),
            everything=len(columns.who) <= WHOLE_PAIRS and self.values.size <= EXACT_PAIRS,
        )  # fmt: skip
        if found is None:
            return None
        made, proven = found
        who = np.concatenate([core.fixed_who, columns.who[made]])
        offer = np.concatenate([core.fixed_offer, columns.offer[made]])
        if missed(limits, used(limits, who, offer)):
            return None
        return placed(len(self.values), who, offer, self.per_customer), proven

    def _conflict(self, limits: list[Limit], core: _Core) -> str:
        slack = core.solved.slack
        moved = [
            f"{limit.name!r} ({limit.sense} {limit.total:,.6g}) would have to move by {amount:,.6g}"
            for limit, amount in zip(limits, slack, strict=True)
            if amount > MET * max(1.0, abs(limit.total))
        ]
        if moved:
            return f"match: the limits cannot be met together: {'; '.join(moved[:5])}. Loosen one of them"
        return "match: the limits can be met in parts of offers, but not in whole ones; loosen the tightest a little"

    def _plan(self, limits: list[Limit], picked: np.ndarray, prices: np.ndarray, bound: float) -> Plan:
        who, place = np.nonzero(picked >= 0)
        value = self._worth(who, picked[who, place])
        if np.isinf(bound):
            bound = self._bound(limits, prices)
        if bound < value <= bound + TOLERANCE * max(1.0, abs(value)):
            # a proven optimum, added up in another order
            bound = value
        usage = used(limits, who, picked[who, place])
        assignment = picked[:, 0] if self.per_customer == 1 else picked
        return Plan(
            assignment=assignment.astype(np.int64),
            value=value,
            upper_bound=bound,
            gap=(bound - value) / max(abs(bound), 1e-9),
            usage={limit.name: float(u) for limit, u in zip(limits, usage, strict=True)},
            shadow_prices={limit.name: float(p) + 0.0 for limit, p in zip(limits, signs(limits) * prices, strict=True)},
        )


def missed(limits: Sequence[Limit], uses: np.ndarray) -> list[str]:
    """The limits that some use does not keep, by name."""
    return [
        limit.name
        for limit, use in zip(limits, uses, strict=True)
        if signs([limit])[0] * (use - limit.total) > TOLERANCE * max(1.0, abs(limit.total))
    ]


def placed(n: int, who: np.ndarray, offer: np.ndarray, most: int) -> np.ndarray:
    """Pairs as offers per customer (n, K), −1 behind the last."""
    picked = np.full((n, most), -1, np.int32)
    if most == 1:
        picked[who, 0] = offer
        return picked
    order = np.lexsort((offer, who))
    who, offer = who[order], offer[order]
    first = np.searchsorted(who, who, side="left")
    picked[who, np.arange(len(who)) - first] = offer
    return picked


def _check(values: np.ndarray, eligible: np.ndarray, per_customer: int, exclusive: np.ndarray | None) -> None:
    if values.ndim != 2:
        raise ContractError(f"match: values have shape {values.shape}; they must be (customers, products)")
    n, m = values.shape
    if per_customer < 1:
        raise ContractError(f"match: per_customer is {per_customer}; plan at least one offer per customer")
    if per_customer > m:
        raise ContractError(f"match: per_customer is {per_customer}, there are {m} offers; ask for at most so many")
    for first in range(0, n, BLOCK):
        block = values[first : first + BLOCK]
        if not np.isfinite(block).all():
            i, j = np.argwhere(~np.isfinite(block))[0]
            raise ContractError(
                f"match: the value of offer {j} for customer {first + i} is {block[i, j]}; every value must be finite"
            )
    if len(eligible) != n:
        raise ContractError(f"match: {n:,} customers, {len(eligible):,} rows of eligibility; give one each")
    check_bits(eligible, n, m)
    if exclusive is not None and (np.shape(exclusive) != (m,) or np.min(exclusive, initial=0) < 0):
        raise ContractError(
            f"match: exclusive groups have shape {np.shape(exclusive)}; give each of {m} offers a number from 0"
        )
