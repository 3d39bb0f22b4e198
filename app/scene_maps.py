"""The map of scenes and the order of opening for a workspace, from its latest run, features and raw tables."""

from __future__ import annotations

import getpass
import os
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pandas as pd

from app import scene_facts
from app.finished_run import FinishedRun, read_finished_run
from app.scene_needs import takes_by_scene, with_purchases
from app.scene_store import UserScene, check_new, readable_scenes, save_user_scene
from app.scene_supply import Supply, read_supply
from app.subgroup_store import present_subgroups
from feature_repo import history
from feature_repo.views import VIEWS
from scenefit.contracts.errors import ContractError, NotEligible, StoreError
from scenefit.contracts.tables import SCENES
from scenefit.runtime.settings import Settings
from scenefit.runtime.store import connect, raw_views
from scenefit.runtime.workspace import Workspace
from segmentation.scene_made import MadeScene, Places, SceneDefinition, SceneFigures, new_scene, resolved
from segmentation.scenes import SceneGroups, opening_order, rule_members, scene_map

SERVICE = "segments_v2"
PROFILE_SERVICE = "offers_v2"
KEYS = ["customer_id", "scene_id", "event_timestamp"]


class Mapped(NamedTuple):
    """The map with what it rests on: moment, days of demand and reach, the run, notes on what is left out."""

    cells: pd.DataFrame
    as_of: pd.Timestamp
    run_id: str
    need_days: int
    reach_days: int
    notes: list[str]


class Ordered(NamedTuple):
    """The opening order: moment, run, the days a gain is for, how many options are too small to be told, notes."""

    options: pd.DataFrame
    as_of: pd.Timestamp
    run_id: str
    need_days: int
    too_few: int
    notes: list[str]


class Remade(NamedTuple):
    """The scenes that people made, read anew as of a moment, and why others cannot be read: id → what is wrong."""

    scenes: list[MadeScene]
    problems: dict[str, str]

    @property
    def notes(self) -> list[str]:
        """What is left out, one sentence each."""
        return [
            f"{problem} (left out; make the scene anew, or remove scenes/{scene}.json)"
            for scene, problem in self.problems.items()
        ]


class _Read(NamedTuple):
    """What map and order both need."""

    run: FinishedRun
    at: pd.Timestamp
    people: pd.DataFrame
    takes: pd.DataFrame
    needs: pd.DataFrame
    need_days: int


def workspace_map(workspace: Workspace, settings: Settings) -> Mapped:
    """Every scene and its groups: reach, need, affordability, value, as of the latest run.

    Raises
    ------
    StoreError : there is no run, the data changed since, or there is no snapshot of its moment.
    """
    with connect(settings.runtime.memory_limit) as connection:
        raw_views(connection, workspace)
        found = _read(connection, workspace, settings)
        remade = _remade(connection, workspace, found.at)
        made = remade.scenes
        found = found._replace(needs=takes_by_scene(connection, found.takes, [one.definition for one in made]))
    features = scene_frames(workspace, found.at, made)
    groups, notes = _groups(workspace, found, features, made)
    bought = groups.scenes.loc[groups.scenes["need_of"] == "purchases", "scene_id"]
    demand = with_purchases(found.needs, {scene: features[scene] for scene in bought})
    cells = scene_map(groups, found.people, demand, pd_max=settings.limits.pd_max)
    days = settings.subgroups.reach_days
    return Mapped(cells, found.at, found.run.run_id, found.need_days, days, [*notes, *remade.notes])


def workspace_order(workspace: Workspace, settings: Settings) -> Ordered:
    """Merchants, partners, sources and parts of scenes in the order of opening, as of the latest run.

    Raises
    ------
    StoreError : as for `workspace_map`.
    """
    with connect(settings.runtime.memory_limit) as connection:
        raw_views(connection, workspace)
        found = _read(connection, workspace, settings)
        supply = read_supply(connection, found.at)
        remade = _remade(connection, workspace, found.at)
        needs = takes_by_scene(connection, found.takes, [one.definition for one in remade.scenes])
    supply = with_made(supply, remade.scenes)
    currency = str(found.run.dataset.get("currency", "CNY"))
    ranked = opening_order(
        supply.options, supply.active, found.people, needs, pd_max=settings.limits.pd_max, currency=currency
    )
    too_few = len(supply.options) - len(ranked)
    return Ordered(ranked, found.at, found.run.run_id, found.need_days, too_few, remade.notes)


