/**
 * A client of a Kafka cluster: finds brokers and leaders, agrees on versions, tries again what may pass, and answers the
 * questions the loader and the command line ask. Reading records is `fetchRange`'s, writing them `Producer`'s work.
 */
import type { Settings } from '../../config/settings.ts';
import { createTopics } from '../protocol/apis/create-topics.ts';
import { deleteTopics } from '../protocol/apis/delete-topics.ts';
import { describeConfigs, TOPIC_RESOURCE } from '../protocol/apis/describe-configs.ts';
import { listOffsets } from '../protocol/apis/list-offsets.ts';
import { metadata } from '../protocol/apis/metadata.ts';
import { offsetForLeaderEpoch } from '../protocol/apis/offset-for-leader-epoch.ts';
import { errorOf, KafkaError } from '../protocol/errors.ts';
import type { Api, ReadOf, Shape, WriteOf } from '../protocol/schema.ts';
import { type TopicPartition, topicPartitionName } from '../topic-partition.ts';
import { type ClusterMetadata, readMetadata } from './cluster-metadata.ts';
import type { Connection } from './connection.ts';
import { Connections } from './connections.ts';
import { type RetryPolicy, retrying } from './retry.ts';

export type { ClusterMetadata } from './cluster-metadata.ts';

/** Which broker a request goes to: any, the controller, one by id, or the leader of a partition. */
export type Target = 'any' | 'controller' | number | TopicPartition;

/** What may be given to `KafkaClient.connect`. */
export interface ClientOptions {
  clientId?: string;
  /** Aborting it closes the client; what is under way rejects. */
  signal?: AbortSignal;
  /** Numbers from 0 to 1 for jitter and sticky partitions. */
  random?: () => number;
}

/** An offset found by `listOffsets`; offset -1: there is none. */
export type FoundOffset = TopicPartition & { offset: number; timestampMs: number; leaderEpoch: number };

const TIMESTAMPS = { earliest: -2, latest: -1 } as const;
const ISOLATION = { read_uncommitted: 0, read_committed: 1 } as const;
/** Whether records of open and aborted transactions are seen. */
export type Isolation = keyof typeof ISOLATION;

const ALREADY_THERE = 'TOPIC_ALREADY_EXISTS';

/** The first error of a list that may pass, so that all are tried again; else the first at all. */
function throwWorst(errors: KafkaError[]): void {
  const error = errors.find((one) => !one.retriable) ?? errors[0];
  if (error) throw error;
}

/** A client of one cluster. It reconnects by itself; what it throws has outlasted its retries. */
export class KafkaClient implements AsyncDisposable {
  readonly settings: Settings['client'];
  readonly random: () => number;
  readonly retryPolicy: RetryPolicy;
  readonly #signal: AbortSignal | undefined;
  readonly #connections: Connections;
  /** topic → leader of each partition. */
  readonly #leaders = new Map<string, Map<number, number>>();
  #controllerId = -1;

  private constructor(settings: Settings['client'], options: ClientOptions) {
    const { requestTimeoutMs, connectTimeoutMs, retries, retryBackoffMs } = settings;
    this.settings = settings;
    this.random = options.random ?? Math.random;
    this.#signal = options.signal;
    const clientId = options.clientId ?? 'millrace';
    this.#connections = new Connections(settings.brokers, { clientId, requestTimeoutMs, connectTimeoutMs });
    this.retryPolicy = { retries, retryBackoffMs, random: this.random, signal: options.signal };
  }

