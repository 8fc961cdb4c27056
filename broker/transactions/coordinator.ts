/**
 * The transaction coordinator (KIP-98): keeps every transactional id, writes each step down before it counts, and ends
 * what is decided by a marker in every partition and the offsets of every group. A decision that a crash cut short is
 * carried out at the next start; what a producer leaves open is aborted when its time is over.
 */
import type { Logger } from 'pino';
import type { Marker, Outcome } from '../protocol/control-batch.ts';
import { KafkaError } from '../protocol/errors.ts';
import { type TopicPartition, topicPartitionName } from '../topic-partition.ts';
import {
  addGroup,
  addOffsets,
  addPartitions,
  checkWrite,
  complete,
  create,
  fence,
  initProducer,
  isExpired,
  isPrepared,
  isTimedOut,
  offsetKey,
  outcomeOfState,
  type ProducerIdentity,
  prepare,
  type Transaction,
  type TransactionLimits,
  type TransactionOffset,
} from './transaction.ts';

/** Where transactions are written down; a call resolves when that is as safe as acks=all asks. */
export interface TransactionStore {
  put(transaction: Transaction): Promise<void>;
  remove(id: string): Promise<void>;
}

/** The partitions that transactions write to. */
export interface TransactionPartitions {
  /** Appends a marker, and waits until it is safe; a partition that is no more needs none. */
  writeMarker(tp: TopicPartition, marker: Omit<Marker, 'coordinatorEpoch' | 'timestampMs'>): Promise<void>;
}

/** The groups whose offsets are part of transactions. */
export interface TransactionGroups {
  /**
   * Commits offsets for good. May be called twice with the same: what rejects is tried again until it does not, as Kafka
   * does with its markers, so that only storage may reject; anything else is refused when the offsets are added.
   */
  commit(group: string, offsets: readonly TransactionOffset[]): Promise<void>;
}

export interface CoordinatorLimits extends TransactionLimits {
  /** Transactional ids kept at most. */
  maxIds: number;
  /** A transactional id not used for this long is forgotten. */
  idExpirationMs: number;
}

export interface CoordinatorInput {
  store: TransactionStore;
  partitions: TransactionPartitions;
  groups: TransactionGroups;
  limits: CoordinatorLimits;
  /** A producer id never given out before. */
  newProducerId(): number;
  /** Whether what was written down of an id cannot be read. */
  isUnreadable(id: string): boolean;
  now(): number;
  logger: Pick<Logger, 'warn' | 'info'>;
}

export interface InitRequest {
  timeoutMs: number;
  /** What the producer believes to have (KIP-360). */
  expected: ProducerIdentity | undefined;
}

interface Entry {
  transaction: Transaction;
  /** Its next step is being written down. */
  isPending: boolean;
  finishing: Promise<void> | undefined;
}

/** A group's offsets committed as one batch: even with the longest names and texts it fits a segment of the group's log. */
const OFFSETS_AT_ONCE = 1000;
/** Longer transactional ids are refused. */
const MAX_ID_LENGTH = 4096;

export class TransactionCoordinator {
  readonly #input: CoordinatorInput;
  readonly #entries = new Map<string, Entry>();
  /** Those with offsets. */
  readonly #holding = new Set<Entry>();

  /** Takes the transactions that were written down. */
  constructor(input: CoordinatorInput, transactions: Iterable<Transaction> = []) {
    this.#input = input;
    for (const transaction of transactions) {
      const entry = entryOf(transaction);
      this.#entries.set(transaction.id, entry);
      if (transaction.offsets.size > 0) this.#holding.add(entry);
    }
  }

  /** Carries out what was decided before a stop. Never rejects: what cannot be done now is tried again by `check`. */
  async finishDecided(): Promise<void> {
    const decided = [...this.#entries.values()].filter(({ transaction }) => isPrepared(transaction));
    for (const entry of decided) await this.#finish(entry);
  }

  /** Gives a producer id and epoch to whoever begins under a transactional id, and fences who had it. */
  async initProducer(id: string, request: InitRequest): Promise<ProducerIdentity> {
    if (id === '' || id.length > MAX_ID_LENGTH) {
      throw new KafkaError('INVALID_REQUEST', `a transactional id of ${id.length} characters`);
    }
    if (!this.#entries.has(id) && !this.#input.isUnreadable(id)) return this.#create(id, request);
    const { newProducerId, limits, now } = this.#input;
    const next = await this.#change(id, (transaction) =>
      initProducer(transaction, { ...request, newProducerId }, limits, now()),
    );
    if (!isPrepared(next)) return next;
    // Its producer went away in the middle of a transaction: the client asks again when that is aborted.
    void this.#finish(this.#entry(id));
    throw new KafkaError('CONCURRENT_TRANSACTIONS', `the open transaction of ${id} is being aborted`);
  }

  async #create(id: string, { timeoutMs }: InitRequest): Promise<ProducerIdentity> {
    const { limits, now, newProducerId, store } = this.#input;
    if (this.#entries.size >= limits.maxIds) {
      throw new KafkaError('POLICY_VIOLATION', `more than ${limits.maxIds} ids (broker.transactions.maxIds)`);
    }
    const created = create(id, { timeoutMs, producerId: newProducerId() }, limits, now());
    const entry = entryOf(created);
    entry.isPending = true;
    this.#entries.set(id, entry);
    try {
      await store.put(created);
    } catch (error) {
      this.#entries.delete(id);
      throw unavailable(error as Error);
    }
    entry.isPending = false;
    return created;
  }

  /** Adds partitions to the producer's transaction, which begins with the first. */
  async addPartitions(
    id: string,
    producer: ProducerIdentity,
    partitions: readonly TopicPartition[],
  ): Promise<void> {
    const { limits, now } = this.#input;
    await this.#change(id, (transaction) => addPartitions(transaction, producer, partitions, limits, now()));
  }

