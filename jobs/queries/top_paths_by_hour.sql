-- name: top_paths_by_hour
-- grain: at most 20 rows per hour, rank 1 to 20
-- inputs: event_time timestamp, path string
-- lookbackHours: 0
-- description: the paths asked for most in each hour, without their query; ties in order of the text, by code point
SELECT hour_start, ranking AS rank, path, events
FROM (
  SELECT
    hour_start,
    path,
    events,
    CAST(row_number() OVER (PARTITION BY hour_start ORDER BY events DESC, path) AS INT) AS ranking
  FROM (
    SELECT hour_start, path, count(*) AS events
    FROM (
      SELECT
        date_trunc('hour', event_time) AS hour_start,
        path
      FROM events
    ) AS found
    WHERE path IS NOT NULL
    GROUP BY hour_start, path
  ) AS counted
) AS ranked
WHERE ranking <= 20
ORDER BY hour_start, ranking
