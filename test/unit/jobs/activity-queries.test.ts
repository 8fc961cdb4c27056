import { afterAll, beforeAll, expect, test } from 'vitest';
import type { WebEvent } from '../../support/event-files.ts';
import { QueryAnswers } from '../../support/query-answers.ts';

const H12 = '2026-11-22T12';
const H13 = '2026-11-22T13';

let answers: QueryAnswers;
beforeAll(async () => {
  answers = await QueryAnswers.open('activity-queries');
});
afterAll(() => answers[Symbol.asyncDispose]());

const did = (
  visitor_id: string,
  event_type: string,
  time: string,
  more: Partial<WebEvent> = {},
): WebEvent => ({
  at: `2026-11-22T${time}Z`,
  host: 'h',
  visitor_id,
  event_type,
  ...more,
});

const visitorsOf = (rows: Record<string, unknown>[]) =>
  rows.map((row) => [row['step_name'], row['visitors']]);

test('a funnel counts those who took its steps in order, each once', async () => {
  const rows = await answers.answer(
    'funnel_by_hour',
    [H13],
    [
      ...['page_view', 'search', 'click'].map((type, i) => did('all', type, `13:0${i}:00`)),
      ...['page_view', 'search', 'click'].map((type, i) => did('all', type, `13:1${i}:00`)),
      ...['click', 'page_view', 'search'].map((type, i) => did('clicked first', type, `13:0${i}:00`)),
      ...['search', 'page_view', 'click'].map((type, i) => did('searched first', type, `13:0${i}:00`)),
      ...['page_view', 'search', 'click'].map((type) => did('at once', type, '13:30:00')),
    ],
  );
  expect(visitorsOf(rows)).toEqual([
    ['page_view', 4],
    ['search', 3],
    ['click', 2],
  ]);
});

test('the first step of one hour is no step of the next', async () => {
  const rows = await answers.answer(
    'funnel_by_hour',
    [H12, H13],
    [did('a', 'page_view', '12:59:00'), did('a', 'search', '13:01:00')],
  );
  expect(rows.map((row) => [row['hour_start'], row['step'], row['visitors']])).toEqual([
    ['2026-11-22T12:00', 1, 1],
    ['2026-11-22T12:00', 2, 0],
    ['2026-11-22T12:00', 3, 0],
    ['2026-11-22T13:00', 1, 0],
    ['2026-11-22T13:00', 2, 0],
    ['2026-11-22T13:00', 3, 0],
  ]);
});

test('a funnel goes over paths when told, quotes in them included, and a host is a visitor', async () => {
  const step1 = '/it\'s \\ "this"';
  const rows = await answers.answer(
    'funnel_by_hour',
    [H13],
    [
      { at: '2026-11-22T13:00:00Z', host: 'a', path: step1 },
      { at: '2026-11-22T13:01:00Z', host: 'a', path: '/b' },
      { at: '2026-11-22T13:01:00Z', host: 'b', path: '/b' },
    ],
    {
      given: [
        ['steps_of', 'path'],
        ['step1', step1],
        ['funnel_by_hour.step2', '/b'],
      ],
    },
  );
  expect(visitorsOf(rows)).toEqual([
    [step1, 1],
    ['/b', 1],
    ['click', 0],
  ]);
});

const search = (session_id: string, time: string, search_terms: string) =>
  did('v', 'search', time, { session_id, search_terms });
const click = (session_id: string, time: string) => did('v', 'click', time, { session_id });

test('a search is in vain when no click of its session follows within the minutes, the last instant included', async () => {
  const rows = await answers.answer(
    'top_searches_without_result_by_hour',
    [H13],
    [
      search('s1', '13:00:00', 'found'),
      click('s1', '13:05:00'),
      search('s2', '13:00:00', 'too late'),
      click('s2', '13:05:00.000001'),
      search('s3', '13:10:00', 'clicked before'),
      click('s3', '13:09:00'),
      search('s4', '13:20:00', "another's click"),
      click('s5', '13:21:00'),
      click('s6', '13:30:00'),
      search('s6', '13:30:00', 'at once'),
      search('s7', '13:40:00', 'too late'),
    ],
  );
  expect(rows.map((row) => [row['rank'], row['search_terms'], row['events']])).toEqual([
    [1, 'too late', 2],
    [2, "another's click", 1],
    [3, 'clicked before', 1],
  ]);
});

test('a search whose minutes end in the next hour counts there, and a click there is seen', async () => {
  const events = [
    search('s1', '12:58:00', 'clicked'),
    click('s1', '13:01:00'),
    search('s2', '12:58:00', 'in vain'),
    search('s3', '13:58:00', 'not known yet'),
  ];
  const name = 'top_searches_without_result_by_hour';
  const terms = async (hours: string[]) =>
    (await answers.answer(name, hours, events)).map((row) => [row['hour_start'], row['search_terms']]);
  expect(await terms([H12])).toEqual([]);
  expect(await terms([H13])).toEqual([['2026-11-22T13:00', 'in vain']]);
  expect(await terms([H12, H13])).toEqual([['2026-11-22T13:00', 'in vain']]);
});

test('more minutes find more results', async () => {
  const events = [search('s', '13:00:00', 'slow'), click('s', '13:20:00')];
  const inVain = async (minutes: string) =>
    (
      await answers.answer('top_searches_without_result_by_hour', [H13], events, {
        given: [['minutes', minutes]],
      })
    ).length;
  expect(await inVain('20')).toBe(0);
  expect(await inVain('19')).toBe(1);
});

test('visitors of a day are found again on later days, at most seven, a day of its own each', async () => {
  const seen = (visitor_id: string, day: number, hour = '10'): WebEvent => ({
    at: `2026-11-${String(day).padStart(2, '0')}T${hour}:00:00Z`,
    visitor_id,
  });
  const rows = await answers.answer(
    'retention_by_day',
    ['2026-11-21T23', '2026-11-22T23'],
    [
      ...[seen('a', 15, '00'), seen('b', 15), seen('a', 15)],
      ...[seen('b', 21), seen('c', 21), seen('c', 21, '11')],
      ...[seen('a', 22, '23'), seen('c', 22)],
    ],
  );
  const counts = rows.map((row) => [
    row['hour_start'],
    String(row['first_day']),
    row['days_later'],
    row['visitors'],
    row['returned'],
  ]);
  expect(counts).toEqual([
    ['2026-11-21T23:00', '2026-11-15', 6, 2, 1],
    ['2026-11-22T23:00', '2026-11-21', 1, 2, 1],
    ['2026-11-22T23:00', '2026-11-15', 7, 2, 1],
  ]);
});

test('the share of bots goes by the user agent, whatever its case, and counts those without one apart', async () => {
  const event = (user_agent: string | null, bytes: number) => ({
    at: '2026-11-22T13:00:00Z',
    user_agent,
    bytes,
  });
  const events = [event('GoogleBot/2.1', 10), event('curl/8', 20), event('Mozilla/5.0', 70), event(null, 1)];
  const [row] = await answers.answer('bot_share_by_hour', [H13], events);
  expect(row).toEqual({
    hour_start: '2026-11-22T13:00',
    ...{ events: 4, bot_events: 2, unknown_events: 1, bot_share: 0.5, bytes: 101, bot_bytes: 30 },
  });
  const [other] = await answers.answer('bot_share_by_hour', [H13], events, {
    given: [['pattern', '^mozilla']],
  });
  expect(other).toMatchObject({ bot_events: 1 });
});
