"""Phones, openids, cards and devices; families share a device innocently, rings share theirs on purpose."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from scenefit.contracts.world import clock
from scenefit.contracts.world.columns import contract_table, hexadecimal, instants, texts
from scenefit.contracts.world.people import CUSTOMER, VISITOR, People

SHARED_IN_FAMILY, SECOND_DEVICE = 0.12, 0.35
KINDS = ("phone", "openid", "device", "card")


class Devices(NamedTuple):
    """Hashes of all devices, and the position of everybody's first and second one (−1: only one)."""

    hashes: pa.Array
    first: np.ndarray
    second: np.ndarray

    def used(self, customer: np.ndarray, which: np.ndarray) -> np.ndarray:
        """The device used: the second where `which` is 1 and there is one."""
        second = self.second[customer]
        return np.where((which == 1) & (second >= 0), second, self.first[customer])


def devices(crowd: People, rng: np.random.Generator) -> Devices:
    """Everybody's devices."""
    n, person = len(crowd), np.arange(len(crowd))
    rings = int(crowd.ring.max(initial=-1)) + 1
    hashes = hexadecimal(rng.integers(0, np.iinfo(np.uint64).max, 2 * n + 2 * rings, dtype=np.uint64))
    _, head, inverse = np.unique(crowd.household, return_index=True, return_inverse=True)
    shares = (rng.random(n) < SHARED_IN_FAMILY)[head][inverse]
    first = np.where(shares, head[inverse], person)
    second = np.where(rng.random(n) < SECOND_DEVICE, n + person, -1)
    accomplice = crowd.ring >= 0
    first = np.where(accomplice, 2 * n + 2 * crowd.ring + person % 2, first)
    return Devices(hashes, first, np.where(accomplice, n + person, second))


def identities_table(ids: pa.Array, crowd: People, owned: Devices, rng: np.random.Generator) -> pa.Table:
    """Links from people to phones, openids, devices and cards, as keyed hashes."""
    n, everybody = len(crowd), np.arange(len(crowd))
    phone = np.flatnonzero(crowd.kind != VISITOR)
    openid = np.flatnonzero(rng.random(n) < 0.55)
    card = np.flatnonzero((crowd.kind == CUSTOMER) & (rng.random(n) < 0.6))
    second = np.flatnonzero(owned.second >= 0)
    person = np.concatenate([phone, openid, everybody, second, card])
    kind = np.repeat([0, 1, 2, 2, 3], [len(phone), len(openid), n, len(second), len(card)])
    private = rng.integers(0, np.iinfo(np.uint64).max, len(person), dtype=np.uint64)
    values = pa.concat_arrays([hexadecimal(private), owned.hashes])
    position = np.arange(len(person))
    device = len(person) + np.concatenate([owned.first, owned.second[second]])
    position[kind == KINDS.index("device")] = device
    seen = crowd.registered[person]
    last = np.minimum(clock.START + (crowd.last_day[person] * clock.DAY).astype(np.int64), clock.END - 1)
    order = np.lexsort((position, kind, person))
    return contract_table(
        "identities",
        {
            "customer_id": texts(ids, person[order]),
            "kind": texts(KINDS, kind[order]),
            "value_hash": texts(values, position[order]),
            "first_seen": instants(seen[order]),
            "last_seen": instants(np.maximum(last, seen)[order]),
        },
    )
