import { describe, expect, it } from 'vitest';
import { settingsSchema } from '../../../config/settings.ts';
import { CronTimes } from '../../../jobs/cron-times.ts';
import { backOffMs, chooseTopics, compareFailures, type Failure } from '../../../jobs/schedule-plan.ts';

describe('the times of a cron expression', () => {
  it('throws for a text that is none', () => {
    expect(() => new CronTimes('every hour')).toThrow(/exactly five/);
    expect(() => new CronTimes('61 * * * *')).toThrow(/61/);
  });

  it.each(['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'UTC'])(
    'are every hour of UTC through changes of the clock in %s',
    (zone) => {
      const before = process.env['TZ'];
      process.env['TZ'] = zone;
      try {
        for (const cron of ['7 * * * *', '30 2 * * *'])
          for (const day of [
            '2026-03-08',
            '2026-03-29',
            '2026-04-05',
            '2026-10-04',
            '2026-10-25',
            '2026-11-01',
          ]) {
            const times = new CronTimes(cron);
            const step = cron.startsWith('7') ? 3_600_000 : 24 * 3_600_000;
            let at = times.next(Date.parse(`${day}T00:00:00Z`) - 36 * 3_600_000);
            for (let i = 0; i < 72; i++) {
              const next = times.next(at);
              expect([cron, day, next - at]).toEqual([cron, day, step]);
              at = next;
            }
          }
      } finally {
        if (before === undefined) delete process.env['TZ'];
        else process.env['TZ'] = before;
      }
    },
  );

  it('fire within a span that holds one of them, its end included', () => {
    const times = new CronTimes('0 3 * * *');
    const at = Date.parse('2026-11-22T03:00:00Z');
    expect(times.firesWithin(at - 1, at)).toBe(true);
    expect(times.firesWithin(at, at + 1)).toBe(false);
    expect(times.firesWithin(at - 10 * 86_400_000, at - 5 * 86_400_000)).toBe(true);
  });
});

it.each([
  ['7 * * * *', true],
  ['5 * * * *', true],
  ['4 * * * *', false],
  ['0 * * * *', false],
  ['0 3 * * *', false],
  ['30 3 * * 1', true],
  ['* * * * * *', true],
])('a run at "%s" can find the hour before it complete after a grace of five minutes: %s', (cron, can) => {
  for (const minute of [0, 3, 6, 59])
    expect(new CronTimes(cron).firesAfterGrace(300_000, Date.UTC(2026, 10, 22, 13, minute))).toBe(can);
});

describe('the topics of a schedule', () => {
  const known = ['web', 'web.eu', 'audit', '_private', '.hidden', '__consumer_offsets'].map((name) => ({
    name,
    internal: name.startsWith('__'),
  }));
  const settings = (topics: string, deny = '') => ({ topics, deny });

  it('are all that can have a table, unless told', () => {
    const { schedule } = settingsSchema.parse({});
    expect(chooseTopics(known, schedule)).toEqual(['audit', 'web', 'web.eu']);
  });

  it('fit the pattern as a whole, and are not denied', () => {
    expect(chooseTopics(known, settings('web'))).toEqual(['web']);
    expect(chooseTopics(known, settings('web.*', 'web|audit'))).toEqual(['web.eu']);
    expect(chooseTopics(known, settings('a|web'))).toEqual(['web']);
  });
});

it('the wait between attempts doubles up to ten minutes', () => {
  const waits = [1, 2, 3, 4, 100].map((attempt) => backOffMs(attempt, { retryBackoffMs: 15_000 }));
  expect(waits).toEqual([15_000, 30_000, 60_000, 120_000, 600_000]);
});

describe('what fails', () => {
  const AT = '2026-11-22T13:07:00.000Z';
  const EARLIER = '2026-11-22T10:07:00.000Z';
  const web: Failure = { job: 'load', topic: 'web', error: 'no disk', since: EARLIER };
  const known = new Set(['web', 'audit']);

  it('is news once, and keeps the time when it began', () => {
    const tried = [
      { job: 'load', topic: 'web', error: 'still no disk' },
      { job: 'load', topic: 'audit', error: 'no rights' },
    ] as const;
    expect(compareFailures([web], tried, { known, at: AT })).toEqual({
      failing: [
        { ...web, error: 'still no disk' },
        { job: 'load', topic: 'audit', error: 'no rights', since: AT },
      ],
      news: [
        {
          event: 'failed',
          id: `failed/load/audit/${AT}`,
          job: 'load',
          topic: 'audit',
          error: 'no rights',
          since: AT,
        },
      ],
    });
  });

  it('is over when it was tried again and went well', () => {
    const tried = [{ job: 'load', topic: 'web', error: null }] as const;
    expect(compareFailures([web], tried, { known, at: AT })).toEqual({
      failing: [],
      news: [{ event: 'recovered', id: `recovered/load/web/${EARLIER}`, ...web }],
    });
  });

  it('is not over because nobody tried, nor because another job of the topic went well', () => {
    const expire: Failure = { ...web, job: 'expire' };
    const tried = [{ job: 'load', topic: 'web', error: null }] as const;
    expect(compareFailures([expire], tried, { known, at: AT })).toEqual({ failing: [expire], news: [] });
    expect(compareFailures([web], [], { known: undefined, at: AT })).toEqual({ failing: [web], news: [] });
  });

  it('is forgotten with its topic', () => {
    expect(compareFailures([web], [], { known: new Set(['audit']), at: AT })).toEqual({
      failing: [],
      news: [],
    });
  });
});
