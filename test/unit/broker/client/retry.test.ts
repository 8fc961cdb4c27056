import { expect, test } from 'vitest';
import { backoffMs, type RetryPolicy, retrying } from '../../../../broker/client/retry.ts';
import { type ErrorName, KafkaError } from '../../../../broker/protocol/errors.ts';
import { settingsSchema } from '../../../../config/settings.ts';

const policy: RetryPolicy = { retries: 4, retryBackoffMs: 1, random: () => 0.5 };

async function attemptsUntil(errors: (ErrorName | Error)[], own: RetryPolicy = policy) {
  let attempts = 0;
  const outcome = await retrying(own, async () => {
    const error = errors[attempts++];
    if (error) throw error instanceof Error ? error : new KafkaError(error);
    return 'done';
  }).catch((error: Error) => error);
  return { attempts, outcome };
}

test('what may pass is tried again until it does', async () => {
  expect(await attemptsUntil(['REQUEST_TIMED_OUT', 'NOT_LEADER_OR_FOLLOWER'])).toEqual({
    attempts: 3,
    outcome: 'done',
  });
});

test('attempts are bounded', async () => {
  const { attempts, outcome } = await attemptsUntil(Array(10).fill('REQUEST_TIMED_OUT'));
  expect([attempts, outcome]).toMatchObject([5, { error: 'REQUEST_TIMED_OUT' }]);
});

test('a topic that stays unknown is given up sooner', async () => {
  expect((await attemptsUntil(Array(10).fill('UNKNOWN_TOPIC_OR_PARTITION'))).attempts).toBe(3);
});

test('what will not pass, and what is no error of the protocol, is thrown at once', async () => {
  expect((await attemptsUntil(['OFFSET_OUT_OF_RANGE'])).attempts).toBe(1);
  expect((await attemptsUntil([new TypeError('a bug')])).outcome).toBeInstanceOf(TypeError);
});

test('an aborted signal ends the attempts', async () => {
  const signal = AbortSignal.abort();
  expect((await attemptsUntil(Array(10).fill('REQUEST_TIMED_OUT'), { ...policy, signal })).attempts).toBe(1);
});

test('the wait doubles up to five seconds and is jittered between half and whole', () => {
  const waits = (random: number) =>
    [0, 1, 2, 5, 6, 60].map((retry) =>
      backoffMs(retry, { retries: 9, retryBackoffMs: 100, random: () => random }),
    );
  expect(waits(1)).toEqual([100, 200, 400, 3200, 5000, 5000]);
  expect(waits(0)).toEqual([50, 100, 200, 1600, 2500, 2500]);
});

/**
 * Apache Kafka gives the partitions of a dead broker to another after broker.session.timeout.ms, 9 s; if that broker was
 * the active controller too, the quorum elects another first, for which it waits 2 s (controller.quorum.fetch.timeout.ms)
 * and up to 1 s more, and only then do the 9 s begin.
 */
test('the default waits are longer than Apache Kafka takes for a new leader, even at their shortest', () => {
  const { client } = settingsSchema.parse({});
  const shortest = { ...client, random: () => 0 };
  let waitedMs = 0;
  for (let retry = 0; retry < client.retries; retry++) waitedMs += backoffMs(retry, shortest);
  expect(waitedMs).toBeGreaterThan(9_000 + 2_000 + 1_000);
});
