"""A new scene from a list of merchants, categories or a traffic source: its row, its members, its figures."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import NamedTuple

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError, NotEligible
from scenefit.contracts.schema import check
from scenefit.contracts.tables import SCENES
from scenefit.contracts.tables.events import BEHAVIOUR

ID = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
DAY = pd.Timedelta(days=1)
WINDOW = 365


@dataclass(frozen=True)
class SceneDefinition:
    """What makes a scene: an event belongs when its merchant, its category or its traffic source is named here.

    A category is a scene of the data; with it go all scenes below it.
    """

    scene_id: str
    name_en: str
    name_zh: str
    merchants: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    parent_id: str | None = None


class Places(NamedTuple):
    """What a definition may name: the contract tables scenes and merchants, and the ids of traffic sources."""

    scenes: pd.DataFrame
    merchants: pd.DataFrame
    sources: tuple[str, ...]


class SceneFigures(NamedTuple):
    """A made scene in numbers; spend in currency units, over the window."""

    customers: int
    leads: int
    visitors: int
    visits: int
    purchases: int
    buyers: int
    spend: float
    mean_ticket: float


class MadeScene(NamedTuple):
    """A new scene: its definition with every category below those named, its row of `scenes`, members, figures.

    members : customer_id, kind and the features of the view customer_scene, by customer id
    """

    definition: SceneDefinition
    scene: pd.DataFrame
    members: pd.DataFrame
    figures: SceneFigures


def new_scene(
    definition: SceneDefinition, events: pd.DataFrame, people: pd.DataFrame, places: Places, *, as_of: pd.Timestamp
) -> MadeScene:
    """A scene stood up in one call; nothing is written.

    Members are people with a visit, browse or purchase that belongs to it in the 365 days before `as_of` (half-open)
    and was known by then. Their events stay where they are and count here as well.

    Parameters
    ----------
    events : customer_id, at, ingested_at, kind, scene_id, merchant_id, source, amount; further events do no harm
    people : customer_id, kind and, for the shares of activity and spend, acts_365d and spend_365d of each person

    Raises
    ------
    ContractError : an id is unknown (with the nearest known one), a name is empty, the scene's id is taken or odd.
    NotEligible : nobody is active in it.
    """
    complete = resolved(definition, places)
    row = pd.DataFrame({name: [getattr(complete, name)] for name in SCENES.names})
    seen = belonging(complete, events, places.merchants) & known_behaviour(events, as_of)
    own = events[seen]
    if own.empty:
        raise NotEligible(
            f"scene {definition.scene_id!r}: nobody visited or bought there in the {WINDOW} days before "
            f"{as_of.isoformat()}; name more merchants, categories or sources, or choose another moment"
        )
    members = _members(own, people, as_of)
    return MadeScene(complete, check(row, SCENES), members, _figures(members))


def resolved(definition: SceneDefinition, places: Places) -> SceneDefinition:
    """The definition with the scenes below its categories, every id known, each named once, in order.

    Raises
    ------
    ContractError : as for `new_scene`.
    """
    what = f"scene {definition.scene_id!r}"
    scenes = [str(scene) for scene in places.scenes["scene_id"]]
    if not ID.fullmatch(definition.scene_id):
        raise ContractError(
            f"{what}: an id begins with a small letter and holds small letters, digits, '.', '_' and '-', "
            "at most 64; choose such a one"
        )
    if definition.scene_id in scenes:
        raise ContractError(f"{what}: the data has a scene of this id already; choose another id")
    if not definition.name_en.strip() or not definition.name_zh.strip():
        raise ContractError(f"{what}: a name is empty; give one in English and one in Chinese")
    if not (definition.merchants or definition.categories or definition.sources):
        raise ContractError(f"{what}: nothing makes this scene; name merchants, categories or traffic sources")
    _known(what, "merchant", definition.merchants, [str(m) for m in places.merchants["merchant_id"]])
    _known(what, "category", definition.categories, scenes)
    _known(what, "traffic source", definition.sources, list(places.sources))
    _known(what, "parent scene", () if definition.parent_id is None else (definition.parent_id,), scenes)
    return replace(
        definition,
        merchants=tuple(sorted(set(definition.merchants))),
        categories=tuple(sorted(_below(set(definition.categories), places.scenes))),
        sources=tuple(sorted(set(definition.sources))),
    )


def belonging(definition: SceneDefinition, events: pd.DataFrame, merchants: pd.DataFrame) -> np.ndarray:
    """Which events belong to a resolved definition, bool of shape (n,).

    An event without a scene of its own stands in the scene of its merchant.
    """
    home = dict(zip(merchants["merchant_id"].astype(object), merchants["scene_id"].astype(object), strict=True))
    merchant, source = events["merchant_id"].astype(object), events["source"].astype(object)
    category = events["scene_id"].astype(object)
    category = category.where(category.notna(), merchant.map(home))
    found: np.ndarray = (
        merchant.isin(definition.merchants) | category.isin(definition.categories) | source.isin(definition.sources)
    ).to_numpy(dtype=bool)
    return found


def known_behaviour(events: pd.DataFrame, as_of: pd.Timestamp) -> np.ndarray:
    """Visits, browses and purchases of the window before `as_of`, known by then, bool of shape (n,)."""
    inside = (events["at"] >= as_of - WINDOW * DAY) & (events["at"] < as_of) & (events["ingested_at"] < as_of)
    found: np.ndarray = (inside & events["kind"].isin(BEHAVIOUR)).to_numpy(dtype=bool)
    return found


def _known(what: str, noun: str, ids: tuple[str, ...], known: list[str]) -> None:
    lost = [name for name in ids if name not in set(known)]
    if lost:
        near = get_close_matches(lost[0], known, 1)
        hint = f"Did you mean {near[0]!r}?" if near else f"The data has {len(known):,}, such as {sorted(known)[:5]}"
        more = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
        raise ContractError(f"{what}: {noun} {lost[0]!r}{more} is unknown. {hint}")


def _below(named: set[str], scenes: pd.DataFrame) -> set[str]:
    """The scenes and all below them."""
    found = set(named)
    while True:
        more = set(scenes.loc[scenes["parent_id"].isin(found), "scene_id"]) - found
        if not more:
            return found
        found |= more


def _members(own: pd.DataFrame, people: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Members with the features that the view customer_scene holds of the scenes of the data."""
    bought = (own["kind"] == "purchase").to_numpy()
    # whole days, so that age < 90 is the half-open window of 90 days, as in the feature store
    before = (as_of - own["at"]).to_numpy().astype("timedelta64[us]").astype(np.int64)
    age = (before - 1) // 86_400_000_000
    amount = own["amount"].astype(float).to_numpy()
    spent, late = np.where(bought, np.nan_to_num(amount), 0.0), age < 90
    rows = pd.DataFrame(
        {
            "customer_id": own["customer_id"].astype(object).to_numpy(),
            "scene_visits_90d": ~bought & late,
            "scene_visits_365d": ~bought,
            "scene_purchases_90d": bought & late,
            "scene_purchases_365d": bought,
            # whole cents, so that a sum does not depend on the order of the rows
            "cents_90d": np.rint(100 * np.where(late, spent, 0.0)).astype(np.int64),
            "cents_365d": np.rint(100 * spent).astype(np.int64),
            "tickets": bought & np.isfinite(amount),
            "acts": True,
            "now": late,
            "then": ~late & (age < 180),
        }
    )
    sums = rows.groupby("customer_id", sort=True).sum()
    sums["age"] = pd.Series(age).groupby(rows["customer_id"].to_numpy()).min()
    known = people.assign(customer_id=people["customer_id"].astype(object)).set_index("customer_id")
    lost = sums.index.difference(known.index)
    if len(lost):
        raise ContractError(f"events: {len(lost):,} customer ids are not among the people, such as {lost[0]!r}")
    return _features(sums, known.reindex(sums.index))


