"""The case of a run: people, offers, chances, terms and rules gathered from models and raw tables."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pandas as pd

import scenefit
from app import eligibility, facts, planning
from app.contactable import channels
from app.eligibility_facts import read_background
from app.material import Inputs
from app.planning import Homes
from app.take_chances import chances_unoffered
from recsys.case import Case
from recsys.eligible import stage_grid
from recsys.value import Terms
from scenefit.contracts.reach import Reach
from scenefit.contracts.schema import frame_of
from scenefit.contracts.tables import CUSTOMERS
from scenefit.runtime.settings import Settings
from scenefit.runtime.store import read
from scenefit.runtime.workspace import Workspace

STEERED_BY = ("region", "city_tier", "kind", "acquired_via")
BAND_YEARS = 10


class Chances(NamedTuple):
    """What the models say: p_take (n, products, channels), pd_now (n,) NaN for unknown, and the standard errors (n,)
    of the log-odds of both, 0 for unknown."""

    p_take: np.ndarray
    pd_now: np.ndarray
    logit_error: np.ndarray
    pd_error: np.ndarray


def run_id(inputs: Inputs, settings: Settings, champion: dict[str, Any] | None) -> str:
    """A run's name: the day, and a digest of data, moment, settings, version and the champion pinned, if any."""
    end = inputs.edges[-1]
    identity = [inputs.dataset.fingerprint, end.isoformat(), chosen_settings(settings), scenefit.__version__]
    pinned = [] if champion is None else [champion]
    digest = hashlib.sha256(json.dumps([*identity, *pinned], sort_keys=True).encode()).hexdigest()
    return f"{end:%Y%m%d}-{digest[:8]}"


def chosen_settings(settings: Settings) -> dict[str, Any]:
    """The settings that a run's results depend on."""
    chosen: dict[str, Any] = settings.model_dump(mode="json", exclude={"runtime", "features"})
    return chosen


def open_channels(reach: Reach, settings: Settings) -> list[str]:
    """Channels on which anybody may be contacted, the cheapest first; the cheapest of all where nobody may."""
    names = channels(settings)
    counts = {step.step: step.customers for step in reach.on_channel}
    return [name for name in names if counts.get(name)] or names[:1]


def run_case(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    inputs: Inputs,
    reach: Reach,
    home: Homes,
    used: Sequence[str],
    chances: Chances,
    settings: Settings,
    name: str,
) -> Case:
    """Everything the plan of the run `name` is made from, its limits not yet drawn.

    `used` are the channels of the chances.
    """
    end, products = inputs.edges[-1], inputs.catalogue.products
    n, size = len(inputs.catalogue.customers), len(used)
    amounts = facts.read_amounts(connection, end, products)
    offers = planning.offer_table(products, used, amounts, settings.value.funding_cost, settings.value.discount_rate)
    background = read_background(connection, workspace, inputs, reach, chances.pd_now, settings)
    year = end.tz_convert(inputs.dataset.timezone).year
    rules = eligibility.applied_rules(
        background, products, amounts, offers, year, settings.limits, channels(settings)
    )  # fmt: skip
    grid = stage_grid(rules, n, len(offers), end)
    terms = planning.product_terms(products, amounts, settings.value)
    costs = np.array([settings.value.contact_cost[name] for name in used])
    people = _people(workspace, inputs.catalogue.customers)
    return Case(
        customers=inputs.catalogue.customers,
        offers=offers,
        p_take=chances.p_take.reshape(n, -1),
        p_unoffered=np.repeat(chances_unoffered(inputs), size),
        pd_given_take=np.nan_to_num(chances.pd_now),
        terms=Terms(*(np.repeat(part, size) for part in terms)),
        contact_cost=np.tile(costs, len(products)),
        lgd=settings.value.lgd,
        reason=grid.reason,
        reasons=grid.reasons,
        groups=_groups(people, home),
        protected=_protected(people, year),
        limits=(),
        logit_error=chances.logit_error,
        pd_error=chances.pd_error,
        facts={
            "run_id": name, "as_of": end.isoformat(), "dataset": inputs.dataset.name,
            "currency": inputs.dataset.currency, "timezone": inputs.dataset.timezone,
            "synthetic": inputs.dataset.synthetic, "rules": eligibility.rules_as_facts(grid.rules),
            "discount_rate": settings.value.discount_rate, "funding_cost": settings.value.funding_cost,
        },
    )  # fmt: skip


def _people(workspace: Workspace, customers: np.ndarray) -> pd.DataFrame:
    protected = [column.name for column in CUSTOMERS.columns if column.protected]
    people = frame_of(read(workspace, "customers", ["customer_id", *STEERED_BY, *protected]))
    return people.set_index("customer_id").reindex(customers).reset_index(drop=True)


def _groups(people: pd.DataFrame, home: Homes) -> pd.DataFrame:
    """What a plan may be steered by, as text, "" for unknown."""
    own = {name: _text(people[name]) for name in STEERED_BY}
    return pd.DataFrame({"scene_id": home.scene, "segment_id": home.segment, **own})


def _protected(people: pd.DataFrame, year: int) -> pd.DataFrame:
    """What a plan is compared by and never steered by; ages in bands of ten years."""
    bands = (year - people["birth_year"].astype("Int64")) // BAND_YEARS * BAND_YEARS
    ages = (bands.astype("string") + "-" + (bands + BAND_YEARS - 1).astype("string")).rename("age_band")
    named = [c.name for c in CUSTOMERS.columns if c.protected and c.name != "birth_year"]
    return pd.DataFrame({"age_band": _text(ages), **{name: _text(people[name]) for name in named}})


def _text(column: pd.Series) -> np.ndarray:
    found: np.ndarray = column.astype("string").fillna("").to_numpy(object)
    return found
