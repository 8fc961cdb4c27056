import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type IngestOptions,
  IngestUsageError,
  ingest,
  type Reject,
} from '../../../../jobs/activity-in/ingest.ts';
import { type EventSchema, findSchema, parseSchema } from '../../../../schemas/event-schema.ts';
import { MemorySink } from '../../../support/memory-sink.ts';
import { sharedLog } from '../../../support/shared-data.ts';

let webRequest: EventSchema;
beforeAll(async () => {
  webRequest = (await findSchema('web_request', { topics: {}, schemas: { dir: '' } }))!;
});

const NOW = Date.UTC(2026, 10, 22);
const options = (more: Partial<IngestOptions> = {}): IngestOptions => ({
  topic: 'blog',
  format: 'combined',
  schema: webRequest,
  maxMessageBytes: 1_000_000,
  now: () => NOW,
  ...more,
});
const ndjson = (more: Partial<IngestOptions> = {}) =>
  options({ format: 'ndjson', schema: undefined, ...more });
const GOOD = '10.0.0.1 - - [20/Feb/2016:00:00:45 -0500] "GET / HTTP/1.1" 200 187 "-" "x"';

async function run(input: string | Buffer, told: IngestOptions, sink = new MemorySink()) {
  const rejects: Reject[] = [];
  const counts = await ingest(
    Readable.from([Buffer.from(input as string)]),
    { ...told, onReject: (reject) => void rejects.push(reject) },
    sink,
  );
  return { counts, rejects, sink };
}

describe('ingest of access logs', () => {
  it('sends an event per line, keyed by host, stamped by the clock, and flushes', async () => {
    const { counts, rejects, sink } = await run(`${GOOD}\n${GOOD.replace('10.0.0.1', 'h2')}\r\n`, options());
    expect(counts).toEqual({
      lines: 2,
      sent: 2,
      rejected: 0,
      keyless: 0,
      bytes: 2 * GOOD.length - 5 - 1 + 3,
    });
    expect(rejects).toEqual([]);
    expect(sink.keys()).toEqual(['10.0.0.1', 'h2']);
    expect(sink.records[0]).toMatchObject({ topic: 'blog', timestampMs: NOW });
    expect(JSON.parse(sink.values()[0]!)).toMatchObject({ event_time: '2016-02-20T05:00:45Z', status: 200 });
    expect(sink.flushes).toBe(1);
  });

  it('rejects each planted line that matches no form: whole, with its number, and sends all others', async () => {
    const bad = ['', 'hello', `${GOOD}x`, '\xff\xfe\0', '{"a":1}'];
    const lines = Array.from({ length: 500 }, (_, i) => (i % 100 === 99 ? bad[(i - 99) / 100]! : GOOD));
    const { counts, rejects, sink } = await run(Buffer.from(lines.join('\n'), 'latin1'), options());
    expect(counts).toMatchObject({ lines: 500, sent: 495, rejected: 5 });
    expect(sink.records).toHaveLength(495);
    expect(rejects.map(({ line }) => line)).toEqual([100, 200, 300, 400, 500]);
    expect(rejects.map(({ valueBase64 }) => Buffer.from(valueBase64, 'base64').toString('latin1'))).toEqual(
      bad,
    );
    expect(new Set(rejects.map(({ reason }) => reason))).toEqual(
      new Set(['empty line', 'not an access log line']),
    );
  });

  it('rejects lines that no batch can hold, and never keeps more of one than its limit', async () => {
    const long = GOOD.replace('GET /', `GET /${'x'.repeat(2_000)}`);
    const { counts, rejects } = await run(`${GOOD}\n${long}\n${GOOD}`, options({ maxMessageBytes: 1_024 }));
    expect(counts).toMatchObject({ lines: 3, sent: 2, rejected: 1 });
    expect(rejects).toEqual([
      { line: 2, reason: 'larger than max.message.bytes', valueBase64: Buffer.from(long).toString('base64') },
    ]);
    const endless = Readable.from(Array.from({ length: 66 }, () => Buffer.alloc(1024 * 1024, 'x')));
    const found: Reject[] = [];
    await ingest(endless, { ...options(), onReject: (reject) => void found.push(reject) }, new MemorySink());
    expect(found).toMatchObject([{ line: 1, bytes: 66 * 1024 * 1024 }]);
    expect(found[0]?.valueBase64.length).toBeLessThan(90 * 1024 * 1024);
  });

  it('recognises gzip, several members too', async () => {
    const packed = Buffer.concat([gzipSync(`${GOOD}\n`), gzipSync(`${GOOD}\n${GOOD}`)]);
    expect((await run(packed, options())).counts).toMatchObject({ lines: 3, sent: 3 });
  });

  it('waits whenever the sink asks it to', async () => {
    const sink = new MemorySink({ pauseEvery: 7 });
    const { counts } = await run(`${GOOD}\n`.repeat(1_000), options(), sink);
    expect(counts.sent).toBe(1_000);
    expect(sink.pauses).toBe(142);
  });

  it('is refused for a topic that cannot hold access logs, and names the setting', async () => {
    const other = parseSchema(
      'orders',
      '{"type":"object","required":["event_time"],"properties":{"event_time":{"type":"string","format":"date-time"},"status":{"type":"string"}}}',
    );
    const activity = await findSchema('activity', { topics: {}, schemas: { dir: '' } });
    const refused = (more: Partial<IngestOptions>) => expect(run(GOOD, options(more))).rejects;
    await refused({ schema: undefined }).toThrow(/set topics\.blog\.schema to web_request/);
    await refused({ schema: undefined }).toThrow(IngestUsageError);
    await refused({ schema: other }).toThrow(
      /lacks columns .*host \(string\), .*status \(int32\).*topics\.blog\.schema/,
    );
    await refused({ schema: activity }).toThrow(/requires event_type.*topics\.blog\.schema/);
    await refused({ key: 'status' }).toThrow(IngestUsageError);
  });

  it('stops when told to, even while it waits for input, after flushing what it sent', async () => {
    const stop = new AbortController();
    const input = new Readable({ read() {} });
    input.push(`${GOOD}\n${GOOD}\n`);
    const sink = new MemorySink();
    const running = ingest(input, options({ signal: stop.signal, onProgress: () => stop.abort() }), sink);
    await expect(running).rejects.toThrow(/abort/i);
    expect(sink.records).toHaveLength(2);
    expect(sink.flushes).toBe(1);
  });
});

