"""Everything a plan is made from: people, offers, probabilities, terms, rules and limits, as plain arrays and tables.

An offer is a product on a channel: one column of every customer × offer matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd

from recsys.limits import Limit
from recsys.ranking import pack
from recsys.value import Terms, Value, expected_value
from scenefit.contracts.errors import ContractError

# what every column of an offer table says; further columns are kept and ignored
OFFER_COLUMNS = ("offer_id", "product_id", "channel", "kind", "name_en", "name_zh")


@dataclass(frozen=True)
class LimitSpec:
    """A limit as data: the sum of `of` over all offers made, narrowed to some people and offers, against `total`.

    of : "offers" counts offers, "cost" contact plus expected incentive, "loss" the expected loss, "takers" the expected
        takers
    where : column of `Case.groups` → the values that count; None: everybody
    offers : column of `Case.offers` → the values that count; None: every offer
    """

    name: str
    sense: Literal["<=", ">="]
    total: float
    of: str
    where: dict[str, list[str]] | None = None
    offers: dict[str, list[str]] | None = None


@dataclass(frozen=True)
class Case:
    """What is known when a plan is made.

    Parameters
    ----------
    customers : (n,) ids, ascending
    offers : one row per offer: offer_id, product_id, channel, kind, name_en, name_zh and any terms
    p_take : (n, m) float32, P(take and approved | offered)
    p_unoffered : (m,) share that takes the product without an offer
    pd_given_take : (n,) probability of default of a taker, 0 where none was learned
    terms : amount, margin, incentive of each offer, currency units, shape (m,)
    contact_cost : (m,) of the offer's channel
    lgd : loss given default, share
    reason : (n, m) uint8, index into `reasons` of the first rule that said no, 0 for none
    reasons : codes of the rules, the first of them "eligible"
    groups : n rows of text columns to steer by (scene_id, segment_id, region …), "" for unknown
    protected : n rows of protected attributes: to compare by, never to steer by
    limits : what the plan has to keep
    logit_error : (n,) standard error of the log-odds of `p_take`; 0 where unknown
    pd_error : (n,) standard error of the log-odds of `pd_given_take`; 0 where unknown
    facts : currency, as_of, run_id and whatever else pages show
    """

    customers: np.ndarray
    offers: pd.DataFrame
    p_take: np.ndarray
    p_unoffered: np.ndarray
    pd_given_take: np.ndarray
    terms: Terms
    contact_cost: np.ndarray
    lgd: float
    reason: np.ndarray
    reasons: tuple[str, ...]
    groups: pd.DataFrame
    protected: pd.DataFrame
    limits: tuple[LimitSpec, ...]
    logit_error: np.ndarray
    pd_error: np.ndarray
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n, m = self.p_take.shape
        missing = [name for name in OFFER_COLUMNS if name not in self.offers.columns]
        if missing:
            raise ContractError(f"case: the offers have no column {missing[0]!r}; they need {', '.join(OFFER_COLUMNS)}")
        by_customer = (self.customers, self.pd_given_take, self.groups, self.logit_error, self.pd_error, self.reason)
        by_offer = (self.offers, self.p_unoffered, self.contact_cost, *self.terms)
        wrong = {len(part) for part in by_customer} - {n} or {len(part) for part in by_offer} - {m}
        if wrong:
            raise ContractError(
                f"case: probabilities are of {n:,} customers and {m} offers, another part has {sorted(wrong)[0]:,} "
                "rows; give one row each"
            )
        self._check_numbers()

    def _check_numbers(self) -> None:
        """Refuse shares outside 0 to 1 and money that is not finite, by field and first offender."""
        for name in ("p_take", "p_unoffered", "pd_given_take", "lgd"):
            _check_range(name, np.asarray(getattr(self, name)), 1.0)
        _check_range("contact_cost", np.asarray(self.contact_cost), np.inf)
        for name, numbers in self.terms._asdict().items():
            _check_range(f"terms.{name}", np.asarray(numbers), np.inf, -np.inf)

    @property
    def allowed(self) -> np.ndarray:
        """(n, m) which offers the rules leave to whom."""
        return self.reason == 0


def _check_range(name: str, numbers: np.ndarray, high: float, low: float = 0.0) -> None:
    """Refuse what is not a finite number from `low` to `high`, both included."""
    if not numbers.size:
        return
    # NaN passes on to both ends: two passes and no copy of a matrix of many millions
    least, most = numbers.min(), numbers.max()
    if low <= least and most <= high and np.isfinite(least) and np.isfinite(most):
        return
    bad = np.argwhere(~((numbers >= low) & (numbers <= high) & np.isfinite(numbers)))[0]
    where = "".join(f"{'' if not k else ', '}{place}" for k, place in enumerate(bad.tolist()))
    at = f"[{where}]" if where else ""
    wanted = "a finite number" + ("" if low < 0 else f" from {low:g}") + (f" to {high:g}" if np.isfinite(high) else "")
    raise ContractError(f"case: {name}{at} is {numbers[tuple(bad)]}; give {wanted} everywhere")


def case_value(case: Case) -> Value:
    """Expected value of every offer to everybody, with its parts."""
    return expected_value(
        case.p_take, case.terms, case.pd_given_take, case.contact_cost[None, :], case.lgd, case.p_unoffered
    )


# what a limit may count, as weights that broadcast to (customers, offers); takers stay as they are kept, in float32
COUNTED: Mapping[str, Callable[[Case, Value], np.ndarray]] = MappingProxyType(
    {
        "offers": lambda case, value: np.ones((1, 1)),  # noqa: ARG005
        "cost": lambda case, value: case.contact_cost[None, :] + value.expected_incentive,
        "loss": lambda case, value: value.expected_loss,  # noqa: ARG005
        "takers": lambda case, value: case.p_take,  # noqa: ARG005
    }
)


def worthwhile(case: Case, value: Value) -> np.ndarray:
    """Bits of the offers that the rules leave and that are not expected to lose."""
    return pack(case.allowed & (value.value > 0))


def case_limits(case: Case, value: Value, specs: tuple[LimitSpec, ...] | None = None) -> list[Limit]:
    """The limits of a case as the solver takes them.

    Raises
    ------
    ContractError : a limit counts something unknown, or is for a group or offer that does not exist.
    """
    wanted = case.limits if specs is None else specs
    # one matrix of each kind for all limits that count it, and none but those asked for
    weights = {kind: COUNTED[kind](case, value) for kind in {spec.of for spec in wanted} & set(COUNTED)}
    return [_limit(spec, case, weights) for spec in wanted]


def _limit(spec: LimitSpec, case: Case, weights: dict[str, np.ndarray]) -> Limit:
    """One limit as the solver takes it."""
    columns = chosen_rows(spec.name, spec.offers, case.offers, "offers")
    where = chosen_rows(spec.name, spec.where, case.groups, "groups")
    if spec.of not in weights:
        raise ContractError(f"limit {spec.name!r} counts {spec.of!r}; it can count {', '.join(COUNTED)}")
    weight = weights[spec.of]
    if columns is not None and not columns.all():
        weight = weight * columns[None, :]
    return Limit(spec.name, spec.sense, float(spec.total), weight, where)


def chosen_rows(name: str, wanted: dict[str, list[str]] | None, table: pd.DataFrame, what: str) -> np.ndarray | None:
    """Which rows of a table a selector names, bool; None for no selector.

    Raises
    ------
    ContractError : a column or value that the table does not have.
    """
    if wanted is None:
        return None
    chosen = np.ones(len(table), bool)
    for column, values in wanted.items():
        if column not in table.columns:
            raise ContractError(
                f"limit {name!r}: {what} have no column {column!r}; there are {', '.join(map(str, table.columns))}"
            )
        there = set(table[column].unique())
        unknown = sorted(set(values) - there)
        if unknown:
            raise ContractError(
                f"limit {name!r}: {what} have no {column} {unknown[0]!r}; there are "
                f"{', '.join(sorted(map(str, there))[:12])}"
            )
        chosen &= table[column].isin(list(values)).to_numpy(bool)
    return chosen
