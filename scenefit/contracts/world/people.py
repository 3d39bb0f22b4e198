"""The people of one block as they really are: segment, taste, need, activity, risk, who belongs to whom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenefit.contracts.world import places
from scenefit.contracts.world.clock import DAY, DAYS, END, START
from scenefit.contracts.world.columns import inner, picked
from scenefit.contracts.world.parameters import Parameters
from scenefit.contracts.world.scenes import STYLE, TOP, TRAFFIC
from scenefit.contracts.world.segments import SEGMENTS, SHARE, SUBGROUPS, subgroup_codes

KNOWN_FOR = 1_461  # days: the firm's first customer registered four years before the end
CUSTOMER, LEAD, VISITOR = range(3)


@dataclass(frozen=True)
class Taste:
    """Latent style shared by all blocks: of scenes and of segments."""

    scenes: np.ndarray  # (scenes, STYLE)
    segments: np.ndarray  # (segments, STYLE)


@dataclass(frozen=True)
class People:
    """One row per person; times in microseconds UTC, days counted from the start of the year of events."""

    kind: np.ndarray
    segment: np.ndarray
    subgroup: np.ndarray
    taste: np.ndarray  # (people, STYLE)
    mix: np.ndarray  # (people, scenes), each row sums to 1
    age: np.ndarray
    female: np.ndarray
    married: np.ndarray
    owner: np.ndarray
    household_size: np.ndarray
    education: np.ndarray
    occupation: np.ndarray
    income: np.ndarray
    city: np.ndarray
    registered: np.ndarray
    first_day: np.ndarray  # of activity within the year
    last_day: np.ndarray  # exclusive
    source: np.ndarray  # partner that brought the person, −1: none
    activity: np.ndarray  # factor on sessions
    night: np.ndarray  # share of nightly sessions
    risk: np.ndarray  # log odds of going bad
    household: np.ndarray
    ring: np.ndarray  # −1: in no ring

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def tier(self) -> np.ndarray:
        """Tier of the home city, 1 to 6."""
        return places.TIER[self.city]


def taste(rng: np.random.Generator, separation: float) -> Taste:
    """Styles of scenes and segments; `separation` is the typical distance of a segment from the centre."""
    segments = rng.normal(0, 1, (len(SEGMENTS), STYLE))
    segments *= separation / np.sqrt((segments * segments).mean(axis=1, keepdims=True)) / 1.5
    return Taste(scenes=rng.normal(0, 0.6, (len(TOP), STYLE)), segments=segments)


def people(n: int, style: Taste, p: Parameters, rng: np.random.Generator) -> People:
    """`n` people drawn from the segments."""
    segment = picked(SHARE[None, :], np.zeros(n, dtype=int), rng.random(n))
    household = households(n, rng)
    ring = rings(n, p.ring_share, rng)
    kind = np.searchsorted([1 - p.lead_share - p.visitor_share, 1 - p.visitor_share], rng.random(n), side="right")
    kind = np.where(ring >= 0, CUSTOMER, kind)
    city = shared_city(segment, household, ring, rng)
    traits = {
        name: picked(np.array([getattr(s, name) for s in SEGMENTS]), segment, rng.random(n))
        for name in ("occupations", "incomes", "educations")
    }
    means = np.array([s.age for s in SEGMENTS])
    age = np.clip(np.rint(rng.normal(means[segment, 0], means[segment, 1])), 18, 75).astype(int)
    subgroup = subgroup_codes(traits["occupations"], age, places.TIER[city])
    liking = style.segments[segment] + rng.normal(0, 1, (n, STYLE))
    registered, first, last = active_days(kind, ring, p.churned_share, rng)
    night = np.clip(_of("night", segment) * np.exp(rng.normal(0, 0.6, n)), 0.0, 0.9)
    risk = log_odds_bad(segment, traits["incomes"], night, age, ring, p, rng)
    return People(
        kind=kind, segment=segment, subgroup=subgroup, taste=liking,
        mix=scene_mix(segment, subgroup, liking, style, p, rng),
        age=age,
        female=rng.random(n) < _of("female", segment),
        married=rng.random(n) < _of("married", segment),
        owner=rng.random(n) < _of("owner", segment),
        household_size=np.clip(1 + rng.poisson(_of("household", segment) - 1), 1, 9),
        education=traits["educations"], occupation=traits["occupations"], income=traits["incomes"], city=city,
        registered=registered, first_day=first, last_day=last,
        # traffic sources and the first four chains bring people
        source=np.where(rng.random(n) < 0.62, rng.integers(0, len(TRAFFIC) + 4, n), -1),
        activity=_of("activity", segment) * np.exp(rng.normal(-0.18, 0.6, n)) * np.where(kind == VISITOR, 0.3, 1.0),
        night=night, risk=risk, household=household, ring=ring,
    )  # fmt: skip


def scene_mix(
    segment: np.ndarray,
    subgroup: np.ndarray,
    liking: np.ndarray,
    style: Taste,
    p: Parameters,
    rng: np.random.Generator,
) -> np.ndarray:
    """Share of a person's attention in each scene, by segment, taste and chance; planted subgroups need more."""
    log_mix = np.log(np.array([s.scenes for s in SEGMENTS]))[segment]
    log_mix = log_mix + p.scene_taste * inner(liking, style.scenes) + rng.normal(0, p.scene_noise, log_mix.shape)
    for code, planted in enumerate(SUBGROUPS):
        log_mix[:, planted.scene] += np.where(subgroup == code, np.log(p.need_factor), 0.0)
    mix = np.exp(log_mix)
    return mix / mix.sum(axis=1, keepdims=True)


