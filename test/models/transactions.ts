/**
 * A world for the transaction coordinator: logs, groups and the coordinator's own records as plain lists, whose writes end
 * in any order, or never when the broker dies. Producers use it as a client does: they begin, write, commit, abort, stop
 * answering and come back. At the end every transaction must be all there or not at all.
 */
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { ProducerState } from '../../broker/log/producer-state.ts';
import type { Outcome } from '../../broker/protocol/control-batch.ts';
import { KafkaError } from '../../broker/protocol/errors.ts';
import { type TopicPartition, topicPartitionName } from '../../broker/topic-partition.ts';
import { type CoordinatorInput, TransactionCoordinator } from '../../broker/transactions/coordinator.ts';
import type { Transaction, TransactionOffset } from '../../broker/transactions/transaction.ts';
import { readTransaction, transactionRecord } from '../../broker/transactions/transaction-record.ts';
import { randomFrom } from './random-schedule.ts';

const PARTITIONS: TopicPartition[] = [0, 1, 2].map((partition) => ({ topic: 't', partition }));
const GROUP = 'g';
const TIMEOUT_MS = 1_000;
const ID_EXPIRATION_MS = 1_000_000;
const QUIET_STEPS = 400;

/** One transaction as its producer meant it. */
export interface Attempt {
  name: string;
  /** What the broker said yes to; undefined: nobody knows. */
  acknowledged: Outcome | undefined;
  /** The producer never asked for a commit. */
  mustAbort: boolean;
  offset: number | undefined;
  /** Something in it was not acknowledged: its producer aborts. */
  isBroken: boolean;
}

interface Entry {
  attempt: Attempt | undefined;
  producerId: number;
  outcome: Outcome | undefined;
}

/** A partition: who wrote what, and the real state of its producers. */
class ModelLog {
  readonly entries: Entry[] = [];
  readonly state = new ProducerState();
  #stable = 0;

  append(attempt: Attempt, producer: { producerId: number; producerEpoch: number; sequence: number }): void {
    const batch = { ...producer, baseSequence: producer.sequence, lastOffsetDelta: 0, isTransactional: true };
    this.state.check(batch);
    this.state.update(batch, this.entries.length, 0);
    this.entries.push({ attempt, producerId: producer.producerId, outcome: undefined });
    this.checkStable();
  }

  mark(producerId: number, producerEpoch: number, outcome: Outcome): void {
    const batch = { producerId, producerEpoch, baseSequence: -1, lastOffsetDelta: 0, isControl: true };
    this.state.check(batch);
    this.state.update(batch, this.entries.length, 0, outcome);
    for (const entry of this.entries) {
      if (entry.producerId === producerId && entry.outcome === undefined) entry.outcome = outcome;
    }
    this.entries.push({ attempt: undefined, producerId, outcome });
    this.checkStable();
  }

  checkStable(): void {
    const stable = this.state.transactions.lastStableOffset(this.entries.length);
    assert(stable >= this.#stable, 'the last stable offset fell');
    assert(
      this.entries.slice(0, stable).every(({ outcome }) => outcome),
      'undecided below the stable offset',
    );
    this.#stable = stable;
  }
}

interface Write {
  apply(): void;
  done(): void;
  failed(error: Error): void;
}

export class TransactionWorld {
  readonly attempts: Attempt[] = [];
  readonly logs = new Map(PARTITIONS.map((tp) => [topicPartitionName(tp), new ModelLog()]));
  readonly random: () => number;
  coordinator: TransactionCoordinator;
  nowMs = 0;
  /** Raised by each death: requests of before are never answered. */
  generation = 0;
  death = Promise.withResolvers<void>();
  readonly #records = new Map<string, Buffer>();
  readonly #offsets = new Map<string, number>();
  readonly #given = new Set<string>();
  #writes: Write[] = [];
  #nextProducerId = 0;

  constructor(seed: number) {
    this.random = randomFrom(seed);
    this.coordinator = this.#start();
  }

  pick(count: number): number {
    return Math.floor(this.random() * count);
  }

