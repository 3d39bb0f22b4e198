"""The champion as arrays and plain facts, and back: what is kept of it answers as it did, to the byte."""

from __future__ import annotations

from typing import Any

import numpy as np

from recsys.models import AlternatingLeastSquares
from recsys.offers import NextOffer, Standard
from recsys.training import Learned
from scenefit.contracts.errors import StoreError
from scenefit.runtime.models import Saved


def champion_parts(learned: Learned) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and facts from which a champion can be rebuilt."""
    als, head = learned
    standard = head.standard_
    arrays = {
        "item_factors": als.item_factors_, "coef": head.coef_, "intercept": head.intercept_, "counts": head.counts_,
        "mean": standard.mean_, "scale": standard.scale_, "log": standard.log_, "flagged": standard.flagged_,
    }  # fmt: skip
    facts = {
        "temperature": head.temperature_, "taste_scale": head.taste_scale_, "strength": head.strength_,
        "als": {"factors": als.factors, "regularization": als.regularization, "alpha": als.alpha,
                "iterations": als.iterations, "seed": als.seed},
    }  # fmt: skip
    return arrays, facts


def kept_champion(saved: Saved) -> Learned:
    """The champion of stored arrays and facts.

    Raises
    ------
    StoreError : something is missing.
    """
    try:
        als = AlternatingLeastSquares(**saved.facts["als"])
        als.item_factors_ = saved.arrays["item_factors"]
        head = NextOffer(len(saved.arrays["coef"]))
        standard = Standard()
        standard.mean_, standard.scale_ = saved.arrays["mean"], saved.arrays["scale"]
        standard.log_, standard.flagged_ = saved.arrays["log"], saved.arrays["flagged"]
        head.standard_, head.counts_ = standard, saved.arrays["counts"]
        head.coef_, head.intercept_ = saved.arrays["coef"], saved.arrays["intercept"]
        head.temperature_ = float(saved.facts["temperature"])
        head.taste_scale_ = float(saved.facts["taste_scale"])
        head.strength_ = float(saved.facts["strength"])
    except (KeyError, TypeError) as error:
        raise StoreError(f"champion: {error} is missing or of another kind; fit it again with `recs fit`") from error
    return Learned(als, head)


def on_items(learned: Learned, items: np.ndarray, here: np.ndarray) -> Learned:
    """A champion over other items of behaviour: those it never saw say nothing, those that are gone are left out.

    Parameters
    ----------
    items : ids of the items it learned, in the order of its item vectors
    here : ids of the items in which behaviour is counted now
    """
    known = {item: place for place, item in enumerate(items.tolist())}
    places = np.array([known.get(item, -1) for item in here.tolist()], dtype=np.int64)
    old = learned.als
    als = AlternatingLeastSquares(old.factors, old.regularization, old.alpha, old.iterations, old.seed)
    als.item_factors_ = np.zeros((len(here), old.item_factors_.shape[1]), old.item_factors_.dtype)
    als.item_factors_[places >= 0] = old.item_factors_[places[places >= 0]]
    return Learned(als, learned.head)
