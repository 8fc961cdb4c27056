/**
 * NameNodes and DataNodes, or an HttpFS, in the test's process, for faults that real ones can't be told to make. Beside
 * the real ones, never instead of them. What a client must cope with is in: the `100 Continue` that nobody asked for,
 * before anything is checked; places to go that must be taken byte for byte; standby and safe mode noticed only at the
 * second step; answers lost after the work was done; DataNodes that die half-way and leave a closed, shorter file.
 */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { FakeHdfsNamespace, RemoteError } from './fake-hdfs-namespace.ts';

/** Passes through a query as it stands and is changed by whoever parses and prints URLs again. */
const ODD = "odd='%7e%2d";
const PAGE_ENTRIES = 3;

/** A request as a server saw it. `server`: `nn0`, `dn1`, `httpfs`. */
export interface Seen {
  server: string;
  method: string;
  op: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
}

/**
 * What goes wrong with a request: `lose`: it is done, the connection ends without an answer; `drop`: not done, likewise;
 * `hang`: never answered; `truncate`: stored short, answered 201; `die`: the DataNode dies after so many bytes;
 * `cut`: the answer breaks off after so many bytes of its body; `refuse`: an error as Hadoop tells it; `refuseEarly`: before the body was read; `answer`: this text.
 */
export type Trouble =
  | { do: 'lose' | 'drop' | 'hang' }
  | { do: 'truncate' | 'die' | 'cut'; bytes: number }
  | { do: 'refuse' | 'refuseEarly'; exception: string; message?: string; status?: number }
  | { do: 'answer'; status: number; body: string };

export interface FakeOptions {
  dialect: 'webhdfs' | 'httpfs';
  nameNodes?: number;
  dataNodes?: number;
  /** Older servers answer a 307 whatever they are asked. */
  ignoresNoRedirect?: boolean;
  /** Servers before 3.0 know no LISTSTATUS_BATCH. */
  hasBatches?: boolean;
  /** Entries of one LISTSTATUS_BATCH: few, so that small directories have several pages. The real one gives 1000. */
  pageEntries?: number;
  /** HttpFS tells the ids of files since 3.4 (seen), not before. */
  hasFileIds?: boolean;
  /** Files of a key and its certificate: every server speaks TLS. */
  tls?: { key: string; cert: string };
}

type State = 'active' | 'standby' | 'safeMode' | 'starting';

const WRITES = new Set(['CREATE', 'MKDIRS', 'RENAME', 'DELETE']);

export class FakeWebHdfs implements AsyncDisposable {
  readonly namespace = new FakeHdfsNamespace();
  readonly seen: Seen[] = [];
  readonly states: State[];
  /** Asked for each request; the trouble it is to meet, if any. */
  trouble: (seen: Seen) => Trouble | undefined = () => undefined;
  /** Awaited before each request is looked at, for those that are to take their time. */
  hold: (seen: Seen) => Promise<void> | undefined = () => undefined;
  /** A delegation token: when set, nothing else is taken for a proof. */
  token: string | undefined;
  /** Connections that clients have made, to all servers. */
  connections = 0;
  /** How often a DataNode is named even to a client that asks to leave it out. */
  stubborn = 0;
  readonly #options: FakeOptions;
  readonly #servers = new Map<string, Server>();
  readonly #ports = new Map<string, number>();

  private constructor(options: FakeOptions) {
    this.#options = options;
    this.states = Array.from({ length: options.nameNodes ?? 1 }, (_, i) => (i === 0 ? 'active' : 'standby'));
  }

  static async start(options: FakeOptions): Promise<FakeWebHdfs> {
    const fake = new FakeWebHdfs(options);
    const isHttpFs = options.dialect === 'httpfs';
    const names = isHttpFs
      ? ['httpfs']
      : [
          ...fake.states.map((_, i) => `nn${i}`),
          ...Array.from({ length: options.dataNodes ?? 2 }, (_, i) => `dn${i}`),
        ];
    for (const name of names) await fake.#listen(name);
    return fake;
  }