  #start(): TransactionCoordinator {
    const write = (apply: () => void) => this.#write(apply);
    const input: CoordinatorInput = {
      store: {
        put: (transaction) => write(() => this.#put(transaction)),
        remove: (id) => write(() => this.#records.delete(id)),
      },
      partitions: {
        writeMarker: (tp, { producerId, producerEpoch, outcome }) =>
          write(() => this.log(tp).mark(producerId, producerEpoch, outcome)),
      },
      groups: { commit: (_, offsets) => write(() => this.#commit(offsets)) },
      limits: { maxTimeoutMs: 10_000, maxPartitions: 10, maxIds: 10, idExpirationMs: ID_EXPIRATION_MS },
      newProducerId: () => this.#nextProducerId++,
      isUnreadable: () => false,
      now: () => this.nowMs,
      logger: { warn: () => {}, info: () => {} },
    };
    const known = [...this.#records].map(([id, value]) => readTransaction(Buffer.from(id), value));
    const coordinator = new TransactionCoordinator(input, known);
    void coordinator.finishDecided();
    return coordinator;
  }

  #put(transaction: Transaction): void {
    this.#records.set(transaction.id, transactionRecord(transaction).value as Buffer);
  }

  #commit(offsets: readonly TransactionOffset[]): void {
    for (const { group, offset } of offsets) this.#offsets.set(`${group}-${offset}`, offset);
  }

  log(tp: TopicPartition): ModelLog {
    const log = this.logs.get(topicPartitionName(tp));
    assert(log);
    return log;
  }

  #write(apply: () => void): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#writes.push({ apply, done: resolve, failed: reject });
    return promise;
  }

  /** One write of those under way ends; now and then with an error, and then it is not known whether it was done. */
  endWrite(mayFail: boolean): void {
    const [write] = this.#writes.splice(this.pick(this.#writes.length), 1);
    if (write === undefined) return;
    const fails = mayFail && this.pick(12) === 0;
    if (!fails || this.pick(2) === 0) write.apply();
    if (fails) this.die();
    else write.done();
  }

  /** The broker dies and is there again: of the writes under way some were done. */
  die(): void {
    for (const write of this.#writes.splice(0)) if (this.pick(2) === 0) write.apply();
    this.generation += 1;
    this.death.resolve();
    this.death = Promise.withResolvers();
    this.coordinator = this.#start();
  }

  /** Notes an id and epoch given to an instance: never twice. */
  give(producerId: number, producerEpoch: number): void {
    const pair = `${producerId}/${producerEpoch}`;
    assert(!this.#given.has(pair), `producer id and epoch ${pair} were given twice`);
    this.#given.add(pair);
  }

  /** Lets all that is open end by itself. */
  async settle(): Promise<void> {
    for (let step = 0; step < QUIET_STEPS; step++) {
      if (step % 50 === 0) {
        this.nowMs += 20 * TIMEOUT_MS;
        void this.coordinator.check();
      }
      this.endWrite(false);
      await turn();
    }
  }

  /** Throws unless every transaction is all there or not at all, and as the producers were told. */
  verify(): void {
    for (const { state } of this.logs.values()) assert.deepEqual(state.transactions.all(), []);
    for (const attempt of this.attempts) {
      const outcomes = new Set(
        [...this.logs.values()].flatMap(({ entries }) =>
          entries.filter((entry) => entry.attempt === attempt).map(({ outcome }) => outcome),
        ),
      );
      if (attempt.offset !== undefined) {
        outcomes.add(this.#offsets.has(`${GROUP}-${attempt.offset}`) ? 'commit' : 'abort');
      }
      const told = `${attempt.name}, told ${attempt.acknowledged}: ${[...outcomes]}`;
      assert(outcomes.size <= 1, `torn: ${told}`);
      if (attempt.acknowledged) assert(outcomes.size === 0 || outcomes.has(attempt.acknowledged), told);
      if (attempt.mustAbort) assert(!outcomes.has('commit'), `committed without being asked: ${told}`);
    }
  }
}

const FATAL = new Set(['PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH', 'INVALID_PRODUCER_ID_MAPPING']);

/** A producer process. Each step asks the broker for one thing; a fenced one ends and another takes its place. */
export class ModelProducer {
  readonly #world: TransactionWorld;
  readonly #id: string;
  #producer: { producerId: number; producerEpoch: number } | undefined;
  readonly #sequences = new Map<string, number>();
  #attempt: Attempt | undefined;
  #ending: Outcome | undefined;
  #isBusy = false;

  constructor(world: TransactionWorld, id: string) {
    this.#world = world;
    this.#id = id;
  }

  /** Does the next thing, unless it still waits for an answer; one that never comes is given up with the broker. */
  step(): void {
    if (this.#isBusy) return;
    this.#isBusy = true;
    void Promise.race([this.#next(), this.#world.death.promise])
      .catch((error: Error) => this.#refused(error))
      .finally(() => {
        this.#isBusy = false;
      });
  }

  #refused(error: Error): void {
    if (!(error instanceof KafkaError)) throw error;
    if (FATAL.has(error.error) || error.error === 'INVALID_TXN_STATE') this.#begin();
  }

  /** As a new process would: nothing is known of what was under way. */
  #begin(): void {
    this.#producer = undefined;
    this.#attempt = undefined;
    this.#ending = undefined;
    this.#sequences.clear();
  }

  async #next(): Promise<void> {
    const world = this.#world;
    const { coordinator } = world;
    if (this.#producer === undefined) {
      const { generation } = world;
      const given = await coordinator.initProducer(this.#id, { timeoutMs: TIMEOUT_MS, expected: undefined });
      if (world.generation !== generation) return;
      world.give(given.producerId, given.producerEpoch);
      this.#producer = given;
      return;
    }
    if (this.#ending !== undefined) return this.#end(this.#producer, this.#ending);
    const choice = world.pick(10);
    if (choice < 5) return this.#write(this.#producer);
    if (choice === 5) return this.#commitOffset(this.#producer);
    if (choice === 6) this.#begin();
    else if (this.#attempt !== undefined) {
      this.#ending = choice < 9 && !this.#attempt.isBroken ? 'commit' : 'abort';
      this.#attempt.mustAbort = this.#ending === 'abort';
      return this.#end(this.#producer, this.#ending);
    }
  }

  #current(): Attempt {
    if (this.#attempt === undefined) {
      const name = `${this.#id}#${this.#world.attempts.length}`;
      this.#attempt = { name, acknowledged: undefined, mustAbort: true, offset: undefined, isBroken: false };
      this.#world.attempts.push(this.#attempt);
    }
    return this.#attempt;
  }

  async #write(producer: { producerId: number; producerEpoch: number }): Promise<void> {
    const tp = PARTITIONS[this.#world.pick(PARTITIONS.length)] as TopicPartition;
    const name = topicPartitionName(tp);
    const { coordinator, generation } = this.#world;
    await coordinator.addPartitions(this.#id, producer, [tp]);
    if (this.#world.generation !== generation) return;
    coordinator.checkWrite(this.#id, producer, tp);
    const sequence = this.#sequences.get(name) ?? 0;
    this.#world.log(tp).append(this.#current(), { ...producer, sequence });
    this.#sequences.set(name, sequence + 1);
  }

  async #commitOffset(producer: { producerId: number; producerEpoch: number }): Promise<void> {
    const { coordinator } = this.#world;
    await coordinator.addGroup(this.#id, producer, GROUP);
    const attempt = this.#current();
    if (attempt.offset !== undefined) return;
    attempt.offset = this.#world.attempts.indexOf(attempt);
    attempt.isBroken = true;
    const tp = PARTITIONS[0] as TopicPartition;
    const offset = { ...tp, group: GROUP, offset: attempt.offset, leaderEpoch: -1, metadata: attempt.name };
    await coordinator.addOffsets(this.#id, producer, [offset]);
    attempt.isBroken = false;
  }

  async #end(producer: { producerId: number; producerEpoch: number }, outcome: Outcome): Promise<void> {
    const attempt = this.#attempt;
    await this.#world.coordinator.end(this.#id, producer, outcome);
    if (attempt !== undefined) attempt.acknowledged = outcome;
    this.#attempt = undefined;
    this.#ending = undefined;
  }
}
