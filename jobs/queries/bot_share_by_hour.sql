-- name: bot_share_by_hour
-- grain: one row per hour that has events
-- inputs: event_time timestamp, user_agent string, bytes int64
-- parameters: pattern string = '(bot|crawl|spider|slurp|scrape|archiver|curl/|wget|python|java/|go-http-client|libwww|httpclient|monitor|feed)'
-- lookbackHours: 0
-- description: how much of each hour comes from programs: events and response bytes whose user agent, in lower case, holds the pattern, a regular expression; an event without a user agent is not counted as a bot's, and is counted apart
SELECT
  hour_start,
  CAST(sum(events) AS BIGINT) AS events,
  CAST(sum(CASE WHEN is_bot THEN events ELSE 0 END) AS BIGINT) AS bot_events,
  CAST(sum(CASE WHEN user_agent IS NULL THEN events ELSE 0 END) AS BIGINT) AS unknown_events,
  CAST(sum(CASE WHEN is_bot THEN events ELSE 0 END) AS DOUBLE) / CAST(sum(events) AS DOUBLE) AS bot_share,
  CAST(sum(bytes) AS BIGINT) AS bytes,
  CAST(sum(CASE WHEN is_bot THEN bytes ELSE 0 END) AS BIGINT) AS bot_bytes
FROM (
  SELECT
    hour_start,
    user_agent,
    events,
    bytes,
    coalesce(regexp_extract(lower(user_agent), pattern, 0), '') <> '' AS is_bot
  FROM (
    SELECT
      date_trunc('hour', event_time) AS hour_start,
      user_agent,
      count(*) AS events,
      coalesce(sum(bytes), 0) AS bytes
    FROM events
    GROUP BY date_trunc('hour', event_time), user_agent
  ) AS counted
  CROSS JOIN parameters
) AS judged
GROUP BY hour_start
ORDER BY hour_start
