import { expect, test } from 'vitest';
import {
  PartitionQueue,
  type SealedBatch,
  sequenceAfter,
} from '../../../../broker/client/partition-queue.ts';
import { type ErrorName, KafkaError } from '../../../../broker/protocol/errors.ts';

interface Sending {
  batch: SealedBatch;
  answer(error?: ErrorName): void;
}

/** A queue whose sends are answered by the test. */
function harness({ retries = 3, maxInFlight = 5 } = {}) {
  const sending: Sending[] = [];
  const acknowledged: number[] = [];
  const failures: unknown[] = [];
  const queue = new PartitionQueue({
    maxInFlight,
    retryPolicy: { retries, retryBackoffMs: 1, random: () => 0 },
    send: (batch) =>
      new Promise((resolve, reject) => {
        sending.push({ batch, answer: (error) => (error ? reject(new KafkaError(error)) : resolve()) });
      }),
    onAcknowledged: ({ bytes }) => acknowledged.push(bytes[0] as number),
    onFailed: (error) => failures.push(error),
  });
  const add = (name: number) => queue.add({ bytes: Buffer.from([name]), recordCount: 1, bufferedBytes: 1 });
  const names = () => sending.map(({ batch }) => batch.bytes[0]);
  /** Takes what is being sent, after all answers so far have had their effect. */
  const next = async (count: number): Promise<Sending[]> => {
    for (let turn = 0; sending.length < count && turn < 500; turn++)
      await new Promise((done) => setTimeout(done, 1));
    await new Promise((done) => setTimeout(done, 5));
    return sending.splice(0);
  };
  return { queue, add, names, next, acknowledged, failures };
}

const nameOf = ({ batch }: Sending) => batch.bytes[0];

test('one batch goes first alone; once it is taken, up to five are under way, in order', async () => {
  const { add, next, acknowledged } = harness();
  for (const name of [1, 2, 3, 4, 5, 6, 7]) add(name);
  const first = await next(1);
  expect(first.map(nameOf)).toEqual([1]);
  first[0]?.answer();
  const five = await next(5);
  expect(five.map(nameOf)).toEqual([2, 3, 4, 5, 6]);
  for (const sending of five) sending.answer();
  const last = await next(1);
  expect(last.map(nameOf)).toEqual([7]);
  last[0]?.answer();
  await next(0);
  expect(acknowledged).toEqual([1, 2, 3, 4, 5, 6, 7]);
});

test('after a failure everything unacknowledged is sent again in order, the gaps behind it are no loss', async () => {
  const { add, next, acknowledged, failures } = harness();
  for (const name of [1, 2, 3, 4]) add(name);
  (await next(1))[0]?.answer();
  const [two, three, four] = await next(3);
  two?.answer('NOT_LEADER_OR_FOLLOWER');
  three?.answer('OUT_OF_ORDER_SEQUENCE_NUMBER');
  expect(await next(0)).toEqual([]);
  four?.answer('OUT_OF_ORDER_SEQUENCE_NUMBER');
  const again = await next(1);
  expect(again.map(nameOf)).toEqual([2]);
  again[0]?.answer();
  const rest = await next(2);
  expect(rest.map(nameOf)).toEqual([3, 4]);
  for (const sending of rest) sending.answer();
  await next(0);
  expect([acknowledged, failures]).toEqual([[1, 2, 3, 4], []]);
});

test('a batch that was written though its answer got lost counts once', async () => {
  const { add, next, acknowledged, failures } = harness();
  add(1);
  (await next(1))[0]?.answer('NETWORK_EXCEPTION');
  (await next(1))[0]?.answer('DUPLICATE_SEQUENCE_NUMBER');
  await next(0);
  expect([acknowledged, failures]).toEqual([[1], []]);
});

test.each(['OUT_OF_ORDER_SEQUENCE_NUMBER', 'UNKNOWN_PRODUCER_ID', 'MESSAGE_TOO_LARGE'] as const)(
  '%s for the first unacknowledged batch stops the queue',
  async (error) => {
    const { add, next, acknowledged, failures } = harness();
    add(1);
    add(2);
    (await next(1))[0]?.answer(error);
    expect(await next(0)).toEqual([]);
    expect(failures).toMatchObject([{ error }]);
    expect(acknowledged).toEqual([]);
  },
);

test('retries are bounded, and begin anew once a batch is taken', async () => {
  const { add, next, failures } = harness({ retries: 2 });
  add(1);
  add(2);
  for (const error of ['REQUEST_TIMED_OUT', 'REQUEST_TIMED_OUT', undefined] as const)
    (await next(1))[0]?.answer(error);
  for (let attempt = 0; attempt < 3; attempt++) (await next(1))[0]?.answer('REQUEST_TIMED_OUT');
  expect(await next(0)).toEqual([]);
  expect(failures).toMatchObject([{ error: 'REQUEST_TIMED_OUT' }]);
});

test('sequence numbers run on from batch to batch and begin again after 2^31 - 1', () => {
  const { queue } = harness();
  expect([queue.takeSequence(10), queue.takeSequence(5), queue.takeSequence(1)]).toEqual([0, 10, 15]);
  expect(sequenceAfter(2 ** 31 - 3, 3)).toBe(0);
  expect(sequenceAfter(2 ** 31 - 3, 5)).toBe(2);
});
