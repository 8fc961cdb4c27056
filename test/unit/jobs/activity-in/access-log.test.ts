import { describe, expect, it } from 'vitest';
import { ACCESS_LOG_COLUMNS, parseAccessLogLine } from '../../../../jobs/activity-in/access-log.ts';
import { findSchema } from '../../../../schemas/event-schema.ts';
import { compileGuard } from '../../../../schemas/guard.ts';
import { sharedLog } from '../../../support/shared-data.ts';

const parse = (line: string) => parseAccessLogLine(Buffer.from(line, 'latin1'));
const event = (line: string) => {
  const parsed = parse(line);
  return parsed && (JSON.parse(parsed.json) as Record<string, unknown>);
};
const HEAD = '10.0.0.1 - - [20/Feb/2016:00:00:45 -0500]';
const SIZES = '"GET /a?b=c HTTP/1.1" 200 187';
const USUAL = `${HEAD} ${SIZES} "https://example.org/" "Mozilla/5.0"`;

describe('an access-log line', () => {
  it('becomes an event of web_request', () => {
    expect(parse(USUAL)).toMatchObject({ host: '10.0.0.1', timeMs: Date.UTC(2016, 1, 20, 5, 0, 45) });
    expect(event(USUAL)).toEqual({
      event_time: '2016-02-20T05:00:45Z',
      host: '10.0.0.1',
      method: 'GET',
      target: '/a?b=c',
      path: '/a',
      query: 'b=c',
      protocol: 'HTTP/1.1',
      status: 200,
      bytes: 187,
      referrer: 'https://example.org/',
      user_agent: 'Mozilla/5.0',
    });
  });

  it('may be Common Log Format, without referrer and user agent', () => {
    const fields = event(`${HEAD} ${SIZES}`)!;
    expect(fields).toMatchObject({ path: '/a', status: 200, bytes: 187 });
    expect(fields).not.toHaveProperty('referrer');
    expect(fields).not.toHaveProperty('user_agent');
  });

  it('keeps further fields whole in the member tail', () => {
    expect(event(`${USUAL} "x" 0.123 é`)).toMatchObject({ user_agent: 'Mozilla/5.0', tail: '"x" 0.123 é' });
    expect(event(`${USUAL} `)).toMatchObject({ tail: '' });
    expect(event(USUAL)).not.toHaveProperty('tail');
  });

  it('drops one CR and no more', () => {
    expect(event(`${USUAL}\r`)).toEqual(event(USUAL));
    expect(parse(`${USUAL}\r\r`)).toBeUndefined();
    expect(event(`${USUAL} \r\r`)).toMatchObject({ tail: '\r' });
  });

  it('has null for a dash', () => {
    const fields = event('h - - [20/Feb/2016:00:00:45 +0000] "GET / HTTP/1.0" 304 - "-" "-"')!;
    for (const name of ['ident', 'auth_user', 'bytes', 'referrer', 'user_agent', 'query']) {
      expect(fields).not.toHaveProperty(name);
    }
    expect(event('h i u ser [20/Feb/2016:00:00:45 +0000] "GET / HTTP/1.0" 304 0 "" ""')).toMatchObject({
      ident: 'i',
      auth_user: 'u ser',
      bytes: 0,
      referrer: '',
      user_agent: '',
    });
  });

  it('has a path up to the first question mark, raw', () => {
    const path = (target: string) => event(`${HEAD} "GET ${target} HTTP/1.1" 200 1 "-" "-"`);
    expect(path('/%41?')).toMatchObject({ path: '/%41', query: '' });
    expect(path('/a?b?c')).toMatchObject({ path: '/a', query: 'b?c' });
    expect(path('?x')).toMatchObject({ path: '', query: 'x' });
    expect(path('/with a space')).toMatchObject({ path: '/with a space' });
    expect(path('/x HTTP/1.0')).toMatchObject({ target: '/x HTTP/1.0', protocol: 'HTTP/1.1' });
  });

  it.each([
    '',
    '-',
    'GET /',
    'GET  HTTP/1.1',
    'GET HTTP/1.1',
    'get / HTTP/1.1',
    'GET / HTTP/11',
    'GET / http/1.1',
    'GET / HTTP/1.1 ',
    'GET\t/ HTTP/1.1',
    'GET  / HTTP/1.1',
    '\\x16\\x03\\x01',
    'GET \xa0 HTTP/1.1',
    'GET \x1c/ HTTP/1.1',
  ])('keeps the malformed request %j as its target, without method and path', (request) => {
    const fields = event(`${HEAD} "${request}" 400 0 "-" "-"`)!;
    expect(fields['target']).toBe(request);
    for (const name of ['method', 'path', 'query', 'protocol']) expect(fields).not.toHaveProperty(name);
  });

  it('takes IPv6 addresses, names and whatever has no blank as host', () => {
    for (const host of ['2001:db8::1', '::ffff:10.0.0.1', 'crawler.example.org', 'a"b', '\xe9']) {
      expect(event(USUAL.replace('10.0.0.1', host))).toMatchObject({ host });
    }
  });

  it('keeps escapes and bytes above 126 as they are', () => {
    const agent = 'a \\"b\\" \\\\ \\x41 \xe9\xff\x7f\x01\t';
    expect(event(`${HEAD} ${SIZES} "-" "${agent}"`)).toMatchObject({ user_agent: agent });
    expect(event(`${HEAD} "GET /\\"x\\" HTTP/1.1" 200 1 "-" "-"`)).toMatchObject({ path: '/\\"x\\"' });
  });

  it('turns its time to UTC by its own offset, as the oracle does', () => {
    const time = (stamp: string) => event(USUAL.replace('20/Feb/2016:00:00:45 -0500', stamp))?.['event_time'];
    expect(time('20/Feb/2016:00:00:45 +0530')).toBe('2016-02-19T18:30:45Z');
    expect(time('29/Feb/2016:23:59:59 +0000')).toBe('2016-02-29T23:59:59Z');
    expect(time('31/Feb/2016:00:00:00 +0000')).toBe('2016-03-02T00:00:00Z');
    expect(time('31/Dec/2016:23:59:60 +0000')).toBe('2017-01-01T00:00:00Z');
    expect(time('31/Dec/2016:23:59:00 -9999')).toBe('2017-01-05T04:38:00Z');
    expect(time('01/Jan/0099:00:00:00 +0000')).toBe('0099-01-01T00:00:00Z');
  });

  it('has numbers that JSON allows', () => {
    expect(parse(`${HEAD} "-" 007 000123 "-" "-"`)?.json).toContain('"status":7,"bytes":123');
    expect(parse(`${HEAD} "-" 200 000 "-" "-"`)?.json).toContain('"bytes":0');
    expect(parse(`${HEAD} "-" 200 9007199254740993 "-" "-"`)?.json).toContain('"bytes":9007199254740993');
  });

  it.each([
    '',
    ' ',
    'hello',
    HEAD,
    `${HEAD} ${SIZES} "-"`,
    `${HEAD} ${SIZES} "-" "open`,
    `${HEAD} ${SIZES} "-" "x"y`,
    `${HEAD} ${SIZES} "-" "x\\"`,
    `${HEAD} ${SIZES} extra`,
    `${HEAD} "GET /" HTTP/1.1" 200 1`,
    `${HEAD} "GET / HTTP/1.1" 20 1`,
    `${HEAD} "GET / HTTP/1.1" 2000 1`,
    `${HEAD} "GET / HTTP/1.1" 200 -1`,
    `${HEAD} "GET / HTTP/1.1" 200 1.5`,
    `${HEAD} "GET / HTTP/1.1"  200 1`,
    ` ${USUAL}`,
    `${USUAL}\n`,
    USUAL.replace('10.0.0.1 - -', 'a b'),
    USUAL.replace('10.0.0.1', 'a\x85b'),
    USUAL.replace('10.0.0.1 -', '10.0.0.1  -'),
    USUAL.replace('Feb', 'feb'),
    USUAL.replace('Feb', 'Fxb'),
    USUAL.replace('20/', '00/'),
    USUAL.replace('20/', '32/'),
    USUAL.replace('2016:00', '2016:24'),
    USUAL.replace('00:45', '60:45'),
    USUAL.replace('00:45', '00:61'),
    USUAL.replace(' -0500', ''),
    USUAL.replace('-0500', '0500'),
    USUAL.replace('-0500', '-05:00'),
    USUAL.replace('2016', '0000'),
    USUAL.replace('] "', ']"'),
  ])('of no known form is refused: %j', (line) => expect(parse(line)).toBeUndefined());

  it('is read in time however it is made', () => {
    const stamp = ' [20/Feb/2016:00:00:00 +0000] "';
    for (const line of [
      stamp.repeat(20_000),
      `${HEAD} "${'\\"'.repeat(300_000)}`,
      `h - ${'['.repeat(600_000)}`,
    ]) {
      expect(parse(line)).toBeUndefined();
    }
    expect(event(`${HEAD} ${SIZES} "-" "${'\\"'.repeat(400_000)}"`)).toBeDefined();
  });

  it('means the same by the fast lane and by the definition', () => {
    // A control character in the tail leaves the fast lane; nothing else of the event may change.
    const lines = [
      USUAL,
      `${USUAL} more "of" it`,
      USUAL.replace('- -', 'i u x'),
      `${HEAD} "" 200 - "" ""`,
      `${HEAD} "a] "b" 200 1 "c" "d"`,
      `${HEAD} x [20/Feb/2016:00:00:45 -0500] ${SIZES} "-" "-"`,
      `${HEAD} ${SIZES} "a" "b" "c"`,
      `${HEAD} ${SIZES} " " " "`,
      `h - " " ${HEAD.slice(13)} ${SIZES} "-" "-"`,
    ];
    for (const line of lines) {
      const slow = event(`${line} \x01`);
      const fast = event(`${line} !`);
      expect({ ...fast, tail: undefined }).toEqual({ ...slow, tail: undefined });
    }
  });
});

