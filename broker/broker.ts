/**
 * The broker, put together: a data directory of logs behind a socket that speaks the Kafka protocol. It may live in any
 * process; it reads no arguments or environment and never exits.
 */
import { randomInt } from 'node:crypto';
import type { Logger } from 'pino';
import type { Settings } from '../config/settings.ts';
import { Groups } from './groups/groups.ts';
import { FetchSessions } from './handlers/fetch-sessions.ts';
import { LogDirectory } from './log/log-directory.ts';
import { KafkaError } from './protocol/errors.ts';
import { Server } from './server/server.ts';
import type { TransactionGroups } from './transactions/coordinator.ts';
import { Transactions } from './transactions/transactions.ts';

interface State {
  directory: LogDirectory;
  groups: Groups;
  transactions: Transactions;
}

export class Broker implements AsyncDisposable {
  /** The address listened on. */
  readonly host: string;
  /** The port listened on. */
  readonly port: number;
  readonly #server: Server;
  readonly #groups: Groups;
  readonly #transactions: Transactions;
  readonly #directory: LogDirectory;
  #stopping: Promise<void> | undefined;

  private constructor(host: string, server: Server, { groups, transactions, directory }: State) {
    this.host = host;
    this.port = server.port;
    this.#server = server;
    this.#groups = groups;
    this.#transactions = transactions;
    this.#directory = directory;
  }

  /**
   * Recovers the logs and listens; ready when it resolves. Throws an Error of one line, with the remedy, if the data
   * directory is in use, damaged or not writable, or the port cannot be had.
   */
  static async start(
    settings: Settings['broker'],
    { log, now = Date.now }: { log: Logger; now?: () => number },
  ): Promise<Broker> {
    const directory = await LogDirectory.open(settings, { log, now });
    let groups: Groups | undefined;
    let transactions: Transactions | undefined;
    try {
      groups = await Groups.open({ settings: settings.groups, directory, now, logger: log });
      const decided = decidedOffsets(groups, now);
      transactions = await Transactions.open({
        settings: settings.transactions,
        directory,
        groups: decided,
        now,
        logger: log,
      });
      const kept = groups;
      directory.housekeeping.loadedOffset = (tp) => kept.get(settings.loaderGroup)?.offsets.get(tp);
      let server: Server | undefined;
      const port = () => server?.port ?? settings.port;
      const { coordinator } = transactions;
      server = await Server.listen({
        settings,
        directory,
        groups,
        transactions: coordinator,
        fetchSessions: new FetchSessions(settings.fetchSessions, () => randomInt(1, 2 ** 31)),
        now,
        logger: log,
        port,
      });
      log.info(`broker ${settings.nodeId} listens on ${settings.host}:${server.port}`);
      return new Broker(settings.host, server, { groups, transactions, directory });
    } catch (error) {
      await transactions?.stop();
      await groups?.stop();
      await directory.close();
      throw error;
    }
  }

  /** Answers what is under way, makes everything durable, and notes the clean stop. A second call waits for the first. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    await this.#transactions.stop();
    // First those that wait for their group: a connection closes only when all its requests are answered.
    await this.#groups.stop();
    await this.#server.close();
    await this.#directory.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** The groups as transactions see them: offsets that were checked when they were sent, and are decided now. */
function decidedOffsets(groups: Groups, now: () => number): TransactionGroups {
  return {
    async commit(groupId, offsets) {
      const { error } = await groups.ask({
        kind: 'commit',
        groupId,
        generation: -1,
        memberId: '',
        instanceId: null,
        isDecided: true,
        offsets: offsets.map(({ topic, partition, offset, leaderEpoch, metadata }) => ({
          topic,
          partition,
          committed: { offset, leaderEpoch, metadata, committedMs: now(), expiresMs: undefined },
        })),
      });
      if (error !== undefined) throw new KafkaError(error, `group ${groupId}`);
    },
  };
}
