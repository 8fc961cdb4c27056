/**
 * Fetch: whole batches as they lie in the log, within the byte limits of the partition, the request and the broker, the
 * first one always whole (KIP-74); under read_committed only what lies below the last stable offset, and the aborted
 * transactions in it by name (KIP-98). With too little there it waits for more, up to maxWaitMs. What a fetch session knows
 * already is left out of its answers (KIP-227).
 */
import type { Log } from '../log/log.ts';
import type { ReadBatches } from '../log/log-reader.ts';
import { abortedWithin } from '../log/segment.ts';
import { fetch } from '../protocol/apis/fetch.ts';
import type { Request } from '../protocol/schema.ts';
import { waitForBytes } from './delayed.ts';
import type { Answered, PartitionRequest, PartitionResponse, Wanted } from './fetch-sessions.ts';
import { checkLeaderEpoch, handler, orCode, type RequestContext } from './handler.ts';

/** Longer waits are cut to this; the client just asks again. */
const MAX_WAIT_MS = 5 * 60 * 1000;
const NOTHING = Buffer.alloc(0);

type FetchRequest = Request<typeof fetch>;

const READ_COMMITTED = 1;

/** One look at all partitions. */
interface Look {
  answers: Answered[];
  logs: Log[];
  reads: ReadBatches[];
  bytes: number;
  /** An error or a diverging epoch: the client has to know at once. */
  isUrgent: boolean;
}

/** Answers fetch requests. */
export const handleFetch = handler(fetch, async (request, context) => {
  const turn = context.fetchSessions.begin(request, context.now());
  let look = await lookAt(turn.wanted, request, context);
  const missing = request.minBytes - look.bytes;
  if (missing > 0 && request.maxWaitMs > 0 && !look.isUrgent && look.logs.length > 0) {
    for (const { release } of look.reads) release();
    const waitMs = Math.min(request.maxWaitMs, MAX_WAIT_MS);
    const isCommitted = request.isolationLevel === READ_COMMITTED;
    await waitForBytes(look.logs, { bytes: missing, isCommitted }, waitMs, context.closed);
    look = await lookAt(turn.wanted, request, context);
  }
  const { reads, answers } = look;
  context.afterSent(() => {
    for (const { release } of reads) release();
  });
  return turn.finish(answers);
});

async function lookAt(
  partitions: readonly Wanted[],
  request: FetchRequest,
  context: RequestContext,
): Promise<Look> {
  const look: Look = { answers: [], logs: [], reads: [], bytes: 0, isUrgent: false };
  const maxBytes = Math.min(request.maxBytes, context.settings.fetchMaxBytes);
  const isCommitted = request.isolationLevel === READ_COMMITTED;
  for (const { topic, wanted } of partitions) {
    const { partition } = wanted;
    const answer = await orCode(
      context,
      () =>
        readPartition(look, context.directory.log({ topic, partition }), {
          ...wanted,
          maxBytes,
          isCommitted,
        }),
      (errorCode) => {
        look.isUrgent = true;
        return { partitionIndex: partition, errorCode, highWatermark: -1, records: NOTHING };
      },
    );
    look.answers.push({ topic, answer });
  }
  return look;
}

function readPartition(
  look: Look,
  log: Log,
  wanted: PartitionRequest & { maxBytes: number; isCommitted: boolean },
): PartitionResponse {
  checkLeaderEpoch(log, wanted.currentLeaderEpoch);
  if (log.failure) throw log.failure;
  const answer: PartitionResponse = {
    partitionIndex: wanted.partition,
    errorCode: 0,
    highWatermark: log.highWatermark,
    lastStableOffset: log.lastStableOffset,
    logStartOffset: log.logStartOffset,
    records: NOTHING,
  };
  const diverging = divergence(log, wanted);
  if (diverging !== undefined) {
    look.isUrgent = true;
    return { ...answer, divergingEpoch: diverging };
  }
  const { fetchOffset, isCommitted } = wanted;
  const room = Math.min(wanted.partitionMaxBytes, wanted.maxBytes - look.bytes);
  const until = isCommitted ? log.lastStableOffset : log.highWatermark;
  const read = log.read(fetchOffset, Math.max(0, room), look.bytes === 0, until);
  look.logs.push(log);
  if (read === undefined) return isCommitted ? { ...answer, abortedTransactions: [] } : answer;
  look.reads.push(read);
  look.bytes += read.bytes.length;
  if (!isCommitted) return { ...answer, records: read.bytes };
  // Kafka promises no order, but kafkajs expects this one, and in another gives its users aborted records.
  const abortedTransactions = abortedWithin(log.segments, fetchOffset, read.endOffset).sort(
    (a, b) => a.firstOffset - b.firstOffset,
  );
  return { ...answer, abortedTransactions, records: read.bytes };
}

/** Whether what the client read last was cut away since (KIP-595): then up to where the logs agree. */
function divergence(log: Log, { lastFetchedEpoch, fetchOffset }: PartitionRequest) {
  if (lastFetchedEpoch < 0) return undefined;
  const end = log.endOfEpoch(lastFetchedEpoch);
  if (end === undefined || (end.leaderEpoch === lastFetchedEpoch && end.endOffset >= fetchOffset)) {
    return undefined;
  }
  return { epoch: end.leaderEpoch, endOffset: end.endOffset };
}
