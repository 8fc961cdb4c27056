import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import pino from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { aggregate } from '../../jobs/aggregate.ts';
import { DuckDbEngine } from '../../jobs/engine/duckdb.ts';
import type { Engine } from '../../jobs/engine/engine.ts';
import { openStore } from '../../loader/store/open-store.ts';
import { webRequests } from '../support/events.ts';
import { FakeWebHdfs, type Seen, type Trouble } from '../support/fake-webhdfs.ts';
import { queryAggregate, visibleOffsets } from '../support/foreign-eyes.ts';
import { createTopic, loadTopics, sendRecords, setupSettings } from '../support/load-topic.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

let dir: TempDir;
let broker: Broker;
let address: string;
beforeAll(async () => {
  dir = new TempDir('load-webhdfs');
  broker = await startBroker(dir.join('data'));
  address = addressOf(broker);
});
afterAll(async () => {
  await broker.stop();
  dir[Symbol.dispose]();
});

/** Copies the made-up HDFS to a local directory, for those who look at a warehouse from outside. */
function copyOut(fake: FakeWebHdfs, name: string): string {
  const root = dir.join(name);
  for (const [path, data] of fake.namespace.filesBelow('/warehouse')) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), data);
  }
  return root;
}

/** Every seventh file breaks off half-way, every ninth is stored short; every fifth rename loses its answer. */
function unlucky(): (seen: Seen) => Trouble | undefined {
  let files = 0;
  let renames = 0;
  return ({ server, op }) => {
    if (op === 'RENAME' && ++renames % 5 === 0) return { do: 'lose' };
    if (op !== 'CREATE' || !/^(dn|httpfs)/.test(server) || ++files % 7 !== 0) return undefined;
    return files % 2 === 0 ? { do: 'die', bytes: 40 } : { do: 'truncate', bytes: 40 };
  };
}

for (const trouble of ['', ' that loses answers and breaks files off'])
  it(`a load into HDFS${trouble} has each event once, and aggregates read it`, async () => {
    const topic = trouble === '' ? 'calm' : 'unlucky';
    await using fake = await FakeWebHdfs.start({ dialect: 'webhdfs', nameNodes: 2, dataNodes: 3 });
    if (trouble !== '') fake.trouble = unlucky();
    const setup = { address, warehouse: fake.url(), topics: { [topic]: { schema: 'web_request' } } };
    await createTopic(address, topic, 2);
    await sendRecords(address, topic, webRequests(0, 2_000, { partitions: 2, hours: 5 }));
    expect(await loadTopics(setup, topic)).toMatchObject({ rows: 2_000, quarantined: 0, files: 10 });
    await sendRecords(address, topic, webRequests(2_000, 3_000, { partitions: 2, hours: 5 }));
    expect(await loadTopics(setup, topic)).toMatchObject({ rows: 1_000 });

    await using store = await openStore(setupSettings(setup));
    const memory = { memoryBytes: 2 ** 28, temporaryDirectory: dir.join('duckdb') };
    await using engine = await DuckDbEngine.open(memory);
    const localDirectory = dir.join(`local-${topic}`);
    mkdirSync(localDirectory);
    const log = pino({ level: 'silent' });
    // An hour at a time, so that files are wanted again for the hours that look back on theirs.
    const hourly: Engine = {
      name: engine.name,
      reads: engine.reads,
      limits: { ...engine.limits, hours: 1 },
      run: (...args) => engine.run(...args),
      [Symbol.asyncDispose]: async () => {},
    };
    fake.seen.length = 0;
    await aggregate({ store, topic, engine: hourly, localDirectory, now: Date.now, log, all: true });
    const opened = fake.seen.filter(
      ({ server, op, path }) =>
        server.startsWith('dn') &&
        op === 'OPEN' &&
        /[/]dt=.*parquet$/.test(path) &&
        !path.includes('_aggregates'),
    );
    expect(opened.map(({ path }) => path).sort()).toEqual(
      [...new Set(opened.map(({ path }) => path))].sort(),
    );
    expect(opened).toHaveLength(20);

    const copy = copyOut(fake, `copy-${topic}`);
    expect(await visibleOffsets(copy, topic)).toEqual(
      [0, 1].map((partition) => ({ partition, rows: 1_500, distinct: 1_500, min: 0, max: 1_499 })),
    );
    const events = await queryAggregate(
      copy,
      'traffic_by_hour',
      topic,
      'SELECT sum(events)::INT AS n FROM TABLE',
    );
    expect(events).toEqual([{ n: 3_000 }]);
    expect([...fake.namespace.filesBelow(`/warehouse/${topic}/_loader/staging`)]).toEqual([]);
  });

it('what stopped the partitions is told, although neither the outcome can be written then nor anything removed', async () => {
  await using fake = await FakeWebHdfs.start({ dialect: 'webhdfs' });
  const setup = { address, warehouse: fake.url(), topics: { full: { schema: 'web_request' } } };
  await createTopic(address, 'full', 2);
  await sendRecords(address, 'full', webRequests(0, 200, { partitions: 2 }));
  let isFull = false;
  fake.trouble = ({ op, path }) => {
    isFull ||= path.endsWith('.staged');
    const isRefused = isFull && (op === 'CREATE' || op === 'DELETE');
    return isRefused ? { do: 'refuse', exception: 'DSQuotaExceededException' } : undefined;
  };
  const warnings: string[] = [];
  const { topics } = await loadTopics(setup, 'full', { warn: (message) => warnings.push(message) });
  for (const { error } of topics[0]!.partitions)
    expect(error).toMatch(
      /^full-\d: upload webhdfs:.*\/warehouse\/full\/_loader\/.*\.staged: DSQuotaExceededException.*; raise the quota/,
    );
  expect(warnings).toContainEqual(
    expect.stringMatching(/^full: the outcome of the run was not written: create /),
  );
  fake.trouble = () => undefined;
  expect(await loadTopics(setup, 'full')).toMatchObject({ rows: 200 });
});
