/**
 * Where activity goes: the part of a Kafka producer that `ingest` and `generate` need, so that they can be tested
 * without a broker. `broker/client/producer.ts` fits it.
 */

/** One record to be sent. `timestampMs` becomes its CreateTime. */
export interface SinkRecord {
  key: Buffer | null;
  value: Buffer;
  timestampMs: number;
}

/** Takes records. `send` answers a promise only when its buffer is full: then the sender waits. */
export interface RecordSink {
  send(topic: string, record: SinkRecord): Promise<void> | undefined | void;
  /** Resolves when everything sent so far is acknowledged; throws what went wrong. */
  flush(): Promise<void>;
}

/**
 * What a record needs of a batch beside key and value: the batch's header and the record's own lengths, offsets and
 * times at their longest (org.apache.kafka.common.record.DefaultRecord).
 */
const RECORD_OVERHEAD_BYTES = 61 + 21;

/** Whether a record fits a batch of its own of at most `maxMessageBytes`, uncompressed. */
export function fitsBatch({ key, value }: SinkRecord, maxMessageBytes: number): boolean {
  return (key?.length ?? 0) + value.length + RECORD_OVERHEAD_BYTES <= maxMessageBytes;
}
