/**
 * The bed itself: that its daemons serve, survive being killed and started again, and are gone afterwards. Also what
 * real HDFS does that no stand-in would think of.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { fetchRange } from '../../broker/client/fetch-range.ts';
import { Producer } from '../../broker/client/producer.ts';
import { batchesOf, recordsOf } from '../../broker/protocol/record-batch.ts';
import { settingsSchema } from '../../config/settings.ts';
import { Bed, removeBed, seeBeds } from './bed/bed.ts';
import { type NameNodeId, startHa } from './bed/ha.ts';
import { type Hdfs, startHdfs } from './bed/hdfs.ts';
import { startHttpFs } from './bed/httpfs.ts';
import { type Kafka, startKafka } from './bed/kafka.ts';
import { sparkSql, startSpark } from './bed/spark.ts';

const settings = settingsSchema.parse({});

/** Where the NameNode says that the bytes of a new file are to be sent. */
async function placeOf({ nameNode }: Hdfs, path: string): Promise<string> {
  const query = 'op=CREATE&user.name=loader&noredirect=true&overwrite=false';
  const response = await fetch(`http://127.0.0.1:${nameNode.httpPort}/webhdfs/v1${path}?${query}`, {
    method: 'PUT',
  });
  expect(response.status).toBe(200);
  return ((await response.json()) as { Location: string }).Location;
}

/** Sends the bytes of a file; says how often the DataNode said 100 Continue, which nobody asked for. */
async function send(
  location: string,
  body: Buffer,
): Promise<{ status: number; continues: number; said: string }> {
  const put = request(location, {
    method: 'PUT',
    headers: { 'content-length': body.length, 'content-type': 'application/octet-stream' },
  });
  let continues = 0;
  put.on('information', ({ statusCode }) => {
    if (statusCode === 100) continues++;
  });
  put.end(body);
  const [response] = await once(put, 'response');
  return { status: response.statusCode, continues, said: await text(response) };
}

async function create(hdfs: Hdfs, path: string, body: Buffer) {
  return send(await placeOf(hdfs, path), body);
}

async function read({ nameNode }: Hdfs, path: string): Promise<Buffer> {
  const response = await fetch(
    `http://127.0.0.1:${nameNode.httpPort}/webhdfs/v1${path}?op=OPEN&user.name=loader`,
  );
  expect(response.status).toBe(200);
  return Buffer.from(await response.arrayBuffer());
}

test('HDFS takes a file and keeps it while its daemons are killed and started again', async () => {
  await using hdfs = await startHdfs();
  await hdfs.untilLive(2);
  const body = Buffer.from('a line of a file\n'.repeat(10_000));
  expect(await create(hdfs, '/warehouse/first', body)).toMatchObject({ status: 201 });
  expect(await read(hdfs, '/warehouse/first')).toEqual(body);

  const [one, two] = hdfs.dataNodes;
  await one!.kill();
  await hdfs.untilLive(1);
  expect(await read(hdfs, '/warehouse/first')).toEqual(body);
  expect(await create(hdfs, '/warehouse/second', body)).toMatchObject({ status: 201 });
  const before = two!.pid;
  await two!.restart();
  expect(two!.pid).not.toBe(before);
  await one!.start();
  await hdfs.untilLive(2);

  await hdfs.nameNode.kill();
  await expect(read(hdfs, '/warehouse/second')).rejects.toThrow();
  await hdfs.nameNode.start();
  expect(await read(hdfs, '/warehouse/second')).toEqual(body);
  expect(await hdfs.dfsadmin('-safemode', 'get')).toContain('Safe mode is OFF');
});

test('a DataNode says 100 Continue unasked: node:http takes it, fetch does not', async () => {
  await using hdfs = await startHdfs({ dataNodes: 1 });
  const body = Buffer.alloc(1000, 1);
  expect(await create(hdfs, '/warehouse/by-http', body)).toMatchObject({ status: 201, continues: 1 });
  const location = await placeOf(hdfs, '/warehouse/by-fetch');
  await expect(fetch(location, { method: 'PUT', body })).rejects.toMatchObject({
    cause: { code: 'UND_ERR_SOCKET', message: 'bad response' },
  });
});

