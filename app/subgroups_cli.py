"""The commands of subgroups and scenes: `scenefit subgroups …`. Rooms are imported inside the commands."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from app.console import AsJson, Folder, entered, opened_at, print_json

HERE = Path("workspace")
app = typer.Typer(help="Subgroups and scenes: mined, shown, mapped, opened.", no_args_is_help=True)


class Person(StrEnum):
    """Kinds of people; they are never added up."""

    customer = "customer"
    lead = "lead"
    visitor = "visitor"


class Option(StrEnum):
    """What can be opened."""

    merchant = "merchant"
    partner = "partner"
    source = "source"
    scene = "scene"


class Where(StrEnum):
    """Where parallel work runs."""

    auto = "auto"
    ray = "ray"
    local = "local"


Scenes = Annotated[list[str] | None, typer.Option("--scene", help="Only this scene; may be repeated.")]
At = Annotated[str | None, typer.Option(help="Moment such as 2026-06-01; default: end of data.")]


@app.command()
def mine(
    workspace: Folder = HERE,
    scene: Scenes = None,
    depth: Annotated[int | None, typer.Option(help="Most conditions of a rule; default: as set.")] = None,
    support: Annotated[int | None, typer.Option(help="Least members of a rule on the mining half.")] = None,
    top: Annotated[int | None, typer.Option(help="Most rules of a scene.")] = None,
    q: Annotated[float | None, typer.Option(help="Share of false discoveries that is tolerated.")] = None,
    quality: Annotated[str | None, typer.Option(help="By what rules are ranked, such as opportunity.")] = None,
    correction: Annotated[str | None, typer.Option(help="For many looks: bh or westfall-young.")] = None,
    at: At = None,
    backend: Annotated[Where | None, typer.Option(help="Where scenes are mined.")] = None,
    as_json: AsJson = False,
) -> None:
    """Mine the subgroups of scenes anew; they go before those of the run while the data is the same."""
    from app.scene_maps import document
    from app.subgroup_mining import mine as mine_scenes
    from app.subgroup_mining import miner_settings
    from scenefit.runtime.settings import read_settings

    opened = opened_at(workspace)
    time = opened.at(at)
    given = {"depth": depth, "support": support, "top": top, "q": q, "quality": quality, "correction": correction}
    options = {name: value for name, value in given.items() if value is not None}
    settings = miner_settings(read_settings(workspace), options)
    detail: dict[str, Any] = {"at": time.isoformat(), "scenes": scene or "all", **options}
    with entered(opened.place, "subgroups mine", detail):
        mined = mine_scenes(opened.place, settings, time, scene, backend.value if backend else None)
        detail["mined"] = mined.mined_id
        detail["rules"] = len(mined.rules)
    if as_json:
        print_json({**mined.manifest, "rules": document(mined.rules)})
        return
    from app.subgroups_text import mined_lines

    _echo(mined_lines(mined.manifest, document(mined.rules)))


@app.command()
def show(workspace: Folder = HERE, scene: Scenes = None, as_json: AsJson = False) -> None:
    """The rules in force with their evidence: mined anew, else of the latest run."""
    from app.scene_maps import document
    from app.subgroup_store import present_subgroups

    opened = opened_at(workspace)
    rules = present_subgroups(opened.place).rules
    rows = document(_of_scenes(rules, scene, opened.place))
    if as_json:
        print_json({"rules": rows})
        return
    from app.subgroups_text import rule_lines

    _echo(rule_lines(rows) or ["no rule stood out beyond chance"])


@app.command("map")
def show_map(
    workspace: Folder = HERE,
    scene: Scenes = None,
    kind: Annotated[Person | None, typer.Option(help="Only this kind of people.")] = None,
    as_json: AsJson = False,
) -> None:
    """Every scene and group: reached, not reached, hard to reach, need, affordability, expected value."""
    from app.scene_maps import document, workspace_map
    from scenefit.runtime.settings import read_settings

    opened = opened_at(workspace)
    mapped = workspace_map(opened.place, read_settings(workspace))
    cells = _of_scenes(mapped.cells, scene, opened.place)
    cells = cells if kind is None else cells[cells["kind"] == kind.value]
    rows = document(cells)
    if as_json:
        print_json({"as_of": mapped.as_of.isoformat(), "run": mapped.run_id, "need_days": mapped.need_days,
                    "reach_days": mapped.reach_days, "notes": mapped.notes, "cells": rows})  # fmt: skip
        return
    from app.subgroups_text import map_lines

    _echo(map_lines(rows, mapped.as_of.isoformat(), mapped.need_days, mapped.reach_days, mapped.notes))


@app.command()
def order(
    workspace: Folder = HERE,
    kind: Annotated[Option | None, typer.Option(help="Only this kind of option.")] = None,
    scene: Scenes = None,
    top: Annotated[int, typer.Option(min=1, help="Most options listed.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Which merchant, partner, traffic source or part of a scene to open next, and why."""
    from app.scene_maps import document, workspace_order
    from scenefit.runtime.settings import read_settings

    opened = opened_at(workspace)
    ordered = workspace_order(opened.place, read_settings(workspace))
    found = _of_scenes(ordered.options, scene, opened.place)
    found = found if kind is None else found[found["kind"] == kind.value]
    rows = document(found.head(top))
    if as_json:
        print_json({"as_of": ordered.as_of.isoformat(), "run": ordered.run_id, "days": ordered.need_days,
                    "too_few": ordered.too_few, "options": rows})  # fmt: skip
        return
    from app.subgroups_text import order_lines

    _echo(order_lines(rows, ordered.as_of.isoformat(), ordered.need_days, ordered.too_few))


