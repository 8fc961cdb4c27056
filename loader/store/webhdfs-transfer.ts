/**
 * Files to and from DataNodes, in two steps: a NameNode answers where to go, the bytes go there. The place is taken byte
 * for byte: it carries the rights of the transfer. It is asked for by `noredirect=true`, which is answered by JSON, and
 * taken from a 307 as well, because older servers do not know that option.
 *
 * A finished answer is not believed either: a client or DataNode that dies leaves a closed, shorter file, so the length is
 * read back. After a transfer of unknown outcome the name may hold a part of the file. It is deleted, and the transfer
 * made anew, only where the name is this attempt's own: one that carries a UUID, which the loader makes for one attempt
 * and writes once, and under which this store has not finished a file yet. Under any other name the trouble is reported.
 */
import { lookup } from 'node:dns/promises';
import type { Writable } from 'node:stream';
import { type HttpAnswer, type HttpRequest, type RequestBody, splitUrl } from './webhdfs-client.ts';
import { failureOfAnswer, HttpFailure } from './webhdfs-failure.ts';
import {
  type NameNodeCall,
  type NameNodeParts,
  type NameNodes,
  requestHeaders,
  transferAddressIn,
} from './webhdfs-name-nodes.ts';

/** What the NameNode says of a file or directory; HttpFS leaves `fileId` out. */
export interface FileStatus {
  pathSuffix: string;
  type: string;
  length: number;
  modificationTime: number;
  fileId?: number;
}

const BLOCK_STEP_BYTES = 512;
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/;
/** Names of finished files kept, so that a name written twice by mistake is never taken for a half-written one. */
const MAX_FINISHED = 20_000;
/** After an attempt that broke off: a refusal that came before the body was read may have been lost with the connection. */
const HESITATE_MS = 250;
/** A DataNode that was left out is asked again when the NameNode has named it this often. */
const MAX_SAME_OFFERS = 3;

/** Failures of the second step after which the file is certain not to have been created by it. */
const NOT_CREATED: ReadonlySet<string> = new Set([
  'unreachable',
  'exists',
  'denied',
  'proxyUser',
  'token',
  'standby',
  'notDirectory',
]);

/** The range of a file to get, to its end without a length. `into` opens where its bytes go; else they are answered. */
export interface GetOptions {
  offset: number;
  length?: number;
  limitBytes: number;
  into?: () => Writable & { bytesWritten: number };
}

/** DataNodes that failed in one transfer. */
class Excluded {
  readonly #nodes = new Map<string, { address: string; offers: number }>();
  readonly #nameNodes: NameNodes;

  constructor(nameNodes: NameNodes) {
    this.#nameNodes = nameNodes;
  }

  /** `nameNode`: who is asked for the address that it knows the DataNode by. */
  async add(origin: string, nameNode: string): Promise<void> {
    const { hostname, port } = new URL(origin);
    const ip = await lookup(hostname).then(
      ({ address }) => address,
      () => hostname,
    );
    const beans = await this.#nameNodes.dataNodes(nameNode);
    const known = beans && transferAddressIn(beans, [`${ip}:${port}`, `${hostname}:${port}`]);
    // Without its port the NameNode takes any node of that host for it.
    this.#nodes.set(origin, { address: known ?? ip, offers: 0 });
  }

  /** Throws if the NameNode offers one of them all the same; after some offers it is given another chance. */
  check(origin: string): void {
    const known = this.#nodes.get(origin);
    if (known === undefined) return;
    if (++known.offers > MAX_SAME_OFFERS) this.#nodes.delete(origin);
    else throw new HttpFailure('dataNode', 'it failed, and no other DataNode is offered', origin);
  }

  clear(): void {
    this.#nodes.clear();
  }

  get query(): { excludedatanodes?: string } {
    const addresses = [...this.#nodes.values()].map(({ address }) => address);
    return addresses.length === 0 ? {} : { excludedatanodes: addresses.join(',') };
  }
}

export class Transfers {
  readonly #parts: NameNodeParts;
  readonly #nameNodes: NameNodes;
  readonly #finished = new Map<string, FileStatus>();

  constructor(parts: NameNodeParts, nameNodes: NameNodes) {
    this.#parts = parts;
    this.#nameNodes = nameNodes;
  }

  /** What is known of a file that this store wrote: its identity survives a rename. */
  finished(path: string): FileStatus | undefined {
    return this.#finished.get(path);
  }

