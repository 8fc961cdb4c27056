/**
 * One client's connection: frames in, replies out in the order of their requests, whatever the order they get ready in.
 * Everything it holds is bounded: with too many requests under way, too many bytes of them, or too much output that the
 * client has not taken, it stops reading, and TCP holds the client back.
 */
import type { Socket } from 'node:net';
import type { BrokerContext } from '../handlers/handler.ts';
import { fetch } from '../protocol/apis/fetch.ts';
import type { BufferPool } from '../protocol/buffer-pool.ts';
import { FrameSplitter } from '../protocol/frame.ts';
import { WireError } from '../protocol/wire.ts';
import { apiKeyOf, dispatch, type Reply } from './dispatch.ts';
import { readInto } from './socket-input.ts';

const MiB = 1024 * 1024;
/** Requests of one connection under way at once. */
const MAX_REQUESTS_UNDER_WAY = 128;
/** Their bytes; a single larger request is still served. */
const MAX_REQUEST_BYTES_UNDER_WAY = 64 * MiB;
/** Replies not yet taken by the client; above it no further request is served. One fetch may go over it. */
const MAX_UNSENT_BYTES = 4 * MiB;

/** Memory that the connections of a server share. */
export interface SharedMemory {
  /** What a socket reads into; its contents are used up within the event. */
  input: Buffer;
  frames: BufferPool;
}

/** The place of a request in the order of replies. */
interface Slot {
  requestBytes: number;
  isFetch: boolean;
  isDone: boolean;
  reply: Reply | undefined;
}

export class Connection {
  readonly #socket: Socket;
  readonly #broker: BrokerContext;
  readonly #frames: BufferPool;
  readonly #splitter: FrameSplitter;
  readonly #closing = new AbortController();
  readonly #name: string;
  readonly #localAddress: string;
  readonly #remoteAddress: string;
  #inbox: Buffer[] = [];
  readonly #slots: Slot[] = [];
  #fetches = 0;
  #requestBytes = 0;
  #unsentBytes = 0;
  #isCorked = false;
  #isDraining = false;

  constructor(socket: Socket, broker: BrokerContext, { input, frames }: SharedMemory) {
    this.#socket = socket;
    this.#broker = broker;
    this.#frames = frames;
    this.#splitter = new FrameSplitter(broker.settings.maxRequestBytes, (bytes) => frames.lend(bytes));
    this.#name = `${socket.remoteAddress}:${socket.remotePort}`;
    this.#remoteAddress = socket.remoteAddress ?? '';
    this.#localAddress = socket.localAddress ?? broker.settings.host;
    socket.setNoDelay(true);
    socket.setTimeout(broker.settings.idleConnectionMs, () => this.#onIdle());
    readInto(socket, input, (bytes) => this.#onData(bytes));
    socket.on('error', (error) => broker.logger.debug(`connection ${this.#name}: ${error.message}`));
    socket.on('close', () => this.#closing.abort());
  }

  /** Lets requests under way end and sends their replies; long polls end at once. No further request is served. */
  drain(): void {
    this.#isDraining = true;
    this.#inbox = [];
    // What still comes is thrown away, but has to be read: behind it stands the client's own end.
    this.#socket.resume();
    this.#closing.abort();
    if (this.#slots.length === 0) this.#socket.end();
  }

  /** Closes at once. */
  destroy(): void {
    this.#socket.destroy();
  }

  #onIdle(): void {
    const isWaitingForUs = this.#slots.length > 0 && this.#unsentBytes === 0;
    if (!isWaitingForUs) this.#disconnect('idle');
  }

  #disconnect(reason: string): void {
    this.#broker.logger.info(`connection ${this.#name} closed: ${reason}`);
    this.#socket.destroy();
  }

  #onData(chunk: Buffer): void {
    if (this.#isDraining) return;
    try {
      for (const frame of this.#splitter.push(chunk)) this.#inbox.push(frame);
    } catch (error) {
      this.#disconnect((error as Error).message);
      return;
    }
    this.#pump();
  }

  /** Serves what is in the inbox as far as the limits allow, and reads on only when it is empty. */
  #pump(): void {
    if (this.#socket.destroyed || this.#isDraining) return;
    let taken = 0;
    for (const frame of this.#inbox) {
      if (!this.#mayServe(frame)) break;
      taken += 1;
      void this.#serve(frame);
    }
    if (taken > 0) this.#inbox = this.#inbox.slice(taken);
    if (this.#inbox.length > 0) this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }

  /** Fetches go one by one: the answers of several at once would be bounded by nothing. */
  #mayServe(frame: Buffer): boolean {
    if (this.#slots.length === 0 && this.#unsentBytes === 0) return true;
    return (
      this.#slots.length < MAX_REQUESTS_UNDER_WAY &&
      this.#requestBytes + frame.length <= MAX_REQUEST_BYTES_UNDER_WAY &&
      this.#unsentBytes < MAX_UNSENT_BYTES &&
      !(this.#fetches > 0 && apiKeyOf(frame) === fetch.key)
    );
  }

  async #serve(frame: Buffer): Promise<void> {
    const isFetch = apiKeyOf(frame) === fetch.key;
    const slot: Slot = { requestBytes: frame.length, isFetch, isDone: false, reply: undefined };
    this.#slots.push(slot);
    this.#requestBytes += frame.length;
    if (isFetch) this.#fetches += 1;
    try {
      slot.reply = await dispatch(frame, this.#broker, {
        localAddress: this.#localAddress,
        remoteAddress: this.#remoteAddress,
        closed: this.#closing.signal,
        disconnect: (reason) => this.#disconnect(reason),
      });
    } catch (error) {
      if (!(error instanceof WireError)) {
        this.#broker.logger.error({ error }, `a request failed unexpectedly: ${(error as Error).message}`);
      }
      this.#disconnect((error as Error).message);
    }
    // Nothing refers to the request any more: what it appended is written, and no answer holds views of it.
    this.#frames.giveBack(frame);
    slot.isDone = true;
    this.#sendReady();
  }

  /** Sends the replies at the head of the order that are ready, then looks for more requests. */
  #sendReady(): void {
    let slot = this.#slots[0];
    for (; slot?.isDone; slot = this.#slots[0]) {
      this.#slots.shift();
      this.#requestBytes -= slot.requestBytes;
      if (slot.isFetch) this.#fetches -= 1;
      if (slot.reply !== undefined) this.#send(slot.reply);
    }
    if (this.#isDraining && this.#slots.length === 0) this.#socket.end();
    if (this.#inbox.length > 0) this.#pump();
  }

  /** Replies that get ready in one turn of the event loop leave with one system call. */
  #send({ chunks, release }: Reply): void {
    if (this.#socket.destroyed) {
      release();
      return;
    }
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#isCorked = false;
        this.#socket.uncork();
      });
    }
    const bytes = chunks.reduce((sum, { length }) => sum + length, 0);
    this.#unsentBytes += bytes;
    for (const chunk of chunks.slice(0, -1)) this.#socket.write(chunk);
    this.#socket.write(chunks.at(-1) ?? Buffer.alloc(0), () => {
      this.#unsentBytes -= bytes;
      release();
      if (this.#inbox.length > 0) this.#pump();
    });
  }
}
