-- name: sessions_by_hour
-- grain: one row per hour that has events
-- inputs: event_time timestamp, host string, user_agent string
-- lookbackHours: 1
-- description: sessions that start in each hour, a visitor being a host or a host with one user agent. An event starts a session when none of the same visitor lies within the 1,800 s before it, so the hour itself and the one before it suffice
SELECT
  date_trunc('hour', event_time) AS hour_start,
  CAST(sum(CASE WHEN host_before IS NULL OR host_before < event_time - INTERVAL '30' MINUTE THEN 1 ELSE 0 END) AS BIGINT) AS sessions_by_host,
  CAST(sum(CASE WHEN visitor_before IS NULL OR visitor_before < event_time - INTERVAL '30' MINUTE THEN 1 ELSE 0 END) AS BIGINT) AS sessions_by_visitor
FROM (
  SELECT
    event_time,
    lag(event_time) OVER (PARTITION BY host ORDER BY event_time) AS host_before,
    lag(event_time) OVER (PARTITION BY host, user_agent ORDER BY event_time) AS visitor_before
  FROM events
) AS timed
GROUP BY date_trunc('hour', event_time)
ORDER BY hour_start
