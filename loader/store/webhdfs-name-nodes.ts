/**
 * Asks the NameNodes of an address: the one that served last first, the next when it is standby, starting up, in safe
 * mode or away. Only one of a pair is active, and which one may change between two calls; either leg of a transfer may be
 * the one to tell. Attempts are bounded in number and in time, with growing, jittered waits after each round. A request
 * whose answer was lost is repeated only if that does no harm.
 */
import type { Settings } from '../../config/settings.ts';
import { type Query, targetOf, type WebHdfsAddress } from './webhdfs-address.ts';
import type { HttpAnswer, HttpRequest, WebHdfsClient } from './webhdfs-client.ts';
import type { Credentials } from './webhdfs-credentials.ts';
import { type FailureKind, failureOfAnswer, HttpFailure, tellsOfError } from './webhdfs-failure.ts';

const MAX_BACKOFF_MS = 5_000;
/** Largest JSON answer: a listing without pages of a directory as large as HDFS lets it grow. */
const JSON_LIMIT_BYTES = 256 * 1024 * 1024;

/** One operation at a NameNode. `path` is absolute in HDFS. */
export interface NameNodeCall {
  op: string;
  method: HttpRequest['method'];
  path: string;
  query?: Query;
}

/** Passed in, so that tests need no patience. `onCall` is told of each request to a NameNode, by its operation. */
export interface NameNodeOptions {
  now?: (() => number) | undefined;
  random?: (() => number) | undefined;
  sleep?: ((ms: number) => Promise<void>) | undefined;
  onCall?: ((op: string) => void) | undefined;
}

export interface NameNodeParts {
  address: WebHdfsAddress;
  settings: Settings['webhdfs'];
  credentials: Credentials;
  client: WebHdfsClient;
}

/** Of the troubles of several NameNodes the one that says most of what is wrong with the pair. */
const TELLING: readonly FailureKind[] = [
  'safeMode',
  'noDataNode',
  'dataNode',
  'transient',
  'garbage',
  'standby',
];

/** Troubles that no NameNode of the address served at all. */
const UNSERVED: ReadonlySet<FailureKind> = new Set(['unreachable', 'lost', 'standby']);

