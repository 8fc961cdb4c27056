import { expect, test } from 'vitest';
import { UploadQueue } from '../../../loader/upload-queue.ts';

/** Uploads that the test ends by hand. */
function byHand() {
  const open: { end(): void; fail(): void }[] = [];
  const upload = () =>
    new Promise<void>((resolve, reject) => {
      open.push({ end: resolve, fail: () => reject(new Error('no room')) });
    });
  return { open, upload };
}

const turn = () =>
  new Promise<void>((resolve) => {
    setImmediate(resolve);
  });

test('runs as many uploads at once as it may, and waits before it begins another', async () => {
  const { open, upload } = byHand();
  await using queue = new UploadQueue({ files: 2, bytes: 100 });
  await queue.add(1, upload);
  await queue.add(1, upload);
  const third = queue.add(1, upload);
  await turn();
  expect(open).toHaveLength(2);
  open[1]!.end();
  await third;
  expect(open).toHaveLength(3);
  for (const each of open) each.end();
  await queue.drain();
});

test('holds no more bytes than it may, but one file whatever its size', async () => {
  const { open, upload } = byHand();
  await using queue = new UploadQueue({ files: 9, bytes: 100 });
  await queue.add(1_000, upload);
  const second = queue.add(1, upload);
  await turn();
  expect(open).toHaveLength(1);
  open[0]!.end();
  await second;
  expect(open).toHaveLength(2);
  open[1]!.end();
});

test('tells the first failure at the next step and at the end, and begins nothing more', async () => {
  const { open, upload } = byHand();
  await using queue = new UploadQueue({ files: 1, bytes: 100 });
  await queue.add(1, upload);
  const next = queue.add(1, upload);
  open[0]!.fail();
  await expect(next).rejects.toThrow('no room');
  expect(open).toHaveLength(1);
  expect(() => queue.check()).toThrow('no room');
  await expect(queue.drain()).rejects.toThrow('no room');
});

test('is disposed of only when nothing runs any more', async () => {
  const { open, upload } = byHand();
  const queue = new UploadQueue({ files: 2, bytes: 100 });
  await queue.add(1, upload);
  let isOver = false;
  const over = queue[Symbol.asyncDispose]().then(() => {
    isOver = true;
  });
  await turn();
  expect(isOver).toBe(false);
  open[0]!.fail();
  await over;
});
