/**
 * Is the partition's log still the one the chain was read from? A topic may be deleted and created anew under its name,
 * or lose its unflushed tail and give the same offsets to other records. Loading on would silently mix two logs, so the
 * partition stops instead, and says what differs.
 */
import type { KafkaClient } from '../broker/client/client.ts';
import { fetchRange } from '../broker/client/fetch-range.ts';
import { batchesOf } from '../broker/protocol/record-batch.ts';
import type { Commit } from './commit.ts';
import type { Chain } from './commit-chain.ts';

/** What the broker says of a partition now. `topicId` is the uuid text, all zeros where the broker has none. */
export interface LogView {
  topicId: string;
  logStart: number;
  highWatermark: number;
}

/** Asks the broker for the bounds of a partition's log. */
export async function viewLog(
  client: KafkaClient,
  topic: string,
  partition: number,
  topicId: string,
): Promise<LogView> {
  const tp = [{ topic, partition }];
  const [highWatermark, logStart] = [
    await client.listOffsets(tp, 'latest', 'read_uncommitted'),
    await client.listOffsets(tp, 'earliest'),
  ];
  return { topicId, logStart: logStart[0]!.offset, highWatermark: highWatermark[0]!.offset };
}

const NO_TOPIC_ID = '00000000-0000-0000-0000-000000000000';
const UNKNOWN_EPOCH = -1;
const PROBE_BYTES = 1;
/** What an operator can do who knows that the old log is gone. */
const GO_ON = '`load --accept-recreated` goes on with the log as it is now';

/** What is wrong with a log, in one line. `gap`: it is the same log but has lost its beginning; `other`: it is another log. */
export interface LogProblem {
  kind: 'gap' | 'other';
  message: string;
}

/** What differs, or undefined if the log is the same as far as can be told. */
export async function logProblem(
  client: KafkaClient,
  chain: Chain,
  view: LogView,
): Promise<LogProblem | undefined> {
  const bounds = boundsProblem(chain, view);
  if (bounds?.kind === 'other') return bounds;
  const message = (await epochProblem(client, chain)) ?? (await lastBatchProblem(client, chain, view));
  return message === undefined ? bounds : { kind: 'other', message };
}

/** The part of it that needs no further question to the broker: the topic's id and the bounds of the log. */
export function boundsProblem(chain: Chain, view: LogView): LogProblem | undefined {
  const { topic, partition, head, base } = chain;
  const { logStart, highWatermark } = view;
  const name = `${topic}-${partition}`;
  const known = (id: string) => id !== NO_TOPIC_ID;
  if (known(base.topicId) && known(view.topicId) && base.topicId !== view.topicId)
    return {
      kind: 'other',
      message: `${name}: the topic was deleted and created anew (its id was ${base.topicId}, it is ${view.topicId}); ${GO_ON}, or load into another warehouse`,
    };
  if (head > highWatermark)
    return {
      kind: 'other',
      message: `${name}: the log ends at offset ${highWatermark}, below ${head}, up to which it was loaded: the broker lost records, or it is another one; check --broker, or ${GO_ON}`,
    };
  if (head < logStart)
    return {
      kind: 'gap',
      message: `${name}: the log begins at offset ${logStart}, above ${head}, up to which it was loaded: offsets ${head} to ${logStart - 1} were deleted before they were loaded; nothing was loaded, \`load --accept-gap\` signs for the loss and goes on`,
    };
  return undefined;
}

async function epochProblem(
  client: KafkaClient,
  { topic, partition, head, commits, base }: Chain,
): Promise<string | undefined> {
  const epoch = lastEpochOf({ commits, base });
  if (epoch === UNKNOWN_EPOCH) return undefined;
  const answer = await client.endOfEpoch({ topic, partition }, epoch);
  if (answer === undefined || answer.leaderEpoch !== epoch || answer.endOffset >= head) return undefined;
  return `${topic}-${partition}: leader epoch ${epoch} ends at offset ${answer.endOffset}, below ${head}, up to which it was loaded: the broker lost records and gave their offsets to others; nothing was loaded, ${GO_ON}`;
}

/** The leader epoch of the last record that was read, also by records that were sealed away; -1: not known. */
export function lastEpochOf({ commits, base }: Pick<Chain, 'commits' | 'base'>): number {
  const read = commits.findLast(({ leaderEpoch }) => leaderEpoch !== UNKNOWN_EPOCH);
  return read?.leaderEpoch ?? base.leaderEpoch ?? UNKNOWN_EPOCH;
}

/** The last batch that was read, also by records that were sealed away. */
export function lastBatchOf({ commits, base }: Chain): Commit['last'] {
  return commits.findLast((commit) => commit.last !== null)?.last ?? base.last ?? null;
}

/** Compares the CRC of the last loaded batch, if the log still has it. Compaction may have rewritten it: then nothing is concluded. */
async function lastBatchProblem(
  client: KafkaClient,
  chain: Chain,
  { logStart }: LogView,
): Promise<string | undefined> {
  const { topic, partition } = chain;
  const last = lastBatchOf(chain);
  if (last == null || last.baseOffset < logStart) return undefined;
  const range = { from: last.baseOffset, until: last.baseOffset + 1 };
  for await (const { bytes } of fetchRange(client, { topic, partition }, range, {
    maxBytes: PROBE_BYTES,
    isolation: 'read_committed',
  })) {
    for (const { header } of batchesOf(bytes)) {
      const isOther = header.baseOffset < last.baseOffset;
      const isChanged =
        header.baseOffset === last.baseOffset &&
        header.crc !== last.crc &&
        header.recordCount > header.lastOffsetDelta;
      if (isOther || isChanged)
        return `${topic}-${partition}: the batch at offset ${last.baseOffset} is not the one that was loaded (CRC ${header.crc}, was ${last.crc}): the broker gave its offsets to other records; nothing was loaded, ${GO_ON}`;
      return undefined;
    }
  }
  return undefined;
}
