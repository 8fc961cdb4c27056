import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { webRequests } from '../support/events.ts';
import { footerOffsets, listing, queryTable, visibleFiles, visibleOffsets } from '../support/foreign-eyes.ts';
import { createTopic, loadTopics, sendRecords } from '../support/load-topic.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

let dir: TempDir;
let broker: Broker;
let address: string;
let count = 0;
beforeAll(async () => {
  dir = new TempDir('load');
  broker = await startBroker(dir.join('data'));
  address = addressOf(broker);
});
afterAll(async () => {
  await broker.stop();
  dir[Symbol.dispose]();
});

/** A topic with the web_request schema and a warehouse of its own. */
async function fresh(partitions: number) {
  const topic = `requests-${count++}`;
  await createTopic(address, topic, partitions);
  const setup = {
    address,
    warehouse: dir.join(`warehouse-${topic}`),
    topics: { [topic]: { schema: 'web_request' } },
  };
  return { topic, setup, warehouse: setup.warehouse };
}

describe('a load', () => {
  it('puts each event into its hour once, and a second one adds nothing', async () => {
    const { topic, setup, warehouse } = await fresh(3);
    await sendRecords(address, topic, webRequests(0, 3_000, { partitions: 3, hours: 5 }));
    const first = await loadTopics(setup, topic);
    expect(first).toMatchObject({
      rows: 3_000,
      quarantined: 0,
      files: 15,
      hours: ['2026-03-01T00', '2026-03-01T01', '2026-03-01T02', '2026-03-01T03', '2026-03-01T04'],
    });
    expect(first.topics[0]!.partitions).toMatchObject(
      [0, 1, 2].map((partition) => ({
        partition,
        startOffset: 0,
        nextOffset: 1_000,
        rows: 1_000,
        caughtUp: true,
        error: null,
      })),
    );
    expect(await visibleOffsets(warehouse, topic)).toEqual(
      [0, 1, 2].map((partition) => ({ partition, rows: 1_000, distinct: 1_000, min: 0, max: 999 })),
    );
    const misplaced = await queryTable(
      warehouse,
      topic,
      "SELECT count(*) AS n FROM TABLE WHERE strftime(event_time, '%Y-%m-%d %H') <> dt || ' ' || hour",
    );
    expect(misplaced).toEqual([{ n: '0' }]);
    const before = listing(warehouse, topic).filter((path) => !path.startsWith('_loader/runs/'));
    expect(await loadTopics(setup, topic)).toMatchObject({ rows: 0, files: 0, hours: [] });
    expect(listing(warehouse, topic).filter((path) => !path.startsWith('_loader/runs/'))).toEqual(before);
  });

  it('adds exactly the new rows when more came in', async () => {
    const { topic, setup, warehouse } = await fresh(2);
    await sendRecords(address, topic, webRequests(0, 500, { partitions: 2 }));
    await loadTopics(setup, topic);
    await sendRecords(address, topic, webRequests(500, 777, { partitions: 2, hours: 2 }));
    expect(await loadTopics(setup, topic)).toMatchObject({ rows: 277 });
    const numbers = await queryTable(
      warehouse,
      topic,
      'SELECT count(*) AS n, count(DISTINCT bytes) AS d, max(bytes) AS hi FROM TABLE',
    );
    expect(numbers).toEqual([{ n: '777', d: '777', hi: '776' }]);
  });

  it('stays within its budget and goes on from there', async () => {
    const { topic, setup, warehouse } = await fresh(2);
    await sendRecords(address, topic, webRequests(0, 1_000, { partitions: 2 }));
    const cut = await loadTopics(setup, topic, { maxEvents: 300 });
    expect(cut.rows).toBe(300);
    expect(cut.topics[0]!.partitions.map(({ caughtUp }) => caughtUp)).toEqual([false, false]);
    expect(cut.topics[0]!.marked).toEqual([]);
    expect((await loadTopics(setup, topic)).rows).toBe(700);
    expect(await visibleOffsets(warehouse, topic)).toMatchObject([
      { rows: 500, distinct: 500 },
      { rows: 500, distinct: 500 },
    ]);
  });

  it('leaves records from --until on for later', async () => {
    const { topic, setup } = await fresh(1);
    const at = Date.parse('2026-03-01T00:00:00Z');
    const records = [...webRequests(0, 10)].map((record, i) => ({ ...record, timestampMs: at + i * 1_000 }));
    await sendRecords(address, topic, records);
    expect((await loadTopics(setup, topic, { untilMs: at + 4_000 })).rows).toBe(4);
    expect((await loadTopics(setup, topic)).rows).toBe(6);
  });

  it('cuts files near the target size, and names each with its own part', async () => {
    const { topic, setup, warehouse } = await fresh(1);
    await sendRecords(address, topic, webRequests(0, 60_000));
    const result = await loadTopics(
      { ...setup, loader: { targetFileBytes: 256 * 1024, rowGroupRows: 2_048 } },
      topic,
    );
    expect(result.files).toBeGreaterThan(2);
    expect(visibleFiles(warehouse, topic)).toHaveLength(result.files);
    const footers = await footerOffsets(warehouse, topic);
    expect(footers[0]!.min).toBe(0);
    expect(footers.at(-1)!.max).toBe(59_999);
    for (const [i, { min, rows, max }] of footers.entries()) {
      expect(max - min + 1).toBe(rows);
      if (i > 0) expect(min).toBe(footers[i - 1]!.max + 1);
    }
    expect(await visibleOffsets(warehouse, topic)).toEqual([
      { partition: 0, rows: 60_000, distinct: 60_000, min: 0, max: 59_999 },
    ]);
  });

  it('cuts a range that is larger than the spool into parts', async () => {
    const { topic, setup, warehouse } = await fresh(1);
    await sendRecords(address, topic, webRequests(0, 20_000, { hours: 3 }));
    const result = await loadTopics(
      { ...setup, loader: { spoolBytes: 1024 * 1024, fetchBytes: 128 * 1024 } },
      topic,
    );
    expect(result.files).toBeGreaterThan(6);
    expect(await visibleOffsets(warehouse, topic)).toEqual([
      { partition: 0, rows: 20_000, distinct: 20_000, min: 0, max: 19_999 },
    ]);
  });

  it('marks complete hours with a JSON marker and its copy, also those in a gap, and marks again when rows come late', async () => {
    const { topic, setup, warehouse } = await fresh(1);
    const event = (n: number, hour: number) => ({
      value: [...webRequests(n, n + 1)][0]!.value.replace('T00:', `T0${hour}:`),
    });
    await sendRecords(address, topic, [event(1, 2), event(2, 5)]);
    const first = await loadTopics(setup, topic);
    expect(first.topics[0]!.marked).toEqual([
      '2026-03-01T02',
      '2026-03-01T03',
      '2026-03-01T04',
      '2026-03-01T05',
    ]);
    const success = (hour: string) =>
      JSON.parse(
        readFileSync(join(warehouse, topic, `dt=2026-03-01/hour=${hour}/_SUCCESS`), 'utf8'),
      ) as Record<string, unknown>;
    expect(success('02')).toMatchObject({
      version: 1,
      rows: 1,
      files: 1,
      late: { inHour: 0, apart: 0 },
      nextOffsets: { 0: 2 },
    });
    expect(success('03')).toMatchObject({ version: 1, rows: 0, files: 0 });
    await sendRecords(address, topic, [event(3, 2), event(4, 3)]);
    const second = await loadTopics(setup, topic);
    expect(second.topics[0]!.partitions[0]).toMatchObject({ rows: 2, late: 2 });
    expect(second.topics[0]!.marked).toEqual(['2026-03-01T02', '2026-03-01T03']);
    expect(success('02')).toMatchObject({ version: 2, rows: 2, files: 2, late: { inHour: 1, apart: 0 } });
    expect(success('03')).toMatchObject({ version: 2, rows: 1, late: { inHour: 1 } });
    expect(success('05')).toMatchObject({ version: 1 });
  });

  it('puts rows of an hour that was closed long ago apart, where no reader globs them', async () => {
    const { topic, setup, warehouse } = await fresh(1);
    await sendRecords(address, topic, webRequests(0, 10));
    await loadTopics(setup, topic);
    await sendRecords(address, topic, webRequests(10, 15));
    const late = await loadTopics({ ...setup, loader: { lateHorizonHours: 1 } }, topic, {
      now: () => Date.now(),
    });
    expect(late.topics[0]!.partitions[0]).toMatchObject({ rows: 5, late: 5 });
    await sendRecords(address, topic, webRequests(15, 22));
    const tooLate = await loadTopics({ ...setup, loader: { lateHorizonHours: 0 } }, topic);
    expect(tooLate.topics[0]!.partitions[0]).toMatchObject({ rows: 0, late: 7, files: 0 });
    expect(listing(warehouse, topic).filter((path) => path.startsWith('_late/'))).toHaveLength(1);
    expect(await visibleOffsets(warehouse, topic)).toMatchObject([{ rows: 15, distinct: 15 }]);
    const marker = JSON.parse(
      readFileSync(join(warehouse, topic, 'dt=2026-03-01/hour=00/_SUCCESS'), 'utf8'),
    ) as object;
    expect(marker).toMatchObject({ version: 3, rows: 15, late: { inHour: 5, apart: 7 } });
  });

  it('writes _SUCCESS again after a run that died before it could', async () => {
    const { topic, setup, warehouse } = await fresh(1);
    const event = (n: number, hour: number) => ({
      value: [...webRequests(n, n + 1)][0]!.value.replace('T00:', `T0${hour}:`),
    });
    await sendRecords(address, topic, [event(1, 2), event(2, 5)]);
    await loadTopics(setup, topic);
    const runs = join(warehouse, topic, '_loader/runs');
    const success = (hour: string) => join(warehouse, topic, `dt=2026-03-01/hour=${hour}/_SUCCESS`);
    for (const hour of ['02', '04']) rmSync(success(hour));
    for (const name of readdirSync(runs)) if (name.endsWith('outcome.json')) rmSync(join(runs, name));
    await loadTopics(setup, topic);
    for (const hour of ['02', '03', '04', '05'])
      expect(JSON.parse(readFileSync(success(hour), 'utf8'))).toMatchObject({ version: 1 });
  });

  it('does not mark an hour before its end plus the grace', async () => {
    const { topic, setup } = await fresh(2);
    const now = Date.now();
    const value = [...webRequests(0, 1)][0]!.value.replace(
      /"event_time":"[^"]*"/,
      `"event_time":"${new Date(now).toISOString()}"`,
    );
    await sendRecords(address, topic, [{ value }]);
    expect((await loadTopics(setup, topic)).topics[0]!.marked).toEqual([]);
  });

  it('keeps the two workers of one topic and their sub-ranges in one record', async () => {
    const { topic, setup, warehouse } = await fresh(1);
    await sendRecords(address, topic, webRequests(0, 600_000, { hours: 2 }));
    const result = await loadTopics(setup, topic);
    expect(result.rows).toBe(600_000);
    expect(result.files).toBe(4);
    const records = listing(warehouse, topic).filter((path) =>
      /commits\/p=00000\/g=000000\/\d+\.json$/.test(path),
    );
    expect(records).toHaveLength(1);
    expect(await visibleOffsets(warehouse, topic)).toEqual([
      { partition: 0, rows: 600_000, distinct: 600_000, min: 0, max: 599_999 },
    ]);
  });

  it('leaves no spool and no staging behind', async () => {
    const { topic, setup, warehouse } = await fresh(2);
    await sendRecords(address, topic, webRequests(0, 100, { partitions: 2 }));
    await loadTopics(setup, topic);
    expect(listing(warehouse, topic).filter((path) => path.includes('/staging/'))).toEqual([]);
    expect(existsSync(dir.join('.millrace-spool'))).toBe(true);
    expect(listing(dir.path, '.millrace-spool')).toEqual([]);
  });
});
