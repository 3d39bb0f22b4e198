"""The names that a rule may use on a desk: columns, scenes, products, merchants, segments, audiences."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from feature_repo.services import SERVICES
from scenefit.contracts.errors import ContractError
from scenefit.runtime.store import read
from scenefit.runtime.workspace import Workspace
from segmentation.rule_context import Did, InAudience, InSegment, nearest
from segmentation.rule_scenes import SceneTree
from segmentation.rule_trees import InScene, parts_of
from segmentation.rule_values import known_column
from segmentation.rules import Between, Compare, Condition, In, Missing, Percentile, Rule

# the features that a scene's own rows hold
SCENE_SERVICE = "segments_v2"


class RawNames(NamedTuple):
    """Ids that events may bear.

    scenes : the tree of scenes, id → the one above
    """

    scenes: SceneTree
    products: frozenset[str]
    merchants: frozenset[str]


class Names(NamedTuple):
    """Everything a rule may name.

    columns : attributes of customers; scene_columns : those of a scene's own rows
    made : scenes that people made, which no event bears
    """

    columns: Collection[str]
    scene_columns: Collection[str]
    raw: RawNames
    made: Collection[str]
    segments: Collection[str]
    audiences: Collection[str]


def raw_names(workspace: Workspace) -> RawNames:
    """The ids in the raw tables."""
    products, merchants = (
        frozenset(read(workspace, table, [column])[column].to_pylist())
        for table, column in (("products", "product_id"), ("merchants", "merchant_id"))
    )
    return RawNames(scene_tree(workspace), products, merchants)


def scene_tree(workspace: Workspace) -> SceneTree:
    """The scenes of the data: id → the one above, None for those at the top."""
    table = read(workspace, "scenes", ["scene_id", "parent_id"])
    return dict(zip(table["scene_id"].to_pylist(), table["parent_id"].to_pylist(), strict=True))


def scene_columns() -> list[str]:
    """Columns of a scene's own rows, as they are declared: nothing is read."""
    return [feature.name for feature in SERVICES[SCENE_SERVICE].features]


def require_known(rule: Rule, names: Names) -> None:
    """Refuse a rule that names something there is not.

    Raises
    ------
    ContractError : names it, with the nearest known name.
    """
    for condition, inside in _conditions(rule.where, False):
        if isinstance(condition, Compare | Between | In | Missing | Percentile):
            _require_column(condition.column, inside, names)
        elif isinstance(condition, Did):
            _require_places(condition, names)
        elif isinstance(condition, InSegment):
            _require("segment", condition.segment, names.segments)
        elif isinstance(condition, InAudience):
            _require("audience", condition.audience, names.audiences)
        elif isinstance(condition, InScene):
            _require_scene(condition.scene, names)


def _conditions(condition: Condition, inside: bool) -> Iterator[tuple[Condition, bool]]:
    """Every condition, and whether it is read on a scene's own rows."""
    yield condition, inside
    for part in parts_of(condition):
        yield from _conditions(part, inside or isinstance(condition, InScene))


def _require_column(column: str, inside: bool, names: Names) -> None:
    if not inside and column not in names.columns and column in names.scene_columns:
        top = next((scene for scene, above in names.raw.scenes.items() if above is None), "travel")
        raise ContractError(
            f"rule: column {column!r} is known inside a scene alone; "
            f'write in scene "{top}" ({column} …), with the scene that is meant'
        )
    known_column(column, names.scene_columns if inside else names.columns)


def _require_places(did: Did, names: Names) -> None:
    if did.scene is not None and did.scene in names.made and did.scene not in names.raw.scenes:
        raise ContractError(
            f"rule: scene {did.scene!r} was made here, and no event bears its id; "
            f'write in scene "{did.scene}" (scene_visits_365d >= 1), or name the scenes it is made of'
        )
    for what, name in did.places:
        known = {"scene": names.raw.scenes, "product": names.raw.products, "merchant": names.raw.merchants}[what]
        _require(what, name, known)


def _require_scene(scene: str, names: Names) -> None:
    above = names.raw.scenes.get(scene)
    if scene in names.made:
        return
    if above is not None:
        raise ContractError(
            f"rule: scene {scene!r} is a part of {above!r} and has no features of its own; "
            f'write in scene "{above}" (…), or did purchase within 365 days in scene "{scene}"'
        )
    tops = [name for name, parent in names.raw.scenes.items() if parent is None]
    _require("scene", scene, [*tops, *names.made])


def _require(what: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise ContractError(f"rule: {what} {name!r} is unknown. {nearest(name, known)}")