@app.command("open-scene")
def open_scene(
    scene_id: Annotated[str, typer.Argument(help="Id of the new scene, such as camping.")],
    zh: Annotated[str, typer.Option(help="Name in Chinese.")],
    en: Annotated[str, typer.Option(help="Name in English.")],
    workspace: Folder = HERE,
    merchant: Annotated[list[str] | None, typer.Option(help="A merchant's id; may be repeated.")] = None,
    category: Annotated[list[str] | None, typer.Option(help="A scene of the data, with all below it.")] = None,
    source: Annotated[list[str] | None, typer.Option(help="A traffic source; may be repeated.")] = None,
    parent: Annotated[str | None, typer.Option(help="The scene this one is a part of.")] = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Make a scene of merchants, categories or traffic sources; the data itself stays as it is."""
    from math import isnan

    from app.scene_maps import make_scene
    from scenefit.runtime.settings import read_settings
    from segmentation.scene_made import SceneDefinition

    opened = opened_at(workspace)
    time = opened.at(at)
    definition = SceneDefinition(
        scene_id, en, zh, tuple(merchant or ()), tuple(category or ()), tuple(source or ()), parent
    )
    detail: dict[str, Any] = {"scene": scene_id, "at": time.isoformat()}
    with entered(opened.place, "subgroups open-scene", detail):
        made = make_scene(opened.place, definition, time, read_settings(workspace))
        detail["members"] = len(made.members)
    shown = {"scene_id": scene_id, "name_en": en, "name_zh": zh, "as_of": time.isoformat(),
             "merchants": list(made.definition.merchants), "categories": list(made.definition.categories),
             "sources": list(made.definition.sources), "members": len(made.members),
             **{k: None if isnan(v) else v for k, v in made.figures._asdict().items()}}  # fmt: skip
    if as_json:
        print_json(shown)
        return
    from app.subgroups_text import made_lines

    _echo(made_lines(shown))


def _of_scenes(frame: Any, wanted: list[str] | None, place: Any) -> Any:
    """The rows of the named scenes; a scene may have none.

    Raises
    ------
    SettingsError : there is no such scene, neither in the data nor a made one.
    """
    from difflib import get_close_matches

    from app.scene_store import user_scenes
    from scenefit.contracts.errors import SettingsError
    from scenefit.runtime.store import read

    if not wanted:
        return frame
    known = [
        *read(place, "scenes", ["scene_id"])["scene_id"].to_pylist(),
        *(one.scene_id for one in user_scenes(place)),
    ]
    for name in wanted:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"choose among {sorted(known)[:20]}"
            raise SettingsError(f"scene {name!r} is unknown; {hint}")
    return frame[frame["scene_id"].isin(wanted)].reset_index(drop=True)


def _echo(lines: list[str]) -> None:
    for line in lines:
        typer.echo(line)