  async #listen(name: string): Promise<void> {
    const serve = (request: IncomingMessage, response: ServerResponse) => {
      void this.#serve(name, request, response).catch(() => response.destroy());
    };
    const { tls } = this.#options;
    const server =
      tls === undefined
        ? createServer(serve)
        : createTlsServer({ key: readFileSync(tls.key), cert: readFileSync(tls.cert) }, serve);
    server.on('connection', () => {
      this.connections++;
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    this.#servers.set(name, server);
    this.#ports.set(name, (server.address() as AddressInfo).port);
  }

  address(name: string): string {
    return `127.0.0.1:${this.#ports.get(name)}`;
  }

  /** The warehouse's URL over all NameNodes. */
  url(path = '/warehouse', user = 'loader'): string {
    const names = [...this.#servers.keys()].filter((name) => !name.startsWith('dn'));
    return `${this.#options.tls ? 's' : ''}webhdfs://${user}${user && '@'}${names.map((name) => this.address(name)).join(',')}${path}`;
  }

  /** Every operation asked of NameNodes, in order. */
  get nameNodeOps(): string[] {
    return this.seen.filter(({ server }) => server.startsWith('nn')).map(({ op }) => op);
  }

  /** How often an operation was asked of NameNodes. */
  count(op: string): number {
    return this.seen.filter((each) => each.op === op && !each.server.startsWith('dn')).length;
  }

  /** A server goes away: its port refuses connections from now on. */
  async kill(name: string): Promise<void> {
    const server = this.#servers.get(name)!;
    server.closeAllConnections();
    await new Promise((resolve) => {
      server.close(resolve);
    });
  }

  async #serve(server: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const raw = request.url ?? '';
    if (raw.startsWith('/jmx?')) {
      response.end(this.#beans());
      return;
    }
    const at = raw.indexOf('?');
    const query = new URLSearchParams(raw.slice(at + 1));
    const path = decodeURIComponent(raw.slice('/webhdfs/v1'.length, at)) || '/';
    const op = (query.get('op') ?? '').toUpperCase();
    const seen: Seen = { server, method: request.method ?? '', op, path, query, headers: request.headers };
    this.seen.push(seen);
    const isData = server.startsWith('dn') || query.get('data') === 'true';
    if (server.startsWith('dn') && request.method === 'PUT') response.writeContinue();
    const trouble = this.trouble(seen);
    await this.hold(seen);
    if (trouble?.do === 'hang') return;
    if (trouble?.do === 'drop') throw new Error('dropped');
    if (trouble?.do === 'refuseEarly') {
      this.#tell(response, new RemoteError(trouble.exception, trouble.message ?? '', trouble.status ?? 403));
      return;
    }
    const body = await readBody(request, trouble?.do === 'die' ? trouble.bytes : Infinity);
    try {
      if (trouble?.do === 'refuse')
        throw new RemoteError(trouble.exception, trouble.message ?? '', trouble.status ?? 403);
      if (trouble?.do === 'answer') {
        response.writeHead(trouble.status, { 'content-type': 'text/html' }).end(trouble.body);
        return;
      }
      const answer = isData ? this.#data(seen, raw, body, trouble) : this.#names(seen, body);
      if (trouble?.do === 'lose' || trouble?.do === 'die') throw new Error('lost');
      const { status, json, bytes, location } = answer;
      if (trouble?.do === 'cut') {
        response.writeHead(status, { 'content-length': bytes?.length ?? 0 });
        response.write(bytes?.subarray(0, trouble.bytes), () => response.destroy());
        return;
      }
      const close = server.startsWith('dn') ? { connection: 'close' } : {};
      response.writeHead(status, { ...close, ...(location !== undefined && { location }) });
      response.end(json === undefined ? bytes : JSON.stringify(json));
    } catch (error) {
      if (!(error instanceof RemoteError)) throw error;
      this.#tell(response, error);
    }
  }

  #tell(response: ServerResponse, { exception, message, status }: RemoteError): void {
    const text = { RemoteException: { exception, javaClassName: `org.apache.hadoop.${exception}`, message } };
    response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
    response.end(JSON.stringify(text));
  }

  #checkState(index: number, op: string): void {
    const state = this.states[index];
    if (state === 'standby')
      throw new RemoteError(
        'StandbyException',
        `Operation category ${WRITES.has(op) ? 'WRITE' : 'READ'} is not supported in state standby`,
      );
    if (state === 'starting') throw new RemoteError('RetriableException', 'Namenode is in startup mode');
    if (state === 'safeMode' && WRITES.has(op))
      throw new RemoteError('SafeModeException', `Cannot do ${op}. Name node is in safe mode.`);
  }

