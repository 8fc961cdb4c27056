/**
 * Producers that commit and abort over three partitions without a pause, while the broker is killed with -9 again and
 * again: each transaction is seen in all partitions or in none, and every answered commit is seen.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { committedBatches } from '../../broker/client/committed-batches.ts';
import { fetch } from '../../broker/protocol/apis/fetch.ts';
import { fetchBody, valuesIn } from '../support/batches.ts';
import { BrokerProcess } from '../support/broker-process.ts';
import { createTopic } from '../support/load-topic.ts';
import { RawClient } from '../support/raw-client.ts';
import { RawTransactions } from '../support/raw-transactions.ts';
import { addressOf } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

const TOPIC = 'numbers';
const PARTITIONS = [0, 1, 2];
const WRITERS = ['a', 'b'];
/** More by environment: TRANSACTION_KILLS=100. */
const KILLS = Number(process.env.TRANSACTION_KILLS ?? 3);
const COMMITS_BEFORE_KILL = 12;
const POLL_MS = 2;
const MAX_BYTES = 64 * 1024 * 1024;

/** What the producers know: transactions that were answered, by outcome, and how many were begun. */
interface Known {
  committed: Set<string>;
  aborted: Set<string>;
  begun: number;
}

/** One producer's life until its broker is gone. Every third transaction is aborted. */
async function write(broker: BrokerProcess, id: string, known: Known): Promise<void> {
  using client = await RawClient.connect(broker);
  const producer = new RawTransactions(client, id);
  await producer.take();
  for (;;) {
    const name = `${id}-${known.begun++}`;
    const outcome = known.begun % 3 === 0 ? 'abort' : 'commit';
    await producer.write(TOPIC, ...PARTITIONS.map((partition): [number, string] => [partition, name]));
    const error = await producer.end(outcome);
    if (error !== undefined) throw new Error(`${name}: ${error}`);
    (outcome === 'commit' ? known.committed : known.aborted).add(name);
  }
}

async function readCommitted(client: RawClient, partition: number): Promise<string[]> {
  const seen: string[] = [];
  for (let offset = 0; ; ) {
    const body = fetchBody({ topic: TOPIC, partition, offset, partitionMaxBytes: MAX_BYTES });
    const answer = await client.request(fetch, 12, { ...body, isolationLevel: 1 });
    const { records, abortedTransactions, lastStableOffset } = answer.responses[0]?.partitions[0] ?? {};
    const options = { from: offset, until: lastStableOffset ?? 0, aborted: abortedTransactions ?? [] };
    const { bytes, nextOffset } = committedBatches(records ?? Buffer.alloc(0), options);
    seen.push(...valuesIn(bytes).map(([, value]) => value));
    if (nextOffset === offset) return seen;
    offset = nextOffset;
  }
}

test('a transaction is seen in all of its partitions or in none, whenever the broker is killed', async () => {
  using dir = new TempDir('transactions-kill');
  const known: Known = { committed: new Set(), aborted: new Set(), begun: 0 };
  for (let kill = 0; kill < KILLS; kill++) {
    await using broker = await BrokerProcess.start(dir.path);
    if (kill === 0) await createTopic(addressOf(broker), TOPIC, PARTITIONS.length);
    const enough = known.committed.size + COMMITS_BEFORE_KILL + kill;
    const writers = WRITERS.map((id) => write(broker, id, known));
    let isOver = false;
    const ends = Promise.allSettled(writers).finally(() => {
      isOver = true;
    });
    while (known.committed.size < enough && !isOver) await wait(POLL_MS);
    await broker.kill();
    for (const end of await ends) {
      expect(String(end.status === 'rejected' && end.reason)).toMatch(/connection was closed/);
    }
  }
  await using broker = await BrokerProcess.start(dir.path);
  using client = await RawClient.connect(broker);
  // Whoever takes the ids ends what was left open.
  for (const id of WRITERS) await new RawTransactions(client, id).take();
  const [first, ...others] = await Promise.all(
    PARTITIONS.map((partition) => readCommitted(client, partition)),
  );
  for (const other of others) expect(new Set(other)).toEqual(new Set(first));
  expect(new Set(first).size).toBe(first?.length);
  expect([...known.committed].filter((name) => !first?.includes(name))).toEqual([]);
  expect(first?.filter((name) => known.aborted.has(name))).toEqual([]);
}, 300_000);
