"""What counts as demand in a scene: products of the scene that were taken; where it has none, purchases there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import pandas as pd

from segmentation.scene_made import SceneDefinition

KEYS = ["scene_id", "customer_id"]


def takes_by_scene(
    connection: duckdb.DuckDBPyConnection, takes: pd.DataFrame, made: Sequence[SceneDefinition]
) -> pd.DataFrame:
    """Who took a product of which scene, made scenes included: scene_id, customer_id, once each.

    A made scene is answered by the products of the scenes that its categories, its merchants and its parent stand in
    or below; one of traffic sources alone by those of every scene.
    """
    known = takes.dropna(subset=["scene_id"])[KEYS].astype(object)
    parts = [known]
    for definition in made:
        answering = _answering(connection, definition)
        fitting = known if answering is None else known[known["scene_id"].isin(answering)]
        parts.append(fitting.assign(scene_id=definition.scene_id).drop_duplicates())
    return pd.concat(parts, ignore_index=True)


def with_purchases(takes: pd.DataFrame, features: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The takes, and for further scenes who bought there within 90 days.

    Parameters
    ----------
    features : scene id → customer_id and scene_purchases_90d of the people active in it
    """
    parts = [takes]
    for scene, frame in features.items():
        bought = frame.loc[frame["scene_purchases_90d"].fillna(0) > 0, "customer_id"]
        parts.append(pd.DataFrame({"scene_id": scene, "customer_id": bought.astype(object)}))
    return pd.concat(parts, ignore_index=True)[KEYS]


def _answering(connection: duckdb.DuckDBPyConnection, definition: SceneDefinition) -> set[str] | None:
    """Scenes whose products answer the demand of a made scene; None: any."""
    named = [*definition.categories, *([definition.parent_id] if definition.parent_id else [])]
    if not named and not definition.merchants:
        return None
    rows = connection.execute(
        """
        WITH RECURSIVE named AS (
            SELECT scene_id FROM scenes WHERE list_contains($named, scene_id)
            UNION SELECT scene_id FROM merchants WHERE list_contains($merchants, merchant_id)
        ), climb AS (
            SELECT scene_id FROM named WHERE scene_id IS NOT NULL
            UNION SELECT s.parent_id FROM climb JOIN scenes s USING (scene_id) WHERE s.parent_id IS NOT NULL
        ) SELECT scene_id FROM climb
        """,
        {"named": named, "merchants": list(definition.merchants)},
    ).fetchall()
    return {row[0] for row in rows}