def _features(sums: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    def share(part: pd.Series, of: str, factor: float = 1.0) -> np.ndarray:
        whole = known[of].astype(float) if of in known else pd.Series(np.nan, index=sums.index)
        found: np.ndarray = (part / (whole * factor).where(whole > 0)).to_numpy(dtype=float)
        return found

    counts = ["scene_visits_90d", "scene_visits_365d", "scene_purchases_90d", "scene_purchases_365d"]
    both = sums["now"] + sums["then"]
    frame = pd.DataFrame({"customer_id": sums.index.to_numpy(dtype=object), "kind": known["kind"].to_numpy(object)})
    return frame.assign(
        **{name: sums[name].to_numpy(dtype=float) for name in counts},
        scene_spend_90d=sums["cents_90d"].to_numpy() / 100,
        scene_spend_365d=sums["cents_365d"].to_numpy() / 100,
        scene_mean_ticket_365d=(sums["cents_365d"] / sums["tickets"].where(sums["tickets"] > 0) / 100).to_numpy(float),
        scene_days_since_activity=sums["age"].to_numpy(dtype=float),
        scene_activity_share_365d=share(sums["acts"], "acts_365d"),
        scene_spend_share_365d=share(sums["cents_365d"], "spend_365d", 100),
        scene_trend_90d=((sums["now"] - sums["then"]) / both.where(both > 0)).to_numpy(dtype=float),
    )


def _figures(members: pd.DataFrame) -> SceneFigures:
    kinds = members["kind"].value_counts()
    purchases, spend = int(members["scene_purchases_365d"].sum()), float(members["scene_spend_365d"].sum())
    return SceneFigures(
        customers=int(kinds.get("customer", 0)),
        leads=int(kinds.get("lead", 0)),
        visitors=int(kinds.get("visitor", 0)),
        visits=int(members["scene_visits_365d"].sum()),
        purchases=purchases,
        buyers=int((members["scene_purchases_365d"] > 0).sum()),
        spend=round(spend, 2),
        mean_ticket=round(spend / purchases, 2) if purchases else float("nan"),
    )
