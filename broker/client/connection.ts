/**
 * One TCP connection to one broker: requests go out one behind the other, answers come back in the same order and are
 * matched by correlation id. The versions both sides speak are agreed on when it opens (ApiVersions, KIP-35/KIP-511). A
 * connection that fails or falls out of step is finished: all its requests fail with NETWORK_EXCEPTION, or
 * REQUEST_TIMED_OUT for the one that waited too long, and whoever needs one opens the next.
 */
import { connect, type Socket } from 'node:net';
import { apiVersions } from '../protocol/apis/api-versions.ts';
import { BufferPool } from '../protocol/buffer-pool.ts';
import { errorNameOf, KafkaError } from '../protocol/errors.ts';
import { correlationIdOf, decodeResponse, encodeRequest, FrameSplitter } from '../protocol/frame.ts';
import type { AnyApi, Api, ReadOf, Shape, WriteOf } from '../protocol/schema.ts';

/** Requests that may be under way on one connection; more is a bug of the caller, which has limits of its own. */
const REQUESTS_IN_FLIGHT_MAX = 1_000;
/** A larger response is taken for garbage. The largest batch a broker can be told to take is 1 GiB. */
const RESPONSE_BYTES_MAX = 1024 * 1024 * 1024 + 1024 * 1024;
/**
 * What all sockets of this thread read into; it is used up within the event. Otherwise Node allocates 64 KiB for every
 * read, and V8 answers that much outside memory with one full collection after the other.
 */
const INPUT = Buffer.allocUnsafeSlow(256 * 1024);
const CLIENT_SOFTWARE = { clientSoftwareName: 'millrace', clientSoftwareVersion: '0.1' };

/** Where a broker listens. */
export interface Address {
  host: string;
  port: number;
}

/** How to connect, and how long to wait. */
export interface ConnectionOptions {
  clientId: string;
  connectTimeoutMs: number;
  requestTimeoutMs: number;
}

interface Waiting {
  correlationId: number;
  resolve(frame: Buffer): void;
  reject(error: Error): void;
  timer: NodeJS.Timeout;
}

const addressText = ({ host, port }: Address) => `${host}:${port}`;

/** A connected socket, and where what it reads goes: to be set before anything is asked. */
interface Opened {
  socket: Socket;
  input: { take(bytes: Buffer): void };
}

function openSocket(address: Address, timeoutMs: number): Promise<Opened> {
  return new Promise((resolve, reject) => {
    const input = { take: (_bytes: Buffer): void => {} };
    const callback = (count: number) => {
      input.take(INPUT.subarray(0, count));
      return true;
    };
    const onread = { buffer: INPUT, callback };
    const socket = connect({ ...address, noDelay: true, keepAlive: true, onread });
    const fail = (reason: string, cause?: Error) => {
      socket.destroy();
      const detail = `connection to ${addressText(address)} (${reason})`;
      reject(new KafkaError('NETWORK_EXCEPTION', detail, { cause }));
    };
    socket.setTimeout(timeoutMs, () => fail(`no connection within ${timeoutMs} ms`));
    socket.once('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message, error));
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.removeAllListeners('timeout');
      socket.removeAllListeners('error');
      resolve({ socket, input });
    });
  });
}

/** One connection to one broker, ready for requests. Requests may be sent without waiting for earlier answers. */
export class Connection implements AsyncDisposable {
  readonly address: Address;
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #buffers = new BufferPool();
  readonly #frames = new FrameSplitter(RESPONSE_BYTES_MAX, (bytes) => this.#buffers.lend(bytes));
  readonly #waiting: Waiting[] = [];
  /** Resolves when the connection is gone, for whatever reason. */
  readonly closed: Promise<void>;
  #versions = new Map<number, readonly [number, number]>();
  #correlationId = 0;
  #corked = false;
  #failure: Error | undefined;

  private constructor({ socket, input }: Opened, address: Address, options: ConnectionOptions) {
    this.#socket = socket;
    this.address = address;
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    input.take = (bytes) => this.#onData(bytes);
    socket.on('error', (error: NodeJS.ErrnoException) =>
      this.#fail(this.#broken(error.code ?? error.message)),
    );
    socket.on('close', () => {
      this.#fail(this.#broken('closed by the broker'));
      resolve();
    });
  }