it('the columns that lines are turned into are those of web_request', async () => {
  const schema = await findSchema('web_request', { topics: {}, schemas: { dir: '' } });
  expect(schema?.columns.map(({ name, type }) => [name, type])).toEqual(Object.entries(ACCESS_LOG_COLUMNS));
});

const log = sharedLog('the parser over the whole real log against its oracle');

describe.skipIf(log === undefined)('the real log', () => {
  const lines = log?.bytes().toString('latin1').split('\n').slice(0, -1) ?? [];
  const parsed = lines.map((line) => parse(line));
  const events = parsed.map(
    (one) => JSON.parse(one?.json ?? 'null') as Record<string, string | number | undefined>,
  );
  const count = (key: (event: (typeof events)[number]) => unknown) => {
    const counts = new Map<string, number>();
    for (const one of events) {
      const name = key(one);
      if (name !== undefined) counts.set(String(name), (counts.get(String(name)) ?? 0) + 1);
    }
    return counts;
  };
  const top = (counts: Map<string, number>, n: number) =>
    [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).slice(0, n);
  const hourOf = (one: (typeof events)[number]) => String(one['event_time']).slice(0, 13);

  it('parses whole, and its events count as the oracle counted', () => {
    const oracle = log!.oracle();
    expect(lines).toHaveLength(oracle.lines);
    expect(parsed.filter((one) => one === undefined)).toHaveLength(oracle.malformed_count);
    expect(Object.fromEntries(count(hourOf))).toEqual(oracle.events_per_hour_utc);
    expect(Object.fromEntries(count((one) => one['status']))).toEqual(oracle.status);
    expect(Object.fromEntries(count((one) => one['method']))).toEqual(oracle.methods);
    expect(events.filter((one) => one['path'] === undefined)).toHaveLength(oracle.request_malformed_count);
    expect(events.filter((one) => one['referrer'] === undefined)).toHaveLength(oracle.no_referrer);
    expect(events.reduce((sum, one) => sum + Number(one['bytes'] ?? 0), 0)).toBe(oracle.response_bytes_total);
    expect(count((one) => one['host']).size).toBe(oracle.distinct_hosts);
    // The oracle counts "-" as a user agent; here it is null.
    expect(count((one) => one['user_agent'] ?? '-').size).toBe(oracle.distinct_user_agents);
  });

  it('has the paths, hosts, user agents and referrers of the oracle', () => {
    const oracle = log!.oracle();
    expect(count((one) => one['path']).size).toBe(oracle.distinct_paths);
    expect(
      top(
        count((one) => one['path']),
        20,
      ),
    ).toEqual(oracle.top20_paths);
    expect(
      top(
        count((one) => one['host']),
        20,
      ),
    ).toEqual(oracle.top20_hosts);
    expect(
      top(
        count((one) => one['user_agent'] ?? '-'),
        20,
      ),
    ).toEqual(oracle.top20_user_agents);
    expect(
      top(
        count((one) => one['referrer']),
        20,
      ),
    ).toEqual(oracle.top20_referrers);
  });

  it('becomes JSON as JSON.stringify writes it, which the guard proves wherever it holds no further member', async () => {
    const schema = (await findSchema('web_request', { topics: {}, schemas: { dir: '' } }))!;
    const guard = compileGuard(schema, { minTimeUs: 0, maxTimeUs: Date.UTC(2030, 0) * 1000 });
    for (const [i, one] of parsed.entries()) {
      if (JSON.stringify(events[i]) !== one!.json) expect.fail(`line ${i + 1}: ${one!.json}`);
      const bytes = Buffer.from(one!.json);
      if (guard(bytes, 0, bytes.length) !== one!.timeMs * 1000)
        expect.fail(`line ${i + 1} not proven: ${one!.json}`);
    }
  });
});