def make_scene(workspace: Workspace, definition: SceneDefinition, at: pd.Timestamp, settings: Settings) -> MadeScene:
    """A new scene of a workspace, kept under scenes/; later maps and audiences know it.

    Raises
    ------
    ContractError : an id is unknown or taken, a name is empty.
    NotEligible : nobody is active in it.
    StoreError : a made scene bears the id, or the disk cannot be written.
    """
    check_new(workspace, definition.scene_id)
    with connect(settings.runtime.memory_limit) as connection:
        raw_views(connection, workspace)
        made = _made(connection, definition, scene_facts.read_places(connection, workspace), at)
    figures = {name: None if np.isnan(value) else value for name, value in made.figures._asdict().items()}
    scene = UserScene(
        scene_id=definition.scene_id, name_en=definition.name_en, name_zh=definition.name_zh,
        merchants=definition.merchants, categories=definition.categories, sources=definition.sources,
        parent_id=definition.parent_id, made_by=_person(), made_at=pd.Timestamp.now("UTC").to_pydatetime(),
        as_of=at.to_pydatetime(), fingerprint=workspace.dataset().fingerprint, figures=figures,
    )  # fmt: skip
    save_user_scene(workspace, scene)
    return made


def made_scenes(workspace: Workspace, at: pd.Timestamp, memory_limit: str = "2GB") -> list[MadeScene]:
    """The scenes that people made, read anew as of a moment, without those that cannot be; see `remade_scenes`."""
    return remade_scenes(workspace, at, memory_limit).scenes


def remade_scenes(workspace: Workspace, at: pd.Timestamp, memory_limit: str = "2GB") -> Remade:
    """The scenes that people made, read anew as of a moment; one that nobody is active in is an empty scene.

    A damaged file, or a definition that names something the data no longer has, keeps none of the others back.
    """
    with connect(memory_limit) as connection:
        raw_views(connection, workspace)
        return _remade(connection, workspace, at)


def scene_frames(workspace: Workspace, at: pd.Timestamp, made: list[MadeScene]) -> dict[str, pd.DataFrame]:
    """Scene id → customer_id and features of the people active in it, scenes of the data and made ones alike.

    Raises
    ------
    StoreError : there is no snapshot within the TTL.
    """
    rows = history.as_of(at, SERVICE, workspace, purpose="marketing")
    frames = {
        str(scene): part.drop(columns=["scene_id", "event_timestamp"]).reset_index(drop=True)
        for scene, part in rows.groupby("scene_id", sort=True)
    }
    if made:
        profile = history.as_of(at, PROFILE_SERVICE, workspace, purpose="marketing").drop(columns="event_timestamp")
        profile = profile.assign(customer_id=profile["customer_id"].astype(object))
        for one in made:
            own = one.members.drop(columns="kind")
            frames[one.definition.scene_id] = own.merge(profile, on="customer_id", how="left", validate="1:1")
    return frames


def with_made(supply: Supply, made: list[MadeScene]) -> Supply:
    """The options with the scenes that people made, of whose costs nothing is known; empty ones are no options."""
    made = [one for one in made if len(one.members)]
    if not made:
        return supply
    options = [
        one.scene[["scene_id", "name_en", "name_zh"]].assign(
            kind="scene", option_id=one.definition.scene_id, cost_per_click=np.nan, cost_per_approval=np.nan
        )
        for one in made
    ]
    active = [
        pd.DataFrame({"kind": "scene", "option_id": one.definition.scene_id, "customer_id": one.members["customer_id"]})
        for one in made
    ]
    columns = list(supply.options.columns)
    return Supply(
        pd.concat([supply.options, *options], ignore_index=True)[columns],
        pd.concat([supply.active, *active], ignore_index=True),
    )


