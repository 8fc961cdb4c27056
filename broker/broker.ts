/**
 * The broker, put together: a data directory of logs behind a socket that speaks the Kafka protocol. It may live in any
 * process; it reads no arguments or environment and never exits.
 */
import type { Logger } from 'pino';
import type { Settings } from '../config/settings.ts';
import { LogDirectory } from './log/log-directory.ts';
import { Server } from './server/server.ts';

export class Broker implements AsyncDisposable {
  /** The address listened on. */
  readonly host: string;
  /** The port listened on. */
  readonly port: number;
  readonly #server: Server;
  readonly #directory: LogDirectory;
  #stopping: Promise<void> | undefined;

  private constructor(host: string, server: Server, directory: LogDirectory) {
    this.host = host;
    this.port = server.port;
    this.#server = server;
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
    try {
      let server: Server | undefined;
      const port = () => server?.port ?? settings.port;
      server = await Server.listen({ settings, directory, now, logger: log, port });
      log.info(`broker ${settings.nodeId} listens on ${settings.host}:${server.port}`);
      return new Broker(settings.host, server, directory);
    } catch (error) {
      await directory.close();
      throw error;
    }
  }

  /** Answers what is under way, makes everything durable, and notes the clean stop. A second call waits for the first. */
  stop(): Promise<void> {
    this.#stopping ??= this.#server.close().then(() => this.#directory.close());
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