  #checkProof({ query }: Seen): void {
    if (this.token === undefined) return;
    if (query.get('delegation') !== this.token || query.has('user.name'))
      throw new RemoteError(
        'SecurityException',
        "Failed to obtain user group information: org.apache.hadoop.security.token.SecretManager$InvalidToken: token (token for loader) can't be found in cache",
        403,
      );
  }

  #names(seen: Seen, body: Buffer): Answer {
    const { server, op, path, query } = seen;
    this.#checkProof(seen);
    if (body.length > 0) throw new RemoteError('IllegalArgumentException', 'a NameNode takes no body', 400);
    if (op === 'CREATE' || op === 'OPEN') return this.#redirect(seen);
    // A standby sends a CREATE on without a look at itself; all else it refuses.
    if (server.startsWith('nn')) this.#checkState(Number(server.slice(2)), op);
    const { namespace } = this;
    const isHttpFs = server === 'httpfs';
    const withId = !isHttpFs || this.#options.hasFileIds === true;
    if (op === 'GETFILESTATUS') return ok({ FileStatus: namespace.status(path, withId) });
    if (op === 'MKDIRS') return ok({ boolean: namespace.mkdirs(path) });
    if (op === 'DELETE') return ok({ boolean: namespace.delete(path) });
    if (op === 'LISTSTATUS') return ok({ FileStatuses: { FileStatus: namespace.list(path, withId) } });
    if (op === 'LISTSTATUS_BATCH' && this.#options.hasBatches !== false) return this.#page(seen);
    if (op === 'RENAME') {
      const to = query.get('destination') ?? '';
      const options = query.get('renameoptions');
      if (options === null || isHttpFs) return ok({ boolean: namespace.renameOld(path, to) });
      namespace.renameWithOptions(path, to, options === 'OVERWRITE');
      return { status: 200, bytes: Buffer.alloc(0) };
    }
    throw new RemoteError(
      'IllegalArgumentException',
      `Invalid value for webhdfs parameter "op": No enum constant ${op}`,
      400,
    );
  }

  /** What a NameNode tells of its DataNodes: the transfer port is the next after the one for HTTP. */
  #beans(): string {
    const nodes = this.#dataNodes().map((name) => [
      name,
      { infoAddr: this.address(name), xferaddr: this.#transferAddress(name) },
    ]);
    return JSON.stringify({ beans: [{ LiveNodes: JSON.stringify(Object.fromEntries(nodes)) }] });
  }

  #dataNodes(): string[] {
    return [...this.#servers.keys()].filter((name) => name.startsWith('dn'));
  }

  #transferAddress(name: string): string {
    return `127.0.0.1:${this.#ports.get(name)! + 1}`;
  }

  #page({ path, query, server }: Seen): Answer {
    // HttpFS does not heed it (seen in 3.4.2).
    const after = (server === 'httpfs' ? null : query.get('startAfter')) ?? '';
    const left = this.namespace
      .list(path, server !== 'httpfs')
      .filter((each) => String(each['pathSuffix']) > after || each['pathSuffix'] === '');
    const FileStatus = left.slice(0, this.#options.pageEntries ?? PAGE_ENTRIES);
    const partialListing = { FileStatuses: { FileStatus } };
    return ok({ DirectoryListing: { partialListing, remainingEntries: left.length - FileStatus.length } });
  }

  #redirect({ server, op, path, query }: Seen): Answer {
    if (op === 'OPEN') {
      if (server.startsWith('nn')) this.#checkState(Number(server.slice(2)), op);
      const { type, length } = this.namespace.status(path) as { type: string; length: number };
      const offset = Number(query.get('offset') ?? 0);
      if (type === 'FILE' && length > 0 && offset >= length)
        throw new RemoteError(
          'IOException',
          `Offset=${offset} out of the range [0, ${length}); OPEN, path=${path}`,
        );
    }
    const rest = [...query]
      .filter(([name]) => name !== 'noredirect')
      .map((pair) => pair.map(encodeURIComponent).join('='));
    const own = server === 'httpfs' ? 'data=true' : `namenoderpcaddress=${server}`;
    const host = server === 'httpfs' ? 'httpfs' : this.#chooseDataNode(query);
    const encoded = path.split('/').map(encodeURIComponent).join('/');
    const location = `http${this.#options.tls ? 's' : ''}://${this.address(host)}/webhdfs/v1${encoded}?${rest.join('&')}&${own}&${ODD}`;
    if (query.get('noredirect') === 'true' && !this.#options.ignoresNoRedirect)
      return ok({ Location: location });
    return { status: 307, bytes: Buffer.alloc(0), location };
  }

  /** The first that is not left out. An address without a port leaves out any one of that host: here the last. */
  #chooseDataNode(query: URLSearchParams): string {
    const names = this.#dataNodes();
    const failed = query.get('excludedatanodes')?.split(',') ?? [];
    const isStubborn = failed.length > 0 && this.stubborn-- > 0;
    const left = names.filter((name) => isStubborn || !failed.includes(this.#transferAddress(name)));
    if (failed.includes('127.0.0.1')) left.pop();
    if (left[0] === undefined)
      throw new RemoteError(
        'IOException',
        `Failed to find datanode, suggest to check cluster health. excludeDatanodes=${failed.join(',')}`,
      );
    return left[0];
  }

  #data(seen: Seen, raw: string, body: Buffer, trouble: Trouble | undefined): Answer {
    const { op, path, query, server, headers } = seen;
    if (!raw.endsWith(`&${ODD}`))
      throw new RemoteError('IllegalArgumentException', 'the place was not taken as it stood', 400);
    if (op === 'OPEN') {
      const offset = Number(query.get('offset') ?? 0);
      const length = Number(query.get('length') ?? Infinity);
      if (this.namespace.status(path)['type'] === 'DIRECTORY')
        throw new RemoteError('FileNotFoundException', `Path is not a file: ${path}`, 404);
      return {
        status: 200,
        bytes: this.namespace.data(path)?.subarray(offset, offset + length) ?? Buffer.alloc(0),
      };
    }
    if (server === 'httpfs' && headers['content-type'] !== 'application/octet-stream')
      throw new RemoteError(
        'BadRequest',
        'Data upload requests must have content-type set to application/octet-stream',
        400,
      );
    const nameNode = query.get('namenoderpcaddress');
    if (nameNode !== null) this.#checkState(Number(nameNode.slice(2)), op);
    const blockSize = Number(query.get('blocksize') ?? 128 * 1024 * 1024);
    this.namespace.create(path, { overwrite: query.get('overwrite') === 'true', blockSize });
    const kept = trouble?.do === 'truncate' || trouble?.do === 'die' ? trouble.bytes : body.length;
    this.namespace.fill(path, Buffer.from(body.subarray(0, kept)));
    return { status: 201, bytes: Buffer.alloc(0), location: `hdfs://${path}` };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const [name, server] of this.#servers) if (server.listening) await this.kill(name);
  }
}

interface Answer {
  status: number;
  json?: unknown;
  bytes?: Buffer;
  location?: string;
}

const ok = (json: unknown): Answer => ({ status: 200, json });

async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= limit) break;
  }
  return Buffer.concat(chunks);
}
