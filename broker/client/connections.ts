/**
 * The connections of one client: one to each broker it has used, shared by all requests, and those lent to callers that
 * must not hold up others. Knows where brokers listen, from the settings at first and then from metadata.
 */
import { KafkaError } from '../protocol/errors.ts';
import type { BrokerMetadata } from './cluster-metadata.ts';
import { type Address, Connection, type ConnectionOptions } from './connection.ts';

function parseAddresses(brokers: string): Address[] {
  return brokers.split(',').map((text) => {
    const match = /^\s*(?:\[([^\]]+)\]|([^:\s]+)):(\d{1,5})\s*$/.exec(text);
    const host = match?.[1] ?? match?.[2];
    const port = Number(match?.[3]);
    if (!host || port < 1 || port > 65_535) {
      throw new Error(`client.brokers: "${text.trim()}" is not HOST:PORT; give HOST:PORT[,HOST:PORT]`);
    }
    return { host, port };
  });
}

const nameOf = ({ host, port }: Address) => `${host}:${port}`;

/** Opens connections when they are needed and again after they failed; closes them all at the end. */
export class Connections {
  readonly #bootstrap: Address[];
  readonly #options: ConnectionOptions;
  readonly #shared = new Map<string, Promise<Connection>>();
  readonly #lent = new Set<Connection>();
  readonly #brokers = new Map<number, Address>();
  #closed: unknown;

  /** `brokers` is HOST:PORT[,HOST:PORT]; anything else throws. Opens nothing yet. */
  constructor(brokers: string, options: ConnectionOptions) {
    this.#bootstrap = parseAddresses(brokers);
    this.#options = options;
  }

  /** Takes the addresses that metadata names. */
  learn(brokers: readonly BrokerMetadata[]): void {
    for (const { nodeId, host, port } of brokers) this.#brokers.set(nodeId, { host, port });
  }

  /** The shared connection to a broker by id, or to any of them for an id below 0. */
  async to(node: number): Promise<Connection> {
    return node < 0 ? await this.any() : await this.#share(this.#addressOf(node));
  }

  /** An open connection, else one to the first of all known addresses that answers. */
  async any(): Promise<Connection> {
    const reasons = new Map<string, string>();
    for (const address of [...this.#brokers.values(), ...this.#bootstrap]) {
      if (reasons.has(nameOf(address))) continue;
      try {
        return await this.#share(address);
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
        reasons.set(nameOf(address), /\(([^)]+)\)/.exec(error.message)?.[1] ?? error.message);
      }
    }
    const tried = [...reasons].map(([name, reason]) => `${name} (${reason})`).join(', ');
    throw new KafkaError(
      'BROKER_NOT_AVAILABLE',
      `tried ${tried}; is the broker running, is client.brokers right?`,
    );
  }

  /** A connection of the caller's own, who closes it; `close` does so too. */
  async lend(node: number): Promise<Connection> {
    this.#throwIfClosed();
    const connection = await Connection.open(this.#addressOf(node), this.#options);
    this.#lent.add(connection);
    connection.closed.then(() => this.#lent.delete(connection));
    if (this.#closed) await connection.close();
    return connection;
  }

  #addressOf(node: number): Address {
    const address = this.#brokers.get(node);
    if (!address) throw new KafkaError('LEADER_NOT_AVAILABLE', `broker ${node}, which no metadata names`);
    return address;
  }

  async #share(address: Address): Promise<Connection> {
    for (;;) {
      this.#throwIfClosed();
      const known = this.#shared.get(nameOf(address));
      if (!known) return await this.#open(address);
      const connection = await known;
      if (connection.isOpen) return connection;
      if (this.#shared.get(nameOf(address)) === known) this.#shared.delete(nameOf(address));
    }
  }

  async #open(address: Address): Promise<Connection> {
    const opening = Connection.open(address, this.#options);
    this.#shared.set(nameOf(address), opening);
    try {
      return await opening;
    } catch (error) {
      if (this.#shared.get(nameOf(address)) === opening) this.#shared.delete(nameOf(address));
      throw error;
    }
  }

  #throwIfClosed(): void {
    if (this.#closed) throw this.#closed;
  }

  /** Closes all connections; further use throws `reason`. */
  async close(reason: unknown): Promise<void> {
    this.#closed ??= reason;
    const opened = await Promise.allSettled(this.#shared.values());
    const shared = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    await Promise.all([...shared, ...this.#lent].map((connection) => connection.close()));
  }
}
