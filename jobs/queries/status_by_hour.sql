-- name: status_by_hour
-- grain: one row per hour and response status
-- inputs: event_time timestamp, status int32
-- lookbackHours: 0
-- description: events of each response status in each hour; events without a status are left out
SELECT
  date_trunc('hour', event_time) AS hour_start,
  status,
  count(*) AS events
FROM events
WHERE status IS NOT NULL
GROUP BY date_trunc('hour', event_time), status
ORDER BY hour_start, status
