/**
 * Replays of a log that no longer has what the table has: refused with the reason, nothing changed, and how to go on.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { crc32c } from '../../broker/protocol/crc32c.ts';
import { batchesOf } from '../../broker/protocol/record-batch.ts';
import { webRequest } from '../support/events.ts';
import { listing, queryTable, visibleFiles } from '../support/foreign-eyes.ts';
import { createTopic, sendRecords, type TestRecord } from '../support/load-topic.ts';
import { offsets, Workshop } from '../support/replay-topic.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

let dir: TempDir;
beforeAll(() => {
  dir = new TempDir('replay-log');
});
afterAll(() => dir[Symbol.dispose]());

const setupOf = (topic: string) => ({
  warehouse: dir.join(topic),
  topics: { [topic]: { schema: 'web_request' } },
});
const group = (from: number, until: number, hours: number): TestRecord[] =>
  Array.from({ length: until - from }, (_, i) => ({ value: webRequest(from + i, (from + i) % hours) }));
const rowsOf = ({ warehouse }: Workshop, topic: string) =>
  queryTable(warehouse, topic, 'SELECT * FROM TABLE ORDER BY _partition, _offset');

test('a log that no longer begins where the replay does is refused, and says from where it can be read', async () => {
  const data = dir.join('retention-data');
  await using own = await startBroker(data, {
    log: { segmentBytes: 64 * 1024, retentionBytes: 64 * 1024, retentionCheckIntervalMs: 100 },
  });
  const [topic, address] = ['forgotten', addressOf(own)];
  await createTopic(address, topic, 1);
  await using shop = await Workshop.open({ ...setupOf(topic), address });
  for (let part = 0; part < 8; part++) {
    await sendRecords(address, topic, group(part * 300, (part + 1) * 300, 2), { compression: 'none' });
    await shop.load(topic);
  }
  const logStart = async () =>
    (await shop.client.listOffsets([{ topic, partition: 0 }], 'earliest'))[0]!.offset;
  await expect.poll(logStart, { timeout: 120_000, interval: 100 }).toBeGreaterThan(1_500);
  const [before, start] = [listing(shop.warehouse, topic), await logStart()];
  await expect(shop.replay(topic, offsets(0, 100, 2_400))).rejects.toThrow(
    `forgotten-0: the log begins at ${start}, so offsets 100 to ${start - 1} can't be read again; nothing was changed: replay from there with --partition 0 --from-offset ${start}`,
  );
  await expect(shop.replay(topic, offsets(0, 100, 200))).rejects.toThrow(
    "so offsets 100 to 199 can't be read again; nothing was changed: the rows in the table are all there is",
  );
  expect(listing(shop.warehouse, topic)).toEqual(before);
  const rows = await rowsOf(shop, topic);
  await shop.replay(topic, offsets(0, start, 2_400));
  expect(await rowsOf(shop, topic)).toEqual(rows);
});

test('a log that has fewer records than the table has rows is refused, unless that is accepted', async () => {
  const [topic, data] = ['compacted', dir.join('compacted-data')];
  await using shop = await (async () => {
    await using own = await startBroker(data);
    await createTopic(addressOf(own), topic, 1);
    await using first = await Workshop.open({ ...setupOf(topic), address: addressOf(own) });
    for (let batch = 0; batch < 3; batch++)
      await sendRecords(addressOf(own), topic, group(batch * 10, (batch + 1) * 10, 1));
    await first.load(topic);
    await own.stop();
    hideBatch(join(data, `${topic}-0`), 1);
    const again = await startBroker(data);
    brokers.push(again);
    return await Workshop.open({ ...setupOf(topic), address: addressOf(again) });
  })();
  const before = visibleFiles(shop.warehouse, topic);
  await expect(shop.replay(topic, { from: { offset: 0 } })).rejects.toThrow(
    'compacted-0: the log has 20 records of offsets 0 to 29, but the table holds 30 rows of them: a compacted log has lost the others; nothing was changed, --accept-fewer replaces them all the same',
  );
  expect(visibleFiles(shop.warehouse, topic)).toEqual(before);
  expect(listing(shop.warehouse, topic).filter((path) => path.startsWith('_loader/staging/'))).toEqual([]);
  // What the log still has can be replayed without a word.
  await shop.replay(topic, offsets(0, 0, 10));
  await shop.replay(topic, { from: { offset: 0 } }, { acceptFewer: true });
  const [found] = await queryTable(shop.warehouse, topic, 'SELECT count(*)::INTEGER AS n FROM TABLE');
  expect(found).toEqual({ n: 20 });
});

const brokers: Broker[] = [];
afterAll(async () => {
  for (const one of brokers) await one.stop();
});

/** Bits of a batch that no consumer is given: a control batch's. */
const CONTROL = 0x20;
const [CRC_AT, ATTRIBUTES_AT] = [17, 21];

/** Hides one batch of a log from its readers, as if compaction had removed its records. */
function hideBatch(directory: string, index: number): void {
  const log = join(directory, `${'0'.repeat(20)}.log`);
  const bytes = readFileSync(log);
  const { at, header } = [...batchesOf(bytes)][index]!;
  const batch = bytes.subarray(at, at + header.sizeBytes);
  batch.writeUInt16BE(batch.readUInt16BE(ATTRIBUTES_AT) | CONTROL, ATTRIBUTES_AT);
  batch.writeUInt32BE(crc32c(batch.subarray(ATTRIBUTES_AT)), CRC_AT);
  writeFileSync(log, bytes);
}
