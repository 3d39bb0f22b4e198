"""The champion judged customer by customer on the last window, which it has not seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from recsys.metrics import per_customer
from recsys.training import Learned, Material, learn_next_offer, next_offer_probabilities
from scenefit.contracts.errors import NotFitted

AT = 10


class JudgedOffers(NamedTuple):
    """Customers who took something in the last window, what they were promised and what they took.

    `customers` (n,) codes, `probabilities` (n, m) of P(product | takes one), `taken` (n, m) bool, `quality` and
    `baseline` (n,) NDCG at 10 of the model and of popularity, `learned` the model that was judged.
    """

    customers: np.ndarray
    probabilities: np.ndarray
    taken: np.ndarray
    quality: np.ndarray
    baseline: np.ndarray
    learned: Learned


def judged_offers(material: Material) -> JudgedOffers:
    """What a champion learned before the last window promises those who took something in it.

    Raises
    ------
    NotFitted : nothing was taken in the last window, or before it.
    """
    last = len(material.edges) - 2
    learned = learn_next_offer(material, 0, last)
    labels = material.labels
    rows = np.flatnonzero(labels.window == last)
    if not len(rows):
        raise NotFitted(f"offers: nothing was taken after {material.edges[last]:%Y-%m-%d}; quality cannot be measured")
    customers, first, position = np.unique(labels.who[rows], return_index=True, return_inverse=True)
    taken = np.zeros((len(customers), material.products), dtype=bool)
    taken[position, labels.product[rows]] = True
    p = next_offer_probabilities(
        material, learned, customers, labels.profile[rows[first]], material.edges[last]
    )  # fmt: skip
    earlier = labels.product[labels.window < last]
    popular = np.broadcast_to(np.bincount(earlier, minlength=material.products).astype(float), p.shape)
    targets = sparse.csr_matrix(taken.astype(np.float64))
    quality, baseline = (per_customer(scores, targets, AT).ndcg for scores in (p, popular))
    return JudgedOffers(customers, p, taken, quality, baseline, learned)


def validation_quality(settings: dict[str, Any], share: float, material: Material, rng: np.random.Generator) -> float:  # noqa: ARG001
    """NDCG at 10 of a champion with these ALS settings, one window before the last: the last one stays unseen.

    A share below 1 takes the labels of that share of the customers, the same ones in every trial; `rng` is not
    needed, the settings decide.
    """
    labels = material.labels
    order = np.random.default_rng(material.seed).permutation(len(material.behaviour.customers))
    kept = order[labels.who] < share * len(order)
    some = replace(
        labels, who=labels.who[kept], product=labels.product[kept], window=labels.window[kept],
        profile=labels.profile[kept],
    )  # fmt: skip
    earlier = replace(material, edges=material.edges[:-1], labels=some, als={**material.als, **settings})
    return float(judged_offers(earlier).quality.mean())
