WITH
per_person AS (
    SELECT
        place, who,
        count(*) FILTER (age < 90) AS now,
        count(*) FILTER (age >= 90) AS ago,
        count(*) FILTER (bought AND age < 90) AS purchases,
        coalesce(sum(cents) FILTER (bought AND age < 90), 0) AS cents,
        count(cents) FILTER (bought AND age < 90) AS tickets
    FROM known_acts WHERE place IS NOT NULL AND age < 180 GROUP BY place, who
),
reached AS (SELECT DISTINCT who, true AS told FROM known_touches WHERE kind = 'sent' AND age < 90),
demand AS (
    SELECT
        place,
        count(*) FILTER (now > 0) AS people,
        count(*) FILTER (purchases > 0) AS buyers,
        sum(cents) AS cents,
        sum(tickets) AS tickets,
        count(*) FILTER (now > 0 AND told) AS reached,
        sum(now) AS now,
        sum(ago) AS ago
    FROM per_person LEFT JOIN reached USING (who) GROUP BY place
)
SELECT
    top_id AS scene_id,
    CASE WHEN visits_known OR purchases_known THEN coalesce(people, 0) END AS scene_people_90d,
    CASE WHEN purchases_known THEN coalesce(buyers, 0) END AS scene_buyers_90d,
    CASE WHEN purchases_known THEN coalesce(cents, 0) / 100 END AS scene_sales_90d,
    cents / nullif(tickets, 0) / 100 AS scene_ticket_90d,
    CASE WHEN contacts_known THEN reached / nullif(people, 0) END AS scene_reached_share_90d,
    (now - ago) / nullif(now + ago, 0) AS scene_growth_90d
FROM places
CROSS JOIN recorded
LEFT JOIN demand USING (place)
