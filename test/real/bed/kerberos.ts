/**
 * HDFS as plain processes in a Kerberos realm of its own: whoever asks must prove who they are, and NameNode and
 * DataNodes speak HTTP and HTTPS. `/warehouse` belongs to `loader`.
 *
 * What a DataNode asks for before it starts in a realm: block access tokens, and either ports below 1024 or SASL on its
 * transfer port with HTTPS only. A bed has neither, and says so by `ignore.secure.ports.for.testing`.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Bed } from './bed.ts';
import { runCommand } from './command.ts';
import { type HadoopSecurity, LOADER, SUPERUSER, siteXml } from './hadoop.ts';
import { type Hdfs, type HdfsOptions, startHdfs } from './hdfs.ts';
import { Kdc, REALM, REALM_HOST } from './kdc.ts';
import { fetchKerberosPackage, KERBEROS, KERBEROS_NODE_PATH } from './node-package.ts';
import { freePort, LOOPBACK } from './ports.ts';

const HDFS_SERVICE = `${SUPERUSER}/${REALM_HOST}`;
const HTTP_SERVICE = `HTTP/${REALM_HOST}`;
/** A user who owns nothing. */
export const STRANGER = 'alice';
const KEYTOOL_LIMIT_MS = 300_000;
const STORE_PASSWORD = 'changeit';

export class SecureHdfs implements AsyncDisposable {
  readonly hdfs: Hdfs;
  readonly kdc: Kdc;
  readonly httpsPort: number;
  /** The certificate of every server, PEM: its own authority. */
  readonly caFile: string;

  constructor(hdfs: Hdfs, kdc: Kdc, httpsPort: number, caFile: string) {
    this.hdfs = hdfs;
    this.kdc = kdc;
    this.httpsPort = httpsPort;
    this.caFile = caFile;
  }

  /** The warehouse for a loader: by the name that the tickets are for. */
  get url(): string {
    return `webhdfs://${REALM_HOST}:${this.hdfs.nameNode.httpPort}/warehouse`;
  }

  get tlsUrl(): string {
    return `swebhdfs://${REALM_HOST}:${this.httpsPort}/warehouse`;
  }

  /** The environment of a loader that holds the tickets of a file and has the package `kerberos`. */
  env(cache: string): Record<string, string> {
    return { ...this.kdc.env(cache), NODE_PATH: KERBEROS_NODE_PATH };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hdfs[Symbol.asyncDispose]();
  }
}

/** libkrb5 takes its configuration and its tickets from the environment of the process. */
async function withEnvironment<T>(env: Record<string, string>, act: () => Promise<T>): Promise<T> {
  const before = Object.keys(env).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, env);
  try {
    return await act();
  } finally {
    for (const [name, value] of before)
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
  }
}

/** A header that proves to the web server of the realm's host who holds the tickets of a file. */
async function negotiate(kdc: Kdc, cache: string): Promise<Record<string, string>> {
  const require = createRequire(join(KERBEROS_NODE_PATH, 'package.json'));
  const kerberos = require(KERBEROS.name) as {
    GSS_MECH_OID_SPNEGO: number;
    initializeClient(
      service: string,
      options: { mechOID: number },
    ): Promise<{ step(challenge: string): Promise<string> }>;
  };
  return await withEnvironment(kdc.env(cache), async () => {
    const mechanism = { mechOID: kerberos.GSS_MECH_OID_SPNEGO };
    const client = await kerberos.initializeClient(`HTTP@${REALM_HOST}`, mechanism);
    return { authorization: `Negotiate ${await client.step('')}` };
  });
}

/** A key store with one key, and its certificate as PEM. Answers the path of the certificate. */
async function makeCertificate(bed: Bed): Promise<string> {
  const store = [
    '-keystore',
    bed.join('kdc', 'tls.p12'),
    '-storetype',
    'PKCS12',
    '-storepass',
    STORE_PASSWORD,
  ];
  const keytool = (...args: string[]) =>
    runCommand('keytool', [...args, '-alias', 'bed', ...store], { limitMs: KEYTOOL_LIMIT_MS });
  const names = ['-dname', `CN=${REALM_HOST}`, '-ext', `san=dns:${REALM_HOST},ip:${LOOPBACK}`];
  await keytool('-genkeypair', '-keyalg', 'EC', '-groupname', 'secp256r1', '-validity', '30', ...names);
  const certificate = bed.join('kdc', 'tls.pem');
  await keytool('-exportcert', '-rfc', '-file', certificate);
  return certificate;
}

