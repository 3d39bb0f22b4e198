"""How likely each person takes each product on each channel, and takes it without an offer. Wires the models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from app.material import Inputs
from app.recs_models import cold_rates, scene_and_segment
from app.tasks import Shared, Task
from recsys.cold import blended
from recsys.response import Offered
from recsys.training import Learned, ResponseLearned, next_offer_probabilities, product_fit
from scenefit.contracts.errors import NotEligible

# people by whose weight a control group is drawn to the mean of all
CONTROL_WEIGHT = 500


def take_chances(
    inputs: Inputs, shared: Shared, found: dict[Task, Any], channels: Sequence[str], segment: np.ndarray
) -> np.ndarray:
    """P(take and approved | offered) of every customer, product and channel; (n, products, channels) float32.

    A channel that no campaign used stands at the average of those that were.

    Parameters
    ----------
    segment : (n,) home segment of each person, '' for none: what people without behaviour are known by

    Raises
    ------
    NotEligible : nothing was ever taken.
    """
    champion, response = found[Task("champion")], found[Task("response")]
    n = len(inputs.catalogue.customers)
    if not isinstance(champion, Learned):
        raise NotEligible(f"offers: {champion.absent}. Without takes there is nothing to match by")
    which = next_offer_probabilities(shared.material, champion, np.arange(n), inputs.profile, inputs.edges[-1])
    _lean_on_segments(which, shared, segment, inputs.edges[-1])
    chances = np.empty((*which.shape, len(channels)), np.float32)
    if not isinstance(response, ResponseLearned):
        # no campaign to learn from: the share of people who take anything in a window stands in for P(take)
        labels = shared.material.labels
        takers = np.unique(np.stack([labels.window, labels.who]), axis=1).shape[1]
        chances[:] = (which * takers / max(1, n) / (len(inputs.edges) - 1))[:, :, None]
        return chances
    fit = product_fit(which, champion.head.counts_)
    blocks: dict[str, int] = {}
    for place, channel in enumerate(channels):
        told = channel if channel in response.channels else ""
        if told in blocks:
            chances[:, :, place] = chances[:, :, blocks[told]]
            continue
        blocks[told] = place
        chances[:, :, place] = _on_channel(response, inputs.profile, fit, which, told)
    return chances


def _lean_on_segments(which: np.ndarray, shared: Shared, segment: np.ndarray, before: pd.Timestamp) -> None:
    """Let those without behaviour lean on what their segment takes, in place; everybody else's answer stays."""
    silent = np.flatnonzero(np.diff(shared.material.behaviour.matrix(before).indptr) == 0)
    if len(silent):
        rates = cold_rates(shared.material, segment).probabilities(scene_and_segment(segment[silent]))
        prior = rates / rates.sum(axis=1, keepdims=True)
        which[silent] = blended(which[silent], prior, np.zeros(len(silent)))


def _on_channel(
    response: ResponseLearned, profile: np.ndarray, fit: np.ndarray, which: np.ndarray, channel: str
) -> np.ndarray:
    """(n, products) chances on one channel, "" for one that no campaign used; the campaign is of the usual mix."""
    used = (np.asarray(response.channels, dtype=object) == channel).astype(float)
    kind = np.tile(np.concatenate([response.usual, used]), (len(profile), 1))
    if response.by_product:
        return response.matrix(profile, kind, fit)
    anything = response.matrix(profile, kind, np.zeros_like(fit))[:, :1]
    share: np.ndarray = anything * which
    return share


def chance_errors(inputs: Inputs, found: dict[Task, Any]) -> np.ndarray:
    """Standard error of the log-odds of a person's take of a usual offer, on any channel; (n,).

    0, for unknown, where no campaign taught a response model.
    """
    response, n = found[Task("response")], len(inputs.catalogue.customers)
    if not isinstance(response, ResponseLearned):
        return np.zeros(n)
    mix = np.concatenate([response.usual, np.full(len(response.channels), 1 / len(response.channels))])
    usual = Offered(inputs.profile, np.tile(mix, (n, 1)), np.full(n, -1), np.zeros(n))
    return response.model.error_of_logit(usual)


def chances_unoffered(inputs: Inputs) -> np.ndarray:
    """Share of people who take each product without being offered it, from randomised control groups; (products,).

    Small groups are drawn to the mean of all by the weight of `CONTROL_WEIGHT` people, products that no group tested
    stand at the mean: a product is not more incremental for never having been tested. 0 where nothing was randomised or
    nobody was kept in control.
    """
    drawn = inputs.results[inputs.results["randomised"].astype(bool)]
    products = inputs.catalogue.products["product_id"]
    if not drawn["control"].sum() > 0:
        return np.zeros(len(products))
    mean = drawn["takers_control"].sum() / drawn["control"].sum()
    sums = drawn.groupby("product_id", sort=True)[["takers_control", "control"]].sum().reindex(products).fillna(0.0)
    shrunk = (sums["takers_control"] + CONTROL_WEIGHT * mean) / (sums["control"] + CONTROL_WEIGHT)
    shares: np.ndarray = shrunk.to_numpy(float)
    return shares
