/**
 * Kerberos by the optional package `kerberos`: a token for one request to a web server (SPNEGO), made from the ticket
 * that `kinit` or a client keytab provides, and what to do about each way in which that fails. libkrb5 finds
 * configuration, tickets and keytab by the environment (KRB5_CONFIG, KRB5CCNAME, KRB5_CLIENT_KTNAME).
 */
import { createRequire } from 'node:module';
import { StoreError } from './store.ts';
import { HttpFailure } from './webhdfs-failure.ts';

/** The calls of the package that are used. */
interface KerberosPackage {
  GSS_MECH_OID_SPNEGO: number;
  initializeClient(
    service: string,
    options: { mechOID: number },
  ): Promise<{ step(challenge: string): Promise<string> }>;
}

/**
 * The package is the user's to install, and no dependency of ours in any form: as an optional one it is built or fetched at
 * every install, as an optional peer npm refuses to install it here. By `require`: `import` does not look into NODE_PATH.
 */
const PACKAGE = { name: 'kerberos', version: '7.0.0' };

/** What libkrb5 or the server's Java says, and what a person can do. The first that fits counts. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [/ticket.*expired|credentials.*expired/i, 'run kinit; k5start or a client keytab keeps tickets fresh'],
  [/clock skew/i, 'set the clocks of this host, the KDC and the NameNode by NTP'],
  [
    /not found in Kerberos database|Cannot determine realm/i,
    'name the NameNode in --warehouse by the host of its principal HTTP/HOST@REALM, and see [domain_realm] of krb5.conf',
  ],
  [/Cannot (contact|find) (any )?KDC|Cannot resolve/i, 'see the KDC of the realm in krb5.conf (KRB5_CONFIG)'],
  [
    /preauthentication failed|decrypt integrity|checksum failed|cannot find key/i,
    'a keytab, of KRB5_CLIENT_KTNAME or of the NameNode, is older than the key in the KDC: write it anew',
  ],
  [
    /no (Kerberos )?credentials|cannot find mechanisms|keytab|key table/i,
    'run kinit, or name a keytab by KRB5_CLIENT_KTNAME; klist shows the tickets (KRB5CCNAME)',
  ],
];

/** What to do about a failure, by its text. */
export function ticketRemedy(text: string): string {
  const found = REMEDIES.find(([pattern]) => pattern.test(text));
  return found?.[1] ?? 'look at the ticket with klist, get one with kinit';
}

/** A fresh SPNEGO token for a server; each serves for one request. Throws HttpFailure where there is no valid ticket. */
export async function negotiate(origin: string): Promise<string> {
  const kerberos = requirePackage(origin);
  const service = `HTTP@${new URL(origin).hostname}`;
  try {
    const client = await kerberos.initializeClient(service, { mechOID: kerberos.GSS_MECH_OID_SPNEGO });
    return await client.step('');
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    // The major status says nothing, or nothing that the minor one after it doesn't.
    const said = text
      .split('\n')[0]!
      .replace(/^(Unspecified GSS failure\..*?information|No credentials were supplied[^:]*): /, '');
    throw new HttpFailure('token', `no Kerberos ticket for ${service}: ${said}`, origin, { cause });
  }
}

function requirePackage(origin: string): KerberosPackage {
  const { name, version } = PACKAGE;
  try {
    return createRequire(import.meta.url)(name) as KerberosPackage;
  } catch (cause) {
    const isThere = (cause as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND';
    throw new StoreError(
      'open',
      origin,
      `webhdfs.auth=kerberos needs the package ${name}, which ${isThere ? 'does not load' : 'is not there'}`,
      {
        hint: `run "npm install --no-save ${name}@${version}" where millrace is, or name a node_modules that has it by NODE_PATH (built on the spot it takes libkrb5-dev and a compiler); or use a delegation token`,
        cause,
      },
    );
  }
}
