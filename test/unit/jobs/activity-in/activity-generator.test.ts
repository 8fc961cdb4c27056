import { describe, expect, it } from 'vitest';
import {
  type ActivityEvent,
  type ActivityOptions,
  generateActivity,
} from '../../../../jobs/activity-in/activity-generator.ts';
import { SeededRandom, zipf } from '../../../../jobs/activity-in/seeded-random.ts';
import { findSchema } from '../../../../schemas/event-schema.ts';
import { compileGuard } from '../../../../schemas/guard.ts';

const START_MS = Date.UTC(2026, 10, 20);
const HOUR_MS = 3_600_000;
const OPTIONS: ActivityOptions = { events: 20_000, seed: 42, startMs: START_MS, hours: 24, visitors: 1_000 };
const generate = (more: Partial<ActivityOptions> = {}) => [...generateActivity({ ...OPTIONS, ...more })];
const fields = ({ json }: ActivityEvent) => JSON.parse(json) as Record<string, string>;
const isSorted = (events: ActivityEvent[]) =>
  events.every((one, i) => i === 0 || events[i - 1]!.timeMs <= one.timeMs);

describe('generated activity', () => {
  it('is the same for the same seed and another for another', () => {
    expect(generate()).toEqual(generate());
    expect(generate({ seed: 43 })).not.toEqual(generate());
    expect(generate({ seed: 42 + 2 ** 40 })).not.toEqual(generate());
  });

  it.each([0, 1, 7, 1_000])('is exactly as many events as asked for: %i', (events) => {
    const more = { lateShare: 0.1, repeatedShare: 0.1, skew: 0.1 };
    expect(generate({ events })).toHaveLength(events);
    expect(generate({ events, ...more })).toHaveLength(events);
    expect(generate({ events, hours: 1, visitors: 1, ...more })).toHaveLength(events);
  });

  it('lies in its hours, in order of time, and every hour of a day has some', () => {
    const events = generate();
    expect(isSorted(events)).toBe(true);
    const hours = new Set(events.map(({ timeMs }) => Math.floor((timeMs - START_MS) / HOUR_MS)));
    expect([...hours].sort((a, b) => a - b)).toEqual(Array.from({ length: 24 }, (_, i) => i));
  });

  it('is JSON just as JSON.stringify writes it, with its time and its key', () => {
    for (const event of generate({ lateShare: 0.1, repeatedShare: 0.1, skew: 0.1 })) {
      const members = fields(event);
      expect(JSON.stringify(members)).toBe(event.json);
      expect(members['event_time']).toBe(new Date(event.timeMs).toISOString());
      expect(members['visitor_id']).toBe(event.visitorId);
    }
  });

  it('is proven row by row by the guard of the schema activity', async () => {
    const schema = (await findSchema('activity', { topics: {}, schemas: { dir: '' } }))!;
    const guard = compileGuard(schema, { minTimeUs: 0, maxTimeUs: Date.UTC(2030, 0) * 1000 });
    for (const { json, timeMs } of generate()) {
      const bytes = Buffer.from(json);
      expect(guard(bytes, 0, bytes.length)).toBe(timeMs * 1000);
    }
  });

  it('has page views, searches and clicks of many visitors in several sessions each', () => {
    const events = generate().map(fields);
    const share = (type: string) => events.filter((one) => one['event_type'] === type).length / events.length;
    expect(share('page_view')).toBeGreaterThan(0.5);
    expect(share('search')).toBeGreaterThan(0.05);
    expect(share('click')).toBeGreaterThan(0.1);
    expect(
      events.every((one) => (one['event_type'] === 'search') === (one['search_terms'] !== undefined)),
    ).toBe(true);
    expect(events.every((one) => (one['event_type'] === 'click') === (one['element'] !== undefined))).toBe(
      true,
    );
    const visitors = new Set(events.map((one) => one['visitor_id']));
    const sessions = new Set(events.map((one) => one['session_id']));
    expect(visitors.size).toBeGreaterThan(500);
    expect(visitors.size).toBeLessThanOrEqual(1_000);
    expect(sessions.size).toBeGreaterThan(visitors.size);
  });

  it('brings late events on demand: older than an earlier one, by no more than asked for', () => {
    const events = generate({ lateShare: 0.05, maxLateMs: 60_000 });
    let newest = 0;
    let late = 0;
    for (const { timeMs } of events) {
      if (timeMs < newest) late++;
      expect(newest - timeMs).toBeLessThanOrEqual(60_000);
      newest = Math.max(newest, timeMs);
    }
    expect(late / events.length).toBeGreaterThan(0.03);
    expect(late / events.length).toBeLessThan(0.07);
  });

  it('repeats events exactly on demand', () => {
    const repeats = (events: ActivityEvent[]) => events.length - new Set(events.map(({ json }) => json)).size;
    expect(repeats(generate({ repeatedShare: 0.1 })) / OPTIONS.events).toBeGreaterThan(0.08);
    expect(repeats(generate()) / OPTIONS.events).toBeLessThan(0.001);
  });

  it('has a hot key on demand', () => {
    const events = generate({ skew: 0.27 });
    const hot = events.filter(({ visitorId }) => visitorId === 'v000000-monitor').length / events.length;
    expect(hot).toBeGreaterThan(0.25);
    expect(hot).toBeLessThan(0.29);
  });
});

describe('seeded random numbers', () => {
  it('spread evenly', () => {
    const random = new SeededRandom(1);
    const counts = new Array<number>(16).fill(0);
    for (let i = 0; i < 160_000; i++) counts[random.below(16)]!++;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });

  it('by Zipf fall with their rank and reach all of it', () => {
    const random = new SeededRandom(1);
    const draw = zipf(50, 1);
    const counts = new Array<number>(50).fill(0);
    for (let i = 0; i < 100_000; i++) counts[draw(random)]!++;
    expect(counts[0]! / counts[1]!).toBeCloseTo(2, 0);
    expect(counts[0]! / counts[9]!).toBeGreaterThan(7);
    expect(Math.min(...counts)).toBeGreaterThan(0);
  });
});