describe('ingest of NDJSON', () => {
  it('sends every line as it is, malformed ones too, for the loader to judge', async () => {
    const lines = ['{"a": 1}', 'not json', '{"a":', '[1]', '{"b":"\u00e9"}'];
    const { counts, sink, rejects } = await run(`${lines.join('\r\n')}\n`, ndjson());
    expect(counts).toMatchObject({ lines: 5, sent: 5, rejected: 0, keyless: 0 });
    expect(sink.values()).toEqual(lines);
    expect(sink.records.every(({ key, timestampMs }) => key === null && timestampMs === NOW)).toBe(true);
    expect(rejects).toEqual([]);
  });

  it('rejects empty lines', async () => {
    const { counts, rejects } = await run('{}\n\n\r\n{}\n', ndjson());
    expect(counts).toMatchObject({ lines: 4, sent: 2, rejected: 2 });
    expect(rejects.map(({ line, reason }) => [line, reason])).toEqual([
      [2, 'empty line'],
      [3, 'empty line'],
    ]);
  });

  it('takes the key from a member, as exact text; without one the key is null and counted', async () => {
    const values = ['"v\\u0031"', '9007199254740993', 'true', 'null', '{"a":1}', '[1]'];
    const lines = [...values.map((value) => `{"x":0,"id":${value}}`), '{}', 'not json', '"id"'];
    const { counts, sink } = await run(lines.join('\n'), ndjson({ key: 'id' }));
    expect(sink.keys()).toEqual(['v1', '9007199254740993', 'true', ...Array(6).fill(undefined)]);
    expect(counts).toMatchObject({ sent: 9, keyless: 6 });
  });

  it('sends values that stay what they were when the chunk they came in is used again', async () => {
    const chunk = Buffer.from('{"a":1}\n');
    const sink = new MemorySink();
    await ingest(Readable.from([chunk]), ndjson(), sink);
    chunk.fill('x');
    expect(sink.values()).toEqual(['{"a":1}']);
  });

  it('throws what the sink throws', async () => {
    const sink = { send: () => Promise.reject(new Error('broker gone')), flush: async () => {} };
    await expect(ingest(Readable.from([Buffer.from('{}\n{}\n')]), ndjson(), sink)).rejects.toThrow(
      'broker gone',
    );
  });
});

const log = sharedLog('ingest of the whole real log');

it.skipIf(log === undefined)('the real log is sent whole, straight from its gzip file', async () => {
  const sink = new MemorySink({ pauseEvery: 10_000 });
  const counts = await ingest(createReadStream(log!.path), options(), sink);
  expect(counts).toMatchObject({ lines: 206_860, sent: 206_860, rejected: 0, bytes: log!.bytes().length });
  expect(new Set(sink.keys()).size).toBe(log!.oracle().distinct_hosts);
});
