WITH
seen AS (SELECT * FROM known_acts WHERE age < 365),
activity AS (
    SELECT
        who,
        min(age) AS days_since_activity,
        min(age) FILTER (bought) AS days_since_purchase,
        count(*) FILTER (NOT bought AND age < 28) AS visits_28d,
        count(*) FILTER (NOT bought AND age < 90) AS visits_90d,
        count(*) FILTER (NOT bought) AS visits_365d,
        count(*) FILTER (bought AND age < 28) AS purchases_28d,
        count(*) FILTER (bought AND age < 90) AS purchases_90d,
        count(*) FILTER (bought) AS purchases_365d,
        count(*) FILTER (age < 28) AS now_28d,
        count(*) FILTER (age >= 28 AND age < 56) AS then_28d,
        sum(cents) FILTER (bought AND age < 28) AS cents_28d,
        sum(cents) FILTER (bought AND age < 90) AS cents_90d,
        sum(cents) FILTER (bought) AS cents_365d,
        count(cents) FILTER (bought) AS tickets_365d,
        max(cents) FILTER (bought) AS max_cents_365d,
        count(*) FILTER (night) / count(*) AS night_share_365d,
        count(*) FILTER (weekend) / count(*) AS weekend_share_365d
    FROM seen GROUP BY who
),
active_days AS (
    SELECT who, count(*) AS active_days_365d, count(*) FILTER (youngest < 28) AS active_days_28d
    FROM (SELECT who, day, min(age) AS youngest FROM seen GROUP BY who, day) GROUP BY who
),
per_scene AS (SELECT who, place, count(*) AS n FROM seen WHERE place IS NOT NULL GROUP BY who, place),
-- entropy by whole billionths of n ln n: their sum is exact, a sum of floats would depend on its order
scene_mix AS (
    SELECT
        who,
        count(*) AS scenes_365d,
        greatest(0, ln(sum(n)) - sum(round(n * ln(n) * 1e9)::BIGINT) / 1e9 / sum(n)) AS scene_entropy_365d,
        max(n) / sum(n) AS top_scene_share_365d,
        -- the most frequent place, the first by id where equal
        (32767 - max(n * 32768 + 32767 - place) % 32768)::SMALLINT AS top_place
    FROM per_scene GROUP BY who
),
tickets AS (
    SELECT who, coalesce('m' || merchant_id, '') AS shop, place, cents FROM seen WHERE bought AND cents IS NOT NULL
),
shop_ticket AS (
    SELECT shop, round(sum(cents) / count(*))::BIGINT AS typical FROM tickets WHERE shop <> ''
    GROUP BY shop HAVING count(*) >= 20
),
scene_ticket AS (
    SELECT place, round(sum(cents) / count(*))::BIGINT AS typical FROM tickets WHERE place IS NOT NULL GROUP BY place
),
relative AS (
    SELECT who, sum(cents) / nullif(sum(coalesce(m.typical, s.typical)), 0) AS relative_ticket_365d
    FROM tickets LEFT JOIN shop_ticket AS m USING (shop) LEFT JOIN scene_ticket AS s USING (place)
    WHERE coalesce(m.typical, s.typical) IS NOT NULL
    GROUP BY who
),
told AS (
    SELECT
        who,
        count(*) FILTER (kind = 'sent' AND age < 30) AS contacts_30d,
        count(*) FILTER (kind = 'sent' AND age < 90) AS contacts_90d,
        count(*) FILTER (kind = 'sent') AS contacts_365d,
        min(age) FILTER (kind = 'sent') AS days_since_contact,
        count(*) FILTER (kind = 'click' AND age < 90) AS clicks_90d,
        count(*) FILTER (kind = 'click') AS clicks_365d,
        count(*) FILTER (kind = 'apply') AS applies_365d,
        count(*) FILTER (kind = 'draw' AND age < 90) AS draws_90d,
        count(*) FILTER (kind = 'draw') AS draws_365d
    FROM known_touches GROUP BY who
),
per_campaign AS (
    SELECT who, bool_or(kind IN ('click', 'reply', 'apply', 'draw')) AS answered
    FROM known_touches WHERE campaign_id IS NOT NULL GROUP BY who, campaign_id HAVING bool_or(kind = 'sent')
),
answers AS (SELECT who, count(*) AS received, count(*) FILTER (answered) AS answered FROM per_campaign GROUP BY who),
everybody AS (
    SELECT
        (SELECT sum(answered) / sum(received) FROM answers) AS answer_rate,
        (SELECT count(*) > 0 FROM known_accounts) AS accounts_known
),
product_kinds AS (SELECT product_id, arg_max(kind, version) AS kind FROM products GROUP BY product_id),
holding AS (
    SELECT customer_id, count(*) AS ever, count(*) FILTER (is_open) AS open_now,
        count(DISTINCT kind) FILTER (is_open) AS kinds
    FROM known_accounts LEFT JOIN product_kinds USING (product_id) GROUP BY customer_id
),
bands AS (
    SELECT income_band, row_number() OVER (ORDER BY income_band) AS income_rank
    FROM (SELECT DISTINCT income_band FROM known_people WHERE income_band IS NOT NULL)
)
SELECT
    p.customer_id,
    days_since_activity,
    days_since_purchase,
    CASE WHEN visits_known THEN coalesce(visits_28d, 0) END AS visits_28d,
    CASE WHEN visits_known THEN coalesce(visits_90d, 0) END AS visits_90d,
    CASE WHEN visits_known THEN coalesce(visits_365d, 0) END AS visits_365d,
    CASE WHEN purchases_known THEN coalesce(purchases_28d, 0) END AS purchases_28d,
    CASE WHEN purchases_known THEN coalesce(purchases_90d, 0) END AS purchases_90d,
    CASE WHEN purchases_known THEN coalesce(purchases_365d, 0) END AS purchases_365d,
    coalesce(active_days_28d, 0) AS active_days_28d,
    coalesce(active_days_365d, 0) AS active_days_365d,
    (now_28d - then_28d) / nullif(now_28d + then_28d, 0) AS trend_28d,
    CASE WHEN purchases_known THEN coalesce(cents_28d, 0) / 100 END AS spend_28d,
    CASE WHEN purchases_known THEN coalesce(cents_90d, 0) / 100 END AS spend_90d,
    CASE WHEN purchases_known THEN coalesce(cents_365d, 0) / 100 END AS spend_365d,
    cents_365d / nullif(tickets_365d, 0) / 100 AS mean_ticket_365d,
    max_cents_365d / 100 AS max_ticket_365d,
    relative_ticket_365d,
    coalesce(scenes_365d, 0) AS scenes_365d,
    scene_entropy_365d,
    top_scene_share_365d,
    l.top_id AS top_scene_id,
    night_share_365d,
    weekend_share_365d,
    CASE WHEN accounts_known THEN coalesce(open_now, 0) END AS accounts_open,
    CASE WHEN accounts_known THEN coalesce(ever, 0) END AS accounts_ever,
    CASE WHEN accounts_known THEN coalesce(kinds, 0) END AS account_kinds_open,
    CASE WHEN contacts_known THEN coalesce(contacts_30d, 0) END AS contacts_30d,
    CASE WHEN contacts_known THEN coalesce(contacts_90d, 0) END AS contacts_90d,
    CASE WHEN contacts_known THEN coalesce(contacts_365d, 0) END AS contacts_365d,
    days_since_contact,
    CASE WHEN clicks_known THEN coalesce(clicks_90d, 0) END AS clicks_90d,
    CASE WHEN clicks_known THEN coalesce(clicks_365d, 0) END AS clicks_365d,
    CASE WHEN applies_known THEN coalesce(applies_365d, 0) END AS applies_365d,
    CASE WHEN draws_known THEN coalesce(draws_90d, 0) END AS draws_90d,
    CASE WHEN draws_known THEN coalesce(draws_365d, 0) END AS draws_365d,
    (coalesce(answered, 0) + 5 * answer_rate) / (coalesce(received, 0) + 5) AS response_rate_365d,
    (getvariable('as_of_us') - registered_us) // 86400000000 AS tenure_days,
    getvariable('year') - birth_year AS age,
    city_tier,
    income_rank,
    occupation,
    region,
    household_size,
    home_owner,
    p.kind = 'lead' AS is_lead
FROM known_people AS p
CROSS JOIN everybody
CROSS JOIN recorded
LEFT JOIN activity USING (who)
LEFT JOIN active_days USING (who)
LEFT JOIN scene_mix USING (who)
LEFT JOIN relative USING (who)
LEFT JOIN told USING (who)
LEFT JOIN answers USING (who)
LEFT JOIN places AS l ON l.place = top_place
LEFT JOIN holding USING (customer_id)
LEFT JOIN bands USING (income_band)
