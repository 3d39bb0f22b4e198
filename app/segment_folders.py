"""Where the segments of a workspace lie: models/segments/<scene>/v0001/, a folder per scene and version."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote, unquote

from scenefit.runtime.workspace import Workspace


def segments_folder(workspace: Workspace) -> Path:
    """The folder of all scenes' segments."""
    return workspace.models / "segments"


def scene_folder(workspace: Workspace, scene: str) -> Path:
    """The folder of one scene's segments."""
    # a scene's id may hold anything, a folder's name neither slashes nor a leading dot
    return segments_folder(workspace) / quote(scene, safe="").replace(".", "%2E")


def version_folder(workspace: Workspace, scene: str, version: int) -> Path:
    """The folder of one version of a scene's segments."""
    return scene_folder(workspace, scene) / f"v{version:04d}"


def fitted_scenes(workspace: Workspace) -> list[str]:
    """Scenes that have segments, by id."""
    root = segments_folder(workspace)
    found = [unquote(folder.name) for folder in root.iterdir()] if root.is_dir() else []
    return sorted(scene for scene in found if version_numbers(workspace, scene))


def version_numbers(workspace: Workspace, scene: str) -> list[int]:
    """Versions kept of a scene's segments, oldest first."""
    folder = scene_folder(workspace, scene)
    names = (part.name for part in folder.iterdir()) if folder.is_dir() else ()
    return sorted(int(name[1:]) for name in names if re.fullmatch(r"v\d{4,}", name))
