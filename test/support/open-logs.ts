/**
 * A data directory opened without a socket, and the few calls that tests of its logs are made of.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { Logger } from 'pino';
import type { Log } from '../../broker/log/log.ts';
import type { TopicConfigs } from '../../broker/log/log-config.ts';
import { LogDirectory } from '../../broker/log/log-directory.ts';
import { encodeMarker, type Outcome } from '../../broker/protocol/control-batch.ts';
import { readBatchHeader } from '../../broker/protocol/record-batch.ts';
import { batchOf, valuesIn } from './batches.ts';
import { type BrokerOverrides, brokerSettings, recordingLogger } from './start-broker.ts';

/** Topic of the tests; it has one partition. */
export const TOPIC = 'events';

export interface OpenOptions {
  overrides?: BrokerOverrides;
  configs?: TopicConfigs;
  now?: () => number;
  log?: Logger;
}

/** Opens a data directory whose topic is there. */
export async function openLogs(dataDir: string, options: OpenOptions = {}): Promise<LogDirectory> {
  const { overrides, configs = {}, now = Date.now, log = recordingLogger().log } = options;
  const directory = await LogDirectory.open(brokerSettings(dataDir, overrides), { log, now });
  if (!directory.topics.has(TOPIC)) await directory.createTopic({ name: TOPIC, partitions: 1, configs });
  return directory;
}

/** The log of the tests' topic. */
export function logOf(directory: LogDirectory): Log {
  return directory.log({ topic: TOPIC, partition: 0 });
}

/** Appends a batch of these values and waits until it is written. Returns its base offset. */
export async function append(log: Log, values: string[], options: Parameters<typeof batchOf>[1] = {}) {
  const bytes = batchOf(values, options);
  const { baseOffset, endOffset } = log.append(bytes, readBatchHeader(bytes, 0));
  await log.acknowledged(endOffset, true);
  return baseOffset;
}

/** Ends a producer's transaction in a log, and waits until the marker is written. */
export async function appendMarker(log: Log, producerId: number, outcome: Outcome, producerEpoch = 0) {
  const marker = { producerId, producerEpoch, outcome, coordinatorEpoch: 0, timestampMs: 1_000 };
  const bytes = encodeMarker(marker);
  const { endOffset } = log.append(bytes, readBatchHeader(bytes, 0));
  await log.acknowledged(endOffset, true);
}

/** Every `[offset, value]` of a log. */
export function contents(log: Log): Array<[number, string]> {
  const all: Array<[number, string]> = [];
  for (let offset = log.logStartOffset; ; ) {
    const read = log.read(offset, 1 << 20);
    if (read === undefined) return all;
    all.push(...valuesIn(read.bytes));
    read.release();
    offset = (all.at(-1)?.[0] ?? 0) + 1;
  }
}

/** Copies a data directory as a `kill -9` would leave it: lock, no clean stop, everything written in the page cache. */
export function copyAsKilled(dataDir: string, to: string): void {
  fs.cpSync(dataDir, to, { recursive: true });
  fs.rmSync(path.join(to, '.lock'), { force: true });
}

/** Files of the log's directory with an ending, sorted. */
export function filesOf(dataDir: string, ending: string): string[] {
  const directory = path.join(dataDir, `${TOPIC}-0`);
  const names = fs.readdirSync(directory).filter((name) => name.endsWith(ending));
  return names.sort().map((name) => path.join(directory, name));
}