  /** Lets the producer's transaction commit offsets of a group. */
  async addGroup(id: string, producer: ProducerIdentity, group: string): Promise<void> {
    const { limits, now } = this.#input;
    await this.#change(id, (transaction) => addGroup(transaction, producer, group, limits, now()));
  }

  /** Keeps offsets until the commit. */
  async addOffsets(
    id: string,
    producer: ProducerIdentity,
    offsets: readonly TransactionOffset[],
  ): Promise<void> {
    const { limits, now } = this.#input;
    await this.#change(id, (transaction) => addOffsets(transaction, producer, offsets, limits, now()));
  }

  /** Whether an open or undecided transaction would change a group's offset of a partition. */
  holdsOffset(group: string, tp: TopicPartition): boolean {
    const key = offsetKey(group, tp);
    for (const { transaction } of this.#holding) if (transaction.offsets.has(key)) return true;
    return false;
  }

  /** Throws unless a producer may write to a partition right now. */
  checkWrite(id: string, producer: ProducerIdentity, tp: TopicPartition): void {
    checkWrite(this.#entry(id).transaction, producer, tp);
  }

  /**
   * Ends the producer's transaction. Once it resolves the outcome is decided, and the markers are written unless a
   * partition refuses them.
   */
  async end(id: string, producer: ProducerIdentity, outcome: Outcome): Promise<void> {
    const next = await this.#change(id, (transaction) =>
      prepare(transaction, producer, outcome, this.#input.now()),
    );
    if (isPrepared(next)) await this.#finish(this.#entry(id));
  }

  /** Aborts what took too long, ends what could not be ended yet, forgets what is not used. Never rejects. */
  async check(): Promise<void> {
    const { now, limits, logger } = this.#input;
    for (const [id, entry] of [...this.#entries]) {
      const { transaction, isPending } = entry;
      if (isPending) continue;
      try {
        if (isTimedOut(transaction, now())) {
          logger.info(`transaction of ${id} is aborted: open for more than ${transaction.timeoutMs} ms`);
          await this.#change(id, (open) => fence(open, now()));
        }
        if (isPrepared(entry.transaction)) await this.#finish(entry);
        else if (isExpired(entry.transaction, limits.idExpirationMs, now())) await this.#forget(id, entry);
      } catch (error) {
        logger.warn({ error }, `transactional id ${id}: ${(error as Error).message}`);
      }
    }
  }

  async #forget(id: string, entry: Entry): Promise<void> {
    entry.isPending = true;
    try {
      await this.#input.store.remove(id);
      this.#entries.delete(id);
    } finally {
      entry.isPending = false;
    }
  }

  /** Whether a producer's open or decided transaction has a partition: then it will end by itself. */
  covers(producerId: number, tp: TopicPartition): boolean {
    const name = topicPartitionName(tp);
    for (const { transaction } of this.#entries.values()) {
      if (transaction.producerId === producerId) return transaction.partitions.has(name);
    }
    return false;
  }

  #entry(id: string): Entry {
    const entry = this.#entries.get(id);
    if (entry !== undefined) return entry;
    if (this.#input.isUnreadable(id))
      throw new KafkaError('COORDINATOR_NOT_AVAILABLE', `${id} cannot be read`);
    throw new KafkaError('INVALID_PRODUCER_ID_MAPPING', `${id} is not known`);
  }

  /** One step of a transactional id: it counts once it is written down, and nothing else is done to the id meanwhile. */
  async #change(id: string, step: (transaction: Transaction) => Transaction): Promise<Transaction> {
    const entry = this.#entry(id);
    const next = step(entry.transaction);
    if (entry.isPending) throw new KafkaError('CONCURRENT_TRANSACTIONS', id);
    if (next === entry.transaction) return next;
    entry.isPending = true;
    try {
      await this.#input.store.put(next);
    } catch (error) {
      throw unavailable(error as Error);
    } finally {
      entry.isPending = false;
    }
    entry.transaction = next;
    if (next.offsets.size > 0) this.#holding.add(entry);
    else this.#holding.delete(entry);
    return next;
  }

  /** Carries out a decision; calls while that goes on share it. Never rejects. */
  #finish(entry: Entry): Promise<void> {
    entry.finishing ??= this.#carryOut(entry)
      .catch((error: Error) => {
        const { id, state } = entry.transaction;
        this.#input.logger.warn({ error }, `transaction of ${id} stays at ${state}: ${error.message}`);
      })
      .finally(() => {
        entry.finishing = undefined;
      });
    return entry.finishing;
  }

  async #carryOut(entry: Entry): Promise<void> {
    const { id, producerId, producerEpoch, partitions, offsets } = entry.transaction;
    const outcome = outcomeOfState(entry.transaction);
    if (outcome === undefined) return;
    const marker = { producerId, producerEpoch, outcome };
    const markers = [...partitions.values()].map((tp) => this.#input.partitions.writeMarker(tp, marker));
    await Promise.all(markers);
    const byGroup = Map.groupBy(offsets.values(), ({ group }) => group);
    for (const [group, each] of byGroup) {
      for (let at = 0; at < each.length; at += OFFSETS_AT_ONCE) {
        await this.#input.groups.commit(group, each.slice(at, at + OFFSETS_AT_ONCE));
      }
    }
    await this.#change(id, (transaction) => complete(transaction, this.#input.now()));
  }
}

function entryOf(transaction: Transaction): Entry {
  return { transaction, isPending: false, finishing: undefined };
}

/** What a client is told when its step cannot be written down: the same request may do at another time. */
function unavailable(cause: Error): KafkaError {
  return new KafkaError('COORDINATOR_NOT_AVAILABLE', cause.message, { cause });
}
