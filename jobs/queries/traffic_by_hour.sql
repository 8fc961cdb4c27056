-- name: traffic_by_hour
-- grain: one row per hour that has events
-- inputs: event_time timestamp, host string, user_agent string, bytes int64
-- lookbackHours: 0
-- description: events, different hosts, different user agents and response bytes of each hour; an unknown size counts as 0
SELECT
  date_trunc('hour', event_time) AS hour_start,
  count(*) AS events,
  count(DISTINCT host) AS unique_hosts,
  count(DISTINCT user_agent) AS unique_user_agents,
  CAST(coalesce(sum(bytes), 0) AS BIGINT) AS bytes
FROM events
GROUP BY date_trunc('hour', event_time)
ORDER BY hour_start
