"""What the map of scenes reads from raw tables and the latest run: people, demand, places, who was active where."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd

from app import facts
from app.contactable import contactable
from app.default_scores import default_probabilities
from scenefit.contracts.schema import frame_of
from scenefit.runtime.settings import Settings
from scenefit.runtime.store import read
from scenefit.runtime.workspace import Workspace
from segmentation.scene_made import WINDOW, Places
from segmentation.scene_people import hard_to_reach

# so many messages in a year without any answer since: one more is most likely lost
SILENT_AFTER = 5


def read_people(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    at: pd.Timestamp,
    scores: pd.DataFrame,
    settings: Settings,
) -> pd.DataFrame:
    """Everybody known at a moment in the columns of `segmentation.scene_people.PEOPLE`, by id.

    Parameters
    ----------
    scores : of the run of that moment
    """
    people = _contacted(connection, at, settings)
    gates = _gates(connection, workspace, people, at, settings)
    best = scores[(scores["rank"] == 1) & (scores["value"] > 0)].set_index("customer_id")
    best = best[["value", "p_take"]].reindex(people["customer_id"])
    hard = hard_to_reach(
        gates["permitted"], gates["blocked"], people["contacts"].to_numpy(), people["unanswered"].to_numpy(),
        cap=settings.limits.contacts, silent_after=SILENT_AFTER,
    )  # fmt: skip
    return people.assign(
        hard=hard, held_out=gates["held_out"], value=best["value"].to_numpy(float),
        p_take=best["p_take"].to_numpy(float), pd=_default(workspace, people, at),
        headroom=people["headroom"].to_numpy(dtype=float, na_value=np.nan),
    )  # fmt: skip


def read_takes(connection: duckdb.DuckDBPyConnection, since: pd.Timestamp, until: pd.Timestamp) -> pd.DataFrame:
    """Who took a product made for a scene with since <= at < until: scene_id (empty: for any scene), customer_id."""
    return frame_of(
        connection.sql(
            """
            WITH made AS (
                SELECT product_id, unnest(CASE WHEN len(scenes) > 0 THEN scenes ELSE [NULL] END) AS scene_id
                FROM (SELECT product_id, arg_max(scenes, version) AS scenes FROM products GROUP BY product_id)
            ), taken AS (
                SELECT customer_id, product_id FROM events
                WHERE kind = 'draw' AND "at" >= $s AND "at" < $u AND ingested_at < $u
                UNION SELECT customer_id, product_id FROM accounts WHERE opened_at >= $s AND opened_at < $u
            )
            SELECT DISTINCT scene_id, customer_id FROM taken JOIN made USING (product_id) JOIN customers
            USING (customer_id) WHERE registered_at < $u ORDER BY ALL
            """,
            params={"s": since, "u": until},
        ).to_arrow_table()
    )


def read_places(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> Places:
    """Scenes, merchants and the traffic sources that partners or events name."""
    sources = connection.sql(
        "SELECT source FROM (SELECT DISTINCT source FROM events UNION SELECT partner_id FROM partners "
        "WHERE kind = 'traffic') WHERE source IS NOT NULL ORDER BY source"
    ).fetchall()
    scenes, merchants = (frame_of(read(workspace, name)) for name in ("scenes", "merchants"))
    return Places(scenes, merchants, tuple(row[0] for row in sources))


def read_made_from(
    connection: duckdb.DuckDBPyConnection,
    merchants: tuple[str, ...],
    categories: tuple[str, ...],
    sources: tuple[str, ...],
    at: pd.Timestamp,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Events that may belong to a made scene, and everybody with kind, activity and spend in scenes over the year."""
    window = {"t": at, "s": at - pd.Timedelta(days=WINDOW)}
    known = "kind IN ('visit', 'browse', 'purchase') AND \"at\" >= $s AND \"at\" < $t AND ingested_at < $t"
    events = connection.sql(
        'SELECT e.customer_id, e."at", e.ingested_at, e.kind, e.scene_id, e.merchant_id, e.source, e.amount::DOUBLE '
        "AS amount FROM events e LEFT JOIN merchants m USING (merchant_id) JOIN customers c USING (customer_id) "
        f"WHERE {known.replace('kind', 'e.kind', 1)} AND c.registered_at < $t AND (list_contains($m, e.merchant_id) OR "
        "list_contains($c, coalesce(e.scene_id, m.scene_id)) OR list_contains($o, e.source)) ORDER BY e.event_id",
        params=window | {"m": list(merchants), "c": list(categories), "o": list(sources)},
    ).to_arrow_table()
    people = connection.sql(
        "SELECT customer_id, c.kind, coalesce(acts, 0) AS acts_365d, coalesce(cents, 0) / 100 AS spend_365d "
        "FROM customers c LEFT JOIN (SELECT customer_id, count(*) AS acts, sum((amount * 100)::BIGINT) "
        "FILTER (kind = 'purchase') AS cents FROM events LEFT JOIN merchants m USING (merchant_id) "
        f"WHERE {known} AND coalesce(events.scene_id, m.scene_id) IS NOT NULL GROUP BY customer_id) "
        "USING (customer_id) WHERE registered_at < $t ORDER BY customer_id",
        params=window,
    ).to_arrow_table()
    return frame_of(events), frame_of(people)


