"""People made by hand and at random, for tests of audiences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from segmentation.audience import AudienceStore, AudienceVersion, People
from segmentation.rules import Compare, Condition, In, Rule, RuleContext

AS_OF = pd.Timestamp("2026-06-30", tz="UTC")
SAVED_AT = pd.Timestamp("2026-07-01T02:03:04.000005Z")
CITIES = ("Beihai", "Foshan", "Wuxi")


def made_people(n: int = 500, seed: int = 0, *, run: bool = True, fingerprint: str = "monday") -> People:
    """People with an age, a spend with gaps, a city with gaps and a truth value; the ids are in order."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "customer_id": [f"C{i:07d}" for i in range(n)],
            "age": rng.integers(18, 80, n),
            "spend": np.where(rng.random(n) < 0.2, np.nan, rng.integers(0, 5000, n)),
            "city": pd.array(np.array([*CITIES, None], dtype=object)[rng.integers(0, 4, n)], dtype="string[pyarrow]"),
            "owner": rng.random(n) < 0.5,
        }
    )
    value, loss = rng.normal(5, 9, n), rng.random(n)
    return People(frame, RuleContext(), value if run else None, loss if run else None, fingerprint, AS_OF)


def few_people(*ages: float, ids: str = "abcdefghij") -> People:
    """One person per age, called a, b, c, …; NaN is a gap."""
    frame = pd.DataFrame({"customer_id": list(ids[: len(ages)]), "age": np.array(ages, dtype=float)})
    return People(frame, RuleContext(), None, None, "few", AS_OF)


def older(age: float) -> Compare:
    """At least so old."""
    return Compare(column="age", op=">=", value=age)


def younger(age: float) -> Compare:
    """Below that age."""
    return Compare(column="age", op="<", value=age)


def lives_in(*cities: str) -> In:
    """In one of these cities."""
    return In(column="city", values=cities)


def saved(store: AudienceStore, audience_id: str, where: Condition, **options: object) -> AudienceVersion:
    """The condition saved under this id."""
    given = {"name_en": audience_id, "name_zh": "人群", "by": "mei", "at": SAVED_AT, **options}
    return store.save(audience_id, Rule(where=where), **given)


def store_of(folder: Path, people: People | None = None) -> AudienceStore:
    """A store in a folder of its own."""
    return AudienceStore(folder / "audiences", people or made_people())
