/**
 * Delegation tokens of HDFS: proofs of who asks that need no Kerberos where they are used. A token is valid until its
 * renewal date (a day unless the NameNode is set otherwise) and can be renewed, by the renewer it names and with a
 * Kerberos ticket only, up to its maximum life (a week). Getting, renewing and cancelling are done by who holds a
 * ticket; loads read the token from a file (`webhdfs.delegationTokenFile`). No token is ever shown.
 */
import { open, readFile, rename, rm } from 'node:fs/promises';
import type { Settings } from '../../config/settings.ts';
import { StoreError } from './store.ts';
import { HttpFailure } from './webhdfs-failure.ts';
import { type NameNodeCall, type NameNodeParts, NameNodes } from './webhdfs-name-nodes.ts';
import { openParts, storeErrorOf } from './webhdfs-parts.ts';

/** Whoever can read the file is the token's owner to HDFS. */
const FILE_MODE = 0o600;

const GONE = 'it has expired or was cancelled; get a new one with "millrace token get"';
const NOT_RENEWER =
  'only the renewer that the token names may do this; get a new one with "millrace token get"';

export class DelegationTokens implements Disposable {
  readonly #parts: NameNodeParts;
  readonly #nameNodes: NameNodes;

  private constructor(parts: NameNodeParts) {
    this.#parts = parts;
    this.#nameNodes = new NameNodes(parts, {});
  }

  /** Of the cluster of a warehouse's URL, by a ticket: HDFS gives no token to who shows one. */
  static async open(url: string, settings: Settings['webhdfs']): Promise<DelegationTokens> {
    const byTicket = { ...settings, auth: 'kerberos', delegationTokenFile: '', basicAuthFile: '' } as const;
    return new DelegationTokens(await openParts(url, byTicket));
  }

  async #call(op: string, call: Omit<NameNodeCall, 'op' | 'path'>): Promise<unknown> {
    try {
      return await this.#nameNodes.call({ op, path: '/', ...call }, true);
    } catch (error) {
      if (!(error instanceof HttpFailure)) throw error;
      const told = { denied: NOT_RENEWER, ...(/InvalidToken/.test(error.message) && { token: GONE }) };
      throw storeErrorOf(op, '/', error, this.#parts, told);
    }
  }

  #odd(op: string): StoreError {
    const { shown } = this.#parts.address;
    return new StoreError(op, shown, 'it was answered by something else', {
      hint: 'is Kerberos switched on there (hadoop.security.authentication)?',
    });
  }

  /** A new token's `urlString`, for the owner of the ticket. `renewer`: who may renew it; the owner unless told. */
  async get(renewer = ''): Promise<string> {
    const op = 'GETDELEGATIONTOKEN';
    const query = renewer === '' ? {} : { renewer };
    const answer = (await this.#call(op, { method: 'GET', query })) as {
      Token?: { urlString?: unknown } | null;
    };
    const token = answer?.Token?.urlString;
    if (typeof token !== 'string') throw this.#odd(op);
    return token;
  }

  /** Makes a token valid for another interval; answers until when, milliseconds since 1970. */
  async renew(token: string): Promise<number> {
    const op = 'RENEWDELEGATIONTOKEN';
    const { long } = ((await this.#call(op, { method: 'PUT', query: { token } })) ?? {}) as {
      long?: unknown;
    };
    if (typeof long !== 'number') throw this.#odd(op);
    return long;
  }

  /** Makes a token worthless, everywhere and at once. */
  async cancel(token: string): Promise<void> {
    await this.#call('CANCELDELEGATIONTOKEN', { method: 'PUT', query: { token } });
  }

  [Symbol.dispose](): void {
    this.#parts.client[Symbol.dispose]();
  }
}

/** Puts a token where loads read it, whole or not at all, for this user's eyes only. */
export async function writeTokenFile(path: string, token: string): Promise<void> {
  const unfinished = `${path}.${process.pid}`;
  try {
    const file = await open(unfinished, 'wx', FILE_MODE);
    try {
      await file.writeFile(`${token}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(unfinished, path);
  } catch (cause) {
    await rm(unfinished, { force: true });
    const { code } = cause as NodeJS.ErrnoException;
    throw new StoreError('write', path, `the token can't be kept: ${code}`, {
      hint: 'check the path and who may write there',
      cause,
    });
  }
}

/** The token of a file. */
export async function readTokenFile(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    const { code } = cause as NodeJS.ErrnoException;
    const hint = 'check the path; "millrace token get" writes the file';
    throw new StoreError('read', path, `there is no token: ${code}`, { hint, cause });
  });
  return text.trim();
}
