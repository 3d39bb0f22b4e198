"""Scenes with all that lies below them, as conditions on events read them."""

from __future__ import annotations

from collections.abc import Mapping

# scene id → the scene it is a part of; None for one that stands by itself
SceneTree = Mapping[str, str | None]


def with_below(scene: str, parents: SceneTree) -> tuple[str, ...]:
    """A scene and every scene below it, itself first, the others by id; one that the tree does not know is alone.

    >>> with_below("travel", {"travel": None, "travel.flight": "travel", "home": None})
    ('travel', 'travel.flight')
    >>> with_below("travel", {})
    ('travel',)
    """
    parts: dict[str, list[str]] = {}
    for one, above in parents.items():
        if above is not None:
            parts.setdefault(above, []).append(one)
    found, waiting = {scene}, [scene]
    while waiting:
        for one in parts.get(waiting.pop(), ()):
            if one not in found:
                found.add(one)
                waiting.append(one)
    return (scene, *sorted(found - {scene}))
