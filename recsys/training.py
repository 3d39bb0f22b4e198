"""Learning in time order: representations from before, labels from after, quality on what came last.

Every function gets its past and its labels apart; nothing here can look beyond the cut it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from recsys.behaviour import NextItem, Past
from recsys.calibrate import OfferCorrection, offer_correction
from recsys.evaluate import ProbabilityQuality, RankingQuality, probability_quality, ranking_quality
from recsys.interactions import Interactions, Takes, microseconds
from recsys.models import AlternatingLeastSquares, Popularity
from recsys.offers import Facts, NextOffer
from recsys.response import Offered, Response
from scenefit.contracts.errors import NotFitted

EVALUATED = 10_000  # customers in a ranking figure: its standard error is then below .005


@dataclass(frozen=True)
class Labels:
    """Distinct takes by window: customer, product, window number, and profile features as of the window's start."""

    who: np.ndarray
    product: np.ndarray
    window: np.ndarray
    profile: np.ndarray


@dataclass(frozen=True)
class Material:
    """Everything the learning tasks share: behaviour, takes, labels and the windows they come from.

    `edges` are the starts of the windows and, last, the end of the data.
    """

    behaviour: Interactions
    takes: Takes
    labels: Labels
    edges: tuple[pd.Timestamp, ...]
    products: int
    als: dict[str, Any]
    seed: int


class Learned(NamedTuple):
    """Item vectors and the head on top of them."""

    als: AlternatingLeastSquares
    head: NextOffer


class Compared(NamedTuple):
    """The model and the popularity baseline on the same customers."""

    model: RankingQuality
    popularity: RankingQuality


class NextItemQuality(NamedTuple):
    """Next-item quality over all items, and over items new to the customer."""

    everything: Compared
    new: Compared


class HeldOut(NamedTuple):
    """Offers of held-out campaigns: who, which product (−1: none), which of the model's channels, P promised, taken.

    `p` is what a model that knew none of these campaigns promised, before any correction.
    """

    who: np.ndarray
    product: np.ndarray
    channel: np.ndarray
    p: np.ndarray
    took: np.ndarray


class ResponseLearned(NamedTuple):
    """The response model and its quality on held-out campaigns.

    `usual` is the mix of campaign kinds that it learned from and `channels` those it knows, in the order of the
    model's setting columns; `by_product` says whether arms with a single product taught it product terms.
    `correction` is learned on the held-out offers and puts right what the model promises, where that surely helps.
    """

    model: Response
    usual: np.ndarray
    channels: tuple[str, ...]
    by_product: bool
    quality: ProbabilityQuality
    campaigns: tuple[str, ...]
    held_out: HeldOut
    correction: OfferCorrection

    def matrix(self, profile: np.ndarray, kind: np.ndarray, fit: np.ndarray) -> np.ndarray:
        """Corrected P(take | offered) of every product, shape (n, products); arguments as of `Response.matrix`."""
        p = self.model.matrix(profile, kind, fit)
        return self.correction.apply(p, np.arange(p.shape[1])[None, :])


def learn_next_offer(material: Material, first: int, last: int, only: np.ndarray | None = None) -> Learned:
    """The champion, learned from takes in windows first … last − 1; tastes come from behaviour before `first` alone.

    `only` (customers,) narrows the takes to some customers.

    Raises
    ------
    NotFitted : nothing was taken in those windows.
    """
    als = learn_tastes(material, first)
    return Learned(als, _head(material, als, first, last, only))


def learn_tastes(material: Material, first: int) -> AlternatingLeastSquares:
    """Item vectors from behaviour before a window."""
    return AlternatingLeastSquares(**material.als, seed=material.seed).fit(
        material.behaviour.matrix(material.edges[first])
    )


def next_offer_quality(material: Material, k: int = 10) -> Compared:
    """NDCG, hit and recall at k on the takes of the last window, learned from all windows before it.

    Raises
    ------
    NotFitted : nothing was taken in the last window.
    """
    last = len(material.edges) - 2
    learned = learn_next_offer(material, 0, last)
    rows = np.flatnonzero(material.labels.window == last)
    if not len(rows):
        raise NotFitted(f"offers: nothing was taken after {material.edges[last]:%Y-%m-%d}; quality cannot be measured")
    customers, first, position = np.unique(material.labels.who[rows], return_index=True, return_inverse=True)
    targets = sparse.csr_matrix(
        (np.ones(len(rows)), (position, material.labels.product[rows])), shape=(len(customers), material.products)
    )
    scores = learned.head.probabilities(_label_facts(material, learned.als, rows[first]))
    earlier = material.labels.product[material.labels.window < last]
    popularity = np.bincount(earlier, minlength=material.products).astype(float)
    return Compared(
        ranking_quality(scores, targets, k), ranking_quality(np.broadcast_to(popularity, scores.shape), targets, k)
    )


