WITH
records AS (
    SELECT *, row_number() OVER (PARTITION BY customer_id ORDER BY at_us DESC) AS nth FROM known_bureau QUALIFY nth <= 2
),
newest AS (FROM records WHERE nth = 1),
earlier AS (SELECT customer_id, score AS score_before, inquiries_90d AS inquiries_before FROM records WHERE nth = 2),
all_dues AS MATERIALIZED (FROM known_dues),
dues AS (
    SELECT
        customer_id,
        count(*) FILTER (age < 365) AS dues_365d,
        count(*) FILTER (age < 365 AND days_late > 1) AS late,
        count(*) FILTER (age < 365 AND days_late > 30) AS late30,
        floor(max(days_late) FILTER (age < 365)) AS max_days_late,
        count(*) FILTER (unpaid) AS overdue,
        coalesce(sum(due_cents) FILTER (unpaid), 0) AS overdue_cents,
        count(*) FILTER (age < 365 AND early) AS early,
        count(*) FILTER (age < 90) AS dues_90d,
        count(*) FILTER (age < 90 AND days_late > 1) AS late_90d,
        max(due_us) FILTER (days_late > 1) AS last_late_us
    FROM all_dues GROUP BY customer_id
),
streaks AS (
    SELECT customer_id, count(*) FILTER (due_us > last_late_us) AS streak
    FROM all_dues JOIN (FROM dues WHERE last_late_us IS NOT NULL) USING (customer_id) WHERE age < 365
    GROUP BY customer_id
),
applied AS (
    SELECT customer_id, count(*) AS n, count(*) FILTER (age < 90) AS n_90d, count(*) FILTER (age < 30) AS n_30d
    FROM known_applications GROUP BY customer_id
),
nights AS (
    SELECT who, count(*) FILTER (night) / count(*) AS night_purchase_share_90d
    FROM known_acts WHERE bought AND age < 90 GROUP BY who
),
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
    CASE WHEN applications_known THEN coalesce(n, 0) END AS applications_365d,
    CASE WHEN dues_365d > 0 THEN coalesce(streak, dues_365d) END AS on_time_streak_365d,
    early / nullif(dues_365d, 0) AS early_share_365d,
    late_90d / nullif(dues_90d, 0) AS late_share_90d,
    CASE WHEN applications_known THEN coalesce(n_30d, 0) END AS applications_30d,
    CASE WHEN applications_known THEN coalesce(n_90d, 0) END AS applications_90d,
    inquiries_90d - inquiries_before AS bureau_inquiries_change,
    score - score_before AS bureau_score_change,
    night_purchase_share_90d
FROM known_people AS p
CROSS JOIN everybody
LEFT JOIN newest USING (customer_id)
LEFT JOIN earlier USING (customer_id)
LEFT JOIN dues USING (customer_id)
LEFT JOIN streaks USING (customer_id)
LEFT JOIN applied USING (customer_id)
LEFT JOIN nights USING (who)
