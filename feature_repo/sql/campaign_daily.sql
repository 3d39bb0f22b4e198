WITH
per_person AS (
    SELECT
        campaign_id, who,
        count(*) FILTER (kind = 'sent') AS sent,
        count(*) FILTER (kind = 'delivered') AS delivered,
        count(*) FILTER (kind = 'click') AS clicks,
        count(*) FILTER (kind = 'apply') AS applies,
        count(*) FILTER (kind = 'draw') AS draws,
        sum(cost_cents) AS cost_cents,
        bool_or(answers) AS answered
    FROM known_touches WHERE campaign_id IS NOT NULL GROUP BY campaign_id, who
),
course AS (
    SELECT
        campaign_id,
        count(*) FILTER (sent > 0) AS people,
        sum(sent) AS sent,
        sum(delivered) AS delivered,
        sum(clicks) AS clicks,
        sum(applies) AS applies,
        sum(draws) AS draws,
        sum(cost_cents) AS cost_cents,
        count(*) FILTER (sent > 0 AND answered) AS answered
    FROM per_person GROUP BY campaign_id
)
SELECT
    campaign_id,
    (getvariable('as_of_us') - starts_us - 1) // 86400000000 AS campaign_days_since_start,
    CASE WHEN contacts_known THEN coalesce(people, 0) END AS campaign_people_365d,
    CASE WHEN contacts_known THEN coalesce(sent, 0) END AS campaign_sent_365d,
    CASE WHEN deliveries_known THEN coalesce(delivered, 0) END AS campaign_delivered_365d,
    CASE WHEN clicks_known THEN coalesce(clicks, 0) END AS campaign_clicks_365d,
    CASE WHEN applies_known THEN coalesce(applies, 0) END AS campaign_applies_365d,
    CASE WHEN draws_known THEN coalesce(draws, 0) END AS campaign_draws_365d,
    cost_cents / 100 AS campaign_cost_365d,
    answered / nullif(people, 0) AS campaign_response_rate_365d
FROM known_campaigns
CROSS JOIN recorded
LEFT JOIN course USING (campaign_id)
