-- name: top_searches_without_result_by_hour
-- grain: at most 20 rows per hour, rank 1 to 20
-- inputs: event_time timestamp, event_type string, search_terms string, session_id string, visitor_id string, host string, user_agent string
-- parameters: minutes int32 1..60 = 5, result string = 'click'
-- lookbackHours: 1
-- description: what was searched for most in vain: events of type search which no event of type result of the same session follows within so many minutes. A search counts in the hour in which its minutes are over, as only then it is known; ties in order of the text, by code point
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
        date_trunc('hour', event_time + minutes * INTERVAL '1' MINUTE) AS hour_start,
        search_terms
      FROM (
        SELECT
          event_time,
          event_type,
          search_terms,
          minutes,
          min(CASE WHEN event_type = result THEN event_time END) OVER (
            PARTITION BY coalesce(session_id, visitor_id, host || ' ' || coalesce(user_agent, ''))
            ORDER BY event_time
            RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
          ) AS result_time
        FROM events
        CROSS JOIN parameters
      ) AS followed
      WHERE event_type = 'search'
        AND search_terms IS NOT NULL
        AND (result_time IS NULL OR result_time > event_time + minutes * INTERVAL '1' MINUTE)
    ) AS in_vain
    GROUP BY hour_start, search_terms
  ) AS counted
) AS ranked
WHERE ranking <= 20
ORDER BY hour_start, ranking