def _contacted(connection: duckdb.DuckDBPyConnection, at: pd.Timestamp, settings: Settings) -> pd.DataFrame:
    """Everybody known, by id: kind, messages within the cap's window, of late and unanswered, room in open accounts."""
    return frame_of(
        connection.sql(
            """
            WITH answered AS (
                SELECT customer_id, max("at") AS last FROM events
                WHERE kind IN ('click', 'reply', 'apply', 'draw') AND campaign_id IS NOT NULL
                  AND "at" < $t AND ingested_at < $t GROUP BY customer_id
            ), sent AS (
                SELECT e.customer_id, count(*) FILTER (e."at" >= $capped) AS contacts,
                       count(*) FILTER (e."at" >= $reached) AS lately,
                       count(*) FILTER (a.last IS NULL OR e."at" > a.last) AS unanswered
                FROM events e LEFT JOIN answered a USING (customer_id)
                WHERE e.kind = 'sent' AND e."at" >= $year AND e."at" < $t AND e.ingested_at < $t GROUP BY e.customer_id
            ), room AS (
                SELECT customer_id, sum(greatest("limit" - coalesce(balance, 0), 0))::DOUBLE AS headroom FROM accounts
                WHERE opened_at < $t AND coalesce(closed_at >= $t, status = 'open') AND "limit" IS NOT NULL
                GROUP BY customer_id
            )
            SELECT customer_id, kind, coalesce(contacts, 0) AS contacts, coalesce(lately, 0) > 0 AS contacted,
                   coalesce(unanswered, 0) AS unanswered, headroom
            FROM customers LEFT JOIN sent USING (customer_id) LEFT JOIN room USING (customer_id)
            WHERE registered_at < $t ORDER BY customer_id
            """,
            params={
                "t": at,
                "capped": at - pd.Timedelta(days=settings.limits.contact_days),
                "reached": at - pd.Timedelta(days=settings.subgroups.reach_days),
                "year": at - pd.Timedelta(days=WINDOW),
            },
        ).to_arrow_table()
    )


def _gates(
    connection: duckdb.DuckDBPyConnection, workspace: Workspace, people: pd.DataFrame, at: pd.Timestamp,
    settings: Settings,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Who has a permitted channel, who is blocked, who is held out."""
    customers = people["customer_id"].to_numpy(object)
    facts.number_people(connection, customers)
    found = contactable(connection, workspace, workspace.dataset(), customers, at, settings)
    passes = {gate.step: gate.passes for gate in found.gates}
    permitted = [mask for step, mask in passes.items() if step.startswith("consent") or step == "no objection"]
    return {
        "permitted": np.logical_and.reduce(permitted),
        "blocked": ~passes["not blocked"],
        "held_out": ~passes["outside hold-out"],
    }


def _default(workspace: Workspace, people: pd.DataFrame, at: pd.Timestamp) -> np.ndarray:
    """Probability of default by the run's model; it leaves this room as shares and means of 20 people and more only."""
    scored = default_probabilities(workspace, at)
    if scored is None:
        return np.full(len(people), np.nan)
    found: np.ndarray = scored.reindex(people["customer_id"]).to_numpy(dtype=float)
    return found
