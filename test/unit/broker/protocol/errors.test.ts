import { expect, test } from 'vitest';
import {
  ERRORS,
  type ErrorName,
  errorNameOf,
  errorOf,
  KafkaError,
} from '../../../../broker/protocol/errors.ts';

test('no two errors share a code, and codes lead back to names', () => {
  const names = Object.keys(ERRORS) as ErrorName[];
  expect(new Set(names.map((name) => ERRORS[name][0])).size).toBe(names.length);
  for (const name of names) expect(errorNameOf(ERRORS[name][0])).toBe(name);
});

test('the codes agree with those of an independent client', async () => {
  const { protocolErrors } = await import('@platformatic/kafka');
  const known = Object.values(protocolErrors) as { id: string; code: number }[];
  expect(known.length).toBeGreaterThan(100);
  for (const { id, code } of known) {
    if (code !== 0 && code <= 120) expect([code, errorNameOf(code)]).toEqual([code, id]);
  }
});

test('code 0 is no error; an unknown code is an unknown server error that names the code', () => {
  expect(errorOf(0, 't-0')).toBeUndefined();
  expect(errorOf(9999, 't-0')).toMatchObject({ error: 'UNKNOWN_SERVER_ERROR', retriable: false });
  expect(errorOf(9999, 't-0')?.message).toContain('t-0, unknown error code 9999');
});

test('an error says in one line what it is about, and whether to try again', () => {
  const error = new KafkaError('NOT_LEADER_OR_FOLLOWER', 't-3');
  expect(error.message).toBe(
    't-3: the broker does not lead the partition (NOT_LEADER_OR_FOLLOWER, Kafka error 6)',
  );
  expect([error.code, error.retriable, error.moved]).toEqual([6, true, true]);
  expect(new KafkaError('OFFSET_OUT_OF_RANGE').retriable).toBe(false);
  expect(new KafkaError('REQUEST_TIMED_OUT')).toMatchObject({ retriable: true, moved: false });
});
