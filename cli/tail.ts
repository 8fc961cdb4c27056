/**
 * `millrace tail`: prints the records of a topic, from where it is told, and goes on until stopped or `-n` are printed.
 * Partitions take turns, each up to what it held when its turn began; order is kept within a partition, as in Kafka.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, InvalidArgumentError } from 'commander';
import type { KafkaClient } from '../broker/client/client.ts';
import type { TopicPartition } from '../broker/topic-partition.ts';
import { type Act, addExamples } from './command.ts';
import type { CommandContext } from './context.ts';
import { timeMs, wholeNumber } from './options.ts';
import { connect } from './resources.ts';
import { findTopic } from './topics.ts';

/** Time between two looks for new records once all are printed. */
const POLL_MS = 250;
/** Bytes asked per fetch: a person reads, so less than a loader asks. */
const FETCH_BYTES = 256 * 1024;

type Start = 'earliest' | 'latest' | { offset: number } | { timeMs: number };

interface TailOptions {
  topic: string;
  partition?: number;
  from: Start;
  count?: number;
}

interface TailedRecord {
  partition: number;
  offset: number;
  timestampMs: number;
  key: Buffer | null;
  value: Buffer | null;
  headers: readonly { key: string; value: Buffer | null }[];
}

function parseStart(text: string): Start {
  if (text === 'earliest' || text === 'latest') return text;
  if (/^\d+$/.test(text)) return { offset: Number(text) };
  try {
    return { timeMs: timeMs(text) };
  } catch {
    throw new InvalidArgumentError(
      'write earliest, latest, an offset or a UTC time like 2026-11-22T13:00:00Z.',
    );
  }
}

/** A text as it is, or null where the bytes are no UTF-8. */
function utf8(bytes: Buffer): string | null {
  const text = bytes.toString('utf8');
  return text.includes('\uFFFD') && !Buffer.from(text, 'utf8').equals(bytes) ? null : text;
}

/** One member of a JSON object for bytes: `{name: text}`, or `{nameBase64: …}` where they are no UTF-8. */
function jsonBytes(name: string, bytes: Buffer | null): Record<string, string | null> {
  const text = bytes && utf8(bytes);
  return bytes && text === null ? { [`${name}Base64`]: bytes.toString('base64') } : { [name]: text };
}

const timeText = (ms: number) => (ms < 0 ? null : new Date(ms).toISOString());

/** A record as an object of NDJSON. */
export function recordObject(record: TailedRecord): object {
  const { partition, offset, timestampMs, key, value, headers } = record;
  return {
    partition,
    offset,
    timestamp: timeText(timestampMs),
    ...jsonBytes('key', key),
    ...jsonBytes('value', value),
    ...(headers.length > 0 && {
      headers: headers.map((h) => ({ key: h.key, ...jsonBytes('value', h.value) })),
    }),
  };
}

/** A record as a line: partition, offset, time, key and value; `-` for none. A line feed inside would look like a new record. */
export function recordLine({ partition, offset, timestampMs, key, value }: TailedRecord): string {
  const text = (bytes: Buffer | null) => (bytes?.toString('utf8') ?? '-').replaceAll('\n', '\\n');
  return `${partition} ${offset} ${timeText(timestampMs) ?? '-'} ${text(key)} ${text(value)}`;
}

/** The offset each partition starts from. A time after the last record means the end. */
async function startOffsets(client: KafkaClient, parts: TopicPartition[], from: Start): Promise<number[]> {
  const offsetsAt = async (at: 'earliest' | 'latest' | number) => {
    const found = await client.listOffsets(parts, at);
    return parts.map((p) => found.find((f) => f.partition === p.partition)?.offset ?? -1);
  };
  if (from === 'earliest' || from === 'latest') return offsetsAt(from);
  if ('timeMs' in from) {
    const [found, ends] = await Promise.all([offsetsAt(from.timeMs), offsetsAt('latest')]);
    return found.map((offset, i) => (offset < 0 ? ends[i]! : offset));
  }
  const starts = await offsetsAt('earliest');
  return starts.map((start) => Math.max(start, from.offset));
}

/** The records of one partition from an offset to its present end; returns the offset to go on from. */
export async function* recordsUntil(
  client: KafkaClient,
  tp: TopicPartition,
  range: { from: number; until: number },
): AsyncGenerator<TailedRecord, number> {
  const { fetchRange } = await import('../broker/client/fetch-range.ts');
  const { batchesOf, recordsOf } = await import('../broker/protocol/record-batch.ts');
  let next = range.from;
  for await (const { bytes, nextOffset } of fetchRange(client, tp, range, {
    maxBytes: FETCH_BYTES,
    isolation: 'read_committed',
  })) {
    for (const { at, header } of batchesOf(bytes))
      for (const record of recordsOf(bytes, at, header))
        if (record.offset >= range.from && record.offset < range.until)
          yield { partition: tp.partition, ...record };
    next = Math.max(next, nextOffset);
  }
  // What lies below the end but can't be delivered (markers, aborted records) is passed over.
  return Math.max(next, range.until);
}

/** The records of all partitions, for ever: each in its turn up to its present end. Ends by AbortError. */
async function* follow(
  client: KafkaClient,
  parts: readonly TopicPartition[],
  starts: readonly number[],
  signal: AbortSignal,
): AsyncGenerator<TailedRecord, never> {
  const next = [...starts];
  for (;;) {
    const ends = await client.listOffsets([...parts], 'latest', 'read_committed');
    let idle = true;
    for (const [i, tp] of parts.entries()) {
      const from = next[i]!;
      const until = ends.find((e) => e.partition === tp.partition)?.offset ?? -1;
      if (until <= from) continue;
      idle = false;
      next[i] = yield* recordsUntil(client, tp, { from, until });
    }
    if (idle) await sleep(POLL_MS, undefined, { signal });
    signal.throwIfAborted();
  }
}

async function tail(context: CommandContext, options: TailOptions): Promise<void> {
  const { out, signal } = context;
  await using client = await connect(context);
  const topic = await findTopic(client, options.topic);
  const parts = topic.partitions
    .filter(({ partition }) => options.partition === undefined || partition === options.partition)
    .map(({ partition }) => ({ topic: options.topic, partition }));
  if (parts.length === 0)
    throw new Error(
      `topic ${options.topic} has no partition ${options.partition}; it has 0 to ${topic.partitions.length - 1}`,
    );
  const starts = await startOffsets(client, parts, options.from);
  let left = options.count ?? Number.POSITIVE_INFINITY;
  for await (const record of follow(client, parts, starts, signal)) {
    signal.throwIfAborted();
    await out.raw(`${out.json ? JSON.stringify(recordObject(record)) : recordLine(record)}\n`);
    if (--left === 0) return;
  }
}

export function define(command: Command, act: Act): void {
  command
    .requiredOption('--topic <name>', 'the topic')
    .option('--partition <p>', 'only this partition', wholeNumber(0, 2 ** 31 - 1))
    .option('--from <where>', 'earliest, latest, an offset or a time', parseStart, 'earliest')
    .option('-n, --count <n>', 'ends after so many records', wholeNumber(1))
    .action(act<TailOptions>(tail));
  addExamples(command, [
    ['tail --topic activity -n 5', 'the first five records'],
    ['tail --topic activity --from latest --json', 'what comes from now on, as NDJSON'],
    ['tail --topic activity --partition 2 --from 2026-11-22T13:00:00Z', 'one partition from a time on'],
  ]);
}
