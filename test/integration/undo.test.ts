/**
 * When an undo is refused, and the commands `replay` and `undo` as their users run them.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import type { ReplayPreview, ReplayResult } from '../../jobs/replay.ts';
import type { UndoResult } from '../../jobs/undo.ts';
import { RecoveredTopic } from '../../loader/recover.ts';
import { rewriteTopic } from '../../loader/rewrite-topic.ts';
import { webRequests } from '../support/events.ts';
import { listing, queryTable, visibleFiles } from '../support/foreign-eyes.ts';
import { createTopic, sendRecords } from '../support/load-topic.ts';
import { offsets, Workshop } from '../support/replay-topic.ts';
import { runCli } from '../support/run-cli.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { StoppingStore } from '../support/stopping-store.ts';
import { TempDir } from '../support/temp-dir.ts';

const TOPIC = 'web_request';
let dir: TempDir;
let broker: Broker;
beforeAll(async () => {
  dir = new TempDir('undo');
  broker = await startBroker(dir.join('data'));
  await createTopic(addressOf(broker), TOPIC, 2);
  await sendRecords(addressOf(broker), TOPIC, webRequests(0, 40, { partitions: 2, hours: 2 }));
});
afterAll(async () => {
  await broker.stop();
  dir[Symbol.dispose]();
});

let warehouses = 0;
const openShop = () =>
  Workshop.open({ address: addressOf(broker), warehouse: dir.join(`warehouse-${warehouses++}`) });

describe('an undo', { timeout: 300_000 }, () => {
  let shop: Workshop;
  /** A table after one replay. */
  beforeEach(async () => {
    shop = await openShop();
    await shop.load(TOPIC);
    await shop.replay(TOPIC, offsets(0, 3, 15));
    return () => shop[Symbol.asyncDispose]();
  }, 120_000);

  const fence = async (trash: number[]) => {
    const by = { run: 'expiry', now: Date.now };
    await rewriteTopic(new RecoveredTopic(shop.store, TOPIC), by, async () => ({
      kind: 'fence',
      removes: [],
      adds: [],
      trash,
    }));
  };
  const expectRefused = async (line: string | RegExp, undoing = () => shop.undo(TOPIC, 1)) => {
    const before = visibleFiles(shop.warehouse, TOPIC);
    await expect(undoing()).rejects.toThrow(line);
    expect(visibleFiles(shop.warehouse, TOPIC)).toEqual(before);
  };

  test('is refused once a fence has let its trash go, not by one that lets go of other trash', async () => {
    await fence([1]);
    await expectRefused(
      "rewrite 1 can't be taken back any more: what it removed was let go by a later fence",
    );
    await shop.replay(TOPIC, offsets(0, 3, 15));
    await fence([]);
    await shop.undo(TOPIC, 3);
  });

  test('is refused if a fence takes its number just before it', async () => {
    const isMoment = (name: string) => /^publish .*rewrites\/g=000000\/00000002\.json$/.test(name);
    const store = new StoppingStore(shop.store, isMoment, () => fence([1]));
    await expectRefused(/was let go by a later fence; replay the offsets again/, () =>
      shop.undo(TOPIC, 1, { store }),
    );
    expect(store.met).toBeDefined();
  });

  test('is refused if a file is missing in the trash', async () => {
    const [retired] = listing(shop.warehouse, TOPIC).filter((path) => path.endsWith('.retired'));
    rmSync(join(shop.warehouse, TOPIC, retired!));
    await expectRefused(/00000\.retired, once dt=.*\.parquet, is not there: rewrite 1 can't be taken back/);
  });

  test('is refused of a rewrite that is none', async () => {
    await expectRefused('rewrite 7 is not in the log, which goes up to 1', () => shop.undo(TOPIC, 7));
    await fence([]);
    await expectRefused('rewrite 2 is of the kind "fence", which can\'t be taken back', () =>
      shop.undo(TOPIC, 2),
    );
  });
});

test('the commands say what they would do, do it, and take it back', { timeout: 300_000 }, async () => {
  await using shop = await openShop();
  await shop.load(TOPIC);
  const at = ['--broker', addressOf(broker), '--warehouse', `file:${shop.warehouse}`];
  const run = async (...argv: string[]) => {
    const { status, stdout, stderr } = await runCli([...argv, ...at]);
    return { status, stdout, stderr };
  };
  const rows = () => queryTable(shop.warehouse, TOPIC, 'SELECT * FROM TABLE ORDER BY ALL');
  const before = await rows();
  expect(await run('replay', '--topic', TOPIC)).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('replay needs one of --from-offset, --from-time and --from-run'),
  });
  expect(await run('replay', '--topic', TOPIC, '--from-offset', '3')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('has 2 partitions: --from-offset and --to-offset need --partition'),
  });
  const range = ['--topic', TOPIC, '--partition', '1', '--from-offset', '3', '--to-offset', '15', '--json'];
  const dry = await run('replay', ...range, '--dry-run');
  expect(JSON.parse(dry.stdout) as ReplayPreview).toMatchObject({
    dryRun: true,
    filesRemoved: 0,
    filesCut: 1,
  });
  const done = await run('replay', ...range);
  expect([done.status, done.stderr]).toEqual([0, '']);
  const { runId, rewrite, read } = JSON.parse(done.stdout) as ReplayResult;
  expect({ rewrite, read }).toEqual({ rewrite: 1, read: 12 });
  expect(await rows()).toEqual(before);
  expect(await run('undo', '1')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('needs --topic'),
  });
  expect(await run('undo', 'nothing')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('no topic in'),
  });
  const undone = await run('undo', runId, '--json');
  expect(JSON.parse(undone.stdout) as UndoResult).toMatchObject({ undoes: 1, rewrite: 2, filesRestored: 1 });
  expect(await rows()).toEqual(before);
  expect((await run('undo', runId)).stderr).toMatch(/was taken back already, by rewrite 2/);
});
