"""Scenes that people made in a workspace: one small JSON file each under scenes/, beside the data, never in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from scenefit.contracts.errors import StoreError
from scenefit.runtime.workspace import Workspace, write_text
from segmentation.scene_made import SceneDefinition


class UserScene(BaseModel):
    """A made scene as it lies on disk: what makes it, who made it when, and its figures then."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scene_id: str
    name_en: str
    name_zh: str
    merchants: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    parent_id: str | None = None
    made_by: str
    made_at: AwareDatetime
    as_of: AwareDatetime
    fingerprint: str
    figures: dict[str, float | None]

    @property
    def definition(self) -> SceneDefinition:
        """What makes the scene, as it was given."""
        return SceneDefinition(
            self.scene_id, self.name_en, self.name_zh, self.merchants, self.categories, self.sources, self.parent_id
        )


def user_scenes(workspace: Workspace) -> list[UserScene]:
    """All made scenes, by id.

    Raises
    ------
    StoreError : a file is damaged.
    """
    return [_read(_folder(workspace) / f"{scene_id}.json") for scene_id in made_ids(workspace)]


def readable_scenes(workspace: Workspace) -> tuple[list[UserScene], dict[str, str]]:
    """Made scenes that can be read, by id, and what is wrong with each of the others."""
    found, problems = [], {}
    for scene_id in made_ids(workspace):
        try:
            found.append(_read(_folder(workspace) / f"{scene_id}.json"))
        except StoreError as error:
            problems[scene_id] = str(error)
    return found, problems


def made_ids(workspace: Workspace) -> list[str]:
    """Ids of all made scenes, readable or not."""
    folder = _folder(workspace)
    return sorted(file.stem for file in folder.glob("*.json")) if folder.is_dir() else []


def check_new(workspace: Workspace, scene_id: str) -> None:
    """Refuse an id that a made scene bears already."""
    if (_folder(workspace) / f"{scene_id}.json").exists():
        raise StoreError(f"scene {scene_id!r} was made already; choose another id, or remove scenes/{scene_id}.json")


def save_user_scene(workspace: Workspace, scene: UserScene) -> Path:
    """Keep a made scene; an existing one is never replaced.

    Raises
    ------
    StoreError : there is one of this id, or the disk cannot be written.
    """
    check_new(workspace, scene.scene_id)
    file = _folder(workspace) / f"{scene.scene_id}.json"
    document: dict[str, Any] = scene.model_dump(mode="json")
    write_text(file, json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True))
    return file


def _read(file: Path) -> UserScene:
    try:
        return UserScene.model_validate_json(file.read_text("utf8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        reason = error.errors(include_url=False)[0]["msg"] if isinstance(error, ValidationError) else error
        raise StoreError(f"{file}: damaged ({reason}); restore or remove it") from error


def _folder(workspace: Workspace) -> Path:
    return workspace.root / "scenes"
