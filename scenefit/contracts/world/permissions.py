"""Consent and prohibition: who may be written to, by which channel, from when to when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from scenefit.contracts.tables.consents import CHANNELS
from scenefit.contracts.world import clock
from scenefit.contracts.world.columns import contract_table, instants, texts
from scenefit.contracts.world.people import CUSTOMER, People
from scenefit.contracts.world.segments import OCCUPATIONS

NEVER = np.iinfo(np.int64).max
# P(consent to marketing) by kind of person: sms push email wechat call mail display
GRANTS = np.array([
    [0.82, 0.62, 0.35, 0.58, 0.30, 0.10, 0.40],
    [0.70, 0.30, 0.30, 0.40, 0.25, 0.02, 0.25],
    [0.00, 0.12, 0.00, 0.05, 0.00, 0.00, 0.60],
])  # fmt: skip
WITHDRAWN, EXPIRING, REFUSED = 0.06, 0.08, 0.10
LISTS = ("court", "fraud", "sanctions", "minor", "student", "complaint")
SOURCES = (
    "court enforcement register (synthetic)", "fraud desk (synthetic)", "sanctions list (synthetic)",
    "identity check (synthetic)", "student register (synthetic)", "complaints desk (synthetic)",
)  # fmt: skip


@dataclass(frozen=True)
class Permissions:
    """Marketing consent per person and channel, moments in microseconds; NEVER where it does not happen."""

    granted: np.ndarray
    refused: np.ndarray  # said no when asked
    withdrawn: np.ndarray
    expires: np.ndarray

    def holds(self, channel: int, at: int) -> np.ndarray:
        """Who may be written to on this channel at that moment."""
        return (self.granted[:, channel] <= at) & (at < self.withdrawn[:, channel]) & (at < self.expires[:, channel])


def permissions(crowd: People, rng: np.random.Generator) -> Permissions:
    """Consent asked for at registration; some refuse, withdraw later or gave it for a time."""
    shape = (len(crowd), len(CHANNELS))
    asked = crowd.registered[:, None] + (rng.random(shape) * clock.HOUR).astype(np.int64)
    agrees = rng.random(shape) < GRANTS[crowd.kind]
    granted = np.where(agrees, asked, NEVER)
    refuses = ~agrees & (rng.random(shape) < REFUSED) & (crowd.kind == CUSTOMER)[:, None]
    until_now = (clock.END - asked) * rng.random(shape)
    withdraws = agrees & (rng.random(shape) < WITHDRAWN)
    withdrawn = np.where(withdraws, asked + 1 + until_now.astype(np.int64), NEVER)
    term = (rng.integers(1, 4, shape) * 365 * clock.DAY).astype(np.int64)
    expires = np.where(agrees & (rng.random(shape) < EXPIRING), asked + term, NEVER)
    return Permissions(granted, np.where(refuses, asked, NEVER), np.minimum(withdrawn, clock.END), expires)


def consents_table(
    ids: pa.Array, crowd: People, given: Permissions, opted_out: np.ndarray, rng: np.random.Generator
) -> pa.Table:
    """Every change of consent: grants, refusals, withdrawals, opt-outs from messages, and consent to service.

    `opted_out` holds moments per person and channel, NEVER where nobody opted out.
    """
    ended = np.minimum(given.withdrawn, opted_out)
    person, channel, at, expires, granted = [], [], [], [], []
    for moments, agreed in ((given.granted, True), (given.refused, False), (ended, False)):
        rows, columns = np.nonzero(moments < clock.END)
        person.append(rows)
        channel.append(columns)
        at.append(moments[rows, columns])
        expires.append(given.expires[rows, columns] if agreed else np.full(len(rows), NEVER))
        granted.append(np.full(len(rows), agreed))
    served = np.flatnonzero(crowd.kind == CUSTOMER)
    marketing = sum(len(rows) for rows in person)
    person.append(served)
    channel.append(np.zeros(len(served), dtype=int))
    at.append(crowd.registered[served] + (rng.random(len(served)) * clock.HOUR).astype(np.int64))
    expires.append(np.full(len(served), NEVER))
    granted.append(np.ones(len(served), dtype=bool))
    who, end = np.concatenate(person), np.concatenate(expires)
    order = np.lexsort((np.concatenate(at), np.concatenate(channel), who))
    purpose = (np.arange(len(who)) >= marketing).astype(int)
    return contract_table(
        "consents",
        {
            "customer_id": texts(ids, who[order]),
            "purpose": texts(("marketing", "service"), purpose[order]),
            "channel": texts(CHANNELS, np.concatenate(channel)[order]),
            "granted": np.concatenate(granted)[order],
            "at": instants(np.concatenate(at)[order]),
            "expires": instants(end[order], missing=end[order] == NEVER),
        },
    )


def blocklists_table(
    ids: pa.Array, crowd: People, complained: np.ndarray, complained_at: np.ndarray, rng: np.random.Generator
) -> pa.Table:
    """Hard stops with source and date: registers, our own desks, complaints about messages."""
    n = len(crowd)
    student = crowd.occupation == OCCUPATIONS.index("student")
    chance = np.array([0.006, 0.002, 0.0003, 0.0, 0.0, 0.002])[None, :] + np.zeros((n, 1))
    # nobody here is a minor: that list stays empty
    chance[:, 0] *= np.exp(0.5 * (crowd.risk + 3))
    chance[:, 1] = np.where(crowd.ring >= 0, 0.15, chance[:, 1])
    chance[:, 4] = np.where(student, 0.30, 0.0)
    who, which = np.nonzero(rng.random((n, len(LISTS))) < chance)
    listed = crowd.registered[who] + ((clock.END - crowd.registered[who]) * rng.random(len(who))).astype(np.int64)
    who = np.concatenate([who, complained])
    which = np.concatenate([which, np.full(len(complained), LISTS.index("complaint"))])
    listed = np.concatenate([listed, complained_at])
    open_ended = (which != LISTS.index("student")) & (rng.random(len(who)) < 0.75)
    until = listed + np.where(which == LISTS.index("student"), 900, 365) * clock.DAY
    order = np.lexsort((listed, which, who))
    return contract_table(
        "blocklists",
        {
            "customer_id": texts(ids, who[order]),
            "list": texts(LISTS, which[order]),
            "source": texts(SOURCES, which[order]),
            "listed_at": instants(listed[order]),
            "until": instants(until[order], missing=open_ended[order]),
        },
    )
