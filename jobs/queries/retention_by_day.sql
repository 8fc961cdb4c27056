-- name: retention_by_day
-- grain: at most seven rows per day, at its last hour: one for each day from 7 to 1 days before that had visitors
-- every: day
-- inputs: event_time timestamp, visitor_id string, host string, user_agent string
-- lookbackHours: 191
-- description: how many visitors of an earlier UTC day (first_day) were seen again on this one, days_later after it. A visitor is visitor_id where there is one, else a host with one user agent
SELECT
  earlier.day_start + days_later * INTERVAL '1' DAY + INTERVAL '23' HOUR AS hour_start,
  days_later,
  CAST(earlier.day_start AS DATE) AS first_day,
  count(earlier.visitor) AS visitors,
  count(later.visitor) AS returned
FROM (
  SELECT DISTINCT
    date_trunc('day', event_time) AS day_start,
    coalesce(visitor_id, host || ' ' || coalesce(user_agent, '')) AS visitor
  FROM events
) AS earlier
CROSS JOIN (VALUES (1), (2), (3), (4), (5), (6), (7)) AS ages(days_later)
LEFT JOIN (
  SELECT DISTINCT
    date_trunc('day', event_time) AS day_start,
    coalesce(visitor_id, host || ' ' || coalesce(user_agent, '')) AS visitor
  FROM events
) AS later
  ON later.visitor = earlier.visitor
  AND later.day_start = earlier.day_start + days_later * INTERVAL '1' DAY
WHERE earlier.visitor IS NOT NULL
GROUP BY earlier.day_start, days_later
ORDER BY hour_start, days_later
