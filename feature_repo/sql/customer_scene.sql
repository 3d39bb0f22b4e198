WITH
per_scene AS (
    SELECT
        who, place,
        count(*) FILTER (age < 365) AS n,
        count(*) FILTER (NOT bought AND age < 90) AS visits_90d,
        count(*) FILTER (NOT bought AND age < 365) AS visits_365d,
        count(*) FILTER (bought AND age < 90) AS purchases_90d,
        count(*) FILTER (bought AND age < 365) AS purchases_365d,
        coalesce(sum(cents) FILTER (bought AND age < 90), 0) AS cents_90d,
        coalesce(sum(cents) FILTER (bought AND age < 365), 0) AS cents_365d,
        count(cents) FILTER (bought AND age < 365) AS tickets_365d,
        min(age) FILTER (age < 365) AS days_since,
        count(*) FILTER (age < 90) AS now_90d,
        count(*) FILTER (age >= 90 AND age < 180) AS then_90d
    FROM known_acts WHERE place IS NOT NULL GROUP BY who, place
),
own AS (SELECT who, sum(n) AS n, sum(cents_365d) AS cents FROM per_scene GROUP BY who)
SELECT
    p.customer_id,
    top_id AS scene_id,
    CASE WHEN visits_known THEN visits_90d END AS scene_visits_90d,
    CASE WHEN visits_known THEN visits_365d END AS scene_visits_365d,
    CASE WHEN purchases_known THEN purchases_90d END AS scene_purchases_90d,
    CASE WHEN purchases_known THEN purchases_365d END AS scene_purchases_365d,
    CASE WHEN purchases_known THEN cents_90d / 100 END AS scene_spend_90d,
    CASE WHEN purchases_known THEN cents_365d / 100 END AS scene_spend_365d,
    cents_365d / nullif(tickets_365d, 0) / 100 AS scene_mean_ticket_365d,
    days_since AS scene_days_since_activity,
    per_scene.n / nullif(own.n, 0) AS scene_activity_share_365d,
    cents_365d / nullif(own.cents, 0) AS scene_spend_share_365d,
    (now_90d - then_90d) / nullif(now_90d + then_90d, 0) AS scene_trend_90d
FROM per_scene
CROSS JOIN recorded
JOIN own USING (who)
JOIN known_people AS p USING (who)
JOIN places USING (place)