async function roundTrip(kafka: Kafka, topic: string, count: number): Promise<string[]> {
  await using client = await kafka.connect();
  const producer = await Producer.open(client, settings.producer);
  for (let i = 0; i < count; i++)
    await producer.send(topic, {
      key: null,
      value: Buffer.from(`${topic} ${i}`),
      timestampMs: 1_700_000_000_000,
      partition: 0,
    });
  await producer.close();
  const values: string[] = [];
  const options = { maxBytes: 1 << 20, isolation: 'read_committed' } as const;
  const range = { from: 0, until: count };
  for await (const { bytes, release } of fetchRange(client, { topic, partition: 0 }, range, options)) {
    for (const { at, header } of batchesOf(bytes))
      for (const { value } of recordsOf(bytes, at, header)) values.push(value!.toString());
    release();
  }
  return values;
}

test('Kafka takes records of our client and gives them back, also when a leader is killed', async () => {
  await using kafka = await startKafka({ brokers: 3 });
  await kafka.createTopic('round-trip', { configs: { 'min.insync.replicas': '2' } });
  const expected = Array.from({ length: 1000 }, (_, i) => `round-trip ${i}`);
  expect(await roundTrip(kafka, 'round-trip', 1000)).toEqual(expected);

  const leader = await kafka.leaderOf('round-trip', 0);
  await leader.kill();
  await kafka.createTopic('after', { replication: 2 });
  expect(await roundTrip(kafka, 'after', 10)).toHaveLength(10);
  await leader.restart();
  await kafka.alterTopic('after', { 'retention.ms': '1000000' });
});

test('HttpFS takes a file by redirecting to itself, and answers false where a rename fails', async () => {
  await using hdfs = await startHdfs({ dataNodes: 1 });
  await using httpFs = await startHttpFs(hdfs);
  const base = `http://127.0.0.1:${httpFs.port}/webhdfs/v1/warehouse`;
  const first = await fetch(`${base}/a?op=CREATE&user.name=loader&noredirect=true`, { method: 'PUT' });
  const { Location } = (await first.json()) as { Location: string };
  expect(new URL(Location)).toMatchObject({ host: `127.0.0.1:${httpFs.port}` });
  const body = Buffer.from('by way of HttpFS');
  expect(await send(Location, body)).toMatchObject({ status: 201, continues: 0 });
  expect(await read(hdfs, '/warehouse/a')).toEqual(body);
  const rename = await fetch(
    `${base}/a?op=RENAME&user.name=loader&destination=/warehouse/nowhere/b&renameoptions=NONE`,
    { method: 'PUT' },
  );
  expect([rename.status, await rename.json()]).toEqual([200, { boolean: false }]);
  await httpFs.restart();
  expect((await fetch(`${base}/a?op=GETFILESTATUS&user.name=loader`)).status).toBe(200);
});

test('of two NameNodes the one that was told is active, also after the other was killed', async () => {
  await using ha = await startHa();
  const status = async (id: NameNodeId) => {
    const port = ha.nameNodes[id].httpPort;
    const response = await fetch(
      `http://127.0.0.1:${port}/webhdfs/v1/warehouse?op=GETFILESTATUS&user.name=loader`,
    );
    const answer = (await response.json()) as { RemoteException?: { exception: string } };
    return answer.RemoteException?.exception ?? 'ok';
  };
  expect([await status('nn1'), await status('nn2')]).toEqual(['ok', 'StandbyException']);
  await ha.failover('nn1', 'nn2');
  expect([await status('nn1'), await status('nn2')]).toEqual(['StandbyException', 'ok']);
  await ha.nameNodes.nn2.kill();
  await ha.transitionToActive('nn1');
  expect(await status('nn1')).toBe('ok');
  await ha.nameNodes.nn2.start();
  expect(await ha.stateOf('nn2')).toBe('standby');
});

