-- name: funnel_by_hour
-- grain: three rows per hour that has events, steps 1 to 3
-- inputs: event_time timestamp, event_type string, path string, visitor_id string, host string, user_agent string
-- parameters: steps_of string = 'event_type', step1 string = 'page_view', step2 string = 'search', step3 string = 'click'
-- lookbackHours: 0
-- description: how many visitors of each hour took step 1, then step 2, then step 3, within the hour and in this order; steps are values of event_type, or with steps_of = path of the path. A visitor is visitor_id where there is one, else a host with one user agent
SELECT
  hour_start,
  step,
  CASE step WHEN 1 THEN step1 WHEN 2 THEN step2 ELSE step3 END AS step_name,
  CASE step WHEN 1 THEN reached1 WHEN 2 THEN reached2 ELSE reached3 END AS visitors
FROM (
  SELECT
    hour_start,
    step1,
    step2,
    step3,
    count(at1) AS reached1,
    count(at2) AS reached2,
    count(at3) AS reached3
  FROM (
    SELECT
      hour_start,
      visitor,
      step1,
      step2,
      step3,
      min(at1) AS at1,
      min(at2) AS at2,
      min(CASE WHEN what = step3 AND event_time >= at2 THEN event_time END) AS at3
    FROM (
      SELECT
        hour_start,
        event_time,
        visitor,
        what,
        step1,
        step2,
        step3,
        at1,
        min(CASE WHEN what = step2 AND event_time >= at1 THEN event_time END) OVER (PARTITION BY hour_start, visitor) AS at2
      FROM (
        SELECT
          hour_start,
          event_time,
          visitor,
          what,
          step1,
          step2,
          step3,
          min(CASE WHEN what = step1 THEN event_time END) OVER (PARTITION BY hour_start, visitor) AS at1
        FROM (
          SELECT
            date_trunc('hour', event_time) AS hour_start,
            event_time,
            coalesce(visitor_id, host || ' ' || coalesce(user_agent, '')) AS visitor,
            CASE WHEN steps_of = 'path' THEN path ELSE event_type END AS what,
            step1,
            step2,
            step3
          FROM events
          CROSS JOIN parameters
        ) AS named
        WHERE visitor IS NOT NULL
      ) AS begun
    ) AS gone_on
    GROUP BY hour_start, visitor, step1, step2, step3
  ) AS visitors
  GROUP BY hour_start, step1, step2, step3
) AS counted
CROSS JOIN (VALUES (1), (2), (3)) AS steps(step)
ORDER BY hour_start, step
