-- name: top_searches_by_hour
-- grain: at most 20 rows per hour, rank 1 to 20
-- inputs: event_time timestamp, query string, search_terms string
-- lookbackHours: 0
-- description: what was searched for most in each hour: search_terms where present, else the raw value of the first parameter s or q of the query (it may be empty; a parameter without = has no value); ties in order of the text, by code point
SELECT hour_start, ranking AS rank, search_terms, events
FROM (
  SELECT
    hour_start,
    search_terms,
    events,
    CAST(row_number() OVER (PARTITION BY hour_start ORDER BY events DESC, search_terms) AS INT) AS ranking
  FROM (
    SELECT hour_start, search_terms, count(*) AS events
    FROM (
      SELECT
        date_trunc('hour', event_time) AS hour_start,
        CASE
          WHEN search_terms IS NOT NULL THEN search_terms
          WHEN regexp_extract(query, '(^|&)[sq]=', 0) <> '' THEN regexp_extract(query, '(^|&)[sq]=([^&]*)', 2)
        END AS search_terms
      FROM events
    ) AS found
    WHERE search_terms IS NOT NULL
    GROUP BY hour_start, search_terms
  ) AS counted
) AS ranked
WHERE ranking <= 20
ORDER BY hour_start, ranking
