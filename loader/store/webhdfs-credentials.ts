/**
 * Who the loader is to HDFS: a user name (simple authentication), a delegation token from a file, a Kerberos ticket
 * (SPNEGO), or a password for a gateway. Credentials go to the configured servers only: a DataNode is given none, its
 * URL already carries what it needs. Nothing here is ever logged.
 */
import { readFile, stat } from 'node:fs/promises';
import type { Settings } from '../../config/settings.ts';
import { negotiate, ticketRemedy } from './kerberos-ticket.ts';
import { StoreError } from './store.ts';
import { type Query, USER_NAME, type WebHdfsAddress } from './webhdfs-address.ts';

type CredentialSettings = Pick<
  Settings['webhdfs'],
  'user' | 'doAs' | 'auth' | 'delegationTokenFile' | 'basicAuthFile'
>;

/** A secret in a file, read again when the file changes: whoever renews a token writes it anew. */
class SecretFile {
  readonly #setting: string;
  readonly path: string;
  readonly #pattern: RegExp;
  readonly #format: string;
  #stamp = '';
  #secret = '';

  constructor(setting: string, path: string, pattern: RegExp, format: string) {
    this.#setting = setting;
    this.path = path;
    this.#pattern = pattern;
    this.#format = format;
  }

  async read(): Promise<string> {
    try {
      const { mtimeMs, size, ino } = await stat(this.path);
      const stamp = `${mtimeMs} ${size} ${ino}`;
      if (stamp === this.#stamp) return this.#secret;
      this.#secret = (await readFile(this.path, 'utf8')).trim();
      this.#stamp = stamp;
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      throw new StoreError('open', this.path, `${this.#setting} can't be read: ${code}`, {
        hint: 'check the path and who may read it',
        cause,
      });
    }
    if (this.#pattern.test(this.#secret)) return this.#secret;
    this.#stamp = '';
    throw new StoreError('open', this.path, `${this.#setting} does not hold ${this.#format}`, {
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

  /**
   * After a refusal of a request with these headers: forgets the cookie it was made with, not one that another request
   * has got since. Whether asking once more may help: with a new ticket or token, which may be fresh by now.
   */
  forget(origin: string, { cookie }: Readonly<Record<string, string>>): boolean {
    if (cookie !== undefined && this.#cookies.get(origin) === cookie) this.#cookies.delete(origin);
    return this.#isKerberos || this.#token !== undefined;
  }

  /** What a person can do when a server does not take the proof, by what was said. */
  remedy(text: string): string {
    if (this.#token !== undefined)
      return `write a valid token to ${this.#token.path} (webhdfs.delegationTokenFile), as "millrace token get" does`;
    if (this.#basic !== undefined) return 'check the user and password in webhdfs.basicAuthFile';
    if (this.#isKerberos) return ticketRemedy(text);
    return 'the cluster wants proof of who asks: set webhdfs.auth=kerberos, or webhdfs.delegationTokenFile';
  }
}
