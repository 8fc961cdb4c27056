/**
 * What goes wrong with real HDFS, made to happen: processes killed while bytes flow, safe mode, quotas, rights, a pair of
 * NameNodes that changes roles. Each ends with the whole file, or with a line that names host, path and what to do.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { settingsSchema } from '../../config/settings.ts';
import { WebHdfsStore } from '../../loader/store/webhdfs-store.ts';
import { startHa } from './bed/ha.ts';
import { type Hdfs, startHdfs } from './bed/hdfs.ts';
import { startHttpFs } from './bed/httpfs.ts';

const MiB = 1024 * 1024;
const LARGE_BYTES = 256 * MiB;
const UNTIL_BYTES_FLOW_MS = 300;

const settings = settingsSchema.parse({});
const impatient = settingsSchema.parse({ webhdfs: { retries: 3, deadlineMs: 10_000 } });
const staged = () => `staging/${crypto.randomUUID()}/000-000.staged`;
const sleep = (ms: number) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

let local: string;
let large: string;
let small: string;
beforeAll(async () => {
  local = await mkdtemp(join(tmpdir(), 'millrace-real-'));
  large = join(local, 'large');
  small = join(local, 'small');
  await writeFile(large, Buffer.alloc(LARGE_BYTES, 'x'));
  await writeFile(small, Buffer.alloc(MiB, 'x'));
});
afterAll(async () => {
  await rm(local, { recursive: true });
});

describe('one NameNode', () => {
  let hdfs: Hdfs;
  beforeAll(async () => {
    hdfs = await startHdfs();
  });
  afterAll(async () => {
    await hdfs[Symbol.asyncDispose]();
  });

  test('a DataNode that was just killed is gone around: it is left out by the port that the NameNode knows it by', async () => {
    const calls: string[] = [];
    await using store = await WebHdfsStore.open(hdfs.url, settings.webhdfs, {
      onCall: (op) => calls.push(op),
    });
    await hdfs.dataNodes[0]!.kill();
    for (let i = 0; i < 6; i++) {
      calls.length = 0;
      expect(await store.upload(small, staged())).toBe(MiB);
      expect([
        'CREATE,GETFILESTATUS',
        'CREATE,JMX,GETFILESTATUS,CREATE,GETFILESTATUS',
        'CREATE,JMX,CREATE,GETFILESTATUS',
      ]).toContain(calls.join(','));
    }
    await hdfs.dataNodes[0]!.start();
    await hdfs.untilLive(2);
  });

  test('a NameNode killed while a file is on its way is waited for, and the file is whole', async () => {
    await using store = await WebHdfsStore.open(hdfs.url, settings.webhdfs);
    const path = staged();
    const upload = store.upload(large, path);
    await sleep(UNTIL_BYTES_FLOW_MS);
    await hdfs.nameNode.kill();
    await hdfs.nameNode.start();
    expect(await upload).toBe(LARGE_BYTES);
    expect(await store.stat(path)).toMatchObject({ size: LARGE_BYTES });
  });

  test('safe mode is waited for, and named when it lasts', async () => {
    await using store = await WebHdfsStore.open(hdfs.url, settings.webhdfs);
    await hdfs.dfsadmin('-safemode', 'enter');
    await using hasty = await WebHdfsStore.open(hdfs.url, impatient.webhdfs);
    const line =
      /webhdfs:\/\/127\.0\.0\.1:\d+\/warehouse\/.*SafeModeException.*; wait until it leaves safe mode/;
    await expect(hasty.create(staged(), 'x')).rejects.toThrow(line);
    await expect(hasty.makeDirectory('made')).rejects.toThrow(line);
    const waiting = store.create(staged(), 'x');
    await hdfs.dfsadmin('-safemode', 'leave');
    await waiting;
  });

  test('a quota and a right that is missing end it at once, with what to do', async () => {
    await using store = await WebHdfsStore.open(hdfs.url, settings.webhdfs);
    await store.makeDirectory('quota');
    await hdfs.dfsadmin('-setSpaceQuota', '1m', '/warehouse/quota');
    const refused = store.upload(large, `quota/${staged()}`);
    await expect(refused).rejects.toThrow(/warehouse\/quota\/.*DSQuotaExceededException.*raise the quota/);
    // A file of a few bytes asks for a block of its own size and fits, though the default block would not.
    await expect(store.create(`quota/${staged()}`, 'x')).rejects.toThrow(/DSQuota/);
    await using fitting = await WebHdfsStore.open(hdfs.url, {
      ...settings.webhdfs,
      minBlockBytes: 4_096,
    });
    await fitting.create(`quota/${staged()}`, 'x');
    await using other = await WebHdfsStore.open(hdfs.webUrl('mallory'), settings.webhdfs);
    await expect(other.create(staged(), 'x')).rejects.toThrow(
      /AccessControlException: Permission denied: user=mallory.*; give mallory the right to \/warehouse\/staging/,
    );
  });

  test('the edges of names and files are answered as by any store, and at once', async () => {
    const httpFs = await startHttpFs(hdfs);
    for (const url of [hdfs.url, httpFs.url]) {
      await using store = await WebHdfsStore.open(url, impatient.webhdfs);
      const directory = `edges/${crypto.randomUUID()}`;
      await store.create(`${directory}/file`, 'body');
      await store.create(`${directory}/empty`, '');
      expect((await store.read(`${directory}/empty`))?.length).toBe(0);
      expect((await store.readRange(`${directory}/file`, 4, 3)).length).toBe(0);
      expect(await store.stat(`${directory}/file/below`)).toBeUndefined();
      expect(await store.list(`${directory}/file`)).toEqual([]);
      expect(await store.list(`${directory}/file/below`)).toEqual([]);
      expect(await store.read(directory)).toBeUndefined();
      await store.remove(`${directory}/file/below`);
      await expect(store.create(`${directory}/file/below`, 'x')).rejects.toThrow(
        /a part of the path is a file/,
      );
      expect(await store.publish(`${directory}/file`, `${directory}`)).toBe('taken');
      expect((await store.read(`${directory}/file`))?.toString()).toBe('body');
    }
    await httpFs.kill();
  });
});

test('a DataNode killed with a file half-way, and the only one, is waited for: the file is written anew, whole', async () => {
  await using hdfs = await startHdfs({ dataNodes: 1 });
  const calls: string[] = [];
  await using store = await WebHdfsStore.open(hdfs.url, settings.webhdfs, { onCall: (op) => calls.push(op) });
  await store.upload(large, staged()); // the first file takes seconds until bytes flow
  calls.length = 0;
  const path = staged();
  const upload = store.upload(large, path);
  await sleep(UNTIL_BYTES_FLOW_MS);
  await hdfs.dataNodes[0]!.kill();
  await hdfs.dataNodes[0]!.start();
  expect(await upload).toBe(LARGE_BYTES);
  expect(calls).toContain('DELETE');
  expect((await store.readRange(path, LARGE_BYTES - 4, 10)).toString()).toBe('xxxx');
});

test('of a pair of NameNodes the active one is found, also when they change roles and when one is killed', async () => {
  await using ha = await startHa();
  await using store = await WebHdfsStore.open(ha.webUrl(['nn2', 'nn1']), settings.webhdfs);
  await store.create(staged(), 'while nn1 is active');
  await ha.failover('nn1', 'nn2');
  const path = staged();
  await store.create(path, 'while nn2 is active');
  await using late = await WebHdfsStore.open(ha.webUrl(['nn1', 'nn2']), settings.webhdfs);
  expect((await late.read(path))?.toString()).toBe('while nn2 is active');
  await ha.transitionToStandby('nn2');
  await using hasty = await WebHdfsStore.open(ha.webUrl(), impatient.webhdfs).catch((error: Error) => {
    expect(error.message).toMatch(/StandbyException.*StandbyException.*no NameNode is active/);
    return undefined;
  });
  expect(hasty).toBeUndefined();
  const waiting = store.makeDirectory('made');
  await ha.transitionToActive('nn1');
  await waiting;
});
