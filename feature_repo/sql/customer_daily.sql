WITH
seen AS (SELECT * FROM known_acts WHERE age < 365),
activity AS (
    SELECT
        who,
        min(age) AS days_since_activity,
        min(age) FILTER (bought) AS days_since_purchase,
        count(*) AS n_365d,
        count(*) FILTER (age < 28) AS n_28d,
        count(*) FILTER (age < 90) AS n_90d,
        count(*) FILTER (age >= 28 AND age < 56) AS then_28d,
        count(*) FILTER (bought AND age < 28) AS purchases_28d,
        count(*) FILTER (bought AND age < 90) AS purchases_90d,
        count(*) FILTER (bought) AS purchases_365d,
        count(*) FILTER (night) AS nights,
        count(*) FILTER (weekend) AS weekends,
        count(*) FILTER (hour >= 6 AND hour < 12) AS mornings,
        count(*) FILTER (hour >= 12 AND hour < 18) AS afternoons
    FROM seen GROUP BY who
),
active_days AS (
    SELECT who, count(*) AS active_days_365d, count(*) FILTER (youngest < 28) AS active_days_28d
    FROM (SELECT who, day, min(age) AS youngest FROM seen GROUP BY who, day) GROUP BY who
),
per_scene AS (
    SELECT who, place, count(*) AS n, count(*) FILTER (age < 90) AS now, count(*) FILTER (age < 180) AS half
    FROM seen WHERE place IS NOT NULL GROUP BY who, place
),
-- entropies by whole billionths of n ln n: their sum is exact, a sum of floats would depend on its order
scene_mix AS (
    SELECT
        who,
        count(*) AS scenes_365d,
        greatest(0, ln(sum(n)) - sum(round(n * ln(n) * 1e9)::BIGINT) / 1e9 / sum(n)) AS scene_entropy_365d,
        max(n) / sum(n) AS top_scene_share_365d,
        -- the most frequent place, the first by id where equal
        (32767 - max(n * 32768 + 32767 - place) % 32768)::SMALLINT AS top_place,
        sum(now) AS now,
        sum(half) - sum(now) AS ago,
        sum(round(half * ln(greatest(half, 1)) * 1e9)::BIGINT - round(now * ln(greatest(now, 1)) * 1e9)::BIGINT
            - round((half - now) * ln(greatest(half - now, 1)) * 1e9)::BIGINT) / 1e9 AS overlap
    FROM per_scene GROUP BY who
),
tickets AS (
    SELECT who, coalesce('m' || merchant_id, '') AS shop, place, cents, age
    FROM seen WHERE bought AND cents IS NOT NULL
),
shop_ticket AS (
    SELECT shop, round(sum(cents) / count(*))::BIGINT AS typical FROM tickets WHERE shop <> ''
    GROUP BY shop HAVING count(*) >= 20
),
scene_ticket AS (
    SELECT place, round(sum(cents) / count(*))::BIGINT AS typical FROM tickets WHERE place IS NOT NULL GROUP BY place
),
money AS (
    SELECT
        who,
        sum(cents) FILTER (age < 28) AS cents_28d,
        sum(cents) FILTER (age < 90) AS cents_90d,
        sum(cents) AS cents_365d,
        count(*) AS tickets_365d,
        max(cents) AS max_cents_365d,
        sum(cents::HUGEINT * cents) AS square_cents_365d,
        sum(cents) FILTER (coalesce(m.typical, s.typical) IS NOT NULL) / nullif(sum(coalesce(m.typical, s.typical)), 0)
            AS relative_ticket_365d
    FROM tickets LEFT JOIN shop_ticket AS m USING (shop) LEFT JOIN scene_ticket AS s USING (place)
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
        count(*) FILTER (kind = 'draw') AS draws_365d,
        max(at_us) FILTER (kind = 'sent' AND age < 90) - min(at_us) FILTER (kind = 'sent' AND age < 90) AS contact_span_us,
        min(age) FILTER (answers) AS days_since_response,
        max(at_us) FILTER (answers) AS answered_us
    FROM known_touches GROUP BY who
),
since_answer AS (
    SELECT
        who,
        count(*) FILTER (kind = 'sent' AND at_us <= answered_us) AS told_before,
        min(channel) FILTER (answers AND at_us = answered_us) AS last_response_channel
    FROM known_touches JOIN (FROM told WHERE answered_us IS NOT NULL) USING (who) GROUP BY who
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
holding AS (
    SELECT customer_id, count(*) AS ever, count(*) FILTER (is_open) AS open_now,
        count(DISTINCT kind) FILTER (is_open) AS kinds,
        max(opened_us) AS newest_us,
        count(*) FILTER (opened_us >= getvariable('as_of_us') - 365 * 86400000000) AS opened_365d,
        nullif(max({'opened_us': opened_us, 'kind': coalesce(kind, '')}).kind, '') AS newest_account_kind
    FROM known_accounts LEFT JOIN known_products USING (product_id) GROUP BY customer_id
),
bands AS (
    SELECT income_band, row_number() OVER (ORDER BY income_band) AS income_rank
    FROM (SELECT DISTINCT income_band FROM known_people WHERE income_band IS NOT NULL)
)
SELECT
    p.customer_id,
    days_since_activity,
    days_since_purchase,
    CASE WHEN visits_known THEN coalesce(n_28d - purchases_28d, 0) END AS visits_28d,
    CASE WHEN visits_known THEN coalesce(n_90d - purchases_90d, 0) END AS visits_90d,
    CASE WHEN visits_known THEN coalesce(n_365d - purchases_365d, 0) END AS visits_365d,
    CASE WHEN purchases_known THEN coalesce(purchases_28d, 0) END AS purchases_28d,
    CASE WHEN purchases_known THEN coalesce(purchases_90d, 0) END AS purchases_90d,
    CASE WHEN purchases_known THEN coalesce(purchases_365d, 0) END AS purchases_365d,
    coalesce(active_days_28d, 0) AS active_days_28d,
    coalesce(active_days_365d, 0) AS active_days_365d,
    (n_28d - then_28d) / nullif(n_28d + then_28d, 0) AS trend_28d,
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
    nights / n_365d AS night_share_365d,
    weekends / n_365d AS weekend_share_365d,
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
    p.kind = 'lead' AS is_lead,
    mornings / n_365d AS morning_share_365d,
    afternoons / n_365d AS afternoon_share_365d,
    (n_365d - nights - mornings - afternoons) / n_365d AS evening_share_365d,
    -- Jensen-Shannon divergence of the two mixes, weighted by activity, of the largest there can be
    CASE WHEN now > 0 AND ago > 0 THEN round(greatest(0, least(1, 1 - overlap
        / ((now + ago) * ln(now + ago) - now * ln(now) - ago * ln(ago)))), 6) END AS scene_shift_90d,
    -- n * sum of squares - square of the sum: the variance times n squared, exact
    sqrt((tickets_365d * square_cents_365d - cents_365d::HUGEINT * cents_365d)::DOUBLE) / nullif(cents_365d, 0)
        AS ticket_variation_365d,
    (getvariable('as_of_us') - newest_us - 1) // 86400000000 AS days_since_account_opened,
    CASE WHEN accounts_known THEN coalesce(opened_365d, 0) END AS accounts_opened_365d,
    newest_account_kind,
    CASE WHEN contacts_known THEN coalesce(contacts_90d, 0) * 7
        / greatest(1, least(90, (getvariable('as_of_us') - registered_us) // 86400000000)) END AS contacts_per_week_90d,
    CASE WHEN contacts_90d > 1 THEN contact_span_us / (contacts_90d - 1) / 86400000000 END AS days_between_contacts_90d,
    CASE WHEN contacts_known THEN coalesce(contacts_365d - coalesce(told_before, 0), 0) END AS contacts_unanswered_365d,
    days_since_response,
    last_response_channel
FROM known_people AS p
CROSS JOIN everybody
CROSS JOIN recorded
LEFT JOIN activity USING (who)
LEFT JOIN active_days USING (who)
LEFT JOIN scene_mix USING (who)
LEFT JOIN money USING (who)
LEFT JOIN told USING (who)
LEFT JOIN since_answer USING (who)
LEFT JOIN answers USING (who)
LEFT JOIN places AS l ON l.place = top_place
LEFT JOIN holding USING (customer_id)
LEFT JOIN bands USING (income_band)
