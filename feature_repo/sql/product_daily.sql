WITH demand AS (
    SELECT
        product_id,
        count(*) FILTER (kind = 'sent' AND age < 90) AS contacts,
        count(*) FILTER (kind = 'apply' AND age < 90) AS applies,
        count(DISTINCT who) FILTER (kind = 'draw' AND age < 90) AS takers_90d,
        count(DISTINCT who) FILTER (kind = 'draw') AS takers_365d,
        sum(cents) FILTER (kind = 'draw') AS cents
    FROM known_touches WHERE product_id IS NOT NULL GROUP BY product_id
)
SELECT
    product_id,
    coalesce(contacts, 0) AS product_contacts_90d,
    coalesce(applies, 0) AS product_applies_90d,
    coalesce(takers_90d, 0) AS product_takers_90d,
    coalesce(takers_365d, 0) AS product_takers_365d,
    coalesce(cents, 0) / 100 AS product_amount_365d
FROM known_products LEFT JOIN demand USING (product_id)
