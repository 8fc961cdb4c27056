/**
 * Four processes of one group share twelve partitions; one is killed, one comes. Every record is taken once by the rule of
 * commits: again only what was not committed when its reader died or gave it up, and in the order of its partition.
 */
import { expect, test } from 'vitest';
import { metadata } from '../../../broker/protocol/apis/metadata.ts';
import { batchOf, produceBatch } from '../../support/batches.ts';
import { type ConsumerLine, GroupConsumer } from '../../support/group-consumer.ts';
import { RawClient } from '../../support/raw-client.ts';
import { runCli } from '../../support/run-cli.ts';
import { addressOf, startBroker } from '../../support/start-broker.ts';
import { TempDir } from '../../support/temp-dir.ts';

const LONG = 600_000;
const TOPIC = 'shared';
const GROUP = 'four';
const PARTITIONS = 12;
const ALL = Array.from({ length: PARTITIONS }, (_, partition) => partition);

/**
 * What all consumers told. A record counts for whoever got its commit answered: one that stood still for too long may take
 * a record that another has by now, but can no longer commit it.
 */
class Witness {
  readonly problems: string[] = [];
  readonly #taken = ALL.map(() => new Set<number>());
  /** Per partition: offset → who committed it. */
  readonly #committed = ALL.map(() => new Map<number, string>());
  readonly #last = new Map<string, number>();

  hear(who: string, line: ConsumerLine): void {
    if (line.kind === 'share') return;
    const { kind, partition, offset } = line;
    if (kind === 'took') {
      if (line.value !== `${partition}:${offset}`)
        this.problems.push(`${who} took ${line.value} at ${offset}`);
      this.#taken[partition]?.add(offset);
      return;
    }
    const where = `${who} committed offset ${offset} of partition ${partition}`;
    const other = this.#committed[partition]?.get(offset);
    if (other !== undefined) this.problems.push(`${where}, as ${other} had`);
    this.#committed[partition]?.set(offset, who);
    const last = this.#last.get(`${who}:${partition}`) ?? -1;
    if (offset < last) this.problems.push(`${where} after ${last}`);
    this.#last.set(`${who}:${partition}`, offset);
  }

  /** How many records of each partition were taken. */
  get taken(): number[] {
    return this.#taken.map(({ size }) => size);
  }

  /** Records whose commit nobody heard the answer of. */
  get unheard(): number {
    const committed = this.#committed.reduce((sum, { size }) => sum + size, 0);
    return this.#taken.reduce((sum, { size }) => sum + size, 0) - committed;
  }
}

/** Appends so many records to each partition; a record's value says where it lies. */
async function produce(client: RawClient, from: number, count: number): Promise<void> {
  for (const partition of ALL) {
    const values = Array.from({ length: count }, (_, i) => `${partition}:${from + i}`);
    const { errorCode } = await produceBatch(client, batchOf(values), { topic: TOPIC, partition });
    expect(errorCode).toBe(0);
  }
}

/** The group as `millrace status --json` tells it. */
async function statusOfGroup(address: string, warehouse: string) {
  const argv = ['status', '--json', '--broker', address, '--warehouse', `file:${warehouse}`];
  const { stdout, stderr, status } = await runCli(argv);
  expect([status, stderr]).toEqual([0, '']);
  return JSON.parse(stdout).groups.find(({ group }: { group: string }) => group === GROUP);
}

test('four consumer processes share twelve partitions; one is killed, one joins', {
  timeout: LONG,
}, async () => {
  using dir = new TempDir('four');
  await using broker = await startBroker(dir.join('logs'), {
    numPartitions: PARTITIONS,
    groups: { initialRebalanceDelayMs: 0 },
  });
  const address = addressOf(broker);
  using client = await RawClient.connect(broker);
  const witness = new Witness();
  await using stack = new AsyncDisposableStack();
  const consumers: GroupConsumer[] = [];
  const start = () => {
    const name = `consumer ${consumers.length}`;
    const consumer = new GroupConsumer(address, GROUP, TOPIC, (line) => witness.hear(name, line));
    consumers.push(stack.use(consumer));
  };
  /** Everyone has as many partitions as told, and all of them together each one once. */
  const shared = (...sizes: number[]) => {
    const ascending = (numbers: number[]) => numbers.sort((a, b) => a - b);
    const shares = () => ({
      sizes: ascending(consumers.map(({ partitions }) => partitions.length)),
      all: ascending(consumers.flatMap(({ partitions }) => partitions)),
    });
    return expect.poll(shares, { timeout: LONG, interval: 100 }).toEqual({ sizes, all: ALL });
  };
  const takenUpTo = (end: number) =>
    expect.poll(() => witness.taken, { timeout: LONG, interval: 100 }).toEqual(ALL.map(() => end));
  const groupStatus = () => statusOfGroup(address, dir.join('warehouse'));

  await client.request(metadata, 9, { topics: [{ name: TOPIC }] });
  for (let i = 0; i < 4; i++) start();
  await shared(3, 3, 3, 3);
  await produce(client, 0, 10);
  await takenUpTo(10);
  const full = await groupStatus();
  expect(full).toMatchObject({ state: 'Stable', protocolType: 'consumer', error: null });
  const read = full.members.flatMap(({ partitions }: { partitions: { partition: number }[] }) => partitions);
  expect(
    read.map(({ partition }: { partition: number }) => partition).sort((a: number, b: number) => a - b),
  ).toEqual(ALL);

  // In the midst of its work: some of what it took is not committed.
  await produce(client, 10, 50);
  await expect.poll(() => Math.max(...witness.taken), { timeout: LONG, interval: 1 }).toBeGreaterThan(10);
  await consumers[1]?.kill();
  await takenUpTo(60);
  await shared(0, 4, 4, 4);
  expect((await groupStatus()).members.length).toBe(3);

  start();
  await produce(client, 60, 20);
  await shared(0, 3, 3, 3, 3);
  await takenUpTo(80);
  expect(witness.problems).toEqual([]);
  // Of the one that was killed, the commit under way may have been taken though it never heard so.
  await expect.poll(() => witness.unheard, { timeout: LONG, interval: 100 }).toBeLessThanOrEqual(1);

  // With nobody left, the lag is what still comes.
  await Promise.all(consumers.map((consumer) => consumer.kill()));
  await produce(client, 80, 5);
  const left = await groupStatus();
  const lag = left.offsets.reduce((sum: number, each: { lag: number }) => sum + each.lag, 0);
  expect(left.offsets.map(({ logEnd }: { logEnd: number }) => logEnd)).toEqual(ALL.map(() => 85));
  expect(left.lag).toBe(lag);
  expect(lag).toBeGreaterThanOrEqual(5 * PARTITIONS);
});
