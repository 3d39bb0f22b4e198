WITH
told AS (
    SELECT who, bool_or(kind = 'draw') AS took, bool_or(kind = 'apply') AS applied
    FROM known_touches WHERE age < 28 GROUP BY who
),
acted AS (SELECT who, bool_or(bought) AS bought FROM known_acts WHERE age < 28 GROUP BY who)
SELECT
    p.customer_id,
    CASE WHEN draws_known THEN coalesce(took, false) END AS took_28d,
    CASE WHEN applies_known THEN coalesce(applied, false) END AS applied_28d,
    CASE WHEN purchases_known THEN coalesce(bought, false) END AS bought_28d
FROM known_people AS p
CROSS JOIN recorded
LEFT JOIN told USING (who)
LEFT JOIN acted USING (who)
