/**
 * The loader in a Kerberos realm: Debian's KDC, a NameNode and a DataNode that want proof, tickets by SPNEGO, delegation
 * tokens, TLS. Nothing secret is shown, nothing is proven to strangers, and what is not accepted ends in one clear line.
 */
import { open, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Settings, settingsSchema } from '../../config/settings.ts';
import { DelegationTokens, readTokenFile, writeTokenFile } from '../../loader/store/delegation-tokens.ts';
import { WebHdfsStore } from '../../loader/store/webhdfs-store.ts';
import { webRequests } from '../support/events.ts';
import { createTopic, sendRecords } from '../support/load-topic.ts';
import { RecordingProxy } from '../support/recording-proxy.ts';
import { type Ended, runCli } from '../support/run-cli.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { storeContract } from '../support/store-contract.ts';
import { TempDir } from '../support/temp-dir.ts';
import { LOADER } from './bed/hadoop.ts';
import { REALM_HOST } from './bed/kdc.ts';
import { type SecureHdfs, STRANGER, startSecureHdfs } from './bed/kerberos.ts';
import { waitFor } from './bed/wait.ts';

const TOPICS = ['plain', 'encrypted'] as const;
const TOKEN_INTERVAL_MS = 10_000;

let secure: SecureHdfs;
let dir: TempDir;
let tickets: string;
let broker: Awaited<ReturnType<typeof startBroker>>;

const settingsOf = (webhdfs: Partial<Settings['webhdfs']> = {}) =>
  settingsSchema.parse({ webhdfs: { auth: 'kerberos', ...webhdfs } }).webhdfs;

