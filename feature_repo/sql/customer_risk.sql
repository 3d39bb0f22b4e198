WITH
newest AS (SELECT customer_id, max(at_us) AS at_us FROM known_bureau GROUP BY customer_id),
record AS (SELECT b.* FROM known_bureau AS b JOIN newest USING (customer_id, at_us)),
dues AS (
    SELECT
        customer_id,
        count(*) FILTER (age < 365) AS dues_365d,
        count(*) FILTER (age < 365 AND days_late > 1) AS late,
        count(*) FILTER (age < 365 AND days_late > 30) AS late30,
        floor(max(days_late) FILTER (age < 365)) AS max_days_late,
        count(*) FILTER (unpaid) AS overdue,
        coalesce(sum(due_cents) FILTER (unpaid), 0) AS overdue_cents
    FROM known_dues GROUP BY customer_id
),
applied AS (SELECT customer_id, count(*) AS n FROM known_applications GROUP BY customer_id),
everybody AS (SELECT (SELECT count(*) > 0 FROM known_applications) AS applications_known)
SELECT
    p.customer_id,
    score AS bureau_score,
    inquiries_90d AS bureau_inquiries_90d,
    debt_cents / 100 AS bureau_debt,
    (getvariable('as_of_us') - at_us - 1) // 86400000000 AS bureau_age_days,
    dues_365d,
    late / nullif(dues_365d, 0) AS late_share_365d,
    late30 / nullif(dues_365d, 0) AS late30_share_365d,
    max_days_late AS max_days_late_365d,
    overdue AS overdue_now,
    overdue_cents / 100 AS overdue_amount_now,
    CASE WHEN applications_known THEN coalesce(n, 0) END AS applications_365d
FROM known_people AS p
CROSS JOIN everybody
LEFT JOIN record USING (customer_id)
LEFT JOIN dues USING (customer_id)
LEFT JOIN applied USING (customer_id)
