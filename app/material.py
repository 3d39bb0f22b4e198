"""What a run learns from: windows, facts by code, labels and features in time order. Wires facts and feature store."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd

from app import facts
from app.tasks import Borrowers, SceneMembers, Shared, Task
from feature_repo import history
from feature_repo.services import SERVICES
from feature_repo.views import STORED
from feature_repo.views_customer import CONTACT, FREQUENCY, HOLDING, MONEY, PROFILE, RECENCY, SCENE_MIX
from feature_repo.views_scene import CUSTOMER_SCENE
from recsys.interactions import Takes
from recsys.leakage import refuse_future
from recsys.training import Labels, Material
from scenefit.contracts.errors import NotEligible, SettingsError
from scenefit.contracts.schema import frame_of
from scenefit.contracts.tables import CUSTOMERS
from scenefit.runtime.settings import Settings
from scenefit.runtime.store import read
from scenefit.runtime.workspace import Dataset, Workspace
from segmentation.columns import column_kind

# more offers made than this teach the response model nothing further and cost memory
OFFERS_LEARNED = 120_000
# default: an amount due in the first three months goes 30 days late
WATCHED_DAYS = 90
LATE_DAYS = 30
BLOCKS = {
    "recency, frequency": [f.name for f in RECENCY + FREQUENCY],
    "money": [f.name for f in MONEY],
    "scene mix": [f.name for f in SCENE_MIX if f.name != "top_scene_id"],
    "scene": CUSTOMER_SCENE.names,
    "profile": [f.name for f in HOLDING + PROFILE],
}
# that people without an account took less is true, and of no use to anybody
TRIVIAL = ("is_lead", "accounts_open", "accounts_ever", "account_kinds_open")
# what the firm did to a person does not say who the person is
LEFT_OUT = {f.name for f in CONTACT} | {"top_scene_id"}


@dataclass(frozen=True)
class Inputs:
    """What the run knows before it learns: raw facts by code, features now, windows."""

    dataset: Dataset
    edges: tuple[pd.Timestamp, ...]
    catalogue: facts.Catalogue
    now: pd.DataFrame
    profile: np.ndarray
    scenes: pd.DataFrame
    members: pd.DataFrame
    active: pd.DataFrame
    results: pd.DataFrame


def windows(dataset: Dataset, end: pd.Timestamp, settings: Settings) -> tuple[pd.Timestamp, ...]:
    """Starts of the label windows, oldest first, and the end: horizons apart, the last one is held out for judging.

    Raises
    ------
    SettingsError : `end` lies after the data.
    """
    if end > dataset.until:
        raise SettingsError(
            f"as_of {end.isoformat()} is after the end of the data {dataset.until.isoformat()}; choose an earlier one"
        )
    horizon = pd.Timedelta(days=settings.flow.horizon_days)
    return tuple(end - horizon * back for back in range(settings.flow.label_windows + 1, -1, -1))


def snapshot_days(workspace: Workspace, edges: tuple[pd.Timestamp, ...], settings: Settings) -> list[pd.Timestamp]:
    """Moments at which features are kept: every window's start, and steps back to the first campaign to learn from.

    Campaigns that offered no single product all teach the response model; the others only from the middle window on.
    """
    arms, campaigns = (frame_of(read(workspace, name)) for name in ("arms", "campaigns"))
    many = arms.loc[arms["product_id"].isna() & (arms["arm"] != "control"), "campaign_id"]
    open_ = campaigns["campaign_id"].isin(many)
    begin = edges[-1] - pd.Timedelta(days=settings.flow.history_days)
    first = max(min([edges[0], *campaigns.loc[open_, "starts_at"]]), begin)
    step = pd.Timedelta(days=settings.flow.snapshot_days)
    count = int((edges[-1] - first) / step)
    return sorted({*edges, *(edges[-1] - step * back for back in range(count + 1))})


def snapshots_wanted(days: list[pd.Timestamp], services: tuple[str, ...]) -> dict[str, list[pd.Timestamp]]:
    """Stored views and the moments at which each is kept: what models read at all of them, the rest at the last."""
    read_by_models = {view.source for service in services for view in SERVICES[service].views}
    return {view.name: days if view.name in read_by_models else days[-1:] for view in STORED}


def read_inputs(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    dataset: Dataset,
    edges: tuple[pd.Timestamp, ...],
    settings: Settings,
) -> Inputs:
    """People, products and features as of the end of the data."""
    end = edges[-1]
    catalogue = facts.read_catalogue(connection, end)
    now = (
        history.as_of(end, "offers_v1", workspace, purpose="marketing")
        .set_index("customer_id")
        .reindex(catalogue.customers)
    )
    members = history.as_of(end, "segments_v1", workspace, purpose="marketing")
    tree = facts.read_scene_tree(connection)
    names = dict(zip(tree["scene_id"], tree["name_en"], strict=True))
    sizes = members["scene_id"].value_counts()
    large = sorted(sizes.index[sizes >= settings.flow.scene_members], key=lambda scene: (-sizes[scene], scene))
    if not large:
        raise NotEligible(
            f"scenes: none has {settings.flow.scene_members:,} active people "
            f"(largest: {sizes.max() if len(sizes) else 0:,}); "
            "lower flow.scene_members or bring more data"
        )
    kept = members[members["scene_id"].isin(large[: settings.flow.max_scenes])]
    scenes = pd.DataFrame({"scene_id": large[: settings.flow.max_scenes]})
    return Inputs(
        dataset, edges, catalogue, now, numeric(now), scenes.assign(name_en=scenes["scene_id"].map(names)), kept,
        members[["customer_id", "scene_id"]],
        facts.read_arm_results(connection, end, settings.flow.horizon_days),
    )  # fmt: skip


def material(
    connection: duckdb.DuckDBPyConnection, workspace: Workspace, inputs: Inputs, settings: Settings
) -> tuple[Shared, list[Task]]:
    """What the tasks learn from, and the tasks."""
    end, customers = inputs.edges[-1], inputs.catalogue.customers
    behaviour = facts.read_behaviour(
        connection, inputs.catalogue, inputs.dataset.behaviour, end, settings.recommend.items, inputs.edges[-2]
    )
    takes = facts.read_takes(connection, end)
    offers = _learned_from(facts.read_offers_made(connection, end, settings.flow.horizon_days), settings.seed)
    known = _profiles(workspace, customers, offers["who"].to_numpy(), offers["starts_at"])
    refuse_future(known, offers["starts_at"], outcome=offers["took_at"].notna().to_numpy())
    profile = numeric(known)
    recommend, sweep = settings.recommend, settings.segments
    shared = Shared(
        segmented=_members(inputs.members, inputs, np.zeros(len(customers), dtype=bool)),
        mined=mined(connection, workspace, inputs, takes, settings),
        material=Material(
            behaviour, takes, _labels(workspace, customers, takes, inputs.edges), inputs.edges,
            len(inputs.catalogue.products),
            {"factors": recommend.factors, "regularization": recommend.regularization, "alpha": recommend.alpha,
             "iterations": recommend.iterations}, settings.seed,
        ),
        offers=offers,
        offers_profile=profile,
        held_out=_held_out(inputs.dataset, offers, end),
        borrowers=_borrowers(workspace, inputs),
        sweep={"k_range": range(sweep.k_min, sweep.k_max + 1), "n_seeds": sweep.seeds, "smallest": sweep.smallest,
               "sample": sweep.sample},
        miner=settings.subgroups.model_dump(exclude={"reach_days"}),
        blocks=BLOCKS,
    )  # fmt: skip
    scenes = list(inputs.scenes["scene_id"])
    # the long ones first, so that no core waits at the end
    tasks = [Task("response"), Task("offers"), Task("champion"), Task("behaviour"), Task("default")]
    tasks += [Task("segments", scene) for scene in scenes] + [Task("subgroups", s) for s in scenes if s in shared.mined]
    return shared, tasks


def numeric(frame: pd.DataFrame) -> np.ndarray:
    """The numeric and true/false columns of a feature frame as float64 with NaN for missing."""
    return np.column_stack([frame[name].to_numpy(float, na_value=np.nan) for name in numeric_columns(frame)])


def numeric_columns(frame: pd.DataFrame) -> list[str]:
    """The columns that `numeric` reads, in its order: the features by which the models of offers know people."""
    return [str(c) for c in frame.columns if c != "event_timestamp" and column_kind(frame[c]) != "text"]


def _labels(workspace: Workspace, customers: np.ndarray, takes: Takes, edges: tuple[pd.Timestamp, ...]) -> Labels:
    parts = [takes.between(start, end) for start, end in itertools.pairwise(edges)]
    window = np.repeat(np.arange(len(parts)), [len(who) for who, _ in parts])
    who, product = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    starts = pd.Series(pd.DatetimeIndex(edges))[window].reset_index(drop=True)
    return Labels(who, product, window, numeric(_profiles(workspace, customers, who, starts)))


def _profiles(workspace: Workspace, customers: np.ndarray, who: np.ndarray, at: pd.Series) -> pd.DataFrame:
    """Profile features of people as known at given moments, through the feature store."""
    spine = pd.DataFrame({"customer_id": customers[who], "event_timestamp": pd.to_datetime(at, utc=True).array})
    frame = history.training_frame(spine, "offers_v1", workspace, purpose="marketing")
    return frame.drop(columns=["customer_id", "event_timestamp"])


def _members(frame: pd.DataFrame, inputs: Inputs, reached: np.ndarray) -> dict[str, SceneMembers]:
    """Members of each scene, without outcomes yet; `reached` is per person."""
    codes = pd.Index(inputs.catalogue.customers).get_indexer(pd.Index(frame["customer_id"]))
    columns = [c for c in frame.columns if c not in {"customer_id", "scene_id", "event_timestamp"} | LEFT_OUT]
    scenes = {}
    for scene in inputs.scenes["scene_id"]:
        rows = np.flatnonzero((frame["scene_id"] == scene).to_numpy(bool) & (codes >= 0))
        who = codes[rows]
        features = frame.iloc[rows][columns].reset_index(drop=True)
        scenes[scene] = SceneMembers(who, features, np.zeros(0, dtype=bool), reached[who])
    return scenes


def mined(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    inputs: Inputs,
    takes: Takes,
    settings: Settings,
) -> dict[str, SceneMembers]:
    """Scene members half the windows ago: who took a product of the scene since, who had been reached before."""
    cut, end = inputs.edges[len(inputs.edges) // 2], inputs.edges[-1]
    frame = history.as_of(cut, "segments_v1", workspace, purpose="marketing")
    n = len(inputs.catalogue.customers)
    who, product = takes.between(cut, end)
    contacts = facts.read_contacts(connection, cut - pd.Timedelta(days=settings.subgroups.reach_days), cut, n)
    bad, protected = _went_late(workspace, inputs), _protected(workspace, inputs)
    found = {}
    for scene, members in _members(frame.drop(columns=list(TRIVIAL)), inputs, contacts > 0).items():
        took = np.zeros(n, dtype=bool)
        took[who[np.isin(product, _products_of(scene, inputs.catalogue.products))]] = True
        if len(members.who) >= settings.flow.scene_members and took[members.who].any():
            found[scene] = members._replace(
                outcome=took[members.who], bad=bad[members.who],
                protected=protected.iloc[members.who].reset_index(drop=True),
            )  # fmt: skip
    return found


def _went_late(workspace: Workspace, inputs: Inputs) -> np.ndarray:
    """Per person: 1 where an account had an early due amount go late, 0 where none had, NaN without a judged account.

    Every account is watched equally long, as where default is learned.
    """
    late = _judged(workspace, inputs.edges[-1]).groupby("customer_id")["late"].max().astype(np.float64)
    per_person: np.ndarray = late.reindex(inputs.catalogue.customers).to_numpy(np.float64)
    return per_person


def _protected(workspace: Workspace, inputs: Inputs) -> pd.DataFrame:
    """Protected attributes of each person: to compare groups by, never to mine."""
    names = [column.name for column in CUSTOMERS.columns if column.protected]
    people = frame_of(read(workspace, "customers", ["customer_id", *names])).set_index("customer_id")
    return people.reindex(inputs.catalogue.customers).reset_index(drop=True)


def _products_of(scene: str, products: pd.DataFrame) -> np.ndarray:
    """Codes of the products made for a scene; those that fit everywhere say nothing about it."""
    return np.array([j for j, scenes in enumerate(products["scenes"]) if scenes is not None and scene in scenes], int)


def _learned_from(offers: pd.DataFrame, seed: int) -> pd.DataFrame:
    if len(offers) <= OFFERS_LEARNED:
        return offers
    kept = np.sort(np.random.default_rng(seed).choice(len(offers), OFFERS_LEARNED, replace=False))
    return offers.iloc[kept].reset_index(drop=True)


def _held_out(dataset: Dataset, offers: pd.DataFrame, end: pd.Timestamp) -> tuple[str, ...]:
    """Campaigns that judge the response model: those the data set names, else the last quarter of the finished."""
    if dataset.held_out_campaigns:
        return dataset.held_out_campaigns
    campaigns = offers.groupby("campaign_id", as_index=False)[["starts_at", "closes_at"]].max()
    finished = campaigns[campaigns["closes_at"] <= end]
    ordered = finished.sort_values(["starts_at", "campaign_id"])["campaign_id"]
    return tuple(ordered.iloc[-max(1, len(ordered) // 4) :])


def _borrowers(workspace: Workspace, inputs: Inputs) -> Borrowers | None:
    """Accounts with their features at opening, and whether an amount due in the first days went 30 days late.

    Every account is watched equally long: an older one has had no more time to go late. None where no account has been
    open for that long.
    """
    end = inputs.edges[-1]
    ready = _judged(workspace, end, inputs.edges[0])
    if ready.empty:
        return None
    spine = ready[["customer_id", "opened_at"]].rename(columns={"opened_at": "event_timestamp"})
    features = history.training_frame(spine, "default_v1", workspace, purpose="risk")
    features = features.drop(columns=["customer_id", "event_timestamp"])
    now = history.as_of(end, "default_v1", workspace, purpose="risk").set_index("customer_id")
    now = now.reindex(inputs.catalogue.customers)
    return Borrowers(features, ready["late"].to_numpy(bool), now.reset_index(drop=True))


def _judged(workspace: Workspace, end: pd.Timestamp, since: pd.Timestamp | None = None) -> pd.DataFrame:
    """Accounts old enough to judge, oldest first, and whether an amount due in their first days went late."""
    from risk.default import ever_late, matured

    accounts, repayments = (frame_of(read(workspace, name)) for name in ("accounts", "repayments"))
    if since is not None:
        accounts = accounts[accounts["opened_at"] >= since]
    watched = repayments.merge(accounts[["account_id", "opened_at"]], on="account_id", validate="m:1")
    watched = watched[watched["due_at"] < watched["opened_at"] + pd.Timedelta(days=WATCHED_DAYS)]
    late = ever_late(watched, end, LATE_DAYS) if len(watched) else pd.Series(dtype=bool)
    ready = matured(accounts, end, WATCHED_DAYS + LATE_DAYS).sort_values(["opened_at", "account_id"], ignore_index=True)
    ready = ready[ready["account_id"].isin(late.index)].reset_index(drop=True)
    return ready.assign(late=late.reindex(ready["account_id"]).to_numpy(bool))
