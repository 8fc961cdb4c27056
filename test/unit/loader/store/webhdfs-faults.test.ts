import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StoreError } from '../../../../loader/store/store.ts';
import {
  at,
  webHdfsBench as bench,
  firstTimes as first,
  type WebHdfsBench,
} from '../../../support/webhdfs-bench.ts';

let local: string;
beforeAll(async () => {
  local = await mkdtemp(join(tmpdir(), 'millrace-webhdfs-'));
});
afterAll(async () => {
  await rm(local, { recursive: true });
});

const ATTEMPT = '0b5a9f0e-5d0c-4b57-9a3e-6d4d5d2f7a11';
const OWN = `staging/${ATTEMPT}/000-000.staged`;

const renames = at(/./, 'RENAME');

async function file(bytes: number): Promise<string> {
  const path = join(local, `file-${bytes}`);
  await writeFile(path, Buffer.alloc(bytes, 'x'));
  return path;
}

describe('an upload', () => {
  it('goes around a dead DataNode', async () => {
    await using b = await bench();
    await b.fake.kill('dn0');
    expect(await b.store.upload(await file(5_000), OWN)).toBe(5_000);
    expect(
      b.fake.seen.some(({ query }) => /^127\.0\.0\.1:\d+$/.test(query.get('excludedatanodes') ?? '')),
    ).toBe(true);
  });

  it('goes around a dead DataNode that the NameNode keeps on naming', async () => {
    await using b = await bench({}, {}, (fake) => {
      fake.stubborn = 3;
    });
    await b.fake.kill('dn0');
    expect(await b.store.upload(await file(5_000), OWN)).toBe(5_000);
    expect(b.slept.length).toBeGreaterThanOrEqual(3);
  });

  it('deletes what a DataNode left half-written when it died, and sends the whole again', async () => {
    await using b = await bench();
    b.fake.trouble = first(1, at(/^dn/, 'CREATE'), { do: 'die', bytes: 1_000 });
    expect(await b.store.upload(await file(5_000), OWN)).toBe(5_000);
    expect(b.fake.namespace.data(`/warehouse/${OWN}`)).toHaveLength(5_000);
    expect(b.fake.count('DELETE')).toBe(1);
  });

  it('does not take 201 for the whole file', async () => {
    await using b = await bench();
    b.fake.trouble = first(1, at(/^dn/, 'CREATE'), { do: 'truncate', bytes: 4_999 });
    expect(await b.store.upload(await file(5_000), OWN)).toBe(5_000);
    expect(b.fake.namespace.data(`/warehouse/${OWN}`)).toHaveLength(5_000);
  });

  it('finds the whole file when only the 201 was lost, and does not send it again', async () => {
    await using b = await bench();
    b.fake.trouble = first(1, at(/^dn/, 'CREATE'), { do: 'lose' });
    expect(await b.store.upload(await file(5_000), OWN)).toBe(5_000);
    expect(b.fake.count('CREATE')).toBe(1);
    expect(b.fake.count('DELETE')).toBe(0);
  });

  it('ends when a DataNode falls silent, and goes to another', async () => {
    await using b = await bench();
    b.fake.trouble = first(1, at(/^dn/, 'CREATE'), { do: 'hang' });
    expect(await b.store.upload(await file(5_000), OWN)).toBe(5_000);
  });

  it('never deletes under a name that is not one attempt’s own', async () => {
    await using b = await bench();
    b.fake.trouble = first(1, at(/^dn/, 'CREATE'), { do: 'die', bytes: 3 });
    await expect(b.store.create('shared/name', 'whole body')).rejects.toThrow(
      /a file of that name is there now/,
    );
    expect(b.fake.count('DELETE')).toBe(0);
  });

  it('never deletes what it finished itself under that name', async () => {
    await using b = await bench();
    await b.store.create(OWN, 'first');
    b.fake.trouble = first(1, at(/^dn/, 'CREATE'), { do: 'drop' });
    await expect(b.store.create(OWN, 'second')).rejects.toThrow(StoreError);
    expect((await b.store.read(OWN))?.toString()).toBe('first');
  });

  it('leaves a file alone that was there before it', async () => {
    await using b = await bench();
    b.fake.namespace.create(`/warehouse/${OWN}`, { overwrite: false, blockSize: 1 });
    await expect(b.store.create(OWN, 'x')).rejects.toThrow(/FileAlreadyExistsException.*127\.0\.0\.1/);
    expect(b.fake.count('DELETE')).toBe(0);
  });

  it('hears a refusal that comes while the body is still on its way', async () => {
    await using b = await bench();
    const refusal = {
      do: 'refuseEarly',
      exception: 'AccessControlException',
      message: 'Permission denied',
    } as const;
    b.fake.trouble = first(9, at(/^dn/, 'CREATE'), refusal);
    await expect(b.store.upload(await file(20_000_000), OWN)).rejects.toThrow(/Permission denied/);
  });

  it('asks for one block that holds the file, in steps of 512, not below the least that HDFS takes', async () => {
    await using b = await bench({}, { minBlockBytes: 4_096, replication: 2 });
    await b.store.upload(await file(5_000), OWN);
    await b.store.create('small', 'x');
    const asked = b.fake.seen.filter(at(/^nn/, 'CREATE')).map(({ query }) => query.get('blocksize'));
    expect(asked).toEqual(['5120', '4096']);
    expect(b.fake.seen.find(at(/^nn/, 'CREATE'))?.query.get('replication')).toBe('2');
  });

  it('sends its length, its type and the header against cross-site requests, and never lets a file be replaced', async () => {
    await using b = await bench();
    await b.store.upload(await file(5_000), OWN);
    const [sent] = b.fake.seen.filter(at(/^dn/, 'CREATE'));
    expect(sent?.headers).toMatchObject({
      'content-length': '5000',
      'content-type': 'application/octet-stream',
      'x-xsrf-header': '1',
    });
    expect(sent?.query.get('overwrite')).toBe('false');
  });

  it('costs two calls to the NameNode', async () => {
    await using b = await bench();
    b.fake.seen.length = 0;
    await b.store.upload(await file(5_000), OWN);
    expect(b.fake.seen.filter(({ server }) => server === 'nn0').map(({ op }) => op)).toEqual([
      'CREATE',
      'GETFILESTATUS',
    ]);
  });
});

