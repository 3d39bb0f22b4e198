"""Applications and what became of them: by one's own wish, or because an offer came."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from scenefit.contracts.world import clock, products
from scenefit.contracts.world.campaigns import Campaigns
from scenefit.contracts.world.columns import picked
from scenefit.contracts.world.contacts import Contacts
from scenefit.contracts.world.demand import PERSUASION, Demand, applying
from scenefit.contracts.world.parameters import Parameters
from scenefit.contracts.world.people import People
from scenefit.contracts.world.permissions import NEVER
from scenefit.contracts.world.scenes import TOP
from scenefit.contracts.world.segments import MONTHLY

LONGEST = 20.0  # days between two steps of the funnel


@dataclass(frozen=True)
class Deals:
    """One row per application. `contact` is the position of the contact it answers, −1: organic.

    Moments in microseconds, NEVER where the step is not taken; steps after the end of the data are not yet known.
    """

    customer: np.ndarray
    product: np.ndarray
    scene: np.ndarray  # top scene
    contact: np.ndarray
    applied: np.ndarray
    approved: np.ndarray
    declined: np.ndarray
    drawn: np.ndarray
    amount: np.ndarray
    tenor: np.ndarray  # months

    def __len__(self) -> int:
        return len(self.customer)

    def known_by(self, moment: int) -> Deals:
        """The applications made before the moment."""
        rows = self.applied < moment
        return Deals(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def deals(
    crowd: People,
    wants: Demand,
    plan: Campaigns,
    sent: Contacts,
    seasons: np.ndarray,
    p: Parameters,
    rng: np.random.Generator,
) -> Deals:
    """All applications of the year, organic and answered offers, in the order of application."""
    person, product, applied = organic_wishes(crowd, wants, seasons, rng)
    contact = answered_contact(plan, sent, person, product, applied, p)
    by_offer = offered_wishes(crowd, wants, plan, sent, np.unique(contact[contact >= 0]), rng)
    person = np.concatenate([person, sent.customer[by_offer]])
    product = np.concatenate([product, plan.product[sent.campaign[by_offer], sent.arm[by_offer]]])
    contact = np.concatenate([contact, by_offer])
    # an offer is answered within days; slow products also take longer to apply for
    wait = rng.exponential(0.6 + 0.35 * products.SPEED[product[len(applied) :]])
    answered = sent.delivered[by_offer] + (np.minimum(wait, LONGEST) * clock.DAY).astype(np.int64)
    applied = np.concatenate([applied, answered])
    order = np.lexsort((product, person, applied))
    begun = decided(person[order], product[order], contact[order], applied[order], crowd, wants, p, rng)
    return begun.known_by(clock.END)


def organic_wishes(
    crowd: People, wants: Demand, seasons: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Applications nobody asked for: person, product, moment; at most one per person and product in the year."""
    low = np.maximum(crowd.first_day[:, None], products.FROM_DAY[None, :])
    high = np.minimum(crowd.last_day[:, None], products.TO_DAY[None, :])
    share = np.empty_like(wants.yearly)
    for scene in range(len(TOP) + 1):
        here = scene == products.MAIN_SCENE
        share[:, here] = clock.share_between(seasons[scene], low[:, here], np.maximum(high, low)[:, here])
    hazard = wants.yearly * applying(crowd)[:, None] * share
    person, product = np.nonzero(rng.random(hazard.shape) < 1 - np.exp(-hazard))
    day, u = np.empty(len(person)), rng.random(len(person))
    for scene in range(len(TOP) + 1):
        rows = products.MAIN_SCENE[product] == scene
        where = person[rows], product[rows]
        day[rows] = clock.days_between(seasons[scene], low[where], high[where], u[rows])
    hour = clock.time_of_day(crowd.night[person], rng.random(len(person)), rng.random(len(person)))
    applied = clock.START + day.astype(np.int64) * clock.DAY + hour
    applied = np.maximum(applied, crowd.registered[person] + clock.HOUR)
    return person, product, np.minimum(applied, clock.END - 1)


