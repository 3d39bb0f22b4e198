"""What people want: how often each applies for each product by itself, what an offer adds, who is approved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenefit.contracts.world import clock, products
from scenefit.contracts.world.columns import inner, sigmoid
from scenefit.contracts.world.parameters import Parameters
from scenefit.contracts.world.people import CUSTOMER, VISITOR, People
from scenefit.contracts.world.scenes import TOP
from scenefit.contracts.world.segments import SEGMENTS

HIGHEST = 1.5  # applications a year for one product: nobody asks more often
# of the offer's effect, by channel: sms push email wechat call mail display
PERSUASION = np.array([1.0, 0.8, 0.6, 1.1, 1.8, 0.5, 0.4])
DELIVERED = np.array([0.96, 0.90, 0.93, 0.95, 0.72, 0.97, 0.98])
COST = np.array([0.05, 0.01, 0.01, 0.02, 1.50, 0.60, 0.02])  # CNY per message sent


@dataclass(frozen=True)
class Demand:
    """Per person and product, shape (people, products)."""

    yearly: np.ndarray  # applications a year without any offer
    response: np.ndarray  # hazard of applying that one delivered offer adds
    granted: np.ndarray  # P(approved and drawn | applied)
    approval: np.ndarray  # P(approved | applied)


def demand(crowd: People, pull: products.Appeal, p: Parameters, rng: np.random.Generator) -> Demand:
    """Random utility: taste, need in the product's scenes, price, the segment's liking, and chance."""
    fit = inner(crowd.taste, pull.style)
    need = np.log(np.maximum(scene_need(crowd.mix), 1e-3))
    price = (products.APR - 0.12)[None, :] / 0.05 * (0.4 + 0.2 * crowd.income[:, None])
    liking = pull.kinds[crowd.segment][:, products.KIND] + pull.popularity[None, :]
    shape = (len(crowd), len(products.PRODUCTS))
    wish = p.product_taste * fit + p.scene_need * need - p.price * price + liking
    wish = wish + rng.normal(0, p.random_utility, shape)
    age = crowd.age[:, None]
    old_enough = (age >= products.AGES[:, 0]) & (age <= products.AGES[:, 1])
    wanted = old_enough & products.SOLD[None, :]
    ring = np.where(crowd.ring >= 0, 4.0, 1.0)[:, None]
    yearly = np.minimum(np.exp(p.log_applications + wish) * ring, HIGHEST) * wanted
    warmth = np.array([s.response for s in SEGMENTS])[crowd.segment][:, None]
    response = np.minimum(np.exp(p.log_response + 0.8 * wish + warmth), HIGHEST) * wanted
    looks = np.where(crowd.ring >= 0, -3.0, crowd.risk)[:, None]  # a ring looks harmless when it applies
    ceiling = np.log(products.PD_MAX / (1 - products.PD_MAX))[None, :]
    approval = 0.97 * sigmoid(1.6 * (ceiling - looks)) * old_enough
    return Demand(yearly=yearly, response=response, granted=approval * p.drawn, approval=approval)


def scene_need(mix: np.ndarray) -> np.ndarray:
    """Attention for the scenes a product serves, relative to the average scene; 1 where it serves all."""
    serves = products.SERVES.astype(float)
    share = inner(mix, serves) / np.maximum(serves.sum(axis=1), 1)[None, :] * len(TOP)
    return np.where(products.ANYWHERE[None, :], 1.0, share)


def applying(crowd: People) -> np.ndarray:
    """Factor on the wish to apply: leads hesitate, visitors are unknown and cannot."""
    return np.where(crowd.kind == CUSTOMER, 1.0, np.where(crowd.kind == VISITOR, 0.0, 0.35))


def take_probability(
    crowd: People,
    wants: Demand,
    seasons: np.ndarray,
    rows: np.ndarray,
    product: np.ndarray,
    day: np.ndarray,
    channel: np.ndarray,
    p: Parameters,
) -> tuple[np.ndarray, np.ndarray]:
    """P(take) without and with one offer sent on that day, within the window; failed delivery included."""
    low = np.clip(day, crowd.first_day[rows], crowd.last_day[rows])
    high = np.clip(day + p.window_days, crowd.first_day[rows], crowd.last_day[rows])
    share = np.empty(len(rows))
    for scene in range(len(TOP) + 1):
        here = products.MAIN_SCENE[product] == scene
        share[here] = clock.share_between(seasons[scene], low[here], high[here])
    willing = applying(crowd)[rows]
    hazard = wants.yearly[rows, product] * willing * share
    added = wants.response[rows, product] * willing * PERSUASION[channel]
    # those who have left still get messages and hardly answer
    added = added * np.where(day < crowd.last_day[rows], 1.0, 0.2)
    granted = wants.granted[rows, product]
    without = granted * (1 - np.exp(-hazard))
    delivered = granted * (1 - np.exp(-(hazard + added)))
    return without, without + DELIVERED[channel] * (delivered - without)
