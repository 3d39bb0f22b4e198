WITH
activity AS (
    SELECT
        who,
        min(hours) FILTER (hours < 168) AS hours_since_activity,
        count(*) FILTER (NOT bought AND hours < 1) AS visits_1h,
        count(*) FILTER (NOT bought AND hours < 24) AS visits_24h,
        count(*) FILTER (NOT bought AND hours < 168) AS visits_7d,
        count(*) FILTER (bought AND hours < 1) AS purchases_1h,
        count(*) FILTER (bought AND hours < 24) AS purchases_24h,
        count(*) FILTER (bought AND hours < 168) AS purchases_7d,
        coalesce(sum(cents) FILTER (bought AND hours < 1), 0) AS cents_1h,
        coalesce(sum(cents) FILTER (bought AND hours < 24), 0) AS cents_24h,
        coalesce(sum(cents) FILTER (bought AND hours < 168), 0) AS cents_7d,
        count(DISTINCT place) FILTER (hours < 24) AS scenes_24h,
        count(DISTINCT place) FILTER (hours < 168) AS scenes_7d,
        -- the newest place, the first by id where equal
        (min(ago_us * 32768 + place) FILTER (hours < 168) % 32768)::SMALLINT AS last_place
    FROM recent_acts GROUP BY who
),
told AS (
    SELECT
        who,
        count(*) FILTER (getvariable('as_of_us') - at_us <= 24 * 3600000000) AS contacts_24h,
        count(*) AS contacts_7d
    FROM known_touches WHERE kind = 'sent' AND age < 7 GROUP BY who
)
SELECT
    p.customer_id,
    hours_since_activity,
    CASE WHEN visits_known THEN visits_1h END AS visits_1h,
    CASE WHEN visits_known THEN visits_24h END AS visits_24h,
    CASE WHEN visits_known THEN visits_7d END AS visits_7d,
    CASE WHEN purchases_known THEN purchases_1h END AS purchases_1h,
    CASE WHEN purchases_known THEN purchases_24h END AS purchases_24h,
    CASE WHEN purchases_known THEN purchases_7d END AS purchases_7d,
    CASE WHEN purchases_known THEN cents_1h / 100 END AS spend_1h,
    CASE WHEN purchases_known THEN cents_24h / 100 END AS spend_24h,
    CASE WHEN purchases_known THEN cents_7d / 100 END AS spend_7d,
    scenes_24h,
    scenes_7d,
    l.top_id AS last_scene_id,
    CASE WHEN contacts_known THEN coalesce(contacts_24h, 0) END AS contacts_24h,
    CASE WHEN contacts_known THEN coalesce(contacts_7d, 0) END AS contacts_7d
FROM activity
CROSS JOIN recorded
JOIN known_people AS p USING (who)
LEFT JOIN told USING (who)
LEFT JOIN places AS l ON l.place = last_place