beforeAll(async () => {
  dir = new TempDir('kerberos');
  secure = await startSecureHdfs({
    site: { 'dfs.namenode.delegation.token.renew-interval': TOKEN_INTERVAL_MS },
  });
  tickets = await secure.kdc.kinit(LOADER);
  // For the stores of this process; libkrb5 looks there.
  Object.assign(process.env, secure.kdc.env(tickets));
  broker = await startBroker(dir.join('broker'));
  for (const topic of TOPICS) await createTopic(addressOf(broker), topic, 2);
});
afterAll(async () => {
  await broker.stop();
  await secure[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

/** Runs a command with the tickets of a file, or as the environment given says. */
function run(argv: string[], env: Record<string, string> = secure.env(tickets)): Promise<Ended> {
  return runCli([...argv, '--broker', addressOf(broker)], { env });
}

const urlAt = (port: number) => `webhdfs://${REALM_HOST}:${port}/warehouse`;

test('a topic is loaded by a ticket into HDFS, over HTTP and HTTPS, once', async () => {
  const config = dir.join('millrace.yaml');
  const lines = ['loader:', '  workers: 2', 'webhdfs:', '  auth: kerberos', `  caFile: ${secure.caFile}`];
  await writeFile(config, `${lines.join('\n')}\n`);
  for (const [topic, url] of [
    [TOPICS[0], secure.url],
    [TOPICS[1], secure.tlsUrl],
  ] as const) {
    await sendRecords(addressOf(broker), topic, webRequests(0, 500, { partitions: 2, hours: 2 }));
    const load = ['load', '--config', config, '--topic', topic, '--warehouse', url, '--json'];
    const set = ['--set', `topics.${topic}.schema=web_request`];
    const loaded = await run([...load, ...set]);
    expect(loaded.stderr).toBe('');
    expect(JSON.parse(loaded.stdout)).toMatchObject({ rows: 500, quarantined: 0 });
    expect(JSON.parse((await run([...load, ...set])).stdout)).toMatchObject({ rows: 0 });
  }
  // Hadoop's own client sees whose files they are.
  const listed = (await secure.hdfs.fs('-ls', '-R', '/warehouse')).split('\n');
  const files = listed.filter((line) => /\/(plain|encrypted)\/.*\.parquet$/.test(line));
  expect(files.length).toBe(4);
  for (const file of files) expect(file).toMatch(/^-rw\S+\s+\d+ loader /);
});

describe('a store', () => {
  storeContract('HDFS by tickets and TLS', () =>
    WebHdfsStore.open(secure.tlsUrl, settingsOf({ caFile: secure.caFile })),
  );
});

describe('who is asked for a proof', () => {
  test('gets one ticket, then its own cookie, and a new ticket when that is refused', async () => {
    await using proxy = await RecordingProxy.start(`http://127.0.0.1:${secure.hdfs.nameNode.httpPort}`);
    await using store = await WebHdfsStore.open(urlAt(proxy.port), settingsOf());
    for (let i = 0; i < 3; i++) await store.stat('');
    const stale = proxy.seen.at(-1)!.headers.cookie;
    proxy.alter = (headers) => {
      if (headers.cookie === stale) headers.cookie = stale?.replace(/s=..../, 's=AAAA');
    };
    await Promise.all([1, 2, 3, 4].map(() => store.stat('')));
    const [first, ...rest] = proxy.seen;
    expect(first).toMatchObject({ status: 200 });
    expect(first!.headers.authorization).toMatch(/^Negotiate \S{100,}/);
    expect(rest.slice(0, 7).map(({ headers }) => headers.cookie)).toEqual(Array(7).fill(stale));
    expect(rest.map(({ status }) => status).toSorted()).toEqual([
      ...Array(7).fill(200),
      ...Array(4).fill(401),
    ]);
    const proofs = proxy.seen.flatMap(({ headers }) => headers.authorization ?? []);
    // One of those refused brings a new cookie, which the others may be in time to use; no proof is sent twice.
    expect(proofs.length).toBeGreaterThanOrEqual(2);
    expect(new Set(proofs).size).toBe(proofs.length);
  });

  test('is who the URL names: no DataNode gets ticket, cookie or name', async () => {
    const { nameNode, dataNodes } = secure.hdfs;
    await using names = await RecordingProxy.start(`http://127.0.0.1:${nameNode.httpPort}`);
    await using data = await RecordingProxy.start(`http://127.0.0.1:${dataNodes[0]!.httpPort}`);
    names.rewrite = (body) =>
      body.replaceAll(`127.0.0.1:${dataNodes[0]!.httpPort}`, `${REALM_HOST}:${data.port}`);
    await using store = await WebHdfsStore.open(urlAt(names.port), settingsOf());
    const path = `own/${crypto.randomUUID()}`;
    await store.create(path, 'body');
    expect((await store.read(path))?.toString()).toBe('body');
    expect(data.seen.map(({ method, status }) => `${method} ${status}`)).toEqual(['PUT 201', 'GET 200']);
    for (const { headers, url } of data.seen) {
      expect(headers).not.toHaveProperty('authorization');
      expect(headers).not.toHaveProperty('cookie');
      expect(url).not.toMatch(/user\.name/);
      // What the NameNode made for this transfer, and nothing that was proven to it.
      expect(url).toMatch(/[?&]delegation=/);
    }
  });
});

describe('a delegation token', () => {
  const fetched: string[] = [];
  const token = async (verb: string, file: string) => {
    const ended = await run(['token', verb, '--file', file, '--warehouse', secure.url, '--json']);
    expect(ended.stderr).toBe('');
    fetched.push(await readTokenFile(file));
    expect(ended.stdout).not.toContain(fetched.at(-1));
    expect(JSON.parse(ended.stdout)).toMatchObject({ file });
  };
  /** Without tickets: the token alone must do. */
  const bare = () => ({ KRB5_CONFIG: '/dev/null', KRB5CCNAME: `FILE:${dir.join('none')}` });
  const offsets = (file: string) =>
    run(
      [
        'offsets',
        '--topic',
        'plain',
        '--warehouse',
        secure.url,
        '--set',
        `webhdfs.delegationTokenFile=${file}`,
      ],
      bare(),
    );

  test('lives longer when it is renewed, and ends in a clear line when it is not', async () => {
    using tokens = await DelegationTokens.open(secure.url, settingsOf());
    const [renewed, left] = [dir.join('renewed'), dir.join('left')];
    for (const file of [left, renewed]) await writeTokenFile(file, await tokens.get());
    const token = await readTokenFile(renewed);
    const until = await tokens.renew(token);
    fetched.push(token, await readTokenFile(left));
    expect((await offsets(renewed)).stderr).toBe('');
    await using store = await WebHdfsStore.open(secure.url, settingsOf({ delegationTokenFile: left }));
    let longer = until;
    await waitFor('the end of the token that nobody renews', 4 * TOKEN_INTERVAL_MS, async () => {
      if (Date.now() > longer - TOKEN_INTERVAL_MS * 0.8) longer = await tokens.renew(token);
      const isOver = await store.stat('').then(
        () => false,
        () => true,
      );
      return isOver && Date.now() > until;
    });
    expect(longer).toBeGreaterThan(until);
    expectOneLine(
      await offsets(left),
      /InvalidToken.*expired.*write a valid token to \S+left .*"millrace token get"/,
    );
    await tokens.renew(token);
    await using lasting = await WebHdfsStore.open(secure.url, settingsOf({ delegationTokenFile: renewed }));
    expect(await lasting.stat('')).toMatchObject({ kind: 'directory' });
  });

  test('is read anew when its file changes, and is worthless when cancelled', async () => {
    const [file, next] = [dir.join('file'), dir.join('next')];
    await token('get', file);
    await using store = await WebHdfsStore.open(secure.url, settingsOf({ delegationTokenFile: file }));
    await store.create(`own/${crypto.randomUUID()}`, 'x');
    await token('cancel', file);
    await expect(store.stat('')).rejects.toThrow(/InvalidToken.*write a valid token/);
    await token('get', next);
    await writeFile(file, `${await readTokenFile(next)}\n`);
    await store.create(`own/${crypto.randomUUID()}`, 'x');
    const again = await run(['token', 'renew', '--file', dir.join('missing'), '--warehouse', secure.url]);
    expectOneLine(again, /no token: ENOENT; check the path/);
    await token('cancel', next);
    const gone = await run(['token', 'renew', '--file', next, '--warehouse', secure.url]);
    expectOneLine(gone, /InvalidToken.*get a new one with "millrace token get"/);
    const stranger = secure.env(await secure.kdc.kinit(STRANGER));
    await token('get', file);
    const theirs = await run(['token', 'renew', '--file', file, '--warehouse', secure.url], stranger);
    expectOneLine(theirs, /non-matching renewer.*only the renewer/);
  });

  function expectOneLine(ended: Ended, line: RegExp): void {
    expectLine(ended, line);
    for (const secret of fetched) expect(ended.stderr).not.toContain(secret);
  }
});

function expectLine({ status, stderr, stdout }: Ended, line: RegExp): void {
  expect(stderr.trimEnd().split('\n')).toEqual([expect.stringMatching(line)]);
  expect([status, stdout]).toEqual([1, '']);
}

describe('without a valid proof a command ends in a line that says what to do', () => {
  const refused = (env: Record<string, string>, ...sets: string[]) =>
    run(
      ['offsets', '--topic', 'plain', '--warehouse', secure.url, '--set', 'webhdfs.auth=kerberos', ...sets],
      { ...secure.env(tickets), ...env },
    );
  const cacheOf = (path: string) => ({ KRB5CCNAME: `FILE:${path}` });

  test('no ticket, an expired one', async () => {
    expectLine(
      await refused(cacheOf(dir.join('none'))),
      /no Kerberos ticket for HTTP@localhost: .*localhost:\d+.*; run kinit, or name a keytab by KRB5_CLIENT_KTNAME/,
    );
    const short = await secure.kdc.kinit(LOADER, { cache: 'short', life: '2s' });
    await waitFor('the ticket to expire', 20_000, async () => !(await secure.kdc.isFresh(short)));
    await sleep(1_000); // in the second that it ends with, klist calls it expired and GSSAPI does not yet
    expectLine(
      await refused(cacheOf(short)),
      /no Kerberos ticket for HTTP@localhost: Ticket expired.*; run kinit/,
    );
  });

  test('a clock that goes wrong, before the KDC and before the NameNode', async () => {
    const withService = await secure.kdc.kinit(LOADER, { cache: 'skewed' });
    await skew(withService);
    expectLine(await refused(cacheOf(withService)), /Clock skew too great.*by NTP/);
    const served = await secure.kdc.kinit(LOADER, { cache: 'served' });
    expect((await refused(cacheOf(served))).stderr).toBe('');
    await skew(served);
    expectLine(await refused(cacheOf(served)), /HTTP 403: GSSException.*Clock skew too great.*by NTP/);
  });

  test('a keytab older than its key', async () => {
    const keytab = { KRB5_CLIENT_KTNAME: `FILE:${secure.kdc.keytab(STRANGER)}`, ...cacheOf(dir.join('own')) };
    expect((await refused(keytab)).stderr).toBe('');
    await secure.kdc.admin(`change_password -randkey ${STRANGER}`);
    expectLine(
      await refused({ ...keytab, ...cacheOf(dir.join('other')) }),
      /no Kerberos ticket for HTTP@localhost: .*; a keytab.* is older than the key in the KDC/,
    );
  });

  test('a name that no ticket is for, no proof at all, a certificate nobody vouches for, no package', async () => {
    const port = secure.hdfs.nameNode.httpPort;
    const at = (url: string) => ['--warehouse', url];
    expectLine(
      await refused({}, ...at(`webhdfs://127.0.0.1:${port}/warehouse`)),
      /Server HTTP\/127\.0\.0\.1@\S+ not found in Kerberos database.*name the NameNode .* by the host of its principal/,
    );
    expectLine(
      await refused({}, '--set', 'webhdfs.auth=simple', '--set', 'webhdfs.user=loader'),
      /HTTP 401: Authentication required.*set webhdfs\.auth=kerberos/,
    );
    expectLine(await refused({}, ...at(secure.tlsUrl)), /SELF_SIGNED_CERT.*webhdfs\.caFile/);
    expectLine(
      await refused({ NODE_PATH: '' }),
      /webhdfs\.auth=kerberos needs the package kerberos.*npm install --no-save kerberos@/,
    );
    await writeFile(dir.join('garbled'), 'garbled');
    expectLine(
      await refused({}, '--set', `webhdfs.delegationTokenFile=${dir.join('garbled')}`),
      /Failed to obtain user group information.*write a valid token to/,
    );
  });
});

/** Where libkrb5 keeps, in a file of tickets, how far this host's clock is from the KDC's: seconds, in the first tag. */
async function skew(cache: string): Promise<void> {
  await using file = await open(cache, 'r+');
  const offset = Buffer.alloc(4);
  offset.writeInt32BE(15 * 60);
  await file.write(offset, 0, 4, 8);
}
