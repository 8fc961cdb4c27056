/**
 * A socket that speaks the protocol's frames and nothing more: no retries, no routing, any version, any bytes. For tests
 * of what the broker answers to exactly this request.
 */
import { once } from 'node:events';
import net from 'node:net';
import { decodeResponse, encodeRequest, FrameSplitter } from '../../broker/protocol/frame.ts';
import type { Api, ReadOf, Shape, WriteOf } from '../../broker/protocol/schema.ts';

const MAX_FRAME_BYTES = 1024 ** 3;

export class RawClient implements Disposable {
  readonly socket: net.Socket;
  readonly #splitter = new FrameSplitter(MAX_FRAME_BYTES);
  readonly #waiting: Array<(frame: Buffer | undefined) => void> = [];
  readonly #frames: Buffer[] = [];
  #correlationId = 0;
  #isClosed = false;

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      for (const frame of this.#splitter.push(chunk)) {
        const waiter = this.#waiting.shift();
        if (waiter === undefined) this.#frames.push(frame);
        else waiter(frame);
      }
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#isClosed = true;
      for (const waiter of this.#waiting.splice(0)) waiter(undefined);
    });
  }

  static async connect({ host, port }: { host: string; port: number }): Promise<RawClient> {
    const socket = net.connect({ host, port, noDelay: true });
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  /** The next frame, or undefined once the connection is closed. */
  nextFrame(): Promise<Buffer | undefined> {
    const frame = this.#frames.shift();
    if (frame !== undefined || this.#isClosed) return Promise.resolve(frame);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Sends a header of any API and version with nothing behind it; the answer must come on the same connection. */
  async sendHeader(apiKey: number, version: number): Promise<Buffer> {
    const correlationId = 77;
    const frame = Buffer.alloc(4 + 10);
    frame.writeInt32BE(10, 0);
    frame.writeInt16BE(apiKey, 4);
    frame.writeInt16BE(version, 6);
    frame.writeInt32BE(correlationId, 8);
    frame.writeInt16BE(-1, 12);
    this.socket.write(frame);
    const answer = await this.nextFrame();
    if (answer?.readInt32BE(0) !== correlationId)
      throw new Error(
        `API ${apiKey}, version ${version}: ${answer ? 'answer to another request' : 'the connection was closed'}`,
      );
    return answer;
  }

  /** Sends a request and doesn't wait. */
  send<Req extends Shape, Res extends Shape>(
    api: Api<Req, Res>,
    version: number,
    body: WriteOf<Req>,
  ): number {
    this.#correlationId += 1;
    const header = { correlationId: this.#correlationId, clientId: 'raw' };
    for (const chunk of encodeRequest(api, version, header, body)) this.socket.write(chunk);
    return this.#correlationId;
  }

  /** Sends a request and reads the next frame as its response. Throws if the connection closes instead. */
  async request<Req extends Shape, Res extends Shape>(
    api: Api<Req, Res>,
    version: number,
    body: WriteOf<Req>,
  ): Promise<ReadOf<Res>> {
    const correlationId = this.send(api, version, body);
    const frame = await this.nextFrame();
    if (frame === undefined) throw new Error(`${api.name} ${version}: the connection was closed`);
    if (frame.readInt32BE(0) !== correlationId) throw new Error(`${api.name}: answer to another request`);
    return decodeResponse(api, version, frame);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