def households(n: int, rng: np.random.Generator) -> np.ndarray:
    """Household number per person: most live alone among the firm's customers, some share a home."""
    sizes = np.searchsorted([0.74, 0.94], rng.random(n), side="right") + 1
    numbers = np.repeat(np.arange(n), sizes)[:n]
    household = np.empty(n, dtype=int)
    household[rng.permutation(n)] = numbers
    return household


def rings(n: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """Ring number per person, −1 for honest people; a ring has five to eight members."""
    sizes = rng.integers(5, 9, int(rng.binomial(max(n // 6, 1), share)))
    members = rng.permutation(n)[: sizes.sum()]
    ring = np.full(n, -1)
    ring[members] = np.repeat(np.arange(len(sizes)), sizes)[: len(members)]
    return ring


def shared_city(segment: np.ndarray, household: np.ndarray, ring: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Home city by segment; a household lives in one city, a ring works in one."""
    n = len(segment)
    tier = picked(np.array([s.tiers for s in SEGMENTS]), segment, rng.random(n))
    city = picked(places.cities_by_tier(), tier, rng.random(n))
    for group in (household, np.where(ring >= 0, ring, -1)):
        _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
        city = np.where(group >= 0, city[first][inverse], city)
    return city


def active_days(
    kind: np.ndarray, ring: np.ndarray, churned_share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Moment of registration, first and last day of activity within the year of events."""
    n = len(kind)
    # more came lately than long ago; leads and visitors are recent
    back = np.clip(KNOWN_FOR * rng.random(n) ** 1.25, 3, None)
    back = np.where(kind == LEAD, back * 0.5 + 1, back)
    back = np.where(kind == VISITOR, 2 + back % 150, back)
    back = np.where(ring >= 0, 60 + back % 240, back)
    registered = END - (back * DAY).astype(np.int64)
    first = np.maximum((registered - START) / DAY, 0.0)
    # someone who has left was there for at least a fortnight of the year
    left = (rng.random(n) < churned_share) & (DAYS - first > 20)
    last = np.where(left, first + 14 + (DAYS - first - 14) * rng.random(n), DAYS)
    return registered, first, last


def log_odds_bad(
    segment: np.ndarray,
    income: np.ndarray,
    night: np.ndarray,
    age: np.ndarray,
    ring: np.ndarray,
    p: Parameters,
    rng: np.random.Generator,
) -> np.ndarray:
    """Log odds of going bad: partly in the columns, partly in nothing we see."""
    seen = _of("risk", segment) - p.risk_income * (income - 2) + p.risk_night * (night - 0.2) / 0.15
    seen = seen + np.where(age < 24, 0.25, 0.0)
    odds = p.log_odds_bad + seen + rng.normal(0, p.risk_noise, len(segment))
    return np.where(ring >= 0, p.ring_odds_bad, odds)


def _of(name: str, segment: np.ndarray) -> np.ndarray:
    return np.array([getattr(s, name) for s in SEGMENTS])[segment]
