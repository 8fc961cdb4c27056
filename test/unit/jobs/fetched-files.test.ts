import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FetchedFiles } from '../../../jobs/fetched-files.ts';
import { StoreError } from '../../../loader/store/store.ts';

let local: string;
beforeAll(async () => {
  local = await mkdtemp(join(tmpdir(), 'millrace-fetched-'));
});
afterAll(async () => {
  await rm(local, { recursive: true });
});

it('fetches each file once, keeps what is still wanted, and leaves nothing behind', async () => {
  const asked: string[] = [];
  const fetchLocal = async (path: string, directory: string) => {
    asked.push(path);
    if (path === 'away') throw new StoreError('fetchLocal', path, 'there is no such file');
    const copy = join(directory, path);
    await writeFile(copy, path);
    return copy;
  };
  {
    await using files = await FetchedFiles.open({ fetchLocal }, local);
    await files.fetch(['a', 'b', 'a']);
    await files.fetch(['b', 'c']);
    expect(asked.sort()).toEqual(['a', 'b', 'c']);
    const gone = files.at('a');
    await files.keep(new Set(['b', 'c']));
    expect(existsSync(gone)).toBe(false);
    expect(existsSync(files.at('b'))).toBe(true);
    expect(() => files.at('a')).toThrow(/was not fetched/);
    await expect(files.fetch(['away'])).rejects.toThrow(StoreError);
  }
  expect(await readdir(local)).toEqual([]);
});

it('reads files of a local warehouse where they are, and never removes them', async () => {
  const original = join(local, 'original');
  await writeFile(original, 'x');
  await using files = await FetchedFiles.open({ fetchLocal: async () => original }, local);
  await files.fetch(['original']);
  expect(files.at('original')).toBe(original);
  await files.keep(new Set());
  expect(existsSync(original)).toBe(true);
});
