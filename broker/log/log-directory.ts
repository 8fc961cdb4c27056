/**
 * The data directory of a broker: its lock, its topics, one log per partition, and the way they are opened after a clean
 * or an unclean stop. On disk: `.lock`, `meta.json`, `clean-shutdown` (only while stopped in order), `producer-ids.json`,
 * `recovery-points.json`, `topics/NAME.json`, and a directory `NAME-PARTITION` per log.
 */
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Settings } from '../../config/settings.ts';
import { BufferPool } from '../protocol/buffer-pool.ts';
import { KafkaError } from '../protocol/errors.ts';
import {
  isInternalTopic,
  isTopicName,
  type Offset,
  type TopicPartition,
  topicPartitionName,
} from '../topic-partition.ts';
import { Checkpoints } from './checkpoints.ts';
import { Cleaner } from './cleaner.ts';
import { DirectoryLock } from './directory-lock.ts';
import { removeFile, replaceFile, syncDirectory } from './durable-file.ts';
import {
  CLEAN_SHUTDOWN_FILE,
  DELETED_SUFFIX,
  deletedDirectoryName,
  parsePartitionDirectoryName,
  partitionDirectoryName,
} from './file-names.ts';
import { Housekeeping, type OwnedLog } from './housekeeping.ts';
import { openIdentity, ProducerIds } from './identity.ts';
import { Log, type LogEnvironment } from './log.ts';
import {
  checkTopicConfigs,
  effectiveConfig,
  isCompacted,
  type LogConfig,
  type TopicConfigs,
} from './log-config.ts';
import { deleteRecordsBefore } from './record-deletion.ts';
import { recoverLog } from './recovery.ts';
import { type Topic, Topics } from './topics.ts';

export type LogDirectorySettings = Pick<Settings['broker'], 'dataDir' | 'nodeId' | 'maxPartitions' | 'log'>;

export interface NewTopic {
  name: string;
  partitions: number;
  configs: TopicConfigs;
}

interface LogOnDisk {
  topic: Topic;
  tp: TopicPartition;
  config: LogConfig;
  directory: string;
  cleanStop: boolean;
}

export class LogDirectory implements AsyncDisposable {
  readonly clusterId: string;
  readonly topics: Topics;
  readonly producerIds: ProducerIds;
  readonly housekeeping: Housekeeping;
  readonly cleaner: Cleaner;
  readonly #settings: LogDirectorySettings;
  readonly #logger: Logger;
  readonly #lock: DirectoryLock;
  readonly #checkpoints: Checkpoints;
  readonly #environment: LogEnvironment;
  readonly #logs = new Map<string, OwnedLog>();
  readonly #creating = new Map<string, Promise<Topic>>();
  readonly #growing = new Map<string, Promise<void>>();
  #scheduled: Log[] = [];
  #closing: Promise<void> | undefined;

