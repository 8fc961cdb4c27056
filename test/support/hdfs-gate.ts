/**
 * A gate before the HTTP ports of real NameNodes and DataNodes. It lets every request through, unless a test's rule stops
 * one at a moment: before it reaches the server, in the middle of its body, when it was sent, or when it was answered.
 * There the test acts (kills a process, enters safe mode), and the request goes on or is cut off. The NameNode's answers
 * name the gate in place of the DataNodes, so that the second leg of a transfer comes through as well.
 */
import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Writable } from 'node:stream';

const HOST = '127.0.0.1';

/** A request as the gate sees it. `server`: `nn1`, `nn2`, `dn1`, … `destination`: of a RENAME, else empty. */
export interface GateRequest {
  server: string;
  op: string;
  path: string;
  destination: string;
  /** Of its body. */
  bytes: number;
}

/** `cut`: after `act` the connection ends; what was not forwarded by then never is, and no answer is given. */
export interface GateStop {
  at: 'request' | 'body' | 'sent' | 'answer';
  act?: () => Promise<void> | void;
  cut?: boolean;
}

export type GateRule = (seen: GateRequest) => GateStop | undefined;

/** The HTTP ports of the servers behind the gate. */
export interface GateTargets {
  nameNodes: readonly number[];
  dataNodes: readonly number[];
}

function seenOf(server: string, { url = '/', headers }: IncomingMessage): GateRequest {
  const { pathname, searchParams } = new URL(url, `http://${HOST}`);
  return {
    server,
    op: (searchParams.get('op') ?? '').toUpperCase(),
    path: decodeURIComponent(pathname).replace(/^\/webhdfs\/v1/, ''),
    destination: searchParams.get('destination') ?? '',
    bytes: Number(headers['content-length'] ?? 0),
  };
}

/** Everything that stood in the pipe counts as sent: the rest is held by `write` until it is taken. */
async function write(to: Writable, chunk: Buffer): Promise<void> {
  if (!to.destroyed && !to.write(chunk)) await Promise.race([once(to, 'drain'), once(to, 'close')]);
}

export class HdfsGate implements AsyncDisposable {
  /** What becomes of each request; all pass until a test sets it. */
  rule: GateRule = () => undefined;
  /** Each request that came, in order. */
  readonly seen: GateRequest[] = [];
  readonly #servers = new Map<string, { server: http.Server; port: number; target: number }>();

  static async open({ nameNodes, dataNodes }: GateTargets): Promise<HdfsGate> {
    const gate = new HdfsGate();
    for (const [i, target] of dataNodes.entries()) await gate.#add(`dn${i + 1}`, target);
    for (const [i, target] of nameNodes.entries()) await gate.#add(`nn${i + 1}`, target);
    return gate;
  }

  /** `host:port` of the gate before a server. */
  address(server: string): string {
    return `${HOST}:${this.#servers.get(server)!.port}`;
  }

  async #add(name: string, target: number): Promise<void> {
    const server = http.createServer((request, response) => void this.#pass(name, request, response));
    server.keepAliveTimeout = 0;
    server.requestTimeout = 0;
    server.listen(0, HOST);
    await once(server, 'listening');
    this.#servers.set(name, { server, port: (server.address() as AddressInfo).port, target });
  }

  /** Refuses connections to a server, as its host does when the process is gone, and ends those there are. */
  async down(name: string): Promise<void> {
    const { server } = this.#servers.get(name)!;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }

  /** Takes connections again. */
  async up(name: string): Promise<void> {
    const { server, port } = this.#servers.get(name)!;
    server.listen(port, HOST);
    await once(server, 'listening');
  }

  async #pass(name: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request; // kept: a request whose answer has been sent no longer names it
    const seen = seenOf(name, request);
    this.seen.push(seen);
    const stop = this.rule(seen);
    const isStopped = async (at: GateStop['at']) => {
      if (stop?.at !== at) return false;
      await stop.act?.();
      if (stop.cut) socket.destroy();
      return stop.cut === true;
    };
    request.on('error', () => {});
    response.on('error', () => {});
    if (await isStopped('request')) return;
    const { method, url, headers } = request;
    const far = http.request({
      host: HOST,
      port: this.#servers.get(name)!.target,
      method,
      path: url,
      headers,
      agent: false,
    });
    far.on('error', () => socket.destroy());
    far.on('continue', () => response.writeContinue());
    far.on('response', async (answer) => {
      answer.on('error', () => socket.destroy());
      if (!(await isStopped('answer'))) await this.#answer(name, answer, response);
    });
    try {
      await this.#forward(request, far, seen.bytes, () => isStopped('body'));
      if (await isStopped('sent')) far.on('response', () => socket.destroy());
    } catch {
      far.destroy(); // the client went away in the middle of its body
    }
  }

  /** The body, with a halt half-way. */
  async #forward(
    request: IncomingMessage,
    far: http.ClientRequest,
    bytes: number,
    isCutHalfWay: () => Promise<boolean>,
  ): Promise<void> {
    const half = Math.floor(bytes / 2);
    let done = 0;
    // What was held without a body still lands when its client is gone, as a packet on its way does.
    for await (const chunk of bytes > 0 ? (request as AsyncIterable<Buffer>) : []) {
      const before = chunk.subarray(0, Math.max(0, half - done));
      if (before.length > 0) await write(far, before);
      if (done <= half && done + chunk.length > half && (await isCutHalfWay())) {
        far.destroy();
        return;
      }
      await write(far, chunk.subarray(before.length));
      done += chunk.length;
    }
    far.end();
    if (!far.writableFinished) await Promise.race([once(far, 'finish'), once(far, 'close')]);
  }

  async #answer(name: string, answer: IncomingMessage, response: ServerResponse): Promise<void> {
    const { statusCode = 502, headers } = answer;
    if (name.startsWith('dn')) {
      response.writeHead(statusCode, headers);
      answer.pipe(response);
      return;
    }
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
    } catch {
      return; // the server died: its connection's error has ended the client's
    }
    const body = Buffer.from(this.#renamed(Buffer.concat(chunks).toString('latin1')), 'latin1');
    const location = headers.location && { location: this.#renamed(headers.location) };
    const { 'transfer-encoding': _, ...rest } = headers;
    response.writeHead(statusCode, { ...rest, ...location, 'content-length': body.length });
    response.end(body);
  }

  /** Names the gate in place of the DataNodes. */
  #renamed(text: string): string {
    let renamed = text;
    for (const [name, { port, target }] of this.#servers)
      if (name.startsWith('dn')) renamed = renamed.replaceAll(`${HOST}:${target}`, `${HOST}:${port}`);
    return renamed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { server } of this.#servers.values()) {
      server.close();
      server.closeAllConnections();
    }
  }
}

/** A rule for the first request that fits: later ones pass. `met` resolves to it when it came. */
export function firstThat(
  fits: (seen: GateRequest) => boolean,
  stop: GateStop,
): { rule: GateRule; met: Promise<GateRequest> } {
  const { promise: met, resolve } = Promise.withResolvers<GateRequest>();
  let isOver = false;
  const rule = (seen: GateRequest) => {
    if (isOver || !fits(seen)) return undefined;
    isOver = true;
    resolve(seen);
    return stop;
  };
  return { rule, met };
}