def answered_contact(
    plan: Campaigns,
    sent: Contacts,
    person: np.ndarray,
    product: np.ndarray,
    applied: np.ndarray,
    p: Parameters,
) -> np.ndarray:
    """The last delivered offer of that product within the window before each organic application, −1: none.

    The application would have come anyway, but the firm books it as the campaign's success.
    """
    offered = plan.product[sent.campaign, sent.arm]
    reached = np.flatnonzero((sent.delivered < clock.END) & (offered >= 0))
    key = sent.customer[reached] * len(products.PRODUCTS) + offered[reached]
    order = np.lexsort((sent.delivered[reached], key))
    reached, key = reached[order], key[order]
    contact = np.full(len(person), -1)
    if not len(reached):
        return contact
    # position of the last contact with equal key and earlier delivery: search in (key, time) ranked together
    ranks = key * (clock.DAYS + 1.0) + (sent.delivered[reached] - clock.START) / clock.DAY
    wish = (person * len(products.PRODUCTS) + product) * (clock.DAYS + 1.0) + (applied - clock.START) / clock.DAY
    before = np.searchsorted(ranks, wish, side="right") - 1
    candidate = np.maximum(before, 0)
    age = applied - sent.delivered[reached[candidate]]
    fits = (before >= 0) & (key[candidate] == person * len(products.PRODUCTS) + product)
    fits &= (age > 0) & (age < p.window_days * clock.DAY)
    return np.where(fits, reached[candidate], contact)


def offered_wishes(
    crowd: People,
    wants: Demand,
    plan: Campaigns,
    sent: Contacts,
    taken: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Contacts answered only because the offer came; those already `taken` cannot answer twice."""
    offered = plan.product[sent.campaign, sent.arm]
    day = plan.start[sent.campaign]
    present = np.where(day < crowd.last_day[sent.customer], 1.0, 0.2)
    added = wants.response[sent.customer, offered] * applying(crowd)[sent.customer] * present
    chance = 1 - np.exp(-added * PERSUASION[plan.channel[sent.campaign]])
    answers = (rng.random(len(offered)) < chance) & (sent.delivered < NEVER) & (offered >= 0)
    answers[taken] = False
    return np.flatnonzero(answers)


def decided(
    person: np.ndarray,
    product: np.ndarray,
    contact: np.ndarray,
    applied: np.ndarray,
    crowd: People,
    wants: Demand,
    p: Parameters,
    rng: np.random.Generator,
) -> Deals:
    """Approval, refusal, drawing, amount and tenor of applications; each product at its own speed."""
    total = len(person)
    speed = products.SPEED[product]
    yes = rng.random(total) < wants.approval[person, product]
    draws = yes & (rng.random(total) < p.drawn)
    review = (np.minimum(rng.exponential(0.25 * speed), LONGEST) * clock.DAY).astype(np.int64) + 20 * clock.SECOND
    drawing = (np.minimum(rng.exponential(speed), LONGEST) * clock.DAY).astype(np.int64) + 60 * clock.SECOND
    known = applied + review
    low, high = np.log(products.AMOUNTS[product]).T
    means = np.clip(0.5 + 0.18 * np.log(MONTHLY[crowd.income[person]] / 7000), 0.05, 0.9)
    amount = np.exp(low + (high - low) * np.clip(means + rng.normal(0, 0.2, total), 0, 1))
    tenor_low, tenor_high = products.TENORS[product].T
    tenor = tenor_low + 3 * rng.integers(0, (tenor_high - tenor_low) // 3 + 1)
    main = products.MAIN_SCENE[product]
    by_mix = picked(crowd.mix, person, rng.random(total))
    return Deals(
        customer=person, product=product, scene=np.where(main == len(TOP), by_mix, main), contact=contact,
        applied=applied,
        approved=np.where(yes, known, NEVER),
        declined=np.where(yes, NEVER, known),
        drawn=np.where(draws, known + drawing, NEVER),
        amount=np.clip(np.round(amount, -2), *products.AMOUNTS[product].T),
        tenor=tenor,
    )  # fmt: skip


def in_scene_of_campaign(known: Deals, plan: Campaigns, sent: Contacts) -> Deals:
    """Answers to an offer belong to the scene of its campaign."""
    campaign = sent.campaign[np.maximum(known.contact, 0)] if len(sent.campaign) else np.zeros(len(known), dtype=int)
    return replace(known, scene=np.where(known.contact >= 0, plan.scene[campaign], known.scene))
