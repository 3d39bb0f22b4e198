"""Why this offer for this customer: the champion's own terms, split into behaviour, profile, takes and popularity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy import sparse

from recsys.offers import Facts
from recsys.training import Learned
from scenefit.contracts.errors import ContractError
from segmentation.phrases import phrase

Kind = Literal["behaviour", "profile", "holding", "popularity"]
# a reason that moves the odds by less than one part in fifty is no reason
LEAST = 0.02


class Contributions(NamedTuple):
    """What speaks for each offer, in log-odds against the average offer; they add up to `total`.

    `items` (m, seen) of the items numbered in `seen`, `profile` (m, features), `held` (m, m) of products taken or held,
    `popularity` (m,): what is left for a customer of whom nothing is known. `high` and `known` (features,)
    say whether the customer lies above the mean, and has a value at all.
    """

    seen: np.ndarray
    times: np.ndarray
    items: np.ndarray
    profile: np.ndarray
    high: np.ndarray
    known: np.ndarray
    held: np.ndarray
    popularity: np.ndarray

    @property
    def total(self) -> np.ndarray:
        return self.items.sum(axis=1) + self.profile.sum(axis=1) + self.held.sum(axis=1) + self.popularity

    def parts(self, offer: int) -> dict[Kind, float]:
        """Sum by kind of fact for one offer."""
        return {
            "behaviour": float(self.items[offer].sum()),
            "profile": float(self.profile[offer].sum()),
            "holding": float(self.held[offer].sum()),
            "popularity": float(self.popularity[offer]),
        }


class Reason(NamedTuple):
    """One fact that speaks for an offer: its kind and code, by how much (log-odds), and how it is said."""

    kind: Kind
    code: str
    weight: float
    en: str
    zh: str


class Names(NamedTuple):
    """Codes behind the numbers (items, features, products) and names by code as (English, Chinese)."""

    items: Sequence[str]
    features: Sequence[str]
    products: Sequence[str]
    said: Mapping[str, tuple[str, str]]

    def both(self, code: str) -> tuple[str, str]:
        return self.said.get(code, (code, code))


def contributions(learned: Learned, history: sparse.csr_matrix, profile: np.ndarray, held: np.ndarray) -> Contributions:
    """What speaks for each offer for one customer.

    Parameters
    ----------
    history : (1, items) counts of behaviour
    profile : (features,), NaN for missing
    held : (products,) takes and holdings so far

    Raises
    ------
    ContractError : more than one customer, or not the columns the champion learned from.

    Notes
    -----
    A taste vector is linear in the items behind it: u = Σ c_i A⁻¹ y_i with A = YᵀY + λI + Σ (c_i − 1) y_i y_iᵀ (Hu,
    Koren & Volinsky 2008, section 5). The head is linear in the taste vector, so both join into one sum.
    """
    als, head = learned
    factors, features = als.item_factors_.shape[1], len(head.standard_.mean_)
    given = (history.shape, profile.shape, held.shape)
    expected = ((1, len(als.item_factors_)), (features,), (head.products,))
    if given != expected:
        raise ContractError(
            f"explain: history, profile and takes of shape {given}, the champion learned from {expected}; "
            "give the same items, features and products"
        )
    lean = (head.coef_ - head.coef_.mean(axis=0)) / head.temperature_
    height = (head.intercept_ - head.intercept_.mean()) / head.temperature_
    row = sparse.csr_matrix(history)
    standard = head.standard_.transform(profile[None, :])[0]
    by_feature = lean[:, factors : factors + features] * standard[:features]
    flags = lean[:, factors + features : factors + len(standard)] * standard[features:]
    by_feature[:, head.standard_.flagged_] += flags
    return Contributions(
        seen=row.indices.copy(),
        times=row.data.copy(),
        items=lean[:, :factors] @ _tastes_by_item(learned, row) / head.taste_scale_,
        profile=by_feature,
        high=standard[:features] > 0,
        known=~np.isnan(profile),
        held=lean[:, factors + len(standard) :] * np.minimum(held, 2.0),
        popularity=height,
    )


def typical_lean(learned: Learned, members: Facts) -> np.ndarray:
    """How far the members of a segment lean to each offer on average, in log-odds against the average offer; (m,)."""
    if not len(members.profile):
        raise ContractError("explain: a segment without members has no lean; give its members")
    logs = np.log(np.maximum(learned.head.probabilities(members), 1e-12))
    lean: np.ndarray = (logs - logs.mean(axis=1, keepdims=True)).mean(axis=0)
    return lean


def reasons(found: Contributions, offer: int, names: Names, k: int = 3) -> list[Reason]:
    """The k facts that speak most for an offer, the strongest first; fewer where fewer speak for it.

    Features of one family (spend in 28, 90, 365 days) are one reason: said by the strongest, weighed together.
    """
    told = [_item_reason(found, offer, number, names) for number in range(len(found.seen))]
    told += _profile_reasons(found, offer, names)
    told += [_held_reason(found, offer, int(product), names) for product in np.flatnonzero(found.held[offer])]
    told.append(Reason("popularity", "", float(found.popularity[offer]), "often taken by everybody", "总体提用较多"))
    speaking = [reason for reason in told if reason.weight >= LEAST]
    return sorted(speaking, key=lambda reason: (-reason.weight, reason.kind, reason.code))[:k]


def _tastes_by_item(learned: Learned, row: sparse.csr_matrix) -> np.ndarray:
    """The taste vector split by the items behind it, shape (factors, seen)."""
    als = learned.als
    vectors = als.item_factors_.astype(np.float64)
    weights = als.alpha * row.data.astype(np.float64)
    seen = vectors[row.indices]
    square = vectors.T @ vectors + als.regularization * np.eye(vectors.shape[1])
    square += (seen * (weights - 1)[:, None]).T @ seen
    parts: np.ndarray = np.linalg.solve(square, (seen * weights[:, None]).T)
    return parts


def _item_reason(found: Contributions, offer: int, number: int, names: Names) -> Reason:
    code = str(names.items[found.seen[number]])
    en, zh = names.both(code)
    times = int(found.times[number])
    often = "once" if times == 1 else f"{times:,} times"
    return Reason(
        "behaviour", code, float(found.items[offer, number]), f"was at {en} {often}", f"到访{zh} {times:,} 次"
    )


def _profile_reasons(found: Contributions, offer: int, names: Names) -> list[Reason]:
    families: dict[str, list[int]] = {}
    for number, feature in enumerate(names.features):
        families.setdefault(phrase(feature).family, []).append(number)
    told = []
    for members in families.values():
        weights = found.profile[offer, members]
        # a gap counts too: the flag of a missing value is part of its feature
        strongest = members[int(np.argmax(weights))]
        said = phrase(names.features[strongest])
        en, zh = (said.high_en, said.high_zh) if found.high[strongest] else (said.low_en, said.low_zh)
        if not found.known[strongest]:
            en, zh = f"{said.en} not known", f"{said.zh}未知"
        told.append(Reason("profile", names.features[strongest], float(weights.sum()), en, zh))
    return told


def _held_reason(found: Contributions, offer: int, product: int, names: Names) -> Reason:
    code = str(names.products[product])
    en, zh = names.both(code)
    return Reason("holding", code, float(found.held[offer, product]), f"took or holds {en}", f"曾提用或持有{zh}")