  /** Connects to the first broker that answers. None: BROKER_NOT_AVAILABLE, naming every address tried. */
  static async connect(settings: Settings['client'], options: ClientOptions = {}): Promise<KafkaClient> {
    const client = new KafkaClient(settings, options);
    options.signal?.throwIfAborted();
    options.signal?.addEventListener('abort', client.#onAbort, { once: true });
    try {
      await client.#fetchMetadata([], false);
      return client;
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  readonly #onAbort = () => {
    this.close().catch(() => undefined);
  };

  /** Topics (null: all) with their partitions. Unknown ones come with `error`, or are created where `autoCreate` asks. */
  async metadata(
    topics: string[] | null,
    { autoCreate = false }: { autoCreate?: boolean } = {},
  ): Promise<ClusterMetadata> {
    let last: ClusterMetadata | undefined;
    try {
      return await retrying(this.retryPolicy, async () => {
        last = await this.#fetchMetadata(topics, autoCreate);
        const unready = last.topics.find(
          ({ error }) => error === 'LEADER_NOT_AVAILABLE' || (autoCreate && error),
        );
        if (unready?.error) throw new KafkaError(unready.error, `topic ${unready.name}`);
        return last;
      });
    } catch (error) {
      if (last && error instanceof KafkaError && last.topics.some((topic) => topic.error === error.error))
        return last;
      throw error;
    }
  }

  async #fetchMetadata(topics: string[] | null, autoCreate: boolean): Promise<ClusterMetadata> {
    const connection = await this.#connections.any();
    const response = await connection.send(metadata, {
      topics: topics?.map((name) => ({ name })) ?? null,
      allowAutoTopicCreation: autoCreate,
    });
    const found = readMetadata(response);
    this.#controllerId = found.controllerId;
    this.#connections.learn(found.brokers);
    for (const { name, error, partitions } of found.topics) {
      if (error) this.#leaders.delete(name);
      else this.#leaders.set(name, new Map(partitions.map(({ partition, leader }) => [partition, leader])));
    }
    return found;
  }

  /** Offsets of many partitions: the log's start, its end (under read_committed the last stable one), or by time. */
  async listOffsets(
    parts: readonly TopicPartition[],
    at: 'earliest' | 'latest' | number,
    isolation: Isolation = 'read_uncommitted',
  ): Promise<FoundOffset[]> {
    const timestamp = typeof at === 'number' ? at : TIMESTAMPS[at];
    const found = new Map<string, FoundOffset>();
    await retrying(this.retryPolicy, async () => {
      const missing = parts.filter((part) => !found.has(topicPartitionName(part)));
      const errors: KafkaError[] = [];
      const byLeader = Map.groupBy(
        missing,
        (part) => this.#leaders.get(part.topic)?.get(part.partition) ?? -1,
      );
      for (const part of byLeader.get(-1) ?? []) {
        const leader = await this.#leaderOf(part);
        byLeader.set(leader, [...(byLeader.get(leader) ?? []), part]);
      }
      byLeader.delete(-1);
      const asked = [...byLeader].map(([leader, own]) =>
        this.#listAtLeader(leader, own, timestamp, isolation, found),
      );
      for (const outcome of await Promise.allSettled(asked)) {
        if (outcome.status === 'fulfilled') errors.push(...outcome.value);
        else if (outcome.reason instanceof KafkaError) errors.push(outcome.reason);
        else throw outcome.reason;
      }
      for (const { topic } of missing) if (errors.length > 0) this.#leaders.delete(topic);
      throwWorst(errors);
    });
    return parts.map((part) => found.get(topicPartitionName(part)) as FoundOffset);
  }

  async #listAtLeader(
    leader: number,
    parts: TopicPartition[],
    timestamp: number,
    isolation: Isolation,
    found: Map<string, FoundOffset>,
  ): Promise<KafkaError[]> {
    const connection = await this.#connections.to(leader);
    const byTopic = Map.groupBy(parts, ({ topic }) => topic);
    const response = await connection.send(listOffsets, {
      isolationLevel: ISOLATION[isolation],
      topics: [...byTopic].map(([name, own]) => ({
        name,
        partitions: own.map(({ partition }) => ({ partitionIndex: partition, timestamp })),
      })),
    });
    const errors: KafkaError[] = [];
    for (const { name: topic, partitions } of response.topics) {
      for (const {
        partitionIndex: partition,
        errorCode,
        offset,
        timestamp: timestampMs,
        leaderEpoch,
      } of partitions) {
        const name = topicPartitionName({ topic, partition });
        const error = errorOf(errorCode, name);
        if (error) errors.push(error);
        else found.set(name, { topic, partition, offset, timestampMs, leaderEpoch });
      }
    }
    return errors;
  }

  /**
   * Where a leader epoch ends in the log as its leader knows it: the largest epoch not above the one given and the
   * offset after its last record; -1, -1 if the leader knows none. Undefined where the broker does not serve this.
   */
  async endOfEpoch(
    part: TopicPartition,
    leaderEpoch: number,
  ): Promise<{ leaderEpoch: number; endOffset: number } | undefined> {
    return await retrying(this.retryPolicy, async () => {
      const topics = [{ topic: part.topic, partitions: [{ partition: part.partition, leaderEpoch }] }];
      const response = await this.requestOnce(offsetForLeaderEpoch, part, { replicaId: -1, topics });
      const answer = response.topics[0]?.partitions[0];
      if (!answer) throw new KafkaError('UNKNOWN_SERVER_ERROR', `${topicPartitionName(part)} is missing`);
      const error = errorOf(answer.errorCode, topicPartitionName(part));
      if (error?.moved) this.forgetLeaders(part.topic);
      if (error) throw error;
      return { leaderEpoch: answer.leaderEpoch, endOffset: answer.endOffset };
    }).catch((error) => {
      if (error instanceof KafkaError && error.error === 'UNSUPPORTED_VERSION') return undefined;
      throw error;
    });
  }

