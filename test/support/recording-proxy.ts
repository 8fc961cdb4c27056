/**
 * An HTTP server before another: notes the headers of every request, may change them on the way, and may put itself in
 * the place of servers that an answer names. For what a client must show, or keep to itself, before real servers.
 */
import http, { createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Recorded {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  status: number;
}

export class RecordingProxy implements AsyncDisposable {
  readonly seen: Recorded[] = [];
  /** Changes what the server gets to see. */
  alter: (headers: IncomingHttpHeaders) => void = () => {};
  /** Changes what the client is answered, if it is text. */
  rewrite: (body: string) => string = (body) => body;
  /** `http://host:port` requests are passed on to. */
  target: string;
  readonly #server = createServer((request, response) => {
    this.#pass(request).then(
      ({ status, headers, body }) => response.writeHead(status, headers).end(body),
      () => response.destroy(),
    );
  });

  private constructor(target: string) {
    this.target = target;
  }

  static async start(target: string): Promise<RecordingProxy> {
    const proxy = new RecordingProxy(target);
    await new Promise<void>((resolve) => {
      proxy.#server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async #pass(
    request: IncomingMessage,
  ): Promise<{ status: number; headers: IncomingHttpHeaders; body: Buffer }> {
    const { method = '', url = '', headers } = request;
    const seen: Recorded = { method, url, headers: { ...headers }, status: 0 };
    this.seen.push(seen);
    const sent = await bytesOf(request);
    this.alter(headers);
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const onward = http.request(`${this.target}${url}`, { method, headers, agent: false }, resolve);
      onward.on('error', reject).end(sent);
    });
    seen.status = answer.statusCode ?? 0;
    const got = await bytesOf(answer);
    const { 'transfer-encoding': _, ...kept } = answer.headers;
    const body = /json/.test(kept['content-type'] ?? '') ? Buffer.from(this.rewrite(got.toString())) : got;
    return { status: seen.status, headers: { ...kept, 'content-length': String(body.length) }, body };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }
}

async function bytesOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