describe('a publishing rename', () => {
  const ready = async (b: WebHdfsBench) => {
    await b.store.makeDirectory('names');
    await b.store.create(OWN, 'ours');
  };

  it('is known for won by the id of the file, though its answer was lost', async () => {
    await using b = await bench();
    await ready(b);
    b.fake.trouble = first(1, renames, { do: 'lose' });
    expect(await b.store.publish(OWN, 'names/one')).toBe('published');
    expect(b.fake.count('RENAME')).toBe(1);
  });

  it('is not taken for won when another file of the same length bears the name', async () => {
    await using b = await bench();
    await ready(b);
    await b.store.create('names/one', 'them');
    b.fake.trouble = first(1, renames, { do: 'lose' });
    expect(await b.store.publish(OWN, 'names/one')).toBe('taken');
  });

  it('that was not done is done again, as long as the staged file is there', async () => {
    for (const dialect of ['webhdfs', 'httpfs'] as const) {
      await using b = await bench({ dialect });
      await ready(b);
      b.fake.trouble = first(2, renames, { do: 'drop' });
      expect(await b.store.publish(OWN, 'names/one')).toBe('published');
      expect(b.fake.count('RENAME')).toBe(3);
    }
  });

  it('that was not done and came too late is taken, not done again', async () => {
    await using b = await bench();
    await ready(b);
    await b.store.create('theirs', 'them');
    b.fake.trouble = (seen) => {
      if (!renames(seen)) return undefined;
      b.fake.trouble = () => undefined;
      b.fake.namespace.renameWithOptions('/warehouse/theirs', '/warehouse/names/one', false);
      return { do: 'drop' };
    };
    expect(await b.store.publish(OWN, 'names/one')).toBe('taken');
    expect(b.fake.count('RENAME')).toBe(1);
  });

  it('throws when neither answers nor file came: it may still land', async () => {
    await using b = await bench();
    await ready(b);
    b.fake.trouble = first(Infinity, renames, { do: 'hang' });
    await expect(b.store.publish(OWN, 'names/one')).rejects.toThrow(/silent for 400 ms/);
    expect(b.fake.count('RENAME')).toBe(4);
  });

  it('throws when an answer was lost and everything is gone since: it may have been the winner', async () => {
    await using b = await bench();
    await ready(b);
    let renamed = 0;
    b.fake.trouble = (seen) => {
      if (!renames(seen)) return undefined;
      if (++renamed === 2) b.fake.namespace.delete('/warehouse/names');
      return renamed === 1 ? { do: 'drop' } : undefined;
    };
    await expect(b.store.publish(OWN, 'names/one')).rejects.toThrow(/run it again/);
  });

  it('through HttpFS throws when the answer was lost, since nobody can tell whose file it is', async () => {
    await using b = await bench({ dialect: 'httpfs' });
    await ready(b);
    b.fake.trouble = first(1, renames, { do: 'lose' });
    await expect(b.store.publish(OWN, 'names/one')).rejects.toThrow(StoreError);
    expect((await b.store.read('names/one'))?.toString()).toBe('ours');
  });

  it('through HttpFS tells the three kinds of false apart', async () => {
    await using b = await bench({ dialect: 'httpfs' });
    await ready(b);
    await b.store.create('names/one', 'them');
    expect(await b.store.publish(OWN, 'names/one')).toBe('taken');
    expect(await b.store.publish(OWN, 'gone/one')).toBe('orphaned');
    await expect(b.store.publish('none', 'names/two')).rejects.toThrow(/staged file is gone/);
    await expect(b.store.move(OWN, 'gone/one')).rejects.toThrow(/its directory is not there/);
  });

  for (const dialect of ['webhdfs', 'httpfs'] as const)
    it(`never ends inside a directory that bears the name, over ${dialect}`, async () => {
      await using b = await bench({ dialect });
      await ready(b);
      await b.store.makeDirectory('names/one');
      expect(await b.store.publish(OWN, 'names/one')).toBe('taken');
      expect(await b.store.list('names/one')).toEqual([]);
      await expect(b.store.move(OWN, 'names/one')).rejects.toThrow(/the name is taken/);
      await expect(b.store.overwrite(OWN, 'names/one')).rejects.toThrow(StoreError);
      expect((await b.store.read(OWN))?.toString()).toBe('ours');
    });

  it('costs one call to the NameNode', async () => {
    await using b = await bench();
    await ready(b);
    b.fake.seen.length = 0;
    await b.store.publish(OWN, 'names/one');
    expect(b.fake.seen.map(({ op }) => op)).toEqual(['RENAME']);
  });
});

