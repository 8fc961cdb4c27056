/**
 * A schema registry as small as its protocol: it answers the two requests that readers make with what Confluent's
 * registry answers, members that nobody needs included (docs.confluent.io, "Schema Registry API Reference").
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Registered {
  schema: string;
  schemaType?: string;
  references?: { name: string; subject: string; version: number }[];
}

export class FakeRegistry implements AsyncDisposable {
  readonly #server: Server;
  /** By number, and by `SUBJECT/VERSION`. */
  readonly schemas = new Map<number | string, Registered>();
  /** `METHOD path` of every request, in order. */
  readonly requests: string[] = [];
  /** What the header `authorization` must be; undefined: anything. */
  authorization: string | undefined;
  /** Answers so many requests with 503 first. */
  busy = 0;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.requests.push(`${request.method} ${request.url}`);
      const answer = (status: number, body: object) => {
        response.writeHead(status, { 'content-type': 'application/vnd.schemaregistry.v1+json' });
        response.end(JSON.stringify(body));
      };
      if (this.busy > 0) {
        this.busy--;
        return answer(503, { error_code: 50_301, message: 'Starting' });
      }
      if (this.authorization !== undefined && request.headers.authorization !== this.authorization)
        return answer(401, { error_code: 401, message: 'Unauthorized' });
      const [, id, subject, version] =
        /^\/(?:schemas\/ids\/(\d+)|subjects\/([^/]+)\/versions\/(\d+))$/.exec(request.url ?? '') ?? [];
      const key = id === undefined ? `${decodeURIComponent(subject ?? '')}/${version}` : Number(id);
      const found = this.schemas.get(key);
      if (found === undefined) return answer(404, { error_code: 40_403, message: 'Schema not found' });
      return answer(200, { ...(id === undefined && { subject, version: Number(version), id: 1 }), ...found });
    });
  }

  static async start(): Promise<FakeRegistry> {
    const registry = new FakeRegistry();
    registry.#server.listen(0, '127.0.0.1');
    await once(registry.#server, 'listening');
    return registry;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** A value in the wire form: the zero byte, the number, and what follows. */
export function framed(id: number, payload: Buffer | string): Buffer {
  const header = Buffer.alloc(5);
  header.writeInt32BE(id, 1);
  return Buffer.concat([header, Buffer.from(payload)]);
}
