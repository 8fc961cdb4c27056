/**
 * One HTTP exchange with a NameNode, a DataNode, HttpFS or Knox, on `node:http` and `node:https`. Not on fetch or undici:
 * a DataNode sends `100 Continue` unasked before its answer, which they take for a bad response. Connections to the
 * configured servers are kept alive; a DataNode closes its own after every answer. Every exchange is bounded: time to
 * connect, time without a byte in either direction, bytes of an answer held in memory. It follows no redirect and tries
 * nothing again: what to do next is decided by who knows the operation.
 */
import { createReadStream } from 'node:fs';
import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import https from 'node:https';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { HttpFailure } from './webhdfs-failure.ts';

/** Requests under way to one NameNode; more wait for a connection. */
const CONNECTIONS_PER_NAME_NODE = 16;
/** Transfers to or from one DataNode: it writes in the few threads that also serve its other connections. */
const CONNECTIONS_PER_DATA_NODE = 8;
/** Piece of a file handed to the socket at a time. */
const UPLOAD_CHUNK_BYTES = 512 * 1024;
/** Of an error's body: enough for a RemoteException with a stack trace, or to recognise an HTML page. */
const ERROR_BODY_LIMIT_BYTES = 256 * 1024;

/** How Node and OpenSSL name certificates that are not to be trusted. */
const UNTRUSTED = /SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)|^CERT_|ALTNAME/;

/** A file of known length, or bytes in memory. Sent with Content-Length: proxies and Knox need it. */
export type RequestBody = { file: string; bytes: number } | Uint8Array;

/** `target` is everything after the origin, sent byte for byte. */
export interface HttpRequest {
  method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  origin: string;
  target: string;
  headers: Readonly<Record<string, string>>;
  body?: RequestBody | undefined;
  /** Waits so long for an early refusal before the body is sent: a server that refuses and closes makes the sending fail before its answer is read. */
  hesitateMs?: number | undefined;
  /** The largest answer taken into memory. */
  limitBytes: number;
  /** Where the body of a 200 goes instead. */
  into?: Writable | undefined;
  /** Over a kept connection to one of the configured servers; else over one of its own. */
  keepAlive: boolean;
}

/** `isDelimited`: the answer told its own length, so that a body cut short would have been noticed. */
export interface HttpAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  isDelimited: boolean;
}

export interface HttpLimits {
  connectTimeoutMs: number;
  idleTimeoutMs: number;
  /** Certificates to trust, PEM, in place of the system's. */
  ca?: Buffer | undefined;
}

