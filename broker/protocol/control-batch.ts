/**
 * The control batch that ends a transaction in a partition (KIP-98): one record whose key says COMMIT or ABORT and whose
 * value bears the epoch of the coordinator that decided. The broker writes it; a reader takes its offset and nothing else.
 */
import { KafkaError } from './errors.ts';
import { type BatchHeader, eachRecord, encodeBatch } from './record-batch.ts';

const FORMAT_VERSION = 0;
/** The key: int16 version, int16 type. The value: int16 version, int32 coordinator epoch. */
const KEY_BYTES = 4;
const VALUE_BYTES = 6;
const TYPES = ['abort', 'commit'] as const;

/** How a transaction ended. */
export type Outcome = (typeof TYPES)[number];

/** A marker to be written. */
export interface Marker {
  producerId: number;
  producerEpoch: number;
  outcome: Outcome;
  /** Restarts of the coordinator, 0 at first. */
  coordinatorEpoch: number;
  timestampMs: number;
}

/** The control batch of a marker. */
export function encodeMarker(marker: Marker): Buffer {
  const key = Buffer.alloc(KEY_BYTES);
  key.writeInt16BE(FORMAT_VERSION, 0);
  key.writeInt16BE(TYPES.indexOf(marker.outcome), 2);
  const value = Buffer.alloc(VALUE_BYTES);
  value.writeInt16BE(FORMAT_VERSION, 0);
  value.writeInt32BE(marker.coordinatorEpoch, 2);
  return encodeBatch([{ key, value, timestampMs: marker.timestampMs }], {
    codec: 'none',
    producerId: marker.producerId,
    producerEpoch: marker.producerEpoch,
    isTransactional: true,
    isControl: true,
  });
}

/**
 * What the control batch at `at` says; undefined for a control record of another kind, and for a batch that compaction
 * emptied. Throws CORRUPT_MESSAGE if it has no type.
 */
export function outcomeOf(buffer: Buffer, at: number, header: BatchHeader): Outcome | undefined {
  let outcome: Outcome | undefined;
  eachRecord(buffer, at, header, (offset, _time, keyStart, keyEnd, _v, _ve, _h, _he, _count, payload) => {
    if (keyEnd - keyStart < KEY_BYTES) {
      throw new KafkaError('CORRUPT_MESSAGE', `control record at offset ${offset} without a type`);
    }
    outcome = TYPES[payload.readInt16BE(keyStart + 2)];
  });
  return outcome;
}