function sslServerXml(bed: Bed): string {
  const store = bed.join('kdc', 'tls.p12');
  return siteXml({
    'ssl.server.keystore.location': store,
    'ssl.server.keystore.password': STORE_PASSWORD,
    'ssl.server.keystore.keypassword': STORE_PASSWORD,
    'ssl.server.keystore.type': 'PKCS12',
  });
}

/** What Hadoop is told of a realm. */
async function securityOf(bed: Bed, kdc: Kdc, httpsPort: number): Promise<HadoopSecurity> {
  const tickets = await kdc.kinit(HDFS_SERVICE);
  const services = ['namenode', 'datanode'].flatMap((role) => [
    [`dfs.${role}.kerberos.principal`, `${HDFS_SERVICE}@${REALM}`],
    [`dfs.${role}.keytab.file`, kdc.keytab(HDFS_SERVICE)],
  ]);
  return {
    core: {
      'hadoop.security.authentication': 'kerberos',
      'hadoop.security.authorization': true,
      // Since 3.3 this alone guards WebHDFS, with all other pages; without it any user.name is believed still.
      'hadoop.http.authentication.type': 'kerberos',
      'hadoop.http.authentication.kerberos.principal': `${HTTP_SERVICE}@${REALM}`,
      'hadoop.http.authentication.kerberos.keytab': kdc.keytab(HTTP_SERVICE),
    },
    hdfs: {
      ...(Object.fromEntries(services) as Record<string, string>),
      'dfs.web.authentication.kerberos.principal': `${HTTP_SERVICE}@${REALM}`,
      'dfs.web.authentication.kerberos.keytab': kdc.keytab(HTTP_SERVICE),
      'dfs.block.access.token.enable': true,
      'ignore.secure.ports.for.testing': true,
      'dfs.http.policy': 'HTTP_AND_HTTPS',
      'dfs.namenode.https-address': `${LOOPBACK}:${httpsPort}`,
      'dfs.datanode.https.address': `${LOOPBACK}:0`,
    },
    properties: { 'java.security.krb5.conf': kdc.conf },
    env: kdc.env(tickets),
    files: { 'ssl-server.xml': sslServerXml(bed) },
    headers: () => negotiate(kdc, tickets),
  };
}

/** Starts a realm and HDFS in it, and waits until it takes files; end it with `await using`. */
export async function startSecureHdfs(options: HdfsOptions = {}): Promise<SecureHdfs> {
  await fetchKerberosPackage();
  const bed = await Bed.open('kerberos', options);
  try {
    const kdc = await Kdc.start(bed, [HDFS_SERVICE, HTTP_SERVICE, LOADER, STRANGER]);
    const caFile = await makeCertificate(bed);
    const httpsPort = await freePort();
    const security = await securityOf(bed, kdc, httpsPort);
    const hdfs = await startHdfs({ dataNodes: 1, ...options, security, bed });
    const secure = new SecureHdfs(hdfs, kdc, httpsPort, caFile);
    await bed.tell({
      warehouse: secure.url,
      'by TLS': secure.tlsUrl,
      'webhdfs.caFile': caFile,
      'for Hadoop clients': hdfs.fsUrl,
      configuration: hdfs.conf,
      realm: `${REALM}; principals ${LOADER}, ${STRANGER}, ${HDFS_SERVICE} (superuser)`,
      environment: `KRB5_CONFIG=${kdc.conf} NODE_PATH=${KERBEROS_NODE_PATH}`,
      ticket: `kinit -kt ${kdc.keytab(LOADER)} ${LOADER}`,
    });
    return secure;
  } catch (error) {
    await bed[Symbol.asyncDispose]();
    throw error;
  }
}
