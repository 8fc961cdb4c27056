import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { settingsSchema } from '../../../../config/settings.ts';
import { redacted } from '../../../../loader/store/webhdfs-address.ts';
import { WebHdfsStore } from '../../../../loader/store/webhdfs-store.ts';
import { webHdfsBench as bench } from '../../../support/webhdfs-bench.ts';

let local: string;
beforeAll(async () => {
  local = await mkdtemp(join(tmpdir(), 'millrace-credentials-'));
});
afterAll(async () => {
  await rm(local, { recursive: true });
});

describe('a user', () => {
  it('is named in every request to a NameNode', async () => {
    await using b = await bench();
    await b.store.create('a/b', 'x');
    await b.store.list('a');
    await b.store.publish('a/b', 'a/c');
    await b.store.remove('a');
    for (const { server, query } of b.fake.seen)
      if (server === 'nn0') expect(query.get('user.name')).toBe('loader');
  });

  it('must be named: HDFS would take the loader for dr.who', async () => {
    await expect(bench({}, {}, undefined, '')).rejects.toThrow(/no user is named.*set webhdfs\.user/);
    await using b = await bench({}, { user: 'other' }, undefined, '');
    expect(b.fake.seen[0]?.query.get('user.name')).toBe('other');
  });

  it('must be a name that HDFS takes', async () => {
    await expect(bench({}, {}, undefined, '9lives')).rejects.toThrow(/"9lives" is no user name/);
    await expect(bench({}, { user: 'a b' }, undefined, '')).rejects.toThrow(/"a b" is no user name/);
    await using b = await bench({}, { user: 'host$' }, undefined, '');
    expect(b.fake.seen[0]?.query.get('user.name')).toBe('host$');
  });

  it('may act for another', async () => {
    await using b = await bench({}, { doAs: 'alice' });
    expect(b.fake.seen[0]?.query.get('doas')).toBe('alice');
    expect(b.fake.seen[0]?.query.get('user.name')).toBe('loader');
  });
});

describe('a delegation token', () => {
  const withToken = async (path: string, token: string) => {
    await writeFile(path, `${token}\n`);
    return await bench({}, { delegationTokenFile: path }, (fake) => {
      fake.token = token;
    });
  };

  it('stands in place of the user', async () => {
    await using b = await withToken(join(local, 'a'), 'SECRETtoken-1_x');
    await b.store.create('a', 'x');
    for (const { server, query } of b.fake.seen.filter((each) => each.server === 'nn0')) {
      expect(server).toBe('nn0');
      expect(query.get('delegation')).toBe('SECRETtoken-1_x');
      expect(query.has('user.name')).toBe(false);
    }
  });

  it('is read again when its file changes', async () => {
    const path = join(local, 'b');
    await using b = await withToken(path, 'first');
    await writeFile(path, 'second-token');
    await utimes(path, 1, 1);
    b.fake.token = 'second-token';
    await b.store.create('a', 'x');
  });

  it('that is not valid ends it in a line that does not show it', async () => {
    const path = join(local, 'c');
    await using b = await withToken(path, 'SECRETtoken');
    b.fake.token = 'another';
    const refused = b.store.create('a', 'x');
    await expect(refused).rejects.toThrow(
      /InvalidToken.*write a valid token to \S+ \(webhdfs\.delegationTokenFile\)/,
    );
    await expect(refused).rejects.not.toThrow(/SECRET/);
  });

  it('that is none is refused at once, like one that is not valid', async () => {
    await using b = await withToken(join(local, 'f'), 'SECRETtoken');
    b.fake.trouble = () => ({
      do: 'refuse',
      exception: 'SecurityException',
      message: 'Failed to obtain user group information: java.io.EOFException',
    });
    await expect(b.store.stat('a')).rejects.toThrow(
      /EOFException.*write a valid token to .*millrace token get/,
    );
    expect(b.slept).toEqual([]);
  });

  it('is not shown by a server’s page that repeats the request', async () => {
    await using b = await withToken(join(local, 'd'), 'SECRETtoken');
    b.fake.trouble = ({ query }) => ({
      do: 'refuse',
      exception: 'IllegalArgumentException',
      message: `bad request ?op=X&delegation=${query.get('delegation')}&x=1`,
    });
    const refused = b.store.stat('a');
    await expect(refused).rejects.toThrow(/delegation=…/);
    await expect(refused).rejects.not.toThrow(/SECRET/);
  });

  it('must be the text of a token', async () => {
    await writeFile(join(local, 'e'), 'HDTS\0\u0001binary');
    await expect(bench({}, { delegationTokenFile: join(local, 'e') })).rejects.toThrow(
      /does not hold the urlString of a delegation token/,
    );
    await expect(bench({}, { delegationTokenFile: join(local, 'none') })).rejects.toThrow(
      /ENOENT; check the path/,
    );
  });
});

