/**
 * The groups of a broker: the coordinator joined to the clock, the log and whoever asks. It carries out the coordinator's
 * effects in their order, brings back the outcome of appends, and has each group looked at when its next deadline is
 * there. All state is in `__consumer_offsets`, read back at the start before anything is served.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { KeyedTopic } from '../log/keyed-topic.ts';
import type { LogDirectory } from '../log/log-directory.ts';
import { type ErrorName, KafkaError } from '../protocol/errors.ts';
import { OFFSETS_TOPIC, type TopicPartition } from '../topic-partition.ts';
import { Coordinator, refusal } from './coordinator.ts';
import type { Answer, AnswerOf, Effect, GroupLimits, GroupRequest } from './events.ts';
import type { Group, Ticket } from './group.ts';
import { readGroupsRecord } from './group-records.ts';

/** The longest that Node's timers go; a later deadline is looked at again by then. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface GroupsInput {
  settings: GroupLimits;
  directory: LogDirectory;
  now: () => number;
  logger: Logger;
}

interface Alarm {
  atMs: number;
  timer: NodeJS.Timeout;
}

type StoreEffect = Extract<Effect, { kind: 'store' }>;

export class Groups {
  readonly #input: GroupsInput;
  readonly #topic: KeyedTopic;
  readonly #coordinator: Coordinator;
  readonly #waiting = new Map<Ticket, (answer: Answer) => void>();
  readonly #alarms = new Map<string, Alarm>();
  /** What is being stored last of each group; a group's records are stored in their order. */
  readonly #storing = new Map<string, Promise<void>>();
  #unreadable: ReadonlyMap<number, Error> = new Map();
  #expiryTimer: NodeJS.Timeout | undefined;
  #nextTicket: Ticket = 0;
  #isStopping = false;

  private constructor(input: GroupsInput) {
    const { settings, directory, now } = input;
    this.#input = input;
    this.#topic = new KeyedTopic({
      directory,
      name: OFFSETS_TOPIC,
      partitions: settings.offsetsPartitions,
      now,
    });
    this.#coordinator = new Coordinator(settings, randomUUID);
  }

  /** Reads all groups back. Groups whose partition of the topic cannot be read are not served; the log says why. */
  static async open(input: GroupsInput): Promise<Groups> {
    const groups = new Groups(input);
    await groups.#load();
    return groups;
  }

  async #load(): Promise<void> {
    const { settings, directory, now, logger } = this.#input;
    this.#unreadable = await this.#topic.replay(({ key, value }, batch) => {
      if (batch.isControl || key === null) return;
      const record = readGroupsRecord(key, value, now());
      if (record !== undefined) this.#coordinator.load(record, now());
    });
    for (const [partition, { message }] of this.#unreadable) {
      logger.error(`groups in ${OFFSETS_TOPIC}-${partition} are not served: ${message}`);
    }
    this.#coordinator.unload((groupId) => this.#isUnreadable(groupId));
    for (const { id } of this.#coordinator.all()) this.#arm(id);
    // A topic may have been deleted, and the broker have stopped before that was noted here.
    this.#run(
      this.#coordinator.forgetPartitions(({ topic, partition }) => {
        return partition >= (directory.topics.get(topic)?.partitions ?? 0);
      }, now()),
    );
    this.#expiryTimer = setInterval(() => this.expire(), settings.retentionCheckIntervalMs);
  }

  #isUnreadable(groupId: string): boolean {
    return this.#unreadable.has(this.#topic.partitionOf(groupId));
  }

  /** Makes sure that groups can be kept. Throws COORDINATOR_NOT_AVAILABLE. */
  async ready(groupId: string): Promise<void> {
    try {
      await this.#topic.ensure();
    } catch (error) {
      throw new KafkaError('COORDINATOR_NOT_AVAILABLE', (error as Error).message);
    }
    if (this.#isUnreadable(groupId)) throw new KafkaError('COORDINATOR_NOT_AVAILABLE', groupId);
  }

  /** Serves a request; a join or sync may take long. Never rejects. */
  ask<R extends GroupRequest>(request: R): Promise<AnswerOf[R['kind']]> {
    const { promise, resolve } = Promise.withResolvers<AnswerOf[R['kind']]>();
    const error = this.#problem(request.groupId);
    if (error !== undefined) {
      // The answer to a request is of its kind.
      resolve(refusal(request, error) as AnswerOf[R['kind']]);
      return promise;
    }
    const ticket = this.#nextTicket++;
    this.#waiting.set(ticket, (answer) => resolve(answer as AnswerOf[R['kind']]));
    this.#run(this.#coordinator.request(request, ticket, this.#input.now()));
    this.#arm(request.groupId);
    return promise;
  }

  #problem(groupId: string): ErrorName | undefined {
    if (this.#isStopping) return 'NOT_COORDINATOR';
    return this.#isUnreadable(groupId) ? 'COORDINATOR_NOT_AVAILABLE' : undefined;
  }

  /** Resolves when all that a group was asked to store so far is stored: who committed then finds it. */
  async settled(groupId: string): Promise<void> {
    await this.#storing.get(groupId);
  }

  /** A group as it is now, to look at. Throws COORDINATOR_NOT_AVAILABLE if it may be there and cannot be read. */
  get(groupId: string): Group | undefined {
    if (this.#isUnreadable(groupId)) throw new KafkaError('COORDINATOR_NOT_AVAILABLE', groupId);
    return this.#coordinator.get(groupId);
  }

  /** All groups, to look at. */
  all(): Iterable<Group> {
    return this.#coordinator.all();
  }

  /** Takes away what has expired. */
  expire(): void {
    this.#run(this.#coordinator.expire(this.#input.now()));
  }

  /** Takes away all groups' offsets in a topic that was deleted; resolves when that is stored. */
  async topicDeleted(name: string): Promise<void> {
    const isGone = ({ topic }: TopicPartition) => topic === name;
    await Promise.all(this.#run(this.#coordinator.forgetPartitions(isGone, this.#input.now())));
  }

  /** Carries out effects in their order. Returns what is being stored. */
  #run(effects: readonly Effect[]): Promise<void>[] {
    const storing: Promise<void>[] = [];
    for (const effect of effects) {
      if (effect.kind === 'store') storing.push(this.#store(effect));
      else {
        this.#waiting.get(effect.ticket)?.(effect.answer);
        this.#waiting.delete(effect.ticket);
      }
    }
    return storing;
  }

  #store({ groupId, records, after }: StoreEffect): Promise<void> {
    const stored = this.#append(groupId, records).then((error) => {
      if (this.#storing.get(groupId) === stored) this.#storing.delete(groupId);
      this.#run(this.#coordinator.stored(groupId, after, error, this.#input.now()));
      this.#arm(groupId);
    });
    this.#storing.set(groupId, stored);
    return stored;
  }

  async #append(groupId: string, records: StoreEffect['records']): Promise<ErrorName | undefined> {
    try {
      await this.#topic.append(this.#topic.partitionOf(groupId), records);
      return undefined;
    } catch (error) {
      this.#input.logger.error({ error }, `group ${groupId} cannot be stored: ${(error as Error).message}`);
      const name = error instanceof KafkaError ? error.error : undefined;
      // As Kafka tells these of its offsets topic.
      if (name === 'RECORD_LIST_TOO_LARGE') return 'INVALID_COMMIT_OFFSET_SIZE';
      return name === 'KAFKA_STORAGE_ERROR' ? 'NOT_COORDINATOR' : 'COORDINATOR_NOT_AVAILABLE';
    }
  }

  /** Has a group looked at when its next deadline is there. A later one than known is found out then. */
  #arm(groupId: string): void {
    const atMs = this.#isStopping ? undefined : this.#coordinator.deadline(groupId);
    const armed = this.#alarms.get(groupId);
    if (armed !== undefined && atMs !== undefined && armed.atMs <= atMs) return;
    clearTimeout(armed?.timer);
    this.#alarms.delete(groupId);
    if (atMs === undefined) return;
    const delayMs = Math.min(Math.max(0, atMs - this.#input.now()), MAX_TIMER_MS);
    const timer = setTimeout(() => {
      this.#alarms.delete(groupId);
      this.#run(this.#coordinator.tick(groupId, this.#input.now()));
      this.#arm(groupId);
    }, delayMs);
    this.#alarms.set(groupId, { atMs, timer });
  }

  /** Refuses all who wait and all who still come, and lets what is being stored end. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#expiryTimer);
    for (const { timer } of this.#alarms.values()) clearTimeout(timer);
    this.#alarms.clear();
    this.#run(this.#coordinator.close(this.#input.now()));
    while (this.#storing.size > 0) await Promise.all(this.#storing.values());
  }
}
