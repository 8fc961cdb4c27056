/**
 * A transactional producer made of single requests, so that a test decides what is sent when, and sees every error code.
 */
import { addOffsetsToTxn } from '../../broker/protocol/apis/add-offsets-to-txn.ts';
import { addPartitionsToTxn } from '../../broker/protocol/apis/add-partitions-to-txn.ts';
import { endTxn } from '../../broker/protocol/apis/end-txn.ts';
import { initProducerId } from '../../broker/protocol/apis/init-producer-id.ts';
import { produce } from '../../broker/protocol/apis/produce.ts';
import { txnOffsetCommit } from '../../broker/protocol/apis/txn-offset-commit.ts';
import { type ErrorName, errorNameOf } from '../../broker/protocol/errors.ts';
import { batchOf } from './batches.ts';
import type { RawClient } from './raw-client.ts';

/** `undefined`: it went well. */
type Outcome = ErrorName | undefined;

export interface RawTransactionOptions {
  timeoutMs?: number;
  /** Version of AddPartitionsToTxn, AddOffsetsToTxn, EndTxn and TxnOffsetCommit. */
  version?: number;
}

export class RawTransactions {
  readonly id: string;
  producerId = -1;
  producerEpoch = -1;
  readonly #client: RawClient;
  readonly #options: Required<RawTransactionOptions>;
  readonly #sequences = new Map<string, number>();

  constructor(
    client: RawClient,
    id: string,
    { timeoutMs = 60_000, version = 3 }: RawTransactionOptions = {},
  ) {
    this.#client = client;
    this.id = id;
    this.#options = { timeoutMs, version };
  }

  get #identity() {
    const { id: transactionalId, producerId, producerEpoch } = this;
    return { transactionalId, producerId, producerEpoch };
  }

  /** Takes the transactional id; with `isBump` only the next epoch of it (KIP-360). */
  async init({ isBump = false, version = 4 } = {}): Promise<Outcome> {
    const answer = await this.#client.request(initProducerId, version, {
      transactionalId: this.id,
      transactionTimeoutMs: this.#options.timeoutMs,
      ...(isBump && { producerId: this.producerId, producerEpoch: this.producerEpoch }),
    });
    if (answer.errorCode === 0) {
      this.producerId = answer.producerId;
      this.producerEpoch = answer.producerEpoch;
      this.#sequences.clear();
    }
    return errorNameOf(answer.errorCode);
  }

  /** As `init`, until the transaction of the one before is aborted. */
  async take(): Promise<void> {
    let error = await this.init();
    while (error === 'CONCURRENT_TRANSACTIONS') error = await this.init();
    if (error !== undefined) throw new Error(`${this.id}: ${error}`);
  }

  /** Adds partitions of a topic; answers one error for each. */
  async add(topic: string, ...partitions: number[]): Promise<Outcome[]> {
    const { results } = await this.#client.request(addPartitionsToTxn, this.#options.version, {
      ...this.#identity,
      topics: [{ name: topic, partitions }],
    });
    return results.flatMap(({ results: each }) => each.map(({ errorCode }) => errorNameOf(errorCode)));
  }

  /** Writes one batch of these values. */
  async send(topic: string, partition: number, ...values: string[]): Promise<Outcome> {
    const key = `${topic}-${partition}`;
    const baseSequence = this.#sequences.get(key) ?? 0;
    const { producerId, producerEpoch } = this;
    const records = batchOf(values, { producerId, producerEpoch, baseSequence, isTransactional: true });
    const { responses } = await this.#client.request(produce, 9, {
      transactionalId: this.id,
      acks: -1,
      timeoutMs: 10_000,
      topicData: [{ name: topic, partitionData: [{ index: partition, records }] }],
    });
    const error = errorNameOf(responses[0]?.partitionResponses[0]?.errorCode ?? -1);
    if (error === undefined) this.#sequences.set(key, baseSequence + values.length);
    return error;
  }

  /** Adds partitions and writes a value to each. Throws if anything is refused. */
  async write(topic: string, ...values: [partition: number, value: string][]): Promise<void> {
    for (const [partition, value] of values) {
      const errors = [...(await this.add(topic, partition)), await this.send(topic, partition, value)];
      const error = errors.find(Boolean);
      if (error !== undefined) throw new Error(`${this.id}: ${error}`);
    }
  }

  async addGroup(groupId: string): Promise<Outcome> {
    const body = { ...this.#identity, groupId };
    return errorNameOf((await this.#client.request(addOffsetsToTxn, this.#options.version, body)).errorCode);
  }

  async commitOffset(
    groupId: string,
    { topic, partition = 0, offset, member = {} }: TransactionalCommit,
  ): Promise<Outcome> {
    const partitions = [
      { partitionIndex: partition, committedOffset: offset, committedMetadata: 'from a transaction' },
    ];
    const answer = await this.#client.request(txnOffsetCommit, this.#options.version, {
      ...this.#identity,
      groupId,
      ...member,
      topics: [{ name: topic, partitions }],
    });
    return errorNameOf(answer.topics[0]?.partitions[0]?.errorCode ?? -1);
  }

  async end(outcome: 'commit' | 'abort'): Promise<Outcome> {
    const body = { ...this.#identity, committed: outcome === 'commit' };
    return errorNameOf((await this.#client.request(endTxn, this.#options.version, body)).errorCode);
  }
}

export interface TransactionalCommit {
  topic: string;
  partition?: number;
  offset: number;
  member?: { memberId?: string; generationId?: number };
}
