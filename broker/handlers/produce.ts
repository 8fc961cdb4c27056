/**
 * Produce: one record batch per partition, checked by its header and checksum and otherwise untouched, appended, and
 * answered when it is as safe as `acks` asks. Versions 0 to 2 carry message formats that are not taken; they are
 * advertised all the same, because older librdkafka drops its codecs where version 0 is missing (KAFKA-18659).
 */
import type { Appended, Log } from '../log/log.ts';
import { isCompacted } from '../log/log-config.ts';
import { produce } from '../protocol/apis/produce.ts';
import { eachKey } from '../protocol/compacted-batch.ts';
import { KafkaError } from '../protocol/errors.ts';
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  isCrcValid,
  readBatchHeader,
} from '../protocol/record-batch.ts';
import { handler, orCode, type RequestContext, refuseInternal } from './handler.ts';

const FIRST_VERSION_SERVED = 3;
/** The first version whose consumers are sure to read zstd (KIP-110). */
const FIRST_ZSTD_VERSION = 7;
const ZSTD = 4;
const ALL_REPLICAS = -1;
const NO_ANSWER = 0;
/**
 * A small batch can hold millions of records. Those that are not named are taken for innocent, sent again by clients that
 * do so, and named then.
 */
const MAX_RECORD_ERRORS = 10_000;

/** Answers produce requests. */
export const handleProduce = handler(produce, async ({ acks, topicData, transactionalId }, context) => {
  const check = () => checkRequest(acks, context.version);
  const failures: string[] = [];
  const responses = topicData.map(async ({ name, partitionData }) => {
    const answers = partitionData.map(({ index, records }) =>
      orCode(
        context,
        async () => {
          check();
          refuseInternal(name);
          const log = context.directory.log({ topic: name, partition: index });
          const { baseOffset, logAppendTimeMs = -1 } = await append(
            log,
            records,
            { acks, transactionalId },
            context,
          );
          return { index, errorCode: 0, baseOffset, logAppendTimeMs, logStartOffset: log.logStartOffset };
        },
        (errorCode, errorMessage, error) => {
          failures.push(errorMessage);
          const refused = error instanceof RefusedRecords ? error.refused : {};
          return { index, errorCode, errorMessage, baseOffset: -1, ...refused };
        },
        // UNKNOWN_SERVER_ERROR would make Java's idempotent producer begin anew and duplicate (KAFKA-14034).
        'KAFKA_STORAGE_ERROR',
      ),
    );
    return { name, partitionResponses: await Promise.all(answers) };
  });
  const answer = { responses: await Promise.all(responses) };
  if (acks !== NO_ANSWER) return answer;
  if (failures.length > 0) context.disconnect(`produce with acks=0 failed: ${failures[0]}`);
  return undefined;
});

function checkRequest(acks: number, version: number): void {
  if (version < FIRST_VERSION_SERVED) throw new KafkaError('UNSUPPORTED_VERSION', `Produce ${version}`);
  if (acks < -1 || acks > 1) throw new KafkaError('INVALID_REQUIRED_ACKS', `acks=${acks}`);
}

async function append(
  log: Log,
  records: Buffer | null,
  { acks, transactionalId }: { acks: number; transactionalId: string | null },
  context: RequestContext,
): Promise<Appended> {
  const bytes = records ?? Buffer.alloc(0);
  const header = checkBatch(bytes, log.config.maxMessageBytes, context.version);
  if (isCompacted(log.config)) checkKeys(log, bytes, header, context.settings.log.cleanerBatchBytes);
  // Nothing may come between this and the append: a marker written there would end the transaction before the batch.
  if (header.isTransactional) checkTransaction(log, header, transactionalId, context);
  const appended = log.append(bytes, header);
  // Even with acks=0: the request's memory is used again once it is served, so it must be written by then.
  await log.acknowledged(appended.endOffset, acks === ALL_REPLICAS);
  return appended;
}

