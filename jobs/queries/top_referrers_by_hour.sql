-- name: top_referrers_by_hour
-- grain: at most 20 rows per hour, rank 1 to 20
-- inputs: event_time timestamp, referrer string
-- lookbackHours: 0
-- description: the pages that sent most visitors in each hour; events without a referrer are left out; ties in order of the text, by code point
SELECT hour_start, ranking AS rank, referrer, events
FROM (
  SELECT
    hour_start,
    referrer,
    events,
    CAST(row_number() OVER (PARTITION BY hour_start ORDER BY events DESC, referrer) AS INT) AS ranking
  FROM (
    SELECT hour_start, referrer, count(*) AS events
    FROM (
      SELECT
        date_trunc('hour', event_time) AS hour_start,
        referrer
      FROM events
    ) AS found
    WHERE referrer IS NOT NULL
    GROUP BY hour_start, referrer
  ) AS counted
) AS ranked
WHERE ranking <= 20
ORDER BY hour_start, ranking
