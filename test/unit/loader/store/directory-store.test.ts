import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { settingsSchema } from '../../../../config/settings.ts';
import { DirectoryStore } from '../../../../loader/store/directory-store.ts';
import { openStore } from '../../../../loader/store/open-store.ts';
import { storeContract } from '../../../support/store-contract.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-store-'));
});
afterAll(async () => {
  await rm(root, { recursive: true });
});

storeContract('a directory', () => DirectoryStore.open(join(root, 'warehouse')));

describe('a directory store', () => {
  it('leaves nothing of its opening probe behind', async () => {
    await using store = await DirectoryStore.open(join(root, 'probe'));
    expect(await store.list('')).toEqual([]);
  });

  it('refuses a place it cannot make, in one line with a remedy', async () => {
    await writeFile(join(root, 'file'), '');
    await expect(DirectoryStore.open(join(root, 'file', 'below'))).rejects.toThrow(
      /open .*below.*ENOTDIR; .*--warehouse/,
    );
  });

  it('names the schemes it serves, and never prints a password', async () => {
    const settings = settingsSchema.parse({ loader: { warehouse: 's3://user:secret@host/path' } });
    const refused = openStore(settings);
    await expect(refused).rejects.toThrow(/no such kind of warehouse; give it as file:PATH or webhdfs:/);
    await expect(refused).rejects.not.toThrow(/secret/);
  });
});
