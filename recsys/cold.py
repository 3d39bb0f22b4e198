"""Where nothing is known yet: new customers from scene and segment priors, new products from similar ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError, NotFitted

# a group of fewer people than this leans more on the level above than on itself
GROUP_WEIGHT = 50.0
# behaviour events after which half of the prior is gone: on 1,368 takers of a synthetic window more cost accuracy
OWN_WEIGHT = 0.3
# share of the prior for who did nothing: a champion still knows the profile, and both together foresee more than each
MOST = 0.5
# offers that a new product's starting evidence counts for; below a first mailing, so that own evidence soon wins
STARTING_OFFERS = 200.0
# when starting evidence is gone: a product offered this often, or for this long, speaks for itself
EXPIRES_OFFERS = 2_000.0
EXPIRES_DAYS = 90.0


class ShrunkenRates:
    """What people of a scene and segment take, each level drawn to the one above: segment → scene → all.

    The rate of a group is (takes + weight · rate above) / (people + weight): a small group says little, a group never
    seen says what the level above says.

    Parameters
    ----------
    weight : people of the level above that every group is mixed with
    """

    def __init__(self, weight: float = GROUP_WEIGHT) -> None:
        self.weight = weight

    def fit(self, took: np.ndarray, levels: Sequence[np.ndarray]) -> Self:
        """Learn from people with a known outcome.

        Parameters
        ----------
        took : (n, m) 0 or 1: what each person took
        levels : group ids of each person, the coarsest level first, such as (scene, segment); (n,) each, '' for none.
            A group is known by its whole path: one profile cell in two segments is two groups

        Raises
        ------
        ContractError : shapes differ, or an outcome is not 0 or 1.
        NotFitted : nobody is given.
        """
        took = np.asarray(took, dtype=np.float64)
        if not len(took):
            raise NotFitted("cold: nobody to learn shares from; give customers with known takes")
        if any(len(level) != len(took) for level in levels):
            raise ContractError(f"cold: {len(took):,} outcomes, levels of {[len(v) for v in levels]}; give one each")
        if not np.isin(took, (0.0, 1.0)).all():
            raise ContractError("cold: an outcome is neither 0 nor 1; say whether each person took each offer")
        overall = (took.sum(axis=0) + 0.5) / (len(took) + 1.0)
        self.rates_: list[dict[tuple[str, ...], np.ndarray]] = [{(): overall}]
        for paths, numbers in _paths(levels):
            people = np.bincount(numbers, minlength=len(paths)).astype(float)
            takes = np.column_stack([np.bincount(numbers, column, len(paths)) for column in took.T])
            above = np.array([self.rates_[-1][path[:-1]] for path in paths])
            rates = (takes + self.weight * above) / (people + self.weight)[:, None]
            self.rates_.append(dict(zip(paths, rates, strict=True)))
        return self

    def probabilities(self, levels: Sequence[np.ndarray]) -> np.ndarray:
        """P(take) per person and offer, shape (n, m), from the deepest level at which the group is known."""
        if not hasattr(self, "rates_"):
            raise NotFitted("ShrunkenRates: not fitted; call fit first")
        if len(levels) != len(self.rates_) - 1:
            raise ContractError(f"cold: {len(levels)} levels given, {len(self.rates_) - 1} were learned; give the same")
        found = np.tile(self.rates_[0][()], (len(levels[0]) if levels else 1, 1))
        for known, (paths, numbers) in zip(self.rates_[1:], _paths(levels), strict=True):
            rates = np.array([known.get(path, np.full(found.shape[1], np.nan)) for path in paths])
            own = rates[numbers]
            found = np.where(np.isnan(own), found, own)
        return found

    def parts(self) -> list[list[tuple[list[str], list[float]]]]:
        """The rates as plain lists, for JSON: by level, path and rates."""
        return [[(list(path), rates.tolist()) for path, rates in level.items()] for level in self.rates_]


def read_rates(parts: Sequence[Sequence[tuple[Sequence[str], Sequence[float]]]]) -> ShrunkenRates:
    """The rates of plain lists, ready to be asked."""
    model = ShrunkenRates()
    model.rates_ = [{tuple(path): np.array(rates) for path, rates in level} for level in parts]
    return model


def blended(
    model: np.ndarray, prior: np.ndarray, events: np.ndarray, weight: float = OWN_WEIGHT, most: float = MOST
) -> np.ndarray:
    """The model, and the more of the prior the less behaviour there is: share of the prior most · w / (events + w).

    Parameters
    ----------
    model, prior : (n, m) probabilities
    events : (n,) how much behaviour the model's answer rests on
    most : share of the prior for who did nothing; 1 where the model knows no profile either

    >>> blended(np.array([[0.8]]), np.array([[0.2]]), np.array([3.0]), weight=3.0, most=1.0).tolist()
    [[0.5]]
    """
    if model.shape != prior.shape or len(events) != len(model):
        raise ContractError(f"cold: model {model.shape}, prior {prior.shape}, events {events.shape}; shapes must agree")
    if (events < 0).any() or not weight > 0 or not 0 <= most <= 1:
        raise ContractError("cold: a count of events is negative, the weight not above 0, or most not in [0, 1]")
    share = (most * weight / (events + weight))[:, None]
    return (1 - share) * model + share * prior


class Attributes(NamedTuple):
    """What is known of products before anybody is offered them; `apr` per year, `tenor` in months; NaN for unknown.

    `kind` (m,) text, `apr` (m,), `tenor` (m,), `scenes` one set of scene ids per product, empty for everywhere.
    """

    kind: np.ndarray
    apr: np.ndarray
    tenor: np.ndarray
    scenes: Sequence[frozenset[str]]


class StartingEvidence(NamedTuple):
    """A Beta prior of P(take | offered): its mean, the offers it counts for, and how alike each product is."""

    rate: float
    offers: float
    likeness: np.ndarray

    @property
    def alpha(self) -> float:
        return self.rate * self.offers

    @property
    def beta(self) -> float:
        return (1 - self.rate) * self.offers


class Estimate(NamedTuple):
    """P(take | offered) of a product, and the share of it that is starting evidence; NaN when nothing is known."""

    rate: float
    borrowed: float


def likeness(products: Attributes, new: int) -> np.ndarray:
    """How alike each product is to the new one, in [0, 1]: mean over kind, APR, tenor and scenes; (m,).

    Gower (1971), "A general coefficient of similarity": an attribute that one of the two lacks is left out.
    """
    kind = (products.kind == products.kind[new]).astype(float)
    parts = [kind, _nearness(products.apr, new), _nearness(products.tenor, new)]
    parts.append(np.array([_overlap(one, products.scenes[new]) for one in products.scenes]))
    stacked = np.column_stack(parts)
    known = ~np.isnan(stacked)
    found: np.ndarray = np.where(known, stacked, 0.0).sum(axis=1) / known.sum(axis=1)
    found[new] = 0.0
    return found


def starting_evidence(
    products: Attributes, new: int, takes: np.ndarray, offers: np.ndarray, weight: float = STARTING_OFFERS
) -> StartingEvidence:
    """What similar products let expect of a new one.

    Parameters
    ----------
    takes, offers : (m,) of each product so far; a product never offered says nothing
    weight : offers it counts for; never more than the similar products were offered themselves

    Raises
    ------
    ContractError : more takes than offers, or negative ones.
    NotFitted : no other product was ever offered.
    """
    _checked(takes, offers)
    alike = likeness(products, new)
    # cubed: a near twin must outweigh a dozen that share the kind alone
    shares = np.where(offers > 0, alike**3, 0.0)
    shares[new] = 0.0
    seen = float((shares * offers).sum())
    if seen <= 0:
        raise NotFitted("cold: no similar product was ever offered; offer the new one to a small random group first")
    rate = float((shares * takes).sum() / seen)
    return StartingEvidence(rate, min(weight, seen), shares / shares.sum())


def own_rate(
    prior: StartingEvidence,
    takes: float,
    offers: float,
    days: float,
    expires_offers: float = EXPIRES_OFFERS,
    expires_days: float = EXPIRES_DAYS,
) -> Estimate:
    """P(take | offered) of a product by its own evidence and what is left of the starting evidence.

    The starting evidence fades in proportion to offers made and days passed, whichever is further, and is gone after
    `expires_offers` or `expires_days`. A product that nobody was offered by then is not known: NaN, not a guess.

    >>> prior = StartingEvidence(0.10, 100.0, np.ones(1))
    >>> own_rate(prior, takes=0, offers=0, days=0)
    Estimate(rate=0.1, borrowed=1.0)
    >>> own_rate(prior, takes=30, offers=100, days=45, expires_offers=1_000, expires_days=90)
    Estimate(rate=0.23333333333333334, borrowed=0.3333333333333333)
    """
    _checked(np.array([takes]), np.array([offers]))
    if days < 0 or not (expires_offers > 0 and expires_days > 0):
        raise ContractError(f"cold: {days} days since launch, expiry {expires_offers} offers or {expires_days} days")
    left = prior.offers * max(0.0, 1 - max(offers / expires_offers, days / expires_days))
    total = left + offers
    if total <= 0:
        return Estimate(float("nan"), 0.0)
    return Estimate((left * prior.rate + takes) / total, left / total)


def evidence_table(
    products: Attributes, takes: np.ndarray, offers: np.ndarray, days: np.ndarray, least: float = STARTING_OFFERS
) -> pd.DataFrame:
    """On what the share of takers of each product rests: own offers, or what similar products let expect of it.

    One row per product, in order: offers, takes, days, `own` share, `rate` with what is left of the starting evidence,
    `borrowed` share of it, `start_rate` and `start_offers` (NaN where no similar product was offered), `offers_left`
    and `days_left` until it is gone, `nearest` most similar product that was offered (−1: none), and `state`: own,
    borrowed, or unknown where neither own offers nor starting evidence are left.

    Parameters
    ----------
    takes, offers, days : (m,) so far, days since launch
    """
    rows = []
    for j in range(len(offers)):
        try:
            prior = starting_evidence(products, j, takes, offers, least)
        except NotFitted:
            prior = StartingEvidence(float("nan"), 0.0, np.zeros(len(offers)))
        estimate = own_rate(prior._replace(rate=np.nan_to_num(prior.rate)), takes[j], offers[j], days[j])
        unknown = np.isnan(estimate.rate)
        rows.append({
            "offers": int(offers[j]), "takes": int(takes[j]), "days": float(days[j]),
            "own": takes[j] / offers[j] if offers[j] else np.nan, "rate": estimate.rate,
            "borrowed": estimate.borrowed, "start_rate": prior.rate,
            "start_offers": prior.offers if prior.offers else np.nan,
            "offers_left": max(0.0, EXPIRES_OFFERS - offers[j]), "days_left": max(0.0, EXPIRES_DAYS - days[j]),
            "nearest": int(prior.likeness.argmax()) if prior.likeness.any() else -1,
            "state": "unknown" if unknown else "borrowed" if estimate.borrowed > 0 else "own",
        })  # fmt: skip
    return pd.DataFrame(rows)


def _paths(levels: Sequence[np.ndarray]) -> list[tuple[list[tuple[str, ...]], np.ndarray]]:
    """For each depth the distinct paths and the number of each person's path."""
    found = []
    codes = np.zeros(len(levels[0]) if levels else 0, np.int64)
    above: list[tuple[str, ...]] = [()]
    for level in levels:
        names, inside = np.unique(np.asarray(level, dtype=str), return_inverse=True)
        pairs, codes = np.unique(codes * len(names) + inside, return_inverse=True)
        above = [(*above[pair // len(names)], str(names[pair % len(names)])) for pair in pairs.tolist()]
        found.append((above, codes))
    return found


def _nearness(values: np.ndarray, new: int) -> np.ndarray:
    known = values[~np.isnan(values)]
    spread = float(known.max() - known.min()) if len(known) else 0.0
    near = np.ones(len(values)) if spread == 0 else 1 - np.abs(values - values[new]) / spread
    return np.where(np.isnan(values) | np.isnan(values[new]), np.nan, near)


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    if not one and not other:
        return 1.0
    return len(one & other) / len(one | other)


def _checked(takes: np.ndarray, offers: np.ndarray) -> None:
    if (takes < 0).any() or (takes > offers).any() or not np.isfinite(offers).all():
        raise ContractError("cold: takes must lie between 0 and the offers made; count both over the same offers")
