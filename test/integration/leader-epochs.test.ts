/**
 * Leader epochs over the socket, in a log that outlived two unclean stops: where each one ended, and who is told that it
 * knows an old or a future one (KIP-101, KIP-320, KIP-595).
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { fetch } from '../../broker/protocol/apis/fetch.ts';
import { listOffsets } from '../../broker/protocol/apis/list-offsets.ts';
import { offsetForLeaderEpoch } from '../../broker/protocol/apis/offset-for-leader-epoch.ts';
import { errorNameOf } from '../../broker/protocol/errors.ts';
import { fetchBody, fetchFrom, valuesIn } from '../support/batches.ts';
import { append, copyAsKilled, logOf, openLogs, TOPIC } from '../support/open-logs.ts';
import { RawClient } from '../support/raw-client.ts';
import { startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

const UNKNOWN = { leaderEpoch: -1, endOffset: -1 };
let dir: TempDir;
let broker: Broker;
let client: RawClient;

beforeAll(async () => {
  dir = new TempDir('leader-epochs');
  for (const stop of [0, 1]) {
    await using directory = await openLogs(dir.join(String(stop)));
    for (const value of ['a', 'b', 'c']) await append(logOf(directory), [`${value}${stop}`]);
    copyAsKilled(dir.join(String(stop)), dir.join(String(stop + 1)));
  }
  broker = await startBroker(dir.join('2'));
  client = await RawClient.connect(broker);
});
afterAll(async () => {
  client[Symbol.dispose]();
  await broker.stop();
  dir[Symbol.dispose]();
});

async function endOf(leaderEpoch: number, { version = 4, currentLeaderEpoch = -1, topic = TOPIC } = {}) {
  const answer = await client.request(offsetForLeaderEpoch, version, {
    topics: [{ topic, partitions: [{ partition: 0, currentLeaderEpoch, leaderEpoch }] }],
  });
  const { errorCode = -1, leaderEpoch: found, endOffset } = answer.topics[0]?.partitions[0] ?? {};
  return errorNameOf(errorCode) ?? { leaderEpoch: found, endOffset };
}

describe('a log of three epochs', () => {
  test.each([2, 3, 4])(
    'tells the end of each, and nothing of those it does not know (version %i)',
    async (version) => {
      expect(await endOf(0, { version })).toEqual({ leaderEpoch: 0, endOffset: 3 });
      expect(await endOf(1, { version })).toEqual({ leaderEpoch: 1, endOffset: 6 });
      expect(await endOf(2, { version })).toEqual({ leaderEpoch: 2, endOffset: 6 });
      expect(await endOf(3, { version })).toEqual(UNKNOWN);
      expect(await endOf(-1, { version })).toEqual(UNKNOWN);
    },
  );

  test('fences who knows an old epoch, and refuses who knows a future one', async () => {
    expect(await endOf(0, { currentLeaderEpoch: 2 })).toEqual({ leaderEpoch: 0, endOffset: 3 });
    expect(await endOf(0, { currentLeaderEpoch: 1 })).toBe('FENCED_LEADER_EPOCH');
    expect(await endOf(0, { currentLeaderEpoch: 3 })).toBe('UNKNOWN_LEADER_EPOCH');
    expect(await endOf(0, { topic: 'nowhere' })).toBe('UNKNOWN_TOPIC_OR_PARTITION');
    const old = await fetchFrom(client, { topic: TOPIC, offset: 0, leaderEpoch: 0 });
    expect(errorNameOf(old.errorCode)).toBe('FENCED_LEADER_EPOCH');
  });

  test('is read across its epochs, and who read beyond the end of an old one is told where', async () => {
    const { records } = await fetchFrom(client, { topic: TOPIC, offset: 1, leaderEpoch: 2 });
    expect(valuesIn(records).map(([, value]) => value)).toEqual(['b0', 'c0', 'a1', 'b1', 'c1']);
    const body = fetchBody({ topic: TOPIC, offset: 5 });
    const [wanted] = body.topics[0]?.partitions ?? [];
    const partitions = [
      { ...wanted, partition: 0, fetchOffset: 5, partitionMaxBytes: 1000, lastFetchedEpoch: 0 },
    ];
    const answer = await client.request(fetch, 12, { ...body, topics: [{ topic: TOPIC, partitions }] });
    expect(answer.responses[0]?.partitions[0]).toMatchObject({ divergingEpoch: { epoch: 0, endOffset: 3 } });
  });

  test('names the epoch of an offset that is found by time', async () => {
    const answer = await client.request(listOffsets, 7, {
      topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0, timestamp: -2 }] }],
    });
    expect(answer.topics[0]?.partitions[0]).toMatchObject({ offset: 0, leaderEpoch: 0 });
  });
});
