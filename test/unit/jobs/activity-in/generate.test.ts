import { describe, expect, it } from 'vitest';
import { generateActivity } from '../../../../jobs/activity-in/activity-generator.ts';
import { generate } from '../../../../jobs/activity-in/generate.ts';
import { MemorySink } from '../../../support/memory-sink.ts';

const NOW = Date.UTC(2026, 10, 22);
const OPTIONS = {
  topic: 'activity',
  now: () => NOW,
  events: 10_000,
  seed: 3,
  startMs: Date.UTC(2026, 10, 20),
  hours: 5,
  visitors: 100,
};

describe('generate', () => {
  it('sends the generated events in their order, keyed by visitor, stamped by the clock', async () => {
    const sink = new MemorySink({ pauseEvery: 100 });
    const counts = await generate(OPTIONS, sink);
    const events = [...generateActivity(OPTIONS)];
    expect(sink.values()).toEqual(events.map(({ json }) => json));
    expect(sink.keys()).toEqual(events.map(({ visitorId }) => visitorId));
    expect(new Set(sink.records.map(({ timestampMs }) => timestampMs))).toEqual(new Set([NOW]));
    expect(counts).toEqual({ events: 10_000, bytes: events.reduce((sum, { json }) => sum + json.length, 0) });
    expect(sink.flushes).toBe(1);
  });

  it('stamps records by their events only on demand', async () => {
    const sink = new MemorySink();
    await generate({ ...OPTIONS, timestamps: 'event' }, sink);
    expect(sink.records.map(({ timestampMs }) => timestampMs)).toEqual(
      [...generateActivity(OPTIONS)].map(({ timeMs }) => timeMs),
    );
  });

  it('stops when told to, after flushing what it sent', async () => {
    const stop = new AbortController();
    const sink = new MemorySink();
    const running = generate({ ...OPTIONS, signal: stop.signal, onProgress: () => stop.abort() }, sink);
    await expect(running).rejects.toThrow(/abort/i);
    expect(sink.records.length).toBeLessThan(10_000);
    expect(sink.flushes).toBe(1);
  });
});
