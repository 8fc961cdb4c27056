/**
 * Who the loader is to HDFS: a user name (simple authentication), a delegation token from a file, a Kerberos ticket
 * (SPNEGO), or a password for a gateway. Credentials go to the configured servers only: a DataNode is given none, its
 * URL already carries what it needs. Nothing here is ever logged.
 */
import { readFile, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Settings } from '../../config/settings.ts';
import { StoreError } from './store.ts';
import { type Query, USER_NAME, type WebHdfsAddress } from './webhdfs-address.ts';
import { HttpFailure } from './webhdfs-failure.ts';

type CredentialSettings = Pick<
  Settings['webhdfs'],
  'user' | 'doAs' | 'auth' | 'delegationTokenFile' | 'basicAuthFile'
>;

/** The calls of the optional package `kerberos` that are used. */
interface KerberosPackage {
  GSS_MECH_OID_SPNEGO: number;
  initializeClient(
    service: string,
    options: { mechOID: number },
  ): Promise<{ step(challenge: string): Promise<string> }>;
}

/** The package is the user's to install: beside millrace, or in a directory of NODE_PATH, which `import` does not look into. */
const KERBEROS_PACKAGE = 'kerberos';

/** A secret in a file, read again when the file changes: whoever renews a token writes it anew. */
class SecretFile {
  readonly #setting: string;
  readonly #path: string;
  readonly #pattern: RegExp;
  readonly #format: string;
  #stamp = '';
  #secret = '';

  constructor(setting: string, path: string, pattern: RegExp, format: string) {
    this.#setting = setting;
    this.#path = path;
    this.#pattern = pattern;
    this.#format = format;
  }

  async read(): Promise<string> {
    try {
      const { mtimeMs, size, ino } = await stat(this.#path);
      const stamp = `${mtimeMs} ${size} ${ino}`;
      if (stamp === this.#stamp) return this.#secret;
      this.#secret = (await readFile(this.#path, 'utf8')).trim();
      this.#stamp = stamp;
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      throw new StoreError('open', this.#path, `${this.#setting} can't be read: ${code}`, {
        hint: 'check the path and who may read it',
        cause,
      });
    }
    if (this.#pattern.test(this.#secret)) return this.#secret;
    this.#stamp = '';
    throw new StoreError('open', this.#path, `${this.#setting} does not hold ${this.#format}`, {
      hint: 'write only that to the file',
    });
  }
}

export class Credentials {
  readonly #address: WebHdfsAddress;
  readonly #user: string;
  readonly #doAs: string;
  readonly #isKerberos: boolean;
  readonly #token: SecretFile | undefined;
  readonly #basic: SecretFile | undefined;
  /** The signed `hadoop.auth` cookie of each server, with its quotes; it spares a ticket per request. */
  readonly #cookies = new Map<string, string>();

  constructor(address: WebHdfsAddress, settings: CredentialSettings) {
    this.#address = address;
    this.#user = address.user || settings.user;
    this.#doAs = settings.doAs;
    const { delegationTokenFile, basicAuthFile } = settings;
    if (delegationTokenFile !== '')
      this.#token = new SecretFile(
        'webhdfs.delegationTokenFile',
        delegationTokenFile,
        /^[A-Za-z0-9_-]+$/,
        'the urlString of a delegation token',
      );
    if (basicAuthFile !== '')
      this.#basic = new SecretFile(
        'webhdfs.basicAuthFile',
        basicAuthFile,
        /^[^:\n]+:[^\n]+$/,
        'USER:PASSWORD',
      );
    this.#isKerberos = settings.auth === 'kerberos' && this.#token === undefined;
    this.#checkUser(settings);
  }

  #checkUser({ auth, doAs }: CredentialSettings): void {
    const { shown } = this.#address;
    const isNeeded = auth === 'simple' && this.#token === undefined && this.#basic === undefined;
    if (this.#user === '' && isNeeded)
      throw new StoreError('open', shown, 'no user is named, and HDFS would take the loader for "dr.who"', {
        hint: 'give the warehouse as webhdfs://USER@HOST:9870/path, or set webhdfs.user',
      });
    for (const name of [this.#user, doAs])
      if (name !== '' && !USER_NAME.test(name))
        throw new StoreError('open', shown, `"${name}" is no user name that HDFS takes`, {
          hint: 'letters, digits, ".", "_" and "-", beginning with a letter or "_"',
        });
  }

  /** The name to show in errors: who the files are written as. */
  get who(): string {
    if (this.#doAs !== '') return this.#doAs;
    if (this.#user !== '') return this.#user;
    return this.#token ? 'the owner of the delegation token' : 'the owner of the ticket';
  }

  /** What every request to a configured server says of who asks. */
  async query(): Promise<Query> {
    if (this.#token !== undefined) return { delegation: await this.#token.read() };
    return {
      'user.name': this.#isKerberos || this.#user === '' ? undefined : this.#user,
      doas: this.#doAs || undefined,
    };
  }

  /** Headers that authenticate to a server; none for one that is not configured. */
  async headers(origin: string): Promise<Record<string, string>> {
    if (!this.#address.nameNodes.includes(origin)) return {};
    if (this.#basic !== undefined)
      return { authorization: `Basic ${Buffer.from(await this.#basic.read()).toString('base64')}` };
    const cookie = this.#cookies.get(origin);
    if (cookie !== undefined) return { cookie };
    return this.#isKerberos ? { authorization: `Negotiate ${await negotiate(origin)}` } : {};
  }

  /** Keeps the cookie that a configured server gave. */
  remember(origin: string, setCookie: readonly string[] | undefined): void {
    if (!this.#isKerberos || !this.#address.nameNodes.includes(origin)) return;
    const cookie = setCookie?.find((each) => /^hadoop\.auth="?[^";]/.test(each));
    if (cookie !== undefined) this.#cookies.set(origin, cookie.split(';')[0]!);
  }

  /** After a refusal: forgets the cookie. Whether asking once more may help. */
  forget(origin: string): boolean {
    return this.#cookies.delete(origin) || this.#token !== undefined;
  }
}

/** A fresh SPNEGO token for a server; each serves for one request. */
async function negotiate(origin: string): Promise<string> {
  const kerberos = importKerberos(origin);
  const service = `HTTP@${new URL(origin).hostname}`;
  try {
    const client = await kerberos.initializeClient(service, { mechOID: kerberos.GSS_MECH_OID_SPNEGO });
    return await client.step('');
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new HttpFailure('token', `no Kerberos ticket for ${service}: ${text.split('\n')[0]}`, origin, {
      cause,
    });
  }
}

function importKerberos(origin: string): KerberosPackage {
  try {
    return createRequire(import.meta.url)(KERBEROS_PACKAGE) as KerberosPackage;
  } catch (cause) {
    throw new StoreError(
      'open',
      origin,
      'webhdfs.auth=kerberos needs the package kerberos, which is not there',
      {
        hint: `run "npm install --no-save ${KERBEROS_PACKAGE}@7.0.0" beside millrace (it is built on the spot: libkrb5-dev, a compiler), or use a delegation token`,
        cause,
      },
    );
  }
}
