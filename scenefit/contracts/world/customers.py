"""The customer table: what the firm has written down, with the gaps it really has."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from scenefit.contracts.world import places
from scenefit.contracts.world.clock import YEAR
from scenefit.contracts.world.columns import contract_table, instants, numbered, texts, whole_numbers
from scenefit.contracts.world.parameters import BLOCK, Parameters
from scenefit.contracts.world.people import CUSTOMER, VISITOR, People
from scenefit.contracts.world.scenes import PARTNER_IDS
from scenefit.contracts.world.segments import EDUCATIONS, INCOMES, OCCUPATIONS

# mobile numbers begin with 13 to 19: a number that begins with 129 belongs to nobody
PHONE_PREFIX = "129"


def customer_ids(block: int, n: int) -> pa.Array:
    """c00000001 …: numbered through all blocks."""
    return numbered("c", block * BLOCK + 1 + np.arange(n), 8)


def customers_table(
    ids: pa.Array, block: int, crowd: People, took: np.ndarray, p: Parameters, rng: np.random.Generator
) -> pa.Table:
    """People as recorded; a lead who took a product has become a customer (`took`)."""
    n = len(crowd)
    kind = np.where(took, CUSTOMER, crowd.kind)
    unknown = np.array([0.0, 0.35, 0.92])[kind]  # of a lead little is known, of a visitor nothing
    hidden = {
        name: rng.random(n) < np.maximum(unknown, share)
        for name, share in (
            ("birth_year", 0.01), ("gender", 0.02), ("marital", 0.12), ("education", p.missing),
            ("occupation", p.missing), ("income", p.missing * 1.3), ("household", 0.15), ("owner", 0.15),
        )
    }  # fmt: skip

    def known(name: str, codes: np.ndarray) -> np.ndarray:
        return np.where(hidden[name], -1, codes)

    married = np.where(crowd.married, 1, np.where((crowd.age > 32) & (rng.random(n) < 0.2), 2, 0))
    phones = numbered(PHONE_PREFIX, (block * BLOCK + np.arange(n)) * 7_919 % 100_000_000, 8)
    return contract_table(
        "customers",
        {
            "customer_id": ids,
            "kind": texts(("customer", "lead", "visitor"), kind),
            "birth_year": whole_numbers(YEAR - crowd.age, missing=hidden["birth_year"]),
            "gender": texts(("male", "female"), known("gender", crowd.female.astype(int))),
            "marital_status": texts(("single", "married", "divorced"), known("marital", married)),
            "education": texts(EDUCATIONS, known("education", crowd.education)),
            "region": texts(places.REGIONS, crowd.city),
            "city": texts(places.NAMES, crowd.city),
            "city_tier": whole_numbers(crowd.tier),
            "occupation": texts(OCCUPATIONS, known("occupation", crowd.occupation)),
            "income_band": texts(INCOMES, known("income", crowd.income)),
            "household_size": whole_numbers(crowd.household_size, missing=hidden["household"]),
            "home_owner": pa.array(crowd.owner, mask=hidden["owner"]),
            "registered_at": instants(crowd.registered),
            "acquired_via": texts(PARTNER_IDS, crowd.source),
            "phone": texts(phones, np.where(crowd.kind != VISITOR, np.arange(n), -1)),
        },
    )