def document(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows for JSON: gaps become null, numbers plain."""
    return [{str(k): None if pd.isna(v) else _plain(v) for k, v in row.items()} for row in frame.to_dict("records")]


def _read(connection: duckdb.DuckDBPyConnection, workspace: Workspace, settings: Settings) -> _Read:
    run = read_finished_run(workspace.latest(), workspace)
    if run.dataset.get("fingerprint") != workspace.dataset().fingerprint:
        raise StoreError(f"{workspace.root}: the data changed since run {run.run_id}; start `scenefit run` first")
    at = pd.Timestamp(run.manifest["as_of"])
    days = settings.flow.horizon_days * settings.flow.label_windows
    people = scene_facts.read_people(connection, workspace, at, run.tables["scores"], settings)
    takes = scene_facts.read_takes(connection, at - pd.Timedelta(days=days), at)
    return _Read(run, at, people, takes, takes.dropna(subset=["scene_id"]), days)


def _made(
    connection: duckdb.DuckDBPyConnection, definition: SceneDefinition, places: Places, at: pd.Timestamp
) -> MadeScene:
    whole = resolved(definition, places)
    events, people = scene_facts.read_made_from(connection, whole.merchants, whole.categories, whole.sources, at)
    return new_scene(whole, events, people, places, as_of=at)


def _remade(connection: duckdb.DuckDBPyConnection, workspace: Workspace, at: pd.Timestamp) -> Remade:
    scenes, problems = readable_scenes(workspace)
    places = scene_facts.read_places(connection, workspace) if scenes else None
    made: list[MadeScene] = []
    for definition in [scene.definition for scene in scenes]:
        assert places is not None
        try:
            made.append(_made(connection, definition, places, at))
        except NotEligible:
            made.append(_empty(definition))
        except ContractError as error:
            problems[definition.scene_id] = str(error)
    return Remade(made, problems)


def _empty(definition: SceneDefinition) -> MadeScene:
    """A scene that nobody is active in."""
    row = pd.DataFrame({name: [getattr(definition, name)] for name in SCENES.names})
    members = pd.DataFrame({name: pd.Series(dtype=object) for name in ("customer_id", "kind")})
    members = members.assign(**{name: pd.Series(dtype=float) for name in VIEWS["customer_scene"].names})
    return MadeScene(definition, row, members, SceneFigures(0, 0, 0, 0, 0, 0, 0.0, np.nan))


def _groups(
    workspace: Workspace, found: _Read, features: dict[str, pd.DataFrame], made: list[MadeScene]
) -> tuple[SceneGroups, list[str]]:
    """Scenes with their segments and mined subgroups, and what could not be placed."""
    scenes, run = _scenes(found, features, made), found.run
    members = pd.concat(
        [pd.DataFrame({"scene_id": s, "customer_id": features[s]["customer_id"]}) for s in scenes["scene_id"]],
        ignore_index=True,
    )
    segments = run.tables["segments"].rename(columns={"segment_id": "group_id"})
    names = run.tables["segment_profiles"].drop_duplicates("segment_id").rename(columns={"segment_id": "group_id"})
    rules, notes = present_subgroups(workspace).rules, []
    rules = rules.assign(group_id=rules["scene_id"].astype(object) + "#" + rules["rank"].astype(str))
    told = rules[rules["rule"].notna()] if "rule" in rules else rules.iloc[:0]
    if len(told) < len(rules):
        notes.append(
            f"{len(rules) - len(told)} mined subgroups carry no rule that can be applied (an older run); mine again"
        )
    gone = sorted(set(told["scene_id"]) - set(features))
    if gone:
        notes.append(f"mined subgroups of {', '.join(gone)} are left out: nothing is known of these scenes now")
        told = told[told["scene_id"].isin(list(features))]
    columns = ["scene_id", "group_id", "origin", "name_en", "name_zh"]
    parts = [
        names.assign(origin="segment")[columns],
        told.assign(origin="subgroup", name_en=told["rule_en"], name_zh=told["rule_zh"])[columns],
    ]
    groups = pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
    groups = groups[groups["scene_id"].isin(scenes["scene_id"])]
    belongs = [segments[["scene_id", "group_id", "customer_id"]]]
    if len(told):
        belongs.append(rule_members(features, told))
    return SceneGroups(scenes, members, groups, pd.concat(belongs, ignore_index=True)), notes


def _scenes(found: _Read, features: dict[str, pd.DataFrame], made: list[MadeScene]) -> pd.DataFrame:
    """Scenes with members, largest first, with names and what counts as demand there."""
    names = found.run.scenes[["scene_id", "name_en", "name_zh"]]
    own = pd.concat([names, *(one.scene[names.columns] for one in made)], ignore_index=True)
    sizes = {scene: len(frame) for scene, frame in features.items() if len(frame)}
    ordered = sorted(sizes, key=lambda scene: (-sizes[scene], scene))
    known = own.drop_duplicates("scene_id").set_index("scene_id").reindex(ordered).reset_index()
    known = known.assign(name_en=known["name_en"].fillna(known["scene_id"]))
    known = known.assign(name_zh=known["name_zh"].fillna(known["scene_id"]))
    served = set(found.needs["scene_id"])
    return known.assign(need_of=["takes" if scene in served else "purchases" for scene in known["scene_id"]])


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def _person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # containers run with numbers that no name belongs to
        return f"uid {os.getuid()}"
