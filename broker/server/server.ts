/**
 * The listening socket and its connections.
 */
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { BrokerContext } from '../handlers/handler.ts';
import { BufferPool } from '../protocol/buffer-pool.ts';
import { Connection, type SharedMemory } from './connection.ts';

/** Connections that have not taken their last replies after this are closed all the same. */
const DRAIN_LIMIT_MS = 2_000;
const BACKLOG = 511;
/** Fits the second-level cache of common processors together with what it is copied to. */
const INPUT_BYTES = 256 * 1024;

/** What a person can do about a port that cannot be had. */
function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  const reasons: Record<string, string> = {
    EADDRINUSE: `port ${port} on ${host} is taken: stop what listens there or choose another --port`,
    EACCES: `port ${port} on ${host} is not permitted: choose one above 1023`,
    EADDRNOTAVAIL: `${host} is no address of this machine: choose another --host`,
    ENOTFOUND: `host ${host} is not known: choose another --host`,
  };
  const message = reasons[error.code ?? ''] ?? `cannot listen on ${host}:${port}: ${error.message}`;
  return new Error(message, { cause: error });
}

export class Server {
  readonly #server: net.Server;
  readonly #connections = new Set<Connection>();

  private constructor(broker: BrokerContext) {
    const memory: SharedMemory = { input: Buffer.allocUnsafeSlow(INPUT_BYTES), frames: new BufferPool() };
    this.#server = net.createServer((socket) => {
      const connection = new Connection(socket, broker, memory);
      this.#connections.add(connection);
      socket.on('close', () => this.#connections.delete(connection));
    });
    this.#server.maxConnections = broker.settings.maxConnections;
    this.#server.on('drop', () =>
      broker.logger.warn('a connection was refused: broker.maxConnections reached'),
    );
  }

  /** Listens by the settings. Throws an Error of one line if the port cannot be had. */
  static async listen(broker: BrokerContext): Promise<Server> {
    const server = new Server(broker);
    const { host, port } = broker.settings;
    server.#server.listen({ host, port, backlog: BACKLOG });
    try {
      await once(server.#server, 'listening');
    } catch (error) {
      throw listenError(error as NodeJS.ErrnoException, host, port);
    }
    server.#server.on('error', (error) =>
      broker.logger.error({ error }, `listening failed: ${error.message}`),
    );
    return server;
  }

  /** The port listened on, which is any free one if the settings say 0. */
  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  /** Takes no further connections, lets requests under way end, and closes. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const connection of this.#connections) connection.drain();
    await Promise.race([closed, wait(DRAIN_LIMIT_MS, undefined, { ref: false })]);
    for (const connection of this.#connections) connection.destroy();
    await closed;
  }
}