describe('a password', () => {
  it('goes to the configured server at both steps, and to no DataNode', async () => {
    const path = join(local, 'basic');
    await writeFile(path, 'me:s3cret pass\n');
    const basic = `Basic ${Buffer.from('me:s3cret pass').toString('base64')}`;
    await using gateway = await bench({ dialect: 'httpfs' }, { basicAuthFile: path });
    await gateway.store.create('a', 'x');
    expect(gateway.fake.seen.map(({ headers }) => headers.authorization)).toEqual(
      gateway.fake.seen.map(() => basic),
    );
    await using direct = await bench({}, { basicAuthFile: path });
    await direct.store.create('a', 'x');
    await direct.store.read('a');
    for (const { server, headers } of direct.fake.seen)
      expect(headers.authorization).toBe(server.startsWith('dn') ? undefined : basic);
  });

  it('has no place in the URL', async () => {
    const { webhdfs } = settingsSchema.parse({});
    const refused = WebHdfsStore.open('webhdfs://me:s3cret@host:1/x', webhdfs);
    await expect(refused).rejects.toThrow(/a password has no place in the URL/);
    await expect(refused).rejects.not.toThrow(/s3cret/);
  });
});

describe('TLS', () => {
  const fixture = (name: string) => join(import.meta.dirname, '../../../fixtures/tls', name);

  it('is trusted by the certificates of a file, at both steps, and by nothing less', async () => {
    const tls = { key: fixture('key.pem'), cert: fixture('cert.pem') };
    await using b = await bench({ tls }, { caFile: tls.cert });
    await b.store.create('a', 'x');
    expect((await b.store.read('a'))?.toString()).toBe('x');
    expect(b.store.url).toMatch(/^swebhdfs:/);
    await expect(bench({ tls })).rejects.toThrow(/certificate \(127.*name the certificate .*webhdfs\.caFile/);
    await expect(bench({ tls }, { caFile: fixture('none') })).rejects.toThrow(
      /webhdfs\.caFile can't be read: ENOENT/,
    );
  });
});

it('the path of the interface is one that a URL takes as it stands', async () => {
  await expect(bench({}, { apiPath: '/webhdfs?x=/v1' })).rejects.toThrow(
    /webhdfs\.apiPath.*such as \/webhdfs\/v1/,
  );
});

describe('Kerberos', () => {
  it('says what is missing when its package is not there', async () => {
    await expect(bench({}, { auth: 'kerberos' })).rejects.toThrow(
      /needs the package kerberos.*npm install --no-save kerberos@\d/,
    );
  });

  it('is asked for, and its refusals told, in the words of the page before WebHDFS, without trying again', async () => {
    await using b = await bench();
    for (const [status, said] of [
      [401, 'Authentication required'],
      [403, 'GSSException: Failure unspecified (Mechanism level: Clock skew too great (37))'],
    ] as const) {
      const body = `<html><head><title>Error ${status} ${said}</title></head><body>…</body></html>`;
      b.fake.trouble = () => ({ do: 'answer', status, body });
      const refused = await b.store.stat('a').catch((error: Error) => error);
      expect((refused as Error).message).toContain(`HTTP ${status}: ${said} (`);
      expect((refused as Error).message).toMatch(/set webhdfs\.auth=kerberos/);
    }
    expect(b.slept).toEqual([]);
  });
});

describe('a place to go', () => {
  it('of another scheme is refused: what is encrypted stays encrypted, and the reverse', async () => {
    await using b = await bench();
    b.fake.trouble = ({ op }) =>
      op === 'OPEN' ? { do: 'answer', status: 200, body: '{"Location":"https://x:1/a"}' } : undefined;
    await expect(b.store.read('a')).rejects.toThrow(/sent on to another scheme: https:\/\/x:1/);
  });
});

it('takes secrets out of whatever quotes a request', () => {
  for (const secret of [
    'PUT /webhdfs/v1/a?op=CREATE&delegation=SECRET&x=1',
    'https://knox/gw?_=SECRET',
    'Cookie: hadoop.auth="u=SECRET&p=SECRET"',
    'Authorization: Negotiate SECRETsecretSECRET==',
    'webhdfs://me:SECRET@host/x',
  ])
    expect(redacted(secret)).not.toMatch(/SECRET/);
});
