/**
 * The promises of `Store`, as tests that run against every implementation. A new kind of warehouse is one call of this.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Store, StoreError } from '../../loader/store/store.ts';

/**
 * Runs the contract against stores that `open` makes; each test works below a directory of its own. `hasTimes`: whether
 * directories tell when something came to them, which those in HDFS must.
 */
export function storeContract(name: string, open: () => Promise<Store>, { hasTimes = true } = {}): void {
  describe(`${name} keeps the store's promises`, () => {
    let store: Store;
    let local: string;
    beforeAll(async () => {
      store = await open();
      local = await mkdtemp(join(tmpdir(), 'millrace-contract-'));
    });
    afterAll(async () => {
      await store[Symbol.asyncDispose]();
      await rm(local, { recursive: true });
    });
    const place = () => `contract/${randomUUID()}`;

    it('reads back what was created, and parents are made', async () => {
      const dir = place();
      await store.create(`${dir}/a/b/c.json`, 'body');
      expect((await store.read(`${dir}/a/b/c.json`))?.toString()).toBe('body');
      expect(await store.stat(`${dir}/a/b/c.json`)).toMatchObject({ name: 'c.json', kind: 'file', size: 4 });
      expect(await store.stat(`${dir}/a`)).toMatchObject({ kind: 'directory' });
    });

    it('never creates or uploads over an existing file', async () => {
      const dir = place();
      await writeFile(join(local, 'up'), 'new');
      await store.create(`${dir}/x`, 'old');
      await expect(store.create(`${dir}/x`, 'new')).rejects.toThrow(StoreError);
      await expect(store.upload(join(local, 'up'), `${dir}/x`)).rejects.toThrow(StoreError);
      expect((await store.read(`${dir}/x`))?.toString()).toBe('old');
    });

    it('uploads a local file whole and reads parts of it', async () => {
      const dir = place();
      await writeFile(join(local, 'file'), Buffer.alloc(100_000, 'ab'));
      expect(await store.upload(join(local, 'file'), `${dir}/deep/file`)).toBe(100_000);
      expect((await store.readRange(`${dir}/deep/file`, 99_998, 10)).toString()).toBe('ab');
    });

    it('answers undefined and empty for what is not there', async () => {
      const dir = place();
      expect(await store.read(`${dir}/none`)).toBeUndefined();
      expect(await store.stat(`${dir}/none`)).toBeUndefined();
      expect(await store.list(`${dir}/none`)).toEqual([]);
      await store.remove(`${dir}/none`);
      await store.sync([`${dir}/none`]);
      await expect(store.readRange(`${dir}/none`, 0, 1)).rejects.toThrow(StoreError);
    });

    it('lists by name', async () => {
      const dir = place();
      for (const n of ['b', 'a', 'c']) await store.create(`${dir}/${n}`, n);
      await store.makeDirectory(`${dir}/d`);
      expect((await store.list(dir)).map(({ name: n, kind }) => [n, kind])).toEqual([
        ['a', 'file'],
        ['b', 'file'],
        ['c', 'file'],
        ['d', 'directory'],
      ]);
    });

    if (hasTimes)
      it('tells by the time of a directory, in the listing of its parent, that a name came to it', async () => {
        const dir = place();
        await store.makeDirectory(`${dir}/names`);
        const timeOf = async () => (await store.list(dir))[0]?.modifiedMs;
        let before = await timeOf();
        const changed = async () => {
          await expect.poll(timeOf).not.toBe(before);
          before = await timeOf();
        };
        for (const n of ['a', 'b']) {
          await store.create(`${dir}/tmp-${n}/tmp`, n);
          expect(await timeOf()).toBe(before);
          await new Promise((resolve) => {
            setTimeout(resolve, 20); // times are told in milliseconds, and a file system's clock may tick every ten
          });
          expect(await store.publish(`${dir}/tmp-${n}/tmp`, `${dir}/names/${n}`)).toBe('published');
          await changed();
        }
      });

    it('publishes to exactly one of many', async () => {
      const dir = place();
      await store.makeDirectory(`${dir}/names`);
      const attempts = Array.from({ length: 12 }, (_, i) => `attempt ${i}`);
      for (const a of attempts) await store.create(`${dir}/${a}/tmp`, a);
      const outcomes = await Promise.all(
        attempts.map((a) => store.publish(`${dir}/${a}/tmp`, `${dir}/names/one`)),
      );
      expect(outcomes.filter((o) => o === 'published')).toHaveLength(1);
      expect(outcomes.filter((o) => o === 'taken')).toHaveLength(11);
      expect((await store.read(`${dir}/names/one`))?.toString()).toBe(
        attempts[outcomes.indexOf('published')],
      );
    });

    it('never makes the parent of a published name', async () => {
      const dir = place();
      await store.create(`${dir}/tmp`, 'x');
      expect(await store.publish(`${dir}/tmp`, `${dir}/gone/one`)).toBe('orphaned');
      expect(await store.stat(`${dir}/gone`)).toBeUndefined();
    });

    it('calls a publish taken when its own staging was swept by the winner, and fails when nobody won', async () => {
      const dir = place();
      await store.create(`${dir}/names/one`, 'winner');
      expect(await store.publish(`${dir}/swept`, `${dir}/names/one`)).toBe('taken');
      await expect(store.publish(`${dir}/swept`, `${dir}/names/two`)).rejects.toThrow(StoreError);
    });

    it('moves once, says when the source is gone, and never replaces', async () => {
      const dir = place();
      await store.create(`${dir}/from`, 'x');
      await store.create(`${dir}/other`, 'y');
      await store.makeDirectory(`${dir}/to`);
      expect(await store.move(`${dir}/from`, `${dir}/to/file`)).toBe(true);
      expect(await store.move(`${dir}/from`, `${dir}/to/file`)).toBe(false);
      await expect(store.move(`${dir}/other`, `${dir}/to/file`)).rejects.toThrow(StoreError);
      expect((await store.read(`${dir}/to/file`))?.toString()).toBe('x');
    });

    it('overwrites as a whole', async () => {
      const dir = place();
      await store.create(`${dir}/to`, 'old');
      await store.create(`${dir}/from`, 'new');
      await store.overwrite(`${dir}/from`, `${dir}/to`);
      expect((await store.read(`${dir}/to`))?.toString()).toBe('new');
      expect(await store.stat(`${dir}/from`)).toBeUndefined();
    });

    it('removes files and whole directories', async () => {
      const dir = place();
      await store.create(`${dir}/a/b`, 'x');
      await store.remove(dir);
      expect(await store.stat(dir)).toBeUndefined();
    });

    it('refuses paths that leave the warehouse', async () => {
      for (const path of ['../x', 'a/../../x', 'a//b', '/etc', 'a/./b'])
        await expect(store.read(path)).rejects.toThrow(/inside a warehouse/);
    });
  });
}