def next_offer_probabilities(
    material: Material, learned: Learned, rows: np.ndarray, profile: np.ndarray, before: pd.Timestamp
) -> np.ndarray:
    """P(product | takes one) of customers `rows` with this profile, known before a moment; (rows, products)."""
    return learned.head.probabilities(_facts(material, learned.als, rows, profile, before))


def next_item_quality(material: Material, k: int = 10) -> NextItemQuality:
    """What customers did in the last window, predicted from before it; weights learned one window earlier."""
    start, cut, end = material.edges[-3], material.edges[-2], material.edges[-1]
    horizon = cut - start
    rng = np.random.default_rng(material.seed)
    seen = material.behaviour.matrix(start)
    model = NextItem(
        AlternatingLeastSquares(**material.als, seed=material.seed).fit(seen), Popularity().fit(seen).counts_
    )
    model.fit(Past(seen, material.behaviour.matrix(start, start - horizon)), material.behaviour.matrix(cut, start), rng)
    taken = material.behaviour.matrix(end, cut)
    users = np.flatnonzero(np.diff(taken.indptr) > 0)
    if not len(users):
        raise NotFitted(f"behaviour: nobody did anything after {cut:%Y-%m-%d}; quality cannot be measured")
    if len(users) > EVALUATED:
        users = np.sort(rng.choice(users, EVALUATED, replace=False))
    whole = material.behaviour.matrix(cut)
    model.popularity = np.log1p(Popularity().fit(whole).counts_)
    past = Past(whole[users], material.behaviour.matrix(cut, cut - horizon)[users])
    scores, popular = model.scores(past), np.broadcast_to(model.popularity, (len(users), len(model.popularity)))
    targets = taken[users]
    return NextItemQuality(
        Compared(ranking_quality(scores, targets, k), ranking_quality(popular, targets, k)),
        Compared(ranking_quality(scores, targets, k, past.whole), ranking_quality(popular, targets, k, past.whole)),
    )


def learn_response(
    material: Material, offers: pd.DataFrame, profile: np.ndarray, held_out: Sequence[str]
) -> ResponseLearned:
    """Who takes when offered; quality on held-out campaigns from earlier facts only, then fitted on everything.

    Parameters
    ----------
    offers : offers made (campaign_id, kind, channel, starts_at, closes_at, who, product, took_at), sorted by start
    profile : (offers, features) as of each campaign's start
    held_out : campaigns judged; learned from are offers whose outcome was known before the first of these starts

    Raises
    ------
    NotFitted : no campaign ended before the held-out ones began.
    """
    kinds, channels = (tuple(sorted(offers[name].unique())) for name in ("kind", "channel"))
    starts = offers["starts_at"]
    test = offers["campaign_id"].isin(held_out).to_numpy()
    cut = starts[test].min() if test.any() else material.edges[-1]
    fit, known = _affinity(material, offers, profile, cut)
    test &= known
    train = ((offers["closes_at"] <= cut) & (starts < cut)).to_numpy() & known & ~test
    took = offers["took_at"].to_numpy(dtype=float, na_value=np.inf)
    setting = np.hstack([_one_hot(offers["kind"], kinds), _one_hot(offers["channel"], channels)])
    made = Offered(profile, setting, offers["product"].to_numpy(), fit)
    if not train.any():
        raise NotFitted(
            f"response: no campaign with offers ended before {cut:%Y-%m-%d}, when the judged ones began; "
            "bring older campaigns, or name fewer to judge by"
        )
    earlier = Response(material.products).fit(_some(made, train), took[train] < microseconds(cut))
    judged_on = _held_out(offers, made, test, earlier, channels, took)
    quality = probability_quality(judged_on.p, judged_on.took)
    everything = known & (offers["closes_at"] <= material.edges[-1]).to_numpy()
    model = Response(material.products).fit(_some(made, everything), np.isfinite(took[everything]))
    by_product = bool((made.product[everything] >= 0).any())
    judged = tuple(sorted(offers.loc[test, "campaign_id"].unique()))
    usual = _one_hot(offers["kind"][everything], kinds).mean(axis=0)
    right = offer_correction(
        judged_on.p, judged_on.took, judged_on.product, material.products, np.random.default_rng(material.seed)
    )
    return ResponseLearned(model, usual, channels, by_product, quality, judged, judged_on, right)