  /** The status of a path at one NameNode; undefined if it is not there. */
  async status(origin: string, path: string): Promise<FileStatus | undefined> {
    const call: NameNodeCall = { op: 'GETFILESTATUS', method: 'GET', path };
    try {
      const found = (await this.#nameNodes.json(origin, call)) as { FileStatus?: FileStatus } | undefined;
      if (typeof found?.FileStatus?.length === 'number') return found.FileStatus;
    } catch (error) {
      if (error instanceof HttpFailure && (error.kind === 'missing' || error.kind === 'notDirectory'))
        return undefined;
      throw error;
    }
    throw new HttpFailure('garbage', 'GETFILESTATUS was answered without a status', origin);
  }

  /** Writes a file that must not exist, and reads its length back. */
  async put(path: string, body: RequestBody): Promise<FileStatus> {
    const upload = new Upload(path, body, !this.#finished.has(path) && UUID.test(path), this.#nameNodes);
    const status = await this.#nameNodes.withOne((origin) => this.#putOnce(origin, upload), true);
    this.#finished.set(path, status);
    const oldest = this.#finished.size > MAX_FINISHED ? this.#finished.keys().next().value : undefined;
    if (oldest !== undefined) this.#finished.delete(oldest);
    return status;
  }

  async #putOnce(origin: string, upload: Upload): Promise<FileStatus> {
    const { path, body, bytes, excluded } = upload;
    const there = upload.mayExist ? await this.#settle(origin, upload) : undefined;
    if (there !== undefined) return there;
    const call = { op: 'CREATE', method: 'PUT', path, query: this.#createQuery(bytes) } as const;
    const location = await this.#locate(origin, call, excluded);
    upload.mayExist = true;
    const answer = await this.#transfer(
      origin,
      {
        ...location,
        method: 'PUT',
        body,
        limitBytes: 1024 * 1024,
        hesitateMs: upload.attempts++ === 0 ? 0 : HESITATE_MS,
      },
      201,
    ).catch(async (error: unknown) => {
      throw await upload.failureOf(error, location.origin, origin);
    });
    upload.wasAnswered = true;
    const status = await this.status(origin, path);
    if (status?.length === bytes) return status;
    upload.wasAnswered = false;
    const found = status === undefined ? 'nothing' : `${status.length} bytes`;
    await excluded.add(location.origin, origin);
    const text = `${found} arrived of ${bytes}, answered by HTTP ${answer.status}`;
    throw new HttpFailure('dataNode', text, location.origin);
  }

  #createQuery(bytes: number): NameNodeCall['query'] & object {
    const { replication, minBlockBytes, maxBlockBytes } = this.#parts.settings;
    // One block per file; but a block as large as the default would count against a space quota while it is written.
    const whole = Math.ceil(bytes / BLOCK_STEP_BYTES) * BLOCK_STEP_BYTES;
    const blocksize = Math.min(Math.max(whole, minBlockBytes), maxBlockBytes);
    return { overwrite: false, blocksize, replication: replication === 0 ? undefined : replication };
  }

