"""Visits, browsing and purchases: sessions in a scene, merchants by taste, in business time."""

from __future__ import annotations

import numpy as np

from scenefit.contracts.tables.events import BEHAVIOUR, DELIVERY, FUNNEL, OBJECTIONS
from scenefit.contracts.world import clock, places
from scenefit.contracts.world.columns import inner, picked
from scenefit.contracts.world.parameters import Parameters
from scenefit.contracts.world.people import People
from scenefit.contracts.world.scenes import TOP, TRAFFIC, Merchants
from scenefit.contracts.world.segments import MONTHLY

KINDS = BEHAVIOUR + DELIVERY + FUNNEL + OBJECTIONS
VISIT, BROWSE, PURCHASE = range(3)

BUYS = np.array([0.22, 0.16, 0.20, 0.30, 0.32, 0.62, 0.18, 0.30])  # share of sessions that end in a purchase, by scene
TICKET = np.log(np.array([680.0, 1500.0, 900.0, 1600.0, 600.0, 95.0, 700.0, 520.0]))
SPREAD = np.array([0.9, 1.1, 1.0, 0.9, 1.0, 0.7, 1.0, 1.0])
SIZES = np.array([[0.30, 0.30, 0.22, 0.12, 0.06]])  # events in a session


def behaviour(
    crowd: People, shops: Merchants, seasons: np.ndarray, p: Parameters, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """All behaviour events of a block, as columns; `device` counts the person's own devices from 0."""
    whose, scene, at, place, ip_city = sessions(crowd, seasons, p, rng)
    size = 1 + picked(SIZES, np.zeros(len(whose), dtype=int), rng.random(len(whose)))
    session = np.repeat(np.arange(len(whose)), size)
    step = np.arange(len(session)) - np.repeat(np.cumsum(size) - size, size)
    customer, top = whose[session], scene[session]
    buys = rng.random(len(whose)) < BUYS[scene]
    last = step == size[session] - 1
    kind = np.where(last & buys[session], PURCHASE, np.where(step == 0, VISIT, BROWSE))
    merchant = chosen_merchants(crowd, shops, customer, top, p, rng)
    # a purchase is made where the session began; some pages show a scene and no merchant
    opening = np.cumsum(size) - size
    merchant = np.where((kind == PURCHASE) & (size[session] > 1), merchant[opening[session]], merchant)
    bare = (kind != PURCHASE) & (rng.random(len(session)) < 0.07)
    pause = np.cumsum(rng.exponential(70, len(session)) + 5)
    moment = at[session] + ((pause - pause[opening[session]]) * clock.SECOND).astype(np.int64)
    sourced = np.where(rng.random(len(whose)) < 0.22, rng.integers(0, len(TRAFFIC), len(whose)), -1)
    return {
        "customer": customer,
        "at": np.minimum(moment, clock.END - 1),
        "kind": kind,
        "scene": np.where(bare, top, shops.scene[merchant]),
        "merchant": np.where(bare, -1, merchant),
        "source": np.where(step == 0, sourced[session], -1),
        "amount": np.where(kind == PURCHASE, tickets(crowd, shops, customer, top, merchant, rng), np.nan),
        "device": (rng.random(len(whose)) < 0.2)[session].astype(int),
        "session": session,
        "lat": place[session, 0],
        "lon": place[session, 1],
        "ip_city": ip_city[session],
    }


def sessions(
    crowd: People, seasons: np.ndarray, p: Parameters, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Whose each session is, in which scene, when, where (NaN: place unknown) and the city of its IP."""
    stay = (crowd.last_day - crowd.first_day) / clock.DAYS
    # whoever is known at all was seen at least once
    count = np.maximum(rng.poisson(p.sessions * crowd.activity * stay**0.7), 1)
    whose = np.repeat(np.arange(len(crowd)), count)
    total = len(whose)
    scene = picked(crowd.mix, whose, rng.random(total))
    day, u = np.empty(total), rng.random(total)
    for top in range(len(TOP)):
        rows = scene == top
        day[rows] = clock.days_between(seasons[top], crowd.first_day[whose[rows]], crowd.last_day[whose[rows]], u[rows])
    moment = clock.START + day.astype(np.int64) * clock.DAY
    moment = moment + clock.time_of_day(crowd.night[whose], rng.random(total), rng.random(total))
    at = np.maximum(moment, crowd.registered[whose] + (rng.random(total) * clock.HOUR).astype(np.int64))
    away = rng.random(total) < 0.06
    city = np.where(away, rng.integers(0, len(places.CITIES), total), crowd.city[whose])
    located = rng.random(total) < p.located
    place = places.CENTRE[city] + rng.normal(0, 0.05, (total, 2))
    place = np.where(located[:, None], np.round(place, 5), np.nan)
    # the IP of a phone often shows the gateway's city, or none
    ip_city = np.where(rng.random(total) < 0.04, rng.integers(0, len(places.CITIES), total), city)
    return whose, scene, at, place, np.where(rng.random(total) < 0.08, -1, ip_city)


def chosen_merchants(
    crowd: People,
    shops: Merchants,
    customer: np.ndarray,
    top: np.ndarray,
    p: Parameters,
    rng: np.random.Generator,
) -> np.ndarray:
    """A merchant per event: popularity, taste and one's own city, within the scene."""
    merchant = np.empty(len(customer), dtype=int)
    u = rng.random(len(customer))
    for scene in range(len(TOP)):
        here = np.flatnonzero(shops.top == scene)
        pull = p.merchant_taste * inner(crowd.taste, shops.style[here]) / 2 + shops.popularity[here]
        online = shops.city[here] < 0
        local = shops.city[here][None, :] == crowd.city[:, None]
        odds = np.exp(pull + np.where(online, 1.0, 0.0)[None, :] + p.local_pull * local)
        cumulative = np.cumsum(odds, axis=1)
        cumulative /= cumulative[:, -1:]
        rows = np.flatnonzero(top == scene)
        merchant[rows] = here[(cumulative[customer[rows], :-1] <= u[rows, None]).sum(axis=1)]
    return merchant


def tickets(
    crowd: People,
    shops: Merchants,
    customer: np.ndarray,
    top: np.ndarray,
    merchant: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """What is paid: by scene, merchant and income, in CNY."""
    income = 0.45 * np.log(MONTHLY[crowd.income[customer]] / 7000)
    noise = rng.normal(0, 1, len(customer)) * SPREAD[top]
    return np.round(np.exp(TICKET[top] + shops.price[merchant] + income + noise), 2)