/** Throws unless the batch belongs to its producer's open transaction: else nobody would ever end it (KIP-890). */
function checkTransaction(log: Log, header: BatchHeader, id: string | null, context: RequestContext): void {
  if (id === null) {
    throw new KafkaError('TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'a transactional batch without its id');
  }
  context.transactions.checkWrite(id, header, log.tp);
}

/** INVALID_RECORD with the records that are to blame, so that the client can fail these and send the others again (KIP-467). */
class RefusedRecords extends KafkaError {
  /** What the answer tells besides the error; Kafka gives the log's start with these errors only. */
  readonly refused: {
    recordErrors: { batchIndex: number; batchIndexErrorMessage: string }[];
    logStartOffset: number;
  };

  constructor(batchIndexes: readonly number[], why: string, logStartOffset: number) {
    super('INVALID_RECORD', why);
    this.refused = {
      recordErrors: batchIndexes.map((batchIndex) => ({ batchIndex, batchIndexErrorMessage: why })),
      logStartOffset,
    };
  }
}

/** Throws INVALID_RECORD unless compaction can tell every record's key: the one case in which records are looked at. */
function checkKeys(log: Log, bytes: Buffer, header: BatchHeader, maxBytes: number): void {
  const keyless: number[] = [];
  let index = -1;
  const visit = ({ key }: { key: Buffer | null }) => {
    index += 1;
    if (key === null && keyless.length < MAX_RECORD_ERRORS) keyless.push(index);
  };
  try {
    eachKey(bytes, header, visit, maxBytes);
  } catch (error) {
    if (error instanceof KafkaError) throw new KafkaError('INVALID_RECORD', error.message);
    throw error;
  }
  if (keyless.length === 0) return;
  throw new RefusedRecords(keyless, 'a compacted topic takes only records with a key', log.logStartOffset);
}

/** The header of what must be exactly one whole batch of format 2 as a producer may send it. Throws KafkaError. */
function checkBatch(bytes: Buffer, maxMessageBytes: number, version: number): BatchHeader {
  if (bytes.length < BATCH_HEADER_BYTES) {
    throw new KafkaError('CORRUPT_MESSAGE', `${bytes.length} bytes are no record batch`);
  }
  const header = readBatchHeader(bytes, 0);
  if (header.sizeBytes > maxMessageBytes) {
    throw new KafkaError('MESSAGE_TOO_LARGE', `batch of ${header.sizeBytes} bytes, limit ${maxMessageBytes}`);
  }
  if (header.sizeBytes > bytes.length) throw new KafkaError('CORRUPT_MESSAGE', 'the batch is cut off');
  if (header.sizeBytes < bytes.length) {
    throw new KafkaError('INVALID_RECORD', 'more than one record batch for a partition');
  }
  if (!isCrcValid(bytes, 0, header)) throw new KafkaError('CORRUPT_MESSAGE', 'the checksum is wrong');
  if (header.recordCount < 1 || header.recordCount !== header.lastOffsetDelta + 1) {
    const { recordCount, lastOffsetDelta } = header;
    throw new KafkaError('INVALID_RECORD', `${recordCount} records, last offset delta ${lastOffsetDelta}`);
  }
  if (header.isControl) throw new KafkaError('INVALID_RECORD', 'a producer may not send control batches');
  if (header.logAppendTime) throw new KafkaError('INVALID_TIMESTAMP', 'the broker does not set times');
  if (header.codec > ZSTD || (header.codec === ZSTD && version < FIRST_ZSTD_VERSION)) {
    throw new KafkaError('UNSUPPORTED_COMPRESSION_TYPE', `codec ${header.codec} in Produce ${version}`);
  }
  const isIdempotent = header.producerId >= 0;
  if (header.isTransactional && !isIdempotent) {
    throw new KafkaError('INVALID_RECORD', 'a transactional batch without producer id');
  }
  if (isIdempotent && (header.producerEpoch < 0 || header.baseSequence < 0)) {
    throw new KafkaError('INVALID_RECORD', 'a producer id without epoch or sequence');
  }
  return header;
}