  /**
   * The effective value of one setting of a topic (`cleanup.policy`, say). Undefined where the broker does not serve this
   * or does not know the setting.
   */
  async topicSetting(topic: string, name: string): Promise<string | undefined> {
    return await retrying(this.retryPolicy, async () => {
      const resources = [{ resourceType: TOPIC_RESOURCE, resourceName: topic, configurationKeys: [name] }];
      const { results } = await this.requestOnce(describeConfigs, 'any', { resources });
      const error = errorOf(results[0]?.errorCode ?? 0, topic);
      if (error) throw error;
      return results[0]?.configs.find((config) => config.name === name)?.value ?? undefined;
    }).catch((error) => {
      if (error instanceof KafkaError && error.error === 'UNSUPPORTED_VERSION') return undefined;
      throw error;
    });
  }

  /** Creates a topic and waits until metadata shows it. TOPIC_ALREADY_EXISTS if it was there before. */
  async createTopic(
    name: string,
    options: { partitions: number; replication: number; configs?: Record<string, string> },
  ): Promise<void> {
    await retrying(this.retryPolicy, async (retry) => {
      if (retry > 0) await this.#fetchMetadata([], false);
      const response = await this.requestOnce(createTopics, 'controller', {
        topics: [
          {
            name,
            numPartitions: options.partitions,
            replicationFactor: options.replication,
            configs: Object.entries(options.configs ?? {}).map(([key, value]) => ({ name: key, value })),
          },
        ],
        timeoutMs: this.settings.requestTimeoutMs,
      });
      const { errorCode, errorMessage } = response.topics[0] ?? { errorCode: 0, errorMessage: null };
      const error = errorOf(errorCode, `topic ${name}${errorMessage ? ` (${errorMessage})` : ''}`);
      // An attempt that seemed to fail may have created it.
      if (error && !(retry > 0 && error.error === ALREADY_THERE)) throw error;
    });
    await retrying(this.retryPolicy, async () => {
      const found = await this.#fetchMetadata([name], false);
      const error = found.topics[0]?.error;
      if (error) throw new KafkaError(error, `topic ${name}`);
    });
  }

  /** Deletes a topic. */
  async deleteTopic(name: string): Promise<void> {
    await retrying(this.retryPolicy, async (retry) => {
      if (retry > 0) await this.#fetchMetadata([], false);
      const response = await this.requestOnce(deleteTopics, 'controller', {
        topics: [{ name }],
        topicNames: [name],
        timeoutMs: this.settings.requestTimeoutMs,
      });
      const error = errorOf(response.responses[0]?.errorCode ?? 0, `topic ${name}`);
      if (error && !(retry > 0 && error.error === 'UNKNOWN_TOPIC_OR_PARTITION')) throw error;
    });
    this.#leaders.delete(name);
  }

  /**
   * Sends any request and tries again when the connection fails. Error codes inside the answer are the caller's to read.
   */
  async request<Req extends Shape, Res extends Shape>(
    api: Api<Req, Res>,
    body: WriteOf<Req>,
    { node = 'any' }: { node?: Target } = {},
  ): Promise<ReadOf<Res>> {
    return await retrying(this.retryPolicy, () => this.requestOnce(api, node, body));
  }

  /** Sends any request once. For callers with a retry loop of their own. */
  async requestOnce<Req extends Shape, Res extends Shape>(
    api: Api<Req, Res>,
    target: Target,
    body: WriteOf<Req>,
  ): Promise<ReadOf<Res>> {
    try {
      const connection = await this.#connections.to(await this.#resolve(target));
      return await connection.send(api, body);
    } catch (error) {
      if (typeof target === 'object' && error instanceof KafkaError && error.moved)
        this.forgetLeaders(target.topic);
      throw error;
    }
  }

  /** Opens a connection of the caller's own to the leader of a partition: long polls must not hold up others. */
  async connectToLeader(part: TopicPartition): Promise<Connection> {
    return await this.#connections.lend(await this.#leaderOf(part));
  }

  /** After an error that says so: the leaders of a topic are asked for anew before the next use. */
  forgetLeaders(topic: string): void {
    this.#leaders.delete(topic);
  }

  async #resolve(target: Target): Promise<number> {
    if (typeof target === 'object') return await this.#leaderOf(target);
    if (typeof target === 'number') return target;
    return target === 'controller' ? this.#controllerId : -1;
  }

  async #leaderOf(part: TopicPartition): Promise<number> {
    if (!this.#leaders.has(part.topic)) {
      const found = await this.#fetchMetadata([part.topic], false);
      const error = found.topics[0]?.error;
      if (error) throw new KafkaError(error, `topic ${part.topic}`);
    }
    const leader = this.#leaders.get(part.topic)?.get(part.partition);
    if (leader !== undefined && leader >= 0) return leader;
    this.#leaders.delete(part.topic);
    throw new KafkaError(
      leader === undefined ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'LEADER_NOT_AVAILABLE',
      topicPartitionName(part),
    );
  }

  /** Closes all connections, lent ones too; what is under way rejects. */
  async close(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    await this.#connections.close(
      this.#signal?.aborted ? this.#signal.reason : new Error('the client is closed'),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
