WITH trade AS (
    SELECT
        merchant_id,
        count(*) FILTER (NOT bought AND age < 90) AS visits,
        count(*) FILTER (bought AND age < 90) AS purchases,
        count(DISTINCT who) FILTER (bought AND age < 90) AS customers,
        sum(cents) FILTER (bought AND age < 90) AS cents_90d,
        sum(cents) FILTER (bought AND age < 365) AS cents_365d,
        count(cents) FILTER (bought AND age < 365) AS tickets_365d
    FROM known_acts WHERE merchant_id IS NOT NULL GROUP BY merchant_id
)
SELECT
    merchant_id,
    coalesce(visits, 0) AS merchant_visits_90d,
    coalesce(purchases, 0) AS merchant_purchases_90d,
    coalesce(customers, 0) AS merchant_customers_90d,
    coalesce(cents_90d, 0) / 100 AS merchant_spend_90d,
    cents_365d / nullif(tickets_365d, 0) / 100 AS merchant_mean_ticket_365d
FROM merchants LEFT JOIN trade USING (merchant_id)
