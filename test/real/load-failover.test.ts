/**
 * The whole loader, as a process, into HDFS with a pair of NameNodes, through a gate before both: the standby named first,
 * roles that change while it works, and nobody active.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { firstThat, HdfsGate } from '../support/hdfs-gate.ts';
import { HdfsLoad, IMPATIENT, MOMENTS, PATIENT, warehouseAt } from '../support/hdfs-load.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';
import { type Ha, startHa } from './bed/ha.ts';

let dir: TempDir;
let ha: Ha;
let broker: Broker;
let gate: HdfsGate;
/** Which of the two is active, by the test's own doing. */
let active: 'nn1' | 'nn2' = 'nn1';
beforeAll(async () => {
  dir = new TempDir('load-failover');
  ha = await startHa();
  broker = await startBroker(dir.join('data'));
  const { nn1, nn2 } = ha.nameNodes;
  gate = await HdfsGate.open({
    nameNodes: [nn1.httpPort, nn2.httpPort],
    dataNodes: ha.dataNodes.map(({ httpPort }) => httpPort),
  });
});
afterAll(async () => {
  await gate[Symbol.asyncDispose]();
  await broker.stop();
  await ha[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});
beforeEach(() => {
  gate.rule = () => undefined;
});

const other = () => (active === 'nn1' ? 'nn2' : 'nn1');
/** Hands over to the other one. */
async function failover(): Promise<void> {
  await ha.failover(active, other());
  active = other();
}

let topics = 0;
/** A topic to be loaded through the gate, with the NameNode named first that is standby at the beginning. */
const newLoad = () => {
  const topic = `pair${++topics}`;
  return HdfsLoad.of({
    broker: addressOf(broker),
    topic,
    copies: dir.join(topic),
    httpPort: () => ha.nameNodes[active].httpPort,
    warehouse: warehouseAt([gate.address(other()), gate.address(active)]),
  });
};

test('the standby named first is passed over', async () => {
  await using load = await newLoad();
  gate.seen.length = 0;
  await load.succeeds(load.run(IMPATIENT));
  expect(gate.seen.some(({ server }) => server === other())).toBe(true);
  await load.heals();
});

describe('roles that change', () => {
  test('before an upload: the DataNode is silent, and the file goes to the one that is active', async () => {
    await using load = await newLoad();
    gate.rule = firstThat(MOMENTS.uploading, { at: 'request', act: failover }).rule;
    await load.succeeds(load.run(PATIENT));
    await load.heals();
  });

  test.each(['request', 'answer'] as const)('at a commit, at its %s', async (at) => {
    await using load = await newLoad();
    gate.rule = firstThat(MOMENTS.publishing, { at, act: failover, cut: at === 'answer' }).rule;
    await load.succeeds(load.run(PATIENT));
    await load.heals();
  });
});

describe('nobody active', () => {
  const says = /StandbyException.*StandbyException.*; no NameNode is active/;

  test('from the beginning', async () => {
    await using load = await newLoad();
    await ha.transitionToStandby(active);
    const ended = await load.run();
    await ha.transitionToActive(active);
    await load.fails(says, ended);
    await load.heals();
  });

  test('from an upload on: the standby sends on to a DataNode, which falls silent', async () => {
    await using load = await newLoad();
    const act = () => ha.transitionToStandby(active);
    gate.rule = firstThat(MOMENTS.placing, { at: 'request', act }).rule;
    const ended = await load.run([...IMPATIENT, 'webhdfs.idleTimeoutMs=10000']);
    await ha.transitionToActive(active);
    await load.fails(says, ended);
    await load.heals();
  });
});
