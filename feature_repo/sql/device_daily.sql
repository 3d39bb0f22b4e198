SELECT
    device_id,
    min(age) FILTER (age < 90) AS device_days_since_seen,
    count(*) FILTER (age < 90) AS device_events_90d,
    count(DISTINCT customer_id) FILTER (age < 90) AS device_people_90d,
    nullif(count(DISTINCT session_id) FILTER (age < 90), 0) AS device_sessions_90d,
    nullif(count(DISTINCT ip_city) FILTER (age < 90), 0) AS device_ip_cities_90d,
    nullif(count(DISTINCT home_city) FILTER (age < 90), 0) AS device_home_cities_90d,
    count(*) FILTER (night AND age < 90) / nullif(count(*) FILTER (age < 90), 0) AS device_night_share_90d
FROM device_events GROUP BY device_id