def _held_out(
    offers: pd.DataFrame, made: Offered, test: np.ndarray, earlier: Response, channels: Sequence[str], took: np.ndarray
) -> HeldOut:
    channel = pd.Index(channels).get_indexer(pd.Index(offers["channel"]))
    who = offers["who"].to_numpy(np.int64)
    p = earlier.probabilities(_some(made, test))
    return HeldOut(who[test], made.product[test], channel[test], p, np.isfinite(took[test]))


def product_fit(probabilities: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Log of P(product | takes one) over the product's share of all takes: 0 is an average customer."""
    share = (taken + 1.0) / (taken.sum() + len(taken))
    return np.log(np.maximum(probabilities, 1e-6)) - np.log(share)


def _head(
    material: Material, als: AlternatingLeastSquares, first: int, last: int, only: np.ndarray | None = None
) -> NextOffer:
    labels = material.labels
    inside = (labels.window >= first) & (labels.window < last)
    rows = np.flatnonzero(inside if only is None else inside & only[labels.who])
    # the latest window tunes the head: it is nearest to what comes next
    return NextOffer(material.products).fit(
        _label_facts(material, als, rows), labels.product[rows], labels.window[rows] == last - 1
    )


def _affinity(
    material: Material, offers: pd.DataFrame, profile: np.ndarray, cut: pd.Timestamp
) -> tuple[np.ndarray, np.ndarray]:
    """Product fit of each offer made, and which offers have one (or need none).

    Two heads, each learned from one half of the customers before `cut`, score the other half: no offer is scored by a
    head that has seen its outcome.
    """
    product, fit = offers["product"].to_numpy(), np.zeros(len(offers))
    single = product >= 0
    known = ~single | (offers["starts_at"] >= material.edges[0]).to_numpy()
    rows = np.flatnonzero(single & known)
    # windows that ended by the cut; takes of later ones were not known then
    last = sum(edge <= cut for edge in material.edges) - 1
    if not len(rows) or last < 1:
        return fit, known
    odd = np.arange(len(material.behaviour.customers)) % 2 == 1
    als = learn_tastes(material, 0)
    who = offers["who"].to_numpy()
    for half in (odd, ~odd):
        head = _head(material, als, 0, last, ~half)
        scored = rows[half[who[rows]]]
        for start in offers["starts_at"].iloc[scored].unique():
            part = scored[(offers["starts_at"].iloc[scored] == start).to_numpy()]
            p = head.probabilities(_facts(material, als, who[part], profile[part], start))
            fit[part] = product_fit(p, head.counts_)[np.arange(len(part)), product[part]]
    return fit, known


def _label_facts(material: Material, als: AlternatingLeastSquares, rows: np.ndarray) -> Facts:
    """Facts of label rows, each as of its window's start."""
    labels, window = material.labels, material.labels.window[rows]
    if not len(rows):
        raise NotFitted("offers: nothing was taken in the learning windows; give a longer history")
    parts = [np.flatnonzero(window == w) for w in np.unique(window)]
    facts = [
        _facts(material, als, labels.who[rows[p]], labels.profile[rows[p]], material.edges[window[p[0]]]) for p in parts
    ]
    order = np.argsort(np.concatenate(parts), kind="stable")
    return Facts(*(np.concatenate(blocks)[order] for blocks in zip(*facts, strict=True)))


def _facts(
    material: Material, als: AlternatingLeastSquares, rows: np.ndarray, profile: np.ndarray, before: pd.Timestamp
) -> Facts:
    unique, back = np.unique(rows, return_inverse=True)
    tastes = als.fold_in(material.behaviour.matrix(before, rows=unique))
    held = material.takes.held(before, unique, len(material.behaviour.customers), material.products)
    return Facts(tastes[back], profile, held[back])


def _one_hot(values: pd.Series, levels: Sequence[str]) -> np.ndarray:
    return (values.to_numpy(dtype=object)[:, None] == np.array(levels, dtype=object)[None, :]).astype(float)


def _some(offered: Offered, rows: np.ndarray) -> Offered:
    return Offered(*(block[rows] for block in offered))