describe('a move', () => {
  it('whose answer was lost is found done, over WebHDFS and HttpFS', async () => {
    for (const dialect of ['webhdfs', 'httpfs'] as const) {
      await using b = await bench({ dialect });
      await b.store.makeDirectory('to');
      await b.store.create(OWN, 'x');
      b.fake.trouble = first(1, renames, { do: 'lose' });
      expect(await b.store.move(OWN, 'to/file')).toBe(true);
    }
  });

  it('that was not done is done again', async () => {
    await using b = await bench();
    await b.store.makeDirectory('to');
    await b.store.create(OWN, 'x');
    b.fake.trouble = first(1, renames, { do: 'drop' });
    expect(await b.store.move(OWN, 'to/file')).toBe(true);
  });
});

describe('an overwrite', () => {
  it('whose answer was lost is found done', async () => {
    await using b = await bench();
    await b.store.create('to', 'old');
    await b.store.create(OWN, 'new');
    b.fake.trouble = first(1, renames, { do: 'lose' });
    await b.store.overwrite(OWN, 'to');
    expect((await b.store.read('to'))?.toString()).toBe('new');
    expect(b.fake.count('DELETE')).toBe(0);
  });
});

describe('reading', () => {
  it('goes around a dead DataNode', async () => {
    await using b = await bench();
    await b.store.create('a', 'body');
    await b.fake.kill('dn0');
    expect((await b.store.read('a'))?.toString()).toBe('body');
  });

  it('answers what is there of a range, also at and beyond the end', async () => {
    await using b = await bench();
    await b.store.create('a', 'body');
    expect((await b.store.readRange('a', 4, 5)).toString()).toBe('');
    expect((await b.store.readRange('a', 2, 50)).toString()).toBe('dy');
  });

  it('lists more than one page, each entry once', async () => {
    await using b = await bench();
    for (const name of 'hgfedcba') await b.store.create(`d/${name}`, name);
    expect((await b.store.list('d')).map(({ name }) => name).join('')).toBe('abcdefgh');
    expect(b.fake.count('LISTSTATUS_BATCH')).toBe(3);
    expect(await b.store.list('d/a')).toEqual([]);
  });

  it('fetches a file to a local one of the same bytes', async () => {
    await using b = await bench();
    await b.store.upload(await file(100_000), OWN);
    b.fake.seen.length = 0;
    const path = await b.store.fetchLocal(OWN, local);
    expect(b.fake.nameNodeOps).toEqual(['OPEN']);
    const { size } = await stat(path);
    expect(size).toBe(100_000);
    await expect(b.store.fetchLocal('none', local)).rejects.toThrow(/no such file/);
  });

  it('fetches the whole file though a DataNode broke off half-way', async () => {
    await using b = await bench();
    await b.store.upload(await file(100_000), OWN);
    b.fake.trouble = first(1, at(/^dn/, 'OPEN'), { do: 'cut', bytes: 40_000 });
    const { size } = await stat(await b.store.fetchLocal(OWN, local));
    expect(size).toBe(100_000);
  });

  it('keeps its connection to HttpFS over both steps of a transfer', async () => {
    await using b = await bench({ dialect: 'httpfs' });
    const before = b.fake.connections;
    await b.store.upload(await file(5_000), OWN);
    await b.store.fetchLocal(OWN, local);
    expect(b.fake.connections).toBe(before);
  });
});
