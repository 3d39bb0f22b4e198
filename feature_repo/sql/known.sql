-- What a snapshot (variable as_of_us) may see. Every feature reads from here and nowhere else.
-- An event must have happened before the snapshot and be known before known_by_us, which is later than the snapshot when
-- an old one is corrected. All other tables tell when they became known by the moments in their rows.
-- age: whole days before the snapshot, counted so that age < 28 is the half-open window [as_of - 28 days, as_of).

CREATE OR REPLACE TEMP TABLE known_people AS
SELECT * FROM people WHERE registered_us < getvariable('as_of_us');

CREATE OR REPLACE TEMP TABLE known_acts AS
SELECT who, bought, place, merchant_id, cents, day, hour >= 23 OR hour < 6 AS night, hour, weekend,
    ((getvariable('as_of_us') - at_us - 1) // 86400000000)::SMALLINT AS age
FROM acts
WHERE known_us < getvariable('known_by_us') AND at_us < getvariable('as_of_us')
    AND at_us >= getvariable('as_of_us') - (365 + getvariable('ttl_days')) * 86400000000;

CREATE OR REPLACE TEMP TABLE known_touches AS
SELECT who, kind, campaign_id, product_id, channel, cents, cost_cents, at_us,
    campaign_id IS NOT NULL AND kind IN ('click', 'reply', 'apply', 'draw') AS answers,
    ((getvariable('as_of_us') - at_us - 1) // 86400000000)::SMALLINT AS age
FROM touches
WHERE known_us < getvariable('known_by_us') AND at_us < getvariable('as_of_us')
    AND at_us >= getvariable('as_of_us') - 365 * 86400000000;

-- Hours instead of days, for 7 days and the TTL of 2 days during which rows of zeros are kept.
CREATE OR REPLACE TEMP VIEW recent_acts AS
SELECT who, bought, place, cents, getvariable('as_of_us') - at_us AS ago_us,
    ((getvariable('as_of_us') - at_us - 1) // 3600000000)::SMALLINT AS hours
FROM acts
WHERE known_us < getvariable('known_by_us') AND at_us < getvariable('as_of_us')
    AND at_us >= getvariable('as_of_us') - 9 * 86400000000;

-- Straight from the raw events: devices are looked at rarely, and staging their texts would double what is kept.
CREATE OR REPLACE TEMP VIEW device_events AS
SELECT e.device_id, e.customer_id, e.session_id, e.ip_city, p.city AS home_city,
    (getvariable('as_of_us') - epoch_us(e.at) - 1) // 86400000000 AS age,
    hour(timezone(getvariable('timezone'), e.at)) IN (23, 0, 1, 2, 3, 4, 5) AS night
FROM events AS e
LEFT JOIN known_people AS p USING (customer_id)
WHERE e.device_id IS NOT NULL
    AND epoch_us(e.ingested_at) < getvariable('known_by_us') AND epoch_us(e.at) < getvariable('as_of_us')
    AND epoch_us(e.at) >= getvariable('as_of_us') - (90 + getvariable('ttl_days')) * 86400000000;

-- Kinds of event that the window holds of anybody: a kind that is not recorded is unknown, not zero.
CREATE OR REPLACE TEMP TABLE recorded AS
SELECT
    coalesce(visits, false) AS visits_known,
    coalesce(purchases, false) AS purchases_known,
    coalesce(contacts, false) AS contacts_known,
    coalesce(deliveries, false) AS deliveries_known,
    coalesce(clicks, false) AS clicks_known,
    coalesce(applies, false) AS applies_known,
    coalesce(draws, false) AS draws_known
FROM
    (SELECT bool_or(NOT bought) AS visits, bool_or(bought) AS purchases FROM known_acts WHERE age < 365),
    (
        SELECT
            bool_or(kind = 'sent') AS contacts,
            bool_or(kind = 'delivered') AS deliveries,
            bool_or(kind = 'click') AS clicks,
            bool_or(kind = 'apply') AS applies,
            bool_or(kind = 'draw') AS draws
        FROM known_touches
    );

CREATE OR REPLACE TEMP VIEW known_accounts AS
SELECT customer_id, product_id, epoch_us(opened_at) AS opened_us,
    closed_at IS NULL OR epoch_us(closed_at) >= getvariable('as_of_us') AS is_open
FROM accounts WHERE epoch_us(opened_at) < getvariable('as_of_us');

CREATE OR REPLACE TEMP VIEW known_products AS
SELECT product_id, arg_max(kind, version) AS kind FROM products
WHERE epoch_us(valid_from) < getvariable('as_of_us') GROUP BY product_id;

CREATE OR REPLACE TEMP VIEW known_campaigns AS
SELECT campaign_id, epoch_us(starts_at) AS starts_us FROM campaigns
WHERE epoch_us(starts_at) < getvariable('as_of_us');

-- paid_at of the future is not known yet
CREATE OR REPLACE TEMP VIEW known_dues AS
SELECT customer_id, epoch_us(due_at) AS due_us, (due * 100)::BIGINT AS due_cents,
    (getvariable('as_of_us') - epoch_us(due_at) - 1) // 86400000000 AS age,
    CASE WHEN epoch_us(paid_at) < getvariable('as_of_us') THEN epoch_us(paid_at) END IS NULL AS unpaid,
    coalesce(epoch_us(paid_at) < epoch_us(due_at) - 86400000000, false) AS early,
    greatest(0, least(coalesce(epoch_us(paid_at), getvariable('as_of_us')), getvariable('as_of_us')) - epoch_us(due_at))
        / 86400000000.0 AS days_late
FROM repayments WHERE epoch_us(due_at) + 86400000000 < getvariable('as_of_us');

CREATE OR REPLACE TEMP VIEW known_bureau AS
SELECT customer_id, epoch_us("at") AS at_us, score, inquiries_90d, (total_debt * 100)::BIGINT AS debt_cents
FROM bureau WHERE epoch_us("at") < getvariable('as_of_us');

CREATE OR REPLACE TEMP VIEW known_applications AS
SELECT customer_id, (getvariable('as_of_us') - epoch_us("at") - 1) // 86400000000 AS age FROM applications
WHERE epoch_us("at") < getvariable('as_of_us') AND epoch_us("at") >= getvariable('as_of_us') - 365 * 86400000000;