const hostOf = (origin: string) => origin.replace(/^https?:\/\//, '');

export class NameNodes {
  readonly #parts: NameNodeParts;
  readonly #options: NameNodeOptions;
  /** Index of the NameNode that served last. */
  #good = 0;
  /** All were waited for in vain, and none has served since. */
  #isGivenUp = false;

  constructor(parts: NameNodeParts, options: NameNodeOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  /**
   * Runs an attempt against a NameNode, and again while that may help. `isRepeatable`: an attempt whose answer was lost
   * may be made again. Throws HttpFailure, naming every NameNode asked. After one operation waited in vain for all of
   * them, further ones ask each once: what a load does at its end would wait as long again each time.
   */
  async withOne<T>(attempt: (origin: string) => Promise<T>, isRepeatable: boolean): Promise<T> {
    const { nameNodes } = this.#parts.address;
    const { now = Date.now } = this.#options;
    const { retries, deadlineMs } = this.#parts.settings;
    const troubles = new Map<string, HttpFailure>();
    let failedSinceMs: number | undefined;
    const wasGivenUp = this.#isGivenUp;
    for (let tried = 1, waits = 0; ; tried++) {
      const at = this.#good;
      const origin = nameNodes[at]!;
      try {
        const done = await attempt(origin);
        this.#isGivenUp = false;
        return done;
      } catch (error) {
        if (!(error instanceof HttpFailure)) throw error;
        const next = error.kind === 'lost' && isRepeatable ? 'later' : error.row.next;
        if (next === 'no') throw error;
        troubles.set(origin, error);
        failedSinceMs ??= now();
        const isOfDataNode = error.kind === 'dataNode' || error.kind === 'noDataNode';
        if (!isOfDataNode && this.#good === at) this.#good = (at + 1) % nameNodes.length;
        if (!isOfDataNode && tried % nameNodes.length !== 0) continue;
        const rounds = wasGivenUp && UNSERVED.has(error.kind) ? 0 : retries;
        if (waits >= rounds || now() - failedSinceMs >= deadlineMs) {
          const failure = exhausted(troubles, tried);
          this.#isGivenUp = UNSERVED.has(failure.kind);
          throw failure;
        }
        await this.#wait(waits++);
      }
    }
  }

  async #wait(round: number): Promise<void> {
    const { random = Math.random, sleep = sleepMs } = this.#options;
    const full = Math.min(this.#parts.settings.retryBackoffMs * 2 ** round, MAX_BACKOFF_MS);
    await sleep(full * (0.5 + random() / 2));
  }

  /** One operation at whichever NameNode serves; its JSON. */
  call(call: NameNodeCall, isRepeatable: boolean): Promise<unknown> {
    return this.withOne((origin) => this.json(origin, call), isRepeatable);
  }

  /** One operation at this NameNode; its JSON, or undefined where the body is empty. */
  async json(origin: string, call: NameNodeCall): Promise<unknown> {
    const { status, body } = await this.ask(origin, call);
    if (status === 200 && body.length === 0) return undefined;
    try {
      if (status === 200) return JSON.parse(body.toString('utf8'));
    } catch {}
    throw new HttpFailure('garbage', `HTTP ${status} without the JSON of WebHDFS`, origin);
  }

  /** What a NameNode tells of its DataNodes, beside WebHDFS; undefined if it does not. */
  async dataNodes(origin: string): Promise<Buffer | undefined> {
    const { credentials, client } = this.#parts;
    const query = { qry: 'Hadoop:service=NameNode,name=NameNodeInfo', ...(await credentials.query()) };
    const target = targetOf('', '/jmx', query);
    const headers = await credentials.headers(origin);
    this.#options.onCall?.('JMX');
    const request = {
      method: 'GET',
      origin,
      target,
      headers,
      limitBytes: JSON_LIMIT_BYTES,
      keepAlive: true,
    } as const;
    const answer = await client.exchange(request).catch((error: unknown) => {
      if (!(error instanceof HttpFailure)) throw error;
    });
    return answer?.status === 200 ? answer.body : undefined;
  }

  /** One request to this NameNode. Throws HttpFailure for an answer that tells of an error. */
  async ask(origin: string, { op, method, path, query = {} }: NameNodeCall): Promise<HttpAnswer> {
    const { credentials, client, settings } = this.#parts;
    for (let isFirst = true; ; isFirst = false) {
      const target = targetOf(settings.apiPath, path, { op, ...(await credentials.query()), ...query });
      const headers = { ...(await credentials.headers(origin)), ...requestHeaders(method) };
      this.#options.onCall?.(op);
      const answer = await client.exchange({
        method,
        origin,
        target,
        headers,
        limitBytes: JSON_LIMIT_BYTES,
        keepAlive: true,
      });
      credentials.remember(origin, answer.headers['set-cookie']);
      if (!tellsOfError(answer)) return answer;
      const failure = failureOfAnswer(answer, origin, false);
      if (failure.kind !== 'token' || !isFirst || !credentials.forget(origin, headers)) throw failure;
    }
  }
}

/**
 * The address by which a NameNode knows a DataNode, found by the address of its HTTP server: only by that one can it be
 * told to leave out a certain node of several on one host. Undefined where the NameNode keeps it to itself.
 */
export function transferAddressIn(beans: Buffer, httpAddresses: readonly string[]): string | undefined {
  try {
    const parsed = JSON.parse(beans.toString('utf8')) as {
      beans: { LiveNodes?: string; DeadNodes?: string }[];
    };
    for (const { LiveNodes = '{}' } of parsed.beans)
      for (const node of Object.values(JSON.parse(LiveNodes) as Record<string, Record<string, unknown>>))
        if (
          httpAddresses.some((address) => address === node['infoAddr'] || address === node['infoSecureAddr'])
        )
          return String(node['xferaddr']);
  } catch {}
  return undefined;
}

/** Asked for by servers with the filter against cross-site requests, and harmless to the others. */
export function requestHeaders(method: HttpRequest['method']): Record<string, string> {
  return method === 'GET' ? {} : { 'x-xsrf-header': '1', 'content-type': 'application/octet-stream' };
}

function exhausted(troubles: ReadonlyMap<string, HttpFailure>, tried: number): HttpFailure {
  const all = [...troubles.values()];
  const kind = TELLING.find((each) => all.some((failure) => failure.kind === each)) ?? all[0]!.kind;
  const text = [...troubles].map(([origin, { message, origin: at }]) => {
    const places = [...(troubles.size > 1 ? [origin] : []), ...(at === origin ? [] : [at])];
    return [...places.map(hostOf), message].join(': ');
  });
  return new HttpFailure(kind, `${text.join('; ')} (${tried} attempts)`, all.at(-1)!.origin, {
    cause: all.at(-1),
  });
}

function sleepMs(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
