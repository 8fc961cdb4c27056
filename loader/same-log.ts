/**
 * Is the partition's log still the one the chain was read from? A topic may be deleted and created anew under its name,
 * or lose its unflushed tail and give the same offsets to other records. Loading on would silently mix two logs, so the
 * partition stops instead, and says what differs.
 */
import type { KafkaClient } from '../broker/client/client.ts';
import { fetchRange } from '../broker/client/fetch-range.ts';
import { batchesOf } from '../broker/protocol/record-batch.ts';
import type { Chain } from './commit-chain.ts';

/** What the broker says of a partition now. `topicId` is the uuid text, all zeros where the broker has none. */
export interface LogView {
  topicId: string;
  logStart: number;
  highWatermark: number;
}

const NO_TOPIC_ID = '00000000-0000-0000-0000-000000000000';
const UNKNOWN_EPOCH = -1;
const PROBE_BYTES = 1;

/** One line that says what differs and what to do, or undefined if the log is the same as far as can be told. */
export async function logProblem(
  client: KafkaClient,
  chain: Chain,
  view: LogView,
): Promise<string | undefined> {
  return (
    boundsProblem(chain, view) ??
    (await epochProblem(client, chain)) ??
    (await lastBatchProblem(client, chain, view))
  );
}

/** The part of it that needs no further question to the broker: the topic's id and the bounds of the log. */
export function boundsProblem(chain: Chain, view: LogView): string | undefined {
  const { topic, partition, head, base } = chain;
  const name = `${topic}-${partition}`;
  const known = (id: string) => id !== NO_TOPIC_ID;
  if (known(base.topicId) && known(view.topicId) && base.topicId !== view.topicId)
    return `${name}: the topic was deleted and created anew (its id was ${base.topicId}, it is ${view.topicId}); load into another warehouse`;
  if (head > view.highWatermark)
    return `${name}: the log ends at offset ${view.highWatermark}, below ${head}, up to which it was loaded: the broker lost records, or it is another one; check --broker`;
  if (head < view.logStart)
    return `${name}: the log begins at offset ${view.logStart}, above ${head}, up to which it was loaded: offsets ${head} to ${view.logStart - 1} were deleted before they were loaded; nothing was loaded`;
  return undefined;
}

async function epochProblem(
  client: KafkaClient,
  { topic, partition, head, commits }: Chain,
): Promise<string | undefined> {
  const epoch = commits.findLast(({ leaderEpoch }) => leaderEpoch !== UNKNOWN_EPOCH)?.leaderEpoch;
  if (epoch === undefined) return undefined;
  const answer = await client.endOfEpoch({ topic, partition }, epoch);
  if (answer === undefined || answer.leaderEpoch !== epoch || answer.endOffset >= head) return undefined;
  return `${topic}-${partition}: leader epoch ${epoch} ends at offset ${answer.endOffset}, below ${head}, up to which it was loaded: the broker lost records and gave their offsets to others; nothing was loaded`;
}

/** Compares the CRC of the last loaded batch, if the log still has it. Compaction may have rewritten it: then nothing is concluded. */
async function lastBatchProblem(
  client: KafkaClient,
  chain: Chain,
  { logStart }: LogView,
): Promise<string | undefined> {
  const { topic, partition } = chain;
  const last = chain.commits.findLast((commit) => commit.last !== null)?.last;
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
        return `${topic}-${partition}: the batch at offset ${last.baseOffset} is not the one that was loaded (CRC ${header.crc}, was ${last.crc}): the broker gave its offsets to other records; nothing was loaded`;
      return undefined;
    }
  }
  return undefined;
}