  /** Connects and agrees on versions; rejects with NETWORK_EXCEPTION or REQUEST_TIMED_OUT. */
  static async open(address: Address, options: ConnectionOptions): Promise<Connection> {
    const opened = await openSocket(address, options.connectTimeoutMs);
    const connection = new Connection(opened, address, options);
    try {
      await connection.#negotiate();
      return connection;
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  /** False once the connection has failed or was closed. */
  get isOpen(): boolean {
    return this.#failure === undefined;
  }

  /** The version to use for an API: the highest both sides have, or undefined. */
  versionOf(api: AnyApi): number | undefined {
    const offered = this.#versions.get(api.key);
    if (!offered) return undefined;
    const version = Math.min(api.versions[1], offered[1]);
    return version >= Math.max(api.versions[0], offered[0]) ? version : undefined;
  }

  /** Sends a request in the agreed version; resolves with the answer, whatever error codes stand in it. */
  async send<Req extends Shape, Res extends Shape>(
    api: Api<Req, Res>,
    body: WriteOf<Req>,
  ): Promise<ReadOf<Res>> {
    const version = this.versionOf(api);
    if (version === undefined) {
      const detail = `${api.name} ${api.versions.join(' to ')} at ${addressText(this.address)}`;
      throw new KafkaError('UNSUPPORTED_VERSION', detail);
    }
    return decodeResponse(api, version, await this.#exchange(api, version, body));
  }

  /** Takes back the memory of an answer by any byte field of it; nothing may refer to it, and only once. */
  giveBack(field: Buffer): void {
    this.#buffers.giveBack(field);
  }

  async #negotiate(): Promise<void> {
    for (const version of [apiVersions.versions[1], 0]) {
      const frame = await this.#exchange(apiVersions, version, CLIENT_SOFTWARE);
      // A broker that lacks the version answers in version 0 with this error code, and that is readable in any.
      const error = errorNameOf(frame.readInt16BE(4));
      if (error === 'UNSUPPORTED_VERSION' && version > 0) continue;
      if (error) throw new KafkaError(error, `ApiVersions at ${addressText(this.address)}`);
      const { apiKeys } = decodeResponse(apiVersions, version, frame);
      this.#versions = new Map(apiKeys.map((api) => [api.apiKey, [api.minVersion, api.maxVersion] as const]));
      return;
    }
  }

  #exchange<Req extends Shape, Res extends Shape>(
    api: Api<Req, Res>,
    version: number,
    body: WriteOf<Req>,
  ): Promise<Buffer> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#waiting.length >= REQUESTS_IN_FLIGHT_MAX) {
      throw new Error(`more than ${REQUESTS_IN_FLIGHT_MAX} requests under way on one connection`);
    }
    const correlationId = this.#correlationId;
    this.#correlationId = (correlationId + 1) & 0x7fffffff;
    const chunks = encodeRequest(api, version, { correlationId, clientId: this.#options.clientId }, body);
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const timer = setTimeout(() => this.#onTimeout(api.name), this.#options.requestTimeoutMs);
    this.#waiting.push({ correlationId, resolve, reject, timer });
    this.#write(chunks);
    return promise;
  }

  #write(chunks: Buffer[]): void {
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    for (const chunk of chunks) this.#socket.write(chunk);
  }

  #onData(chunk: Buffer): void {
    try {
      for (const frame of this.#frames.push(chunk)) this.#onFrame(frame);
    } catch (error) {
      this.#fail(this.#broken(error instanceof Error ? error.message : String(error)));
    }
  }

  #onFrame(frame: Buffer): void {
    const waiting = this.#waiting.shift();
    if (!waiting || correlationIdOf(frame) !== waiting.correlationId) {
      if (waiting) this.#waiting.unshift(waiting);
      throw new Error('an answer to no request');
    }
    clearTimeout(waiting.timer);
    waiting.resolve(frame);
  }

  #onTimeout(name: string): void {
    const detail = `${name} at ${addressText(this.address)} after ${this.#options.requestTimeoutMs} ms`;
    // Answers come in order: behind one that does not come, none can.
    this.#waiting.shift()?.reject(new KafkaError('REQUEST_TIMED_OUT', detail));
    this.#fail(this.#broken('given up after a request without an answer'));
  }

  #broken(reason: string): KafkaError {
    return new KafkaError('NETWORK_EXCEPTION', `connection to ${addressText(this.address)} (${reason})`);
  }

  #fail(error: Error): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#socket.destroy();
    for (const { timer, reject } of this.#waiting.splice(0)) {
      clearTimeout(timer);
      reject(error);
    }
  }

  /** Closes at once; requests under way fail. */
  async close(): Promise<void> {
    this.#fail(this.#broken('closed by this client'));
    await this.closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