test('Spark writes a table into HDFS and reads it by its own reader and by that of Hive', async () => {
  await using hdfs = await startHdfs();
  const rows = { hour: '07', n: 1, at: '2026-11-22 07:00:00.123456', nothing: null };
  const table = `CREATE EXTERNAL TABLE t (n INT, at TIMESTAMP, nothing STRING) PARTITIONED BY (hour STRING)
    STORED AS PARQUET LOCATION '${hdfs.fsUrl}/warehouse/t'`;
  await using spark = await startSpark({ hdfsUrl: hdfs.fsUrl });
  await spark.sql(table);
  await spark.sql(`INSERT INTO t PARTITION (hour = '07') SELECT 1, TIMESTAMP '${rows.at}', NULL`);
  for (const converted of ['true', 'false']) {
    await spark.sql(`SET spark.sql.hive.convertMetastoreParquet=${converted}`);
    expect(await spark.sql('SELECT hour, n, CAST(at AS STRING) AS at, nothing FROM t')).toEqual([rows]);
  }
  await expect(spark.sql('SELECT * FROM missing')).rejects.toThrow('TABLE_OR_VIEW_NOT_FOUND');
  const bare = `SELECT hour, n FROM parquet.\`${hdfs.fsUrl}/warehouse/t\``;
  expect(await sparkSql(['SELECT 1', bare], { hdfsUrl: hdfs.fsUrl })).toEqual([{ hour: '07', n: 1 }]);
});

test('nothing is left of a bed that ended', async () => {
  const kafka = await startKafka();
  const pids = kafka.brokers.map(({ pid }) => pid);
  const mine = (await seeBeds()).filter(({ owner }) => owner === process.pid);
  expect(mine.flatMap(({ daemons }) => daemons)).toMatchObject([{ pid: pids[0], running: true }]);
  await kafka[Symbol.asyncDispose]();
  expect(pids.map((pid) => existsSync(`/proc/${pid}`))).toEqual(pids.map(() => false));
  expect((await seeBeds()).filter(({ owner }) => owner === process.pid)).toEqual([]);
});

test('what a killed test left running is ended by the next bed, and by nothing else before', async () => {
  const bed = new URL('./bed/kafka.ts', import.meta.url).href;
  const script = `import { startKafka } from '${bed}'; await startKafka(); console.log('up'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  await Promise.race([once(child.stdout, 'data'), exited]);
  const left = async () => (await seeBeds()).filter(({ owner }) => owner === child.pid);
  await using other = await Bed.open('other');
  const [orphan] = await left();
  expect(orphan!.daemons).toMatchObject([{ name: 'broker1', running: true }]);
  child.kill('SIGKILL');
  await exited;
  expect(await left()).toEqual([orphan]);
  await using next = await Bed.open('next');
  expect([other.kind, next.kind, await left()]).toEqual(['other', 'next', []]);
  await expect(fetch(`http://${orphan!.facts['brokers']}`)).rejects.toMatchObject({
    cause: { code: 'ECONNREFUSED' },
  });
});

test('a process that is not of the bed is left alone, whatever number stands in the file', async () => {
  const bed = await Bed.open('stranger');
  const stranger = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  const exited = once(stranger, 'exit');
  await once(stranger, 'spawn');
  await bed.remember('daemon', stranger.pid!);
  const seen = (await seeBeds()).find(({ path }) => path === bed.path)!;
  expect(seen.daemons).toMatchObject([{ pid: stranger.pid, running: false }]);
  expect(await removeBed(seen)).toBe(0);
  expect([existsSync(bed.path), stranger.exitCode, stranger.signalCode]).toEqual([false, null, null]);
  stranger.kill();
  await exited;
});
