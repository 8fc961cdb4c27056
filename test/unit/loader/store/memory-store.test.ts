import { expect, test } from 'vitest';
import { MemoryFiles, MemoryStore } from '../../../support/memory-store.ts';
import { storeContract } from '../../../support/store-contract.ts';

storeContract('memory', async () => new MemoryStore(new MemoryFiles()), { hasTimes: false });

test('two warehouses in memory have one key when and only when they hold the same', () => {
  const [a, b] = [new MemoryFiles(), new MemoryFiles()];
  a.create('x/1', 'one');
  a.create('x/2', 'two');
  b.create('x/2', 'two');
  expect(b.key).not.toBe(a.key);
  b.create('y/1', 'one');
  b.move('y/1', 'x/1');
  b.remove('y');
  expect(b.key).toBe(a.key);
  const copy = a.clone();
  copy.remove('x/1');
  expect(copy.key).not.toBe(a.key);
  expect(a.read('x/1')?.toString()).toBe('one');
});
