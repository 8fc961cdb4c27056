import { describe, expect, test } from 'vitest';
import { CountedSink, type CountedSinkOptions } from '../../../../jobs/activity-in/counted-sink.ts';
import { AUDIT_TOPIC, decodeCounts } from '../../../../jobs/produced-counts.ts';
import { findSchema } from '../../../../schemas/event-schema.ts';
import { webRequest } from '../../../support/events.ts';
import { MemorySink } from '../../../support/memory-sink.ts';

const HOUR_MS = 3_600_000;
const NOW = Date.parse('2026-11-22T12:30:00Z');
const schema = await findSchema('web_request', { topics: {}, schemas: { dir: '' } });

/** A producer that keeps what it is sent; acknowledged is what lay in it at the last flush. */
class KeptProducer extends MemorySink {
  readonly producerId = 5;
  acknowledged = 0;
  override async flush(): Promise<void> {
    await super.flush();
    this.acknowledged = this.records.length;
  }
}

function sinkOf(options: Partial<CountedSinkOptions> = {}, producer = new KeptProducer({ pauseEvery: 7 })) {
  const loader = { eventTimeMin: '1990-01-01T00:00:00Z', eventTimeMaxAheadMs: 24 * HOUR_MS, graceMs: 60_000 };
  const sink = new CountedSink(producer, {
    ...{ topic: 'access', schema, loader, by: 'ingest', intervalMs: 10_000, now: () => NOW },
    ...options,
  });
  const send = async (value: string, timestampMs = NOW) =>
    await sink.send('access', { key: null, value: Buffer.from(value), timestampMs });
  const said = () =>
    producer.records.filter(({ topic }) => topic === AUDIT_TOPIC).map(({ value }) => decodeCounts(value)!);
  return { sink, producer, send, said };
}
const at = (timeMs: number) =>
  JSON.stringify({ ...JSON.parse(webRequest(0)), event_time: new Date(timeMs).toISOString() });

describe('the counts of a producer', () => {
  test('are by the hour that a load puts each event into', async () => {
    const { sink, send, said } = sinkOf();
    for (let n = 0; n < 10; n++) await send(webRequest(n, n % 2));
    await send('no json'); // refused: the hour of the record's timestamp
    await send(at(Date.parse('1989-12-31T23:00:00Z')));
    await send(`{"more": 1, ${webRequest(3, 1).slice(1)}`); // the judge's: an unknown member
    await sink.close();
    expect(said()).toEqual([
      {
        ...{ v: 1, topic: 'access', producerId: 5, seq: 0, by: 'ingest', at: '2026-11-22T12:30:00.000Z' },
        hours: { '2026-03-01T00': 5, '2026-03-01T01': 6, '2026-11-22T12': 2 },
        last: true,
      },
    ]);
  });

  test('of a raw topic are by the timestamps of the records', async () => {
    const { sink, send, said } = sinkOf({ schema: undefined });
    await send(webRequest(0));
    await sink.close();
    expect(said()[0]?.hours).toEqual({ '2026-11-22T12': 1 });
  });

  test('say of an event that the load will refuse or not, depending on its time, that it is unsure', async () => {
    const { sink, send, said } = sinkOf();
    await send(at(NOW + 23 * HOUR_MS));
    await send(at(NOW + 24 * HOUR_MS));
    await send(at(NOW + 30 * HOUR_MS));
    await sink.close();
    expect(said()[0]).toMatchObject({
      hours: { '2026-11-23T11': 1 },
      unsure: { '2026-11-23T12': 1, '2026-11-23T18': 1, '2026-11-22T12': 2 },
    });
  });

  test('come every so often, each with what came since, and only with what was acknowledged', async () => {
    let nowMs = NOW;
    const { sink, producer, send, said } = sinkOf({ now: () => nowMs });
    for (let n = 0; n < 5_000; n++) {
      nowMs += 10;
      await send(webRequest(n));
      if (n % 100 > 0) continue;
      const counted = said().reduce((sum, { hours }) => sum + hours['2026-03-01T00']!, 0);
      expect(counted).toBeLessThanOrEqual(producer.acknowledged);
    }
    await sink.close();
    const events = said().map(({ hours }) => hours['2026-03-01T00'] ?? 0);
    expect(events.reduce((a, b) => a + b)).toBe(5_000);
    expect(events.length).toBeGreaterThan(3);
    expect(said().map(({ seq }) => seq)).toEqual(events.map((_, i) => i));
    expect(said().map(({ last }) => last)).toEqual(events.map((_, i) => i === events.length - 1));
  });

  test('of very many hours come in records that fit a batch', async () => {
    const { sink, send, said } = sinkOf();
    for (let n = 0; n < 10_000; n++) await send(at(Date.parse('2000-01-01T00:00:00Z') + n * HOUR_MS));
    await sink.close();
    expect(said().length).toBeGreaterThan(2);
    const sizes = said().map((counts) => JSON.stringify(counts).length);
    expect(Math.max(...sizes)).toBeLessThan(512 * 1024);
    expect(said().reduce((sum, { hours }) => sum + Object.keys(hours).length, 0)).toBe(10_000);
  });

  test('are not said when sending failed', async () => {
    const producer = new KeptProducer();
    producer.flush = () => Promise.reject(new Error('gone'));
    const { sink, send, said } = sinkOf({}, producer);
    await send(webRequest(0));
    await expect(sink.close()).rejects.toThrow('gone');
    expect(said()).toEqual([]);
  });
});
