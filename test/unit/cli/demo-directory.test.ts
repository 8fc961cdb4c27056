/** What a demo may delete: what a demo made, and nothing else. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { prepareDemoDirectory } from '../../../cli/demo-directory.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'millrace-demo-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

it('a new or empty directory is made ours', async () => {
  await mkdir(join(root, 'empty'));
  for (const name of ['new/deep', 'empty'])
    expect(await readdir(await prepareDemoDirectory(join(root, name)))).toEqual(['.millrace-demo']);
});

it('what an earlier demo left is deleted', async () => {
  const path = await prepareDemoDirectory(join(root, 'demo'));
  await mkdir(join(path, 'warehouse'));
  await writeFile(join(path, 'warehouse', 'file'), '');
  await prepareDemoDirectory(path);
  expect(await readdir(path)).toEqual(['.millrace-demo']);
});

it('a directory without the marker is left alone', async () => {
  await writeFile(join(root, 'mine'), 'dear');
  await expect(prepareDemoDirectory(root)).rejects.toThrow(/was not made by a demo; .*--keep/);
  expect(existsSync(join(root, 'mine'))).toBe(true);
});

it('a log that is about to be read is not deleted with what an earlier demo left', async () => {
  const path = await prepareDemoDirectory(join(root, 'demo'));
  const log = join(path, 'access.log');
  await writeFile(log, '');
  await expect(prepareDemoDirectory(path, log)).rejects.toThrow(/access\.log lies in .*; move the log/);
  expect(existsSync(log)).toBe(true);
  await writeFile(join(root, 'demo.log'), '');
  await prepareDemoDirectory(path, join(root, 'demo.log'));
  expect(await readdir(path)).toEqual(['.millrace-demo']);
});

it('a file in the way is named', async () => {
  await writeFile(join(root, 'file'), '');
  await expect(prepareDemoDirectory(join(root, 'file'))).rejects.toThrow(/file \(ENOTDIR\); choose another/);
});
