"""What could be opened next, and who was active there: merchants, partners, traffic sources, parts of scenes."""

from __future__ import annotations

from typing import NamedTuple

import duckdb
import pandas as pd

from scenefit.contracts.schema import frame_of
from segmentation.scene_made import WINDOW
from segmentation.scene_order import OPTIONS
from segmentation.scene_people import pairs

TREE = """
CREATE OR REPLACE TEMP TABLE tops AS
WITH RECURSIVE climb (scene_id, top_id) AS (
    SELECT scene_id, scene_id FROM scenes WHERE parent_id IS NULL
    UNION ALL SELECT c.scene_id, climb.top_id FROM scenes c JOIN climb ON c.parent_id = climb.scene_id
) SELECT * FROM climb;
CREATE OR REPLACE TEMP TABLE leaves AS
SELECT * FROM scenes JOIN tops USING (scene_id)
WHERE parent_id IS NOT NULL OR scene_id NOT IN (SELECT parent_id FROM scenes WHERE parent_id IS NOT NULL);
"""
SEEN = """
CREATE OR REPLACE TEMP TABLE seen AS
SELECT DISTINCT e.customer_id, e.merchant_id, m.partner_id, e.source, coalesce(e.scene_id, m.scene_id) AS part
FROM events e LEFT JOIN merchants m USING (merchant_id) JOIN customers c USING (customer_id)
WHERE e.kind IN ('visit', 'browse', 'purchase') AND e."at" >= $s AND e."at" < $t AND e.ingested_at < $t
  AND c.registered_at < $t
"""
NAMED = """
SELECT 'merchant' AS kind, merchant_id AS option_id, top_id AS scene_id, m.name_en, m.name_zh,
       p.cost_per_click::DOUBLE AS cost_per_click, p.cost_per_approval::DOUBLE AS cost_per_approval
FROM merchants m LEFT JOIN tops USING (scene_id) LEFT JOIN partners p USING (partner_id)
UNION ALL SELECT CASE kind WHEN 'traffic' THEN 'source' ELSE 'partner' END, partner_id, NULL, name_en, name_zh,
       cost_per_click::DOUBLE, cost_per_approval::DOUBLE FROM partners
UNION ALL SELECT DISTINCT 'source', source, NULL, source, source, NULL::DOUBLE, NULL::DOUBLE
       FROM seen WHERE source IS NOT NULL AND source NOT IN (SELECT partner_id FROM partners)
UNION ALL SELECT 'scene', scene_id, top_id, name_en, name_zh, NULL, NULL FROM leaves
ORDER BY kind, option_id
"""
ACTIVE = """
SELECT 'merchant' AS kind, merchant_id AS option_id, customer_id FROM seen WHERE merchant_id IS NOT NULL
UNION SELECT 'partner', partner_id, customer_id FROM seen JOIN partners p USING (partner_id) WHERE p.kind <> 'traffic'
UNION SELECT 'source', source, customer_id FROM seen LEFT JOIN partners p ON p.partner_id = seen.source
      WHERE source IS NOT NULL AND coalesce(p.kind, 'traffic') = 'traffic'
UNION SELECT 'scene', part, customer_id FROM seen JOIN leaves ON scene_id = part
ORDER BY ALL
"""


class Supply(NamedTuple):
    """What could be opened, and who was active there in the last year (kind, option_id, customer_id)."""

    options: pd.DataFrame
    active: pd.DataFrame


def read_supply(connection: duckdb.DuckDBPyConnection, at: pd.Timestamp) -> Supply:
    """Merchants, partners, traffic sources and parts of scenes, with who was active there in the year before `at`.

    A scene without parts is its own. A merchant's or a part's demand is that of its top-level scene; a partner's and a
    source's that of any scene.
    """
    connection.execute(TREE)
    connection.execute(SEEN, {"t": at, "s": at - pd.Timedelta(days=WINDOW)})
    found = frame_of(connection.sql(NAMED).to_arrow_table())[list(OPTIONS)]
    there = frame_of(connection.sql(ACTIVE).to_arrow_table())
    # events may name merchants that the table of merchants has never heard of
    known = pairs(there["kind"], there["option_id"], found[["kind", "option_id"]]) >= 0
    return Supply(found, there[known].reset_index(drop=True))
