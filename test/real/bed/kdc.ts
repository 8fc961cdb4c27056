/**
 * A Kerberos realm of a bed: MIT's KDC as a process of ours, with its own configuration, database and port. Nothing of
 * the machine's own Kerberos is read or written. Needs Debian's krb5-kdc, krb5-admin-server and krb5-user.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { delimiter } from 'node:path';
import type { Bed } from './bed.ts';
import { runCommand } from './command.ts';
import { Daemon } from './daemon.ts';
import { freePort, LOOPBACK } from './ports.ts';

export const REALM = 'MILLRACE.TEST';
/** The one name that all servers of the realm have: a ticket is for a service at a host as it stands in the URL. */
export const REALM_HOST = 'localhost';

const TOOL_LIMIT_MS = 300_000;
/** Where Debian keeps the servers, which is not in everybody's path. */
const PATH = ['/usr/sbin', '/sbin', process.env['PATH'] ?? ''].join(delimiter);
const PACKAGES = 'on Debian: apt-get install krb5-kdc krb5-admin-server krb5-user libkrb5-dev';

/** Neither DNS nor the names of the machine are asked: a service is called what the URL calls it. */
const clientConf = (port: number) => `[libdefaults]
  default_realm = ${REALM}
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
[realms]
  ${REALM} = {
    kdc = ${LOOPBACK}:${port}
  }
[domain_realm]
  ${REALM_HOST} = ${REALM}
`;

const kdcConf = (port: number, directory: string) => `[kdcdefaults]
  kdc_listen = ${LOOPBACK}:${port}
  kdc_tcp_listen = ${LOOPBACK}:${port}
[realms]
  ${REALM} = {
    database_name = ${directory}/principal
    key_stash_file = ${directory}/stash
    acl_file = ${directory}/acl
    supported_enctypes = aes256-cts-hmac-sha1-96:normal aes128-cts-hmac-sha1-96:normal
    max_life = 10h
    max_renewable_life = 7d
  }
[logging]
  kdc = STDERR
`;

/** Whether something listens at a port of loopback. */
function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, LOOPBACK);
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

export class Kdc extends Daemon {
  readonly #bed: Bed;

  private constructor(bed: Bed, port: number) {
    // It takes no property to be marked with; the path of its file of the process id does instead.
    const place = { ...bed.place('kdc'), mark: bed.join('kdc/') };
    super(place, {
      command: 'krb5kdc',
      args: ['-n', '-P', bed.join('kdc', 'kdc.pid')],
      env: Kdc.#env(bed),
      cwd: bed.join('tmp'),
      isReady: () => isListening(port),
    });
    this.#bed = bed;
  }

  static #env(bed: Bed): Record<string, string> {
    return { PATH, KRB5_CONFIG: bed.join('kdc', 'krb5.conf'), KRB5_KDC_PROFILE: bed.join('kdc', 'kdc.conf') };
  }

  /** Makes the realm with these principals, a keytab each (see `keytab`), and starts the KDC. */
  static async start(bed: Bed, principals: readonly string[]): Promise<Kdc> {
    const directory = bed.join('kdc');
    const port = await freePort();
    await mkdir(directory, { recursive: true });
    await writeFile(bed.join('kdc', 'krb5.conf'), clientConf(port));
    await writeFile(bed.join('kdc', 'kdc.conf'), kdcConf(port, directory));
    await writeFile(bed.join('kdc', 'acl'), '');
    const kdc = bed.add(new Kdc(bed, port));
    await kdc.#run('kdb5_util', ['create', '-s', '-r', REALM, '-P', 'of a bed on loopback']);
    await kdc.admin(
      ...principals.flatMap((principal) => [
        `addprinc -randkey ${principal}`,
        `ktadd -k ${kdc.keytab(principal)} ${principal}`,
      ]),
    );
    await kdc.start();
    return kdc;
  }

  /** krb5.conf, for clients. */
  get conf(): string {
    return this.#bed.join('kdc', 'krb5.conf');
  }

  keytab(principal: string): string {
    return this.#bed.join('kdc', `${principal.replaceAll('/', '-')}.keytab`);
  }

  #run(command: string, args: string[], env: Record<string, string> = {}, input = ''): Promise<string> {
    const options = { env: { ...Kdc.#env(this.#bed), ...env }, limitMs: TOOL_LIMIT_MS, input };
    return runCommand(command, args, options).catch((error: Error) => {
      throw error.message.includes('ENOENT') ? new Error(`${error.message.trim()}; ${PACKAGES}`) : error;
    });
  }

  /** Commands of kadmin, with the rights of its own machine. */
  async admin(...commands: string[]): Promise<void> {
    for (const command of commands) await this.#run('kadmin.local', ['-r', REALM, '-q', command]);
  }

  /** The environment of a process that acts with the tickets of this file. */
  env(cache: string): Record<string, string> {
    return { KRB5_CONFIG: this.conf, KRB5CCNAME: `FILE:${cache}` };
  }

  /** Whether the tickets of a file are still good. */
  async isFresh(cache: string): Promise<boolean> {
    return await this.#run('klist', ['-s', `FILE:${cache}`]).then(
      () => true,
      () => false,
    );
  }

  /** `kinit -kt`: a ticket of a principal into a file, whose path it answers. `life` as kinit takes it, such as `5s`. */
  async kinit(principal: string, { cache = `${principal}.tickets`, life = '8h' } = {}): Promise<string> {
    const path = this.#bed.join('kdc', cache.replaceAll('/', '-'));
    const args = ['-l', life, '-k', '-t', this.keytab(principal), principal];
    await this.#run('kinit', args, { KRB5CCNAME: `FILE:${path}` });
    return path;
  }
}