  private constructor(
    settings: LogDirectorySettings,
    { log, now, lock }: { log: Logger; now: () => number; lock: DirectoryLock },
  ) {
    this.#settings = settings;
    this.#logger = log;
    this.#lock = lock;
    this.clusterId = openIdentity(settings.dataDir, settings.nodeId).clusterId;
    this.topics = Topics.open(settings.dataDir);
    this.producerIds = ProducerIds.open(settings.dataDir);
    this.#checkpoints = Checkpoints.open(settings.dataDir);
    this.housekeeping = new Housekeeping({
      settings: settings.log,
      recoveryPoints: this.#checkpoints.recoveryPoints,
      logs: () => this.#logs.values(),
      now,
      logger: log,
    });
    this.cleaner = new Cleaner({
      settings: settings.log,
      cleanedOffsets: this.#checkpoints.cleanedOffsets,
      logs: () => this.#logs.values(),
      now,
      logger: log,
    });
    this.#environment = {
      now,
      buffers: new BufferPool(),
      scheduleWrite: (written) => this.#scheduleWrite(written),
      written: (written) => this.housekeeping.written(written),
      rolled: () => {
        if (settings.log.totalBytes >= 0) void this.housekeeping.checkRetention();
      },
      failed: (failed, error) => log.error({ error }, `${failed.name} stopped: ${error.message}`),
    };
  }

  /** Takes the lock and recovers every log. Throws an Error of one line if the directory cannot serve. */
  static async open(
    settings: LogDirectorySettings,
    { log, now = Date.now }: { log: Logger; now?: () => number },
  ): Promise<LogDirectory> {
    const { dataDir } = settings;
    try {
      fs.mkdirSync(dataDir, { recursive: true });
      fs.accessSync(dataDir, fs.constants.R_OK | fs.constants.W_OK);
    } catch (error) {
      const reason = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
      throw new Error(
        `data directory ${dataDir} is not writable (${reason}): choose another --data directory`,
        {
          cause: error,
        },
      );
    }
    const lock = DirectoryLock.take(dataDir);
    try {
      const directory = new LogDirectory(settings, { log, now, lock });
      await directory.#recover();
      directory.housekeeping.start();
      directory.cleaner.start();
      return directory;
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }

  async #recover(): Promise<void> {
    const { dataDir } = this.#settings;
    const marker = path.join(dataDir, CLEAN_SHUTDOWN_FILE);
    const cleanStop = fs.existsSync(marker);
    for (const topic of this.topics.deleting()) this.#removeFiles(topic);
    for (const name of fs.readdirSync(dataDir)) {
      if (name.endsWith(DELETED_SUFFIX)) fs.rmSync(path.join(dataDir, name), { recursive: true });
      this.#warnOfOrphan(name);
    }
    for (const topic of this.topics.all()) await this.#openLogs(topic, cleanStop);
    // Only now: a start that is killed before it has opened every log must be repeated with the same knowledge.
    removeFile(marker);
    await this.housekeeping.checkpoint();
  }

  #warnOfOrphan(name: string): void {
    const tp = parsePartitionDirectoryName(name);
    if (tp === undefined) return;
    if (tp.partition < (this.topics.get(tp.topic)?.partitions ?? 0)) return;
    this.#logger.warn(`${path.join(this.#settings.dataDir, name)} belongs to no topic and is left alone`);
  }

  async #openLogs(topic: Topic, cleanStop: boolean, first = 0): Promise<void> {
    for (let partition = first; partition < topic.partitions; partition++) {
      const tp = { topic: topic.name, partition };
      const directory = path.join(this.#settings.dataDir, partitionDirectoryName(tp));
      // Read for each: the settings may change while the logs are opened.
      const config = effectiveConfig(
        this.#settings.log,
        this.topics.get(topic.name)?.configs ?? topic.configs,
      );
      const recovered = this.#recoverLog({ topic, tp, config, directory, cleanStop });
      const log = new Log(tp, directory, config, this.#environment, recovered);
      log.startOffset = this.#checkpoints.startOffsets.get(topic.topicId, partition) ?? 0;
      this.#logs.set(log.name, { topicId: topic.topicId, log });
      await nextTurn();
    }
  }

  #recoverLog({ topic, tp, config, directory, cleanStop }: LogOnDisk) {
    const gapsUntil = this.#checkpoints.gapsUntil(topic.topicId, tp.partition);
    try {
      fs.mkdirSync(directory, { recursive: true });
      return recoverLog({
        directory,
        indexIntervalBytes: this.#settings.log.indexIntervalBytes,
        recoveryPoint: this.#checkpoints.uncuttable(topic.topicId, tp.partition),
        cleanStop,
        mayHaveGaps: (base) => (gapsUntil === undefined ? isCompacted(config) : base <= gapsUntil),
        nowMs: this.#environment.now(),
        warn: (message) => this.#logger.warn(message),
      });
    } catch (error) {
      this.#logger.error({ error }, `${topicPartitionName(tp)} is not served: ${(error as Error).message}`);
      return { failure: error as Error };
    }
  }

  /** Logs with queued batches write them at the end of this turn of the event loop, each with one system call. */
  #scheduleWrite(log: Log): void {
    this.#scheduled.push(log);
    if (this.#scheduled.length > 1) return;
    setImmediate(() => {
      const logs = this.#scheduled;
      this.#scheduled = [];
      for (const scheduled of logs) scheduled.write();
    });
  }

  /** The log of a partition. Throws UNKNOWN_TOPIC_OR_PARTITION. */
  log(tp: TopicPartition): Log {
    const owned = this.#logs.get(topicPartitionName(tp));
    if (owned === undefined) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', topicPartitionName(tp));
    return owned.log;
  }

  /** Throws what `createTopic` would throw before it changes anything. */
  checkNewTopic({ name, partitions, configs }: NewTopic): void {
    if (!isTopicName(name)) {
      throw new KafkaError(
        'INVALID_TOPIC_EXCEPTION',
        `'${name.slice(0, 260)}' (letters, digits, . _ -; at most 249)`,
      );
    }
    if (this.topics.has(name)) throw new KafkaError('TOPIC_ALREADY_EXISTS', name);
    const { maxPartitions } = this.#settings;
    const room = maxPartitions - this.topics.partitionCount;
    if (!Number.isInteger(partitions) || partitions < 1 || partitions > room) {
      throw new KafkaError(
        'INVALID_PARTITIONS',
        `${partitions} partitions for ${name}, and room for 1 to ${room} (broker.maxPartitions ${maxPartitions})`,
      );
    }
    checkTopicConfigs(configs);
  }

  /** Creates a topic; two calls at once for one name share the work. Throws a KafkaError. */
  createTopic(topic: NewTopic): Promise<Topic> {
    const creating = this.#creating.get(topic.name) ?? this.#createTopic(topic);
    this.#creating.set(topic.name, creating);
    return creating.finally(() => this.#creating.delete(topic.name));
  }

  async #createTopic({ name, partitions, configs }: NewTopic): Promise<Topic> {
    this.checkNewTopic({ name, partitions, configs });
    const topic: Topic = { name, topicId: randomUUID(), partitions, configs };
    await this.#makeLogs(topic, 0);
    this.#logger.info(`topic ${name} created with ${partitions} partitions`);
    return topic;
  }

  /** Writes a topic down and makes its logs from partition `first` on. */
  async #makeLogs(topic: Topic, first: number): Promise<void> {
    const { dataDir } = this.#settings;
    const directories: string[] = [];
    for (let partition = first; partition < topic.partitions; partition++) {
      const directory = path.join(dataDir, partitionDirectoryName({ topic: topic.name, partition }));
      if (fs.existsSync(directory)) {
        throw new KafkaError('KAFKA_STORAGE_ERROR', `${directory} is there already and belongs to no topic`);
      }
      directories.push(directory);
    }
    this.topics.put(topic);
    // Durable before the first log is there to be written to: records may be acknowledged while the others are opened.
    try {
      for (const directory of directories) fs.mkdirSync(directory);
      syncDirectory(dataDir);
    } catch (error) {
      // The topic is written down: its logs are opened all the same, and those that can't be say why.
      this.#logger.error({ error }, `topic ${topic.name}: ${(error as Error).message}`);
    }
    await this.#openLogs(topic, true, first);
  }

  /** Throws what `addPartitions` would throw before it changes anything. */
  checkPartitions(name: string, count: number): void {
    const topic = this.topics.get(name);
    if (topic === undefined) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', name);
    if (isInternalTopic(name)) {
      throw new KafkaError('INVALID_TOPIC_EXCEPTION', `${name}: the partition of a key must not change`);
    }
    const { maxPartitions } = this.#settings;
    const most = topic.partitions + maxPartitions - this.topics.partitionCount;
    if (count > topic.partitions && count <= most) return;
    throw new KafkaError(
      'INVALID_PARTITIONS',
      `${name} has ${topic.partitions} partitions; there may be more, up to ${most} (broker.maxPartitions ${maxPartitions}), not ${count}`,
    );
  }

  /** Brings a topic to a number of partitions. Throws a KafkaError. */
  async addPartitions(name: string, count: number): Promise<void> {
    await this.#creating.get(name);
    // Checked after the wait, and written down before the next: two calls at once cannot both add.
    this.checkPartitions(name, count);
    const topic = this.topics.get(name) as Topic;
    const growing = this.#makeLogs({ ...topic, partitions: count }, topic.partitions);
    this.#growing.set(name, growing);
    await growing.finally(() => this.#growing.delete(name));
    this.#logger.info(`topic ${name} has ${count} partitions, ${count - topic.partitions} of them new`);
  }

  /**
   * Has a log begin at an offset, -1 for the end of what consumers see; resolves, when that is durable, to where it
   * begins. Throws UNKNOWN_TOPIC_OR_PARTITION, OFFSET_OUT_OF_RANGE, or POLICY_VIOLATION for a compacted topic.
   */
  async deleteRecords(tp: TopicPartition, before: Offset): Promise<Offset> {
    const { name } = this.log(tp);
    return await deleteRecordsBefore(this.#logs.get(name) as OwnedLog, before, this.#checkpoints);
  }

  /**
   * Replaces the overrides of a topic; they act at once and are kept. Throws UNKNOWN_TOPIC_OR_PARTITION or INVALID_CONFIG,
   * and nothing has changed then; with `validateOnly` nothing changes anyway.
   */
  setTopicConfigs(name: string, configs: TopicConfigs, { validateOnly = false } = {}): void {
    const topic = this.topics.get(name);
    if (topic === undefined) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', name);
    checkTopicConfigs(configs);
    if (validateOnly) return;
    this.topics.put({ ...topic, configs });
    const config = effectiveConfig(this.#settings.log, configs);
    for (let partition = 0; partition < topic.partitions; partition++) {
      this.#logs.get(topicPartitionName({ topic: name, partition }))?.log.reconfigure(config);
    }
  }

  /** Deletes a topic and its data; from the call on it does not exist. Throws UNKNOWN_TOPIC_OR_PARTITION. */
  async deleteTopic(name: string): Promise<void> {
    await this.#creating.get(name);
    await this.#growing.get(name);
    const topic = this.topics.get(name);
    if (topic === undefined) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', name);
    this.topics.put({ ...topic, deleting: true });
    for (let partition = 0; partition < topic.partitions; partition++) {
      const logName = topicPartitionName({ topic: name, partition });
      const owned = this.#logs.get(logName);
      this.#logs.delete(logName);
      if (owned !== undefined) this.housekeeping.forget(owned.log);
      await owned?.log.abandon();
    }
    this.#removeFiles(topic);
    this.#logger.info(`topic ${name} deleted`);
  }

  /** Renames the directories first, so that the name is free and no half-emptied log can be mistaken for a whole one. */
  #removeFiles(topic: Topic): void {
    const { dataDir } = this.#settings;
    const renamed: string[] = [];
    for (let partition = 0; partition < topic.partitions; partition++) {
      const directory = path.join(dataDir, partitionDirectoryName({ topic: topic.name, partition }));
      const doomed = path.join(dataDir, deletedDirectoryName(topic.topicId, partition));
      if (fs.existsSync(directory)) fs.renameSync(directory, doomed);
      this.#checkpoints.delete(topic.topicId, partition);
      renamed.push(doomed);
    }
    syncDirectory(dataDir);
    this.topics.remove(topic.name);
    for (const doomed of renamed) fs.rmSync(doomed, { recursive: true, force: true });
  }

  /** Writes and syncs everything, then notes the clean stop and gives the lock back. A second call waits for the first. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.housekeeping.stop();
    await this.cleaner.stop();
    await Promise.allSettled([...this.#creating.values(), ...this.#growing.values()]);
    const whole = await Promise.all([...this.#logs.values()].map(({ log }) => log.close()));
    await this.housekeeping.checkpoint();
    if (whole.every(Boolean)) {
      replaceFile(path.join(this.#settings.dataDir, CLEAN_SHUTDOWN_FILE), `${this.clusterId}\n`);
    }
    this.#lock[Symbol.dispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
