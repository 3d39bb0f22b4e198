-- Once per build: raw tables with short keys, business time and money in whole cents. Sums of whole cents are exact,
-- so a total does not depend on the order in which threads add.
-- Variables: since_us, until_us (events outside cannot matter to any snapshot of this build), timezone.

CREATE OR REPLACE TEMP TABLE top_scenes AS
WITH RECURSIVE climb (scene_id, top_id) AS (
    SELECT scene_id, scene_id FROM scenes WHERE parent_id IS NULL
    UNION ALL
    SELECT child.scene_id, climb.top_id FROM scenes AS child JOIN climb ON child.parent_id = climb.scene_id
)
SELECT * FROM climb;

CREATE OR REPLACE TEMP TABLE people AS
SELECT row_number() OVER (ORDER BY customer_id)::INTEGER AS who, *, epoch_us(registered_at) AS registered_us
FROM customers;

CREATE OR REPLACE TEMP TABLE places AS
SELECT row_number() OVER (ORDER BY top_id)::SMALLINT AS place, top_id FROM (SELECT DISTINCT top_id FROM top_scenes);

CREATE OR REPLACE TEMP TABLE acts AS
SELECT
    p.who, epoch_us(e.at) AS at_us, epoch_us(e.ingested_at) AS known_us, e.kind = 'purchase' AS bought, l.place,
    e.merchant_id, (e.amount * 100)::BIGINT AS cents,
    date_diff('day', DATE '1970-01-01', timezone(getvariable('timezone'), e.at)::DATE)::INTEGER AS day,
    hour(timezone(getvariable('timezone'), e.at))::UTINYINT AS hour,
    isodow(timezone(getvariable('timezone'), e.at)) >= 6 AS weekend
FROM events AS e
JOIN people AS p USING (customer_id)
LEFT JOIN merchants AS m USING (merchant_id)
LEFT JOIN top_scenes AS t ON t.scene_id = coalesce(e.scene_id, m.scene_id)
LEFT JOIN places AS l USING (top_id)
WHERE e.kind IN ('visit', 'browse', 'purchase')
    AND epoch_us(e.at) >= getvariable('since_us') AND epoch_us(e.ingested_at) < getvariable('until_us');

CREATE OR REPLACE TEMP TABLE touches AS
SELECT
    p.who, epoch_us(e.at) AS at_us, epoch_us(e.ingested_at) AS known_us, e.kind, e.campaign_id, e.product_id,
    e.channel, (e.amount * 100)::BIGINT AS cents, (e.cost * 100)::BIGINT AS cost_cents
FROM events AS e
JOIN people AS p USING (customer_id)
WHERE e.kind NOT IN ('visit', 'browse', 'purchase')
    AND epoch_us(e.at) >= getvariable('since_us') AND epoch_us(e.ingested_at) < getvariable('until_us');