/** The origin of an absolute http(s) URL and the rest of it, unchanged; undefined if it is none. */
export function splitUrl(url: string): { origin: string; target: string } | undefined {
  const found = /^(https?:\/\/[^/?#\s@]+)([/?][^\s#]*)?$/i.exec(url);
  return found ? { origin: found[1]!.toLowerCase(), target: found[2] ?? '/' } : undefined;
}

function hostOf(origin: string): { hostname: string; port: number; secure: boolean } {
  const { hostname, port, protocol } = new URL(origin);
  const secure = protocol === 'https:';
  return { hostname: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (secure ? 443 : 80), secure };
}

export class WebHdfsClient implements Disposable {
  readonly #limits: HttpLimits;
  readonly #kept: { http: http.Agent; https: https.Agent };
  readonly #single: { http: http.Agent; https: https.Agent };

  constructor(limits: HttpLimits) {
    this.#limits = limits;
    const tls = limits.ca && { ca: limits.ca };
    const agents = (keepAlive: boolean, maxSockets: number) => ({
      http: new http.Agent({ keepAlive, maxSockets }),
      https: new https.Agent({ keepAlive, maxSockets, ...tls }),
    });
    this.#kept = agents(true, CONNECTIONS_PER_NAME_NODE);
    this.#single = agents(false, CONNECTIONS_PER_DATA_NODE);
  }

  /** Sends one request and takes its answer, whatever its status. Throws HttpFailure if there is none. */
  exchange(request: HttpRequest): Promise<HttpAnswer> {
    const sent = this.#open(request);
    const watch = new Watch(sent, request.origin, this.#limits);
    return new Promise<HttpAnswer>((resolve, reject) => {
      let answered = false;
      sent.on('error', (error) => {
        if (!answered) reject(watch.failureOf(error));
      });
      sent.on('response', (response) => {
        answered = true;
        takeAnswer(request, response)
          .catch((error: unknown) => {
            throw watch.failureOf(error);
          })
          .then(resolve, reject)
          .finally(() => {
            // An early refusal of an upload: what was not sent yet is not wanted.
            if (!sent.writableFinished) sent.destroy();
          });
      });
      void hesitate(sent, request)
        .then(() => (answered ? undefined : sendBody(sent, request.body)))
        .catch((error: unknown) => {
          if (!answered && !sent.destroyed) sent.destroy(error as Error);
          if (!answered) reject(watch.failureOf(error));
        });
    }).finally(() => watch.end());
  }

  #open({ method, origin, target, headers, body, keepAlive }: HttpRequest): http.ClientRequest {
    const { hostname, port, secure } = hostOf(origin);
    const length = body === undefined ? 0 : 'file' in body ? body.bytes : body.byteLength;
    return (secure ? https : http).request({
      method,
      hostname,
      port,
      path: target,
      agent: (keepAlive ? this.#kept : this.#single)[secure ? 'https' : 'http'],
      headers: { ...headers, ...(method === 'GET' ? {} : { 'content-length': String(length) }) },
    });
  }

  [Symbol.dispose](): void {
    for (const agents of [this.#kept, this.#single]) {
      agents.http.destroy();
      agents.https.destroy();
    }
  }
}

/** Sends the head alone and waits for an answer, if told to. */
async function hesitate(sent: http.ClientRequest, { hesitateMs = 0 }: HttpRequest): Promise<void> {
  if (hesitateMs === 0) return;
  sent.flushHeaders();
  await Promise.race([
    sleep(hesitateMs),
    new Promise((resolve) => sent.once('response', resolve).once('error', resolve)),
  ]);
}

async function sendBody(sent: http.ClientRequest, body: RequestBody | undefined): Promise<void> {
  if (body === undefined || !('file' in body)) {
    sent.end(body);
    return;
  }
  if (body.bytes === 0) {
    sent.end();
    return;
  }
  const file = createReadStream(body.file, { end: body.bytes - 1, highWaterMark: UPLOAD_CHUNK_BYTES });
  await pipeline(file, sent);
}

async function takeAnswer(request: HttpRequest, response: IncomingMessage): Promise<HttpAnswer> {
  const status = response.statusCode ?? 0;
  const { headers } = response;
  const isDelimited = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
  if (status === 200 && request.into !== undefined) {
    await pipeline(response, request.into);
    return { status, headers, body: Buffer.alloc(0), isDelimited };
  }
  const limit = status < 400 ? request.limitBytes : ERROR_BODY_LIMIT_BYTES;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > limit)
      throw new HttpFailure('garbage', `an answer of more than ${limit} bytes`, request.origin);
    chunks.push(chunk);
  }
  return { status, headers, body: Buffer.concat(chunks), isDelimited };
}

/** Watches the time of one exchange, and knows how far it got: before the connection stands nothing was asked of the server. */
class Watch {
  readonly #origin: string;
  #timer: NodeJS.Timeout | undefined;
  #isConnected = false;
  #timedOut: string | undefined;

  constructor(sent: http.ClientRequest, origin: string, { connectTimeoutMs, idleTimeoutMs }: HttpLimits) {
    this.#origin = origin;
    const stop = (why: string) => {
      this.#timedOut = why;
      sent.destroy(new Error(why));
    };
    sent.setTimeout(idleTimeoutMs, () => stop(`silent for ${idleTimeoutMs} ms`));
    // A request that waits for one of the kept connections has no socket yet, and its time does not run.
    sent.once('socket', (socket) => {
      if (!socket.connecting) {
        this.#isConnected = true;
        return;
      }
      this.#timer = setTimeout(() => stop(`no connection within ${connectTimeoutMs} ms`), connectTimeoutMs);
      socket.once(origin.startsWith('https:') ? 'secureConnect' : 'connect', () => {
        this.#isConnected = true;
        clearTimeout(this.#timer);
      });
    });
  }

  failureOf(error: unknown): HttpFailure {
    if (error instanceof HttpFailure) return error;
    const { code, message } = error as NodeJS.ErrnoException;
    const text = this.#timedOut ?? (code && !message.includes(code) ? `${code} ${message}` : message);
    if (code !== undefined && UNTRUSTED.test(code))
      return new HttpFailure('certificate', `${code} ${message.split(';')[0]}`, this.#origin, {
        cause: error,
      });
    return new HttpFailure(this.#isConnected ? 'lost' : 'unreachable', text, this.#origin, { cause: error });
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