  /** What an attempt of unknown outcome left: the whole file, nothing, or a part, which is deleted. */
  async #settle(origin: string, upload: Upload): Promise<FileStatus | undefined> {
    const { path, bytes, isOwn, wasAnswered } = upload;
    const found = await this.status(origin, path);
    if (found?.type === 'FILE' && found.length === bytes && (wasAnswered || (isOwn && bytes > 0)))
      return found;
    if (found !== undefined) {
      if (!isOwn)
        throw new HttpFailure('lost', 'the answer was lost, and a file of that name is there now', origin);
      await this.#nameNodes.json(origin, {
        op: 'DELETE',
        method: 'DELETE',
        path,
        query: { recursive: false },
      });
    }
    upload.mayExist = false;
    return undefined;
  }

  /** The bytes of a range of a file, or none if they went elsewhere. */
  async get(path: string, { offset, length, limitBytes, into }: GetOptions): Promise<Buffer> {
    const excluded = new Excluded(this.#nameNodes);
    return await this.#nameNodes.withOne(async (origin) => {
      const call = { op: 'OPEN', method: 'GET', path, query: { offset, length } } as const;
      const location = await this.#locate(origin, call, excluded);
      const request = { ...location, method: 'GET', limitBytes, into: into?.() } as const;
      const { body, isDelimited } = await this.#transfer(origin, request, 200).catch(
        async (error: unknown) => {
          if (error instanceof HttpFailure && error.kind === 'dataNode')
            await excluded.add(location.origin, origin);
          throw error;
        },
      );
      const got = request.into?.bytesWritten ?? body.length;
      if (!isDelimited) await this.#checkWhole(origin, path, offset, length ?? Infinity, got);
      return body;
    }, true);
  }

  /** An answer that ends with its connection does not tell whether it is whole. */
  async #checkWhole(
    origin: string,
    path: string,
    offset: number,
    length: number,
    got: number,
  ): Promise<void> {
    const size = (await this.status(origin, path))?.length ?? 0;
    const wanted = Math.max(0, Math.min(length, size - offset));
    if (got < wanted) throw new HttpFailure('dataNode', `${got} bytes came of ${wanted}`, origin);
  }

  /** The first step: where the bytes go to or come from. */
  async #locate(
    origin: string,
    call: NameNodeCall,
    excluded: Excluded,
  ): Promise<Pick<HttpRequest, 'origin' | 'target'>> {
    const query = { ...call.query, noredirect: true, ...excluded.query };
    const answer = await this.#nameNodes.ask(origin, { ...call, query }).catch((error: unknown) => {
      if (error instanceof HttpFailure && error.kind === 'noDataNode') excluded.clear();
      throw error;
    });
    const text = answer.status === 307 ? answer.headers.location : locationIn(answer.body);
    const location = splitUrl(text ?? '');
    if (location === undefined)
      throw new HttpFailure(
        'garbage',
        `${call.op} was answered by HTTP ${answer.status} without a place to go`,
        origin,
      );
    if (location.origin.split(':')[0] !== origin.split(':')[0])
      throw new HttpFailure(
        'refused',
        `${call.op} was sent on to another scheme: ${location.origin}`,
        origin,
      );
    excluded.check(location.origin);
    return location;
  }

  /** The second step. Trouble with a DataNode is told apart from that of the NameNode it could not ask either. */
  async #transfer(
    nameNode: string,
    request: Omit<HttpRequest, 'headers' | 'keepAlive'>,
    wanted: number,
  ): Promise<HttpAnswer> {
    const { credentials, client, address } = this.#parts;
    const { origin } = request;
    const isGateway = address.nameNodes.includes(origin);
    const headers = { ...(await credentials.headers(origin)), ...requestHeaders(request.method) };
    const answer = await client
      .exchange({ ...request, headers, keepAlive: isGateway })
      .catch((error: unknown) => {
        if (!(error instanceof HttpFailure) || isGateway || error.kind === 'garbage') throw error;
        throw new DataNodeFailure(error.message, origin, error.kind === 'unreachable', error);
      });
    if (answer.status === wanted) return answer;
    const failure = failureOfAnswer(answer, origin, !isGateway);
    // A gateway's 403 for an IOException of HDFS is worth another attempt as much as a DataNode's.
    throw isGateway && nameNode === origin && failure.kind === 'dataNode'
      ? new HttpFailure('transient', failure.message, origin)
      : failure;
  }
}

class DataNodeFailure extends HttpFailure {
  readonly wasUnreachable: boolean;

  constructor(message: string, origin: string, wasUnreachable: boolean, cause: unknown) {
    super('dataNode', message, origin, { cause });
    this.wasUnreachable = wasUnreachable;
  }
}

/** One file on its way. `mayExist`: an attempt's outcome is unknown. `wasAnswered`: an attempt was answered by 201. */
class Upload {
  readonly path: string;
  readonly body: RequestBody;
  readonly isOwn: boolean;
  readonly bytes: number;
  readonly excluded: Excluded;
  mayExist = false;
  attempts = 0;
  wasAnswered = false;
  #wasUncertain = false;

  constructor(path: string, body: RequestBody, isOwn: boolean, nameNodes: NameNodes) {
    this.excluded = new Excluded(nameNodes);
    this.path = path;
    this.body = body;
    this.isOwn = isOwn;
    this.bytes = 'file' in body ? body.bytes : body.byteLength;
  }

  /** Takes note of a failed second step; answers the failure to go on with. */
  async failureOf(error: unknown, dataNode: string, nameNode: string): Promise<unknown> {
    if (!(error instanceof HttpFailure)) return error;
    const notCreated =
      NOT_CREATED.has(error.kind) || (error instanceof DataNodeFailure && error.wasUnreachable);
    if (notCreated) this.mayExist = this.#wasUncertain;
    else this.#wasUncertain = true;
    if (error.kind === 'dataNode') await this.excluded.add(dataNode, nameNode);
    if (error.kind === 'exists' && this.#wasUncertain && this.isOwn)
      return new HttpFailure('dataNode', 'an attempt given up for lost made the file after all', dataNode);
    return error;
  }
}

function locationIn(body: Buffer): string | undefined {
  try {
    const { Location: location } = JSON.parse(body.toString('utf8')) as { Location?: unknown };
    return typeof location === 'string' ? location : undefined;
  } catch {
    return undefined;
  }
}
