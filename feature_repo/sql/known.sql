-- What was known at the snapshot (variable as_of_us). Every feature reads from here and nowhere else.
-- age: whole days before the snapshot, counted so that age < 28 is the half-open window [as_of - 28 days, as_of).

CREATE OR REPLACE TEMP TABLE known_people AS
SELECT * FROM people WHERE registered_us < getvariable('as_of_us');

CREATE OR REPLACE TEMP TABLE known_acts AS
SELECT who, bought, place, merchant_id, cents, day, night, weekend,
    ((getvariable('as_of_us') - at_us - 1) // 86400000000)::SMALLINT AS age
FROM acts
WHERE known_us < getvariable('as_of_us') AND at_us < getvariable('as_of_us')
    AND at_us >= getvariable('as_of_us') - (365 + getvariable('ttl_days')) * 86400000000;

CREATE OR REPLACE TEMP TABLE known_touches AS
SELECT who, kind, campaign_id, product_id, cents,
    ((getvariable('as_of_us') - at_us - 1) // 86400000000)::SMALLINT AS age
FROM touches
WHERE known_us < getvariable('as_of_us') AND at_us < getvariable('as_of_us')
    AND at_us >= getvariable('as_of_us') - 365 * 86400000000;

-- Kinds of event that the window holds of anybody: a kind that is not recorded is unknown, not zero.
CREATE OR REPLACE TEMP TABLE recorded AS
SELECT
    (SELECT count(*) > 0 FROM known_acts WHERE age < 365 AND NOT bought) AS visits_known,
    (SELECT count(*) > 0 FROM known_acts WHERE age < 365 AND bought) AS purchases_known,
    (SELECT count(*) > 0 FROM known_touches WHERE kind = 'sent') AS contacts_known,
    (SELECT count(*) > 0 FROM known_touches WHERE kind = 'click') AS clicks_known,
    (SELECT count(*) > 0 FROM known_touches WHERE kind = 'apply') AS applies_known,
    (SELECT count(*) > 0 FROM known_touches WHERE kind = 'draw') AS draws_known;

CREATE OR REPLACE TEMP VIEW known_accounts AS
SELECT customer_id, product_id, closed_at IS NULL OR epoch_us(closed_at) >= getvariable('as_of_us') AS is_open
FROM accounts WHERE epoch_us(opened_at) < getvariable('as_of_us');

-- paid_at of the future is not known yet
CREATE OR REPLACE TEMP VIEW known_dues AS
SELECT customer_id, (due * 100)::BIGINT AS due_cents,
    (getvariable('as_of_us') - epoch_us(due_at) - 1) // 86400000000 AS age,
    CASE WHEN epoch_us(paid_at) < getvariable('as_of_us') THEN epoch_us(paid_at) END IS NULL AS unpaid,
    greatest(0, least(coalesce(epoch_us(paid_at), getvariable('as_of_us')), getvariable('as_of_us')) - epoch_us(due_at))
        / 86400000000.0 AS days_late
FROM repayments WHERE epoch_us(due_at) + 86400000000 < getvariable('as_of_us');

CREATE OR REPLACE TEMP VIEW known_bureau AS
SELECT customer_id, epoch_us("at") AS at_us, score, inquiries_90d, (total_debt * 100)::BIGINT AS debt_cents
FROM bureau WHERE epoch_us("at") < getvariable('as_of_us');

CREATE OR REPLACE TEMP VIEW known_applications AS
SELECT customer_id FROM applications
WHERE epoch_us("at") < getvariable('as_of_us') AND epoch_us("at") >= getvariable('as_of_us') - 365 * 86400000000;
