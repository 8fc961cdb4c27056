/**
 * How far one group has read each partition: what was committed last, and an estimate of the memory it takes.
 */
import type { Offset, TopicPartition } from '../topic-partition.ts';

/** Memory of an entry besides its text: the maps' slots and the object. */
const ENTRY_BYTES = 160;

export interface CommittedOffset {
  offset: Offset;
  /** -1: not told. */
  leaderEpoch: number;
  /** The client's own text. */
  metadata: string;
  committedMs: number;
  /** An end given by the client (versions before 5); undefined: the broker's rule. */
  expiresMs: number | undefined;
}

/** A commit of one partition. */
export interface OffsetCommit extends TopicPartition {
  committed: CommittedOffset;
}

/** What an entry is counted with. */
export function entryBytes({ metadata }: CommittedOffset): number {
  return ENTRY_BYTES + metadata.length;
}

export class CommittedOffsets {
  readonly #topics = new Map<string, Map<number, CommittedOffset>>();
  #bytes = 0;
  #size = 0;

  /** How many partitions have an offset. */
  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get({ topic, partition }: TopicPartition): CommittedOffset | undefined {
    return this.#topics.get(topic)?.get(partition);
  }

  set({ topic, partition, committed }: OffsetCommit): void {
    this.delete({ topic, partition });
    const partitions = this.#topics.get(topic) ?? new Map<number, CommittedOffset>();
    partitions.set(partition, committed);
    this.#topics.set(topic, partitions);
    this.#bytes += entryBytes(committed);
    this.#size += 1;
  }

  delete({ topic, partition }: TopicPartition): void {
    const partitions = this.#topics.get(topic);
    const known = partitions?.get(partition);
    if (partitions === undefined || known === undefined) return;
    partitions.delete(partition);
    if (partitions.size === 0) this.#topics.delete(topic);
    this.#bytes -= entryBytes(known);
    this.#size -= 1;
  }

  /** Every partition with an offset. */
  *all(): Generator<OffsetCommit> {
    for (const [topic, partitions] of this.#topics)
      for (const [partition, committed] of partitions) yield { topic, partition, committed };
  }
}
