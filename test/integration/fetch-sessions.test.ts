/**
 * A fetch session over the socket: what is sent when only some partitions have news, and what ends it.
 */
import { expect, test } from 'vitest';
import { fetch } from '../../broker/protocol/apis/fetch.ts';
import { ERRORS } from '../../broker/protocol/errors.ts';
import { batchOf, fetchBody, produceBatch } from '../support/batches.ts';
import { createTopic } from '../support/load-topic.ts';
import { RawClient } from '../support/raw-client.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

test('a session answers with what is new, at every version that has sessions, and outlives its connection', async () => {
  using dir = new TempDir('fetch-sessions');
  await using broker = await startBroker(dir.path);
  await createTopic(addressOf(broker), 'events', 3);
  using client = await RawClient.connect(broker);
  using other = await RawClient.connect(broker);
  const all = fetchBody({ topic: 'events', offset: 0 });
  all.topics[0]!.partitions = [0, 1, 2].map((partition) => ({ ...all.topics[0]!.partitions[0]!, partition }));
  const ask = (
    by: RawClient,
    version: number,
    session: { sessionId: number; sessionEpoch: number },
    topics = all.topics,
  ) => by.request(fetch, version, { ...all, ...session, topics });
  for (let version = 7; version <= 12; version++) {
    const full = await ask(client, version, { sessionId: 0, sessionEpoch: 0 });
    expect(full.sessionId).toBeGreaterThan(0);
    expect(full.responses[0]?.partitions).toHaveLength(3);
    await produceBatch(client, batchOf(['new']), { topic: 'events', partition: 2 });
    const { sessionId } = full;
    const news = await ask(other, version, { sessionId, sessionEpoch: 1 }, []);
    expect(news.sessionId).toBe(sessionId);
    const told = news.responses.flatMap(({ partitions }) => partitions.map((each) => each.partitionIndex));
    expect(told).toEqual([2]);
    const wrong = await ask(client, version, { sessionId, sessionEpoch: 1 }, []);
    expect(wrong.errorCode).toBe(ERRORS.INVALID_FETCH_SESSION_EPOCH[0]);
    expect((await ask(client, version, { sessionId, sessionEpoch: -1 })).sessionId).toBe(0);
    const gone = await ask(client, version, { sessionId, sessionEpoch: 2 }, []);
    expect(gone.errorCode).toBe(ERRORS.FETCH_SESSION_ID_NOT_FOUND[0]);
    // Read again from the start at the next version: what was produced stays news.
    await client.request(fetch, version, { ...all, sessionId: 0, sessionEpoch: -1 });
  }
});
