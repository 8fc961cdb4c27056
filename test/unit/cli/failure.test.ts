/** How errors end: their line and their exit status. */
import assert from 'node:assert/strict';
import { expect, it } from 'vitest';
import { KafkaError } from '../../../broker/protocol/errors.ts';
import { failureOf } from '../../../cli/failure.ts';
import { UsageError } from '../../../cli/usage-error.ts';
import { SettingsError } from '../../../config/load.ts';
import { RetentionError } from '../../../jobs/expire.ts';

const failure = (thrown: unknown) => failureOf(thrown, false);

it('usage is 2, settings are 78 with a line for each problem, all else is 1', () => {
  expect(failure(new UsageError('a'))).toEqual({ lines: ['error: a'], status: 2 });
  expect(failure(new SettingsError(['a', 'b']))).toEqual({ lines: ['error: a', 'error: b'], status: 78 });
  expect(failure(new RetentionError('a'))).toEqual({ lines: ['error: a'], status: 78 });
  expect(failure(new Error('a\nmore'))).toEqual({ lines: ['error: a'], status: 1 });
  expect(failure('text')).toEqual({ lines: ['error: text'], status: 1 });
});

it('a failed system call gets a remedy, unless its message already has one', () => {
  const error = (message: string) => Object.assign(new Error(message), { code: 'ENOSPC' });
  expect(failure(error('write x')).lines).toEqual([
    'error: write x; the disk is full; make room and run it again',
  ]);
  expect(failure(error('write x; make room')).lines).toEqual(['error: write x; make room']);
});

it('an error of the protocol that says what to do says no more; one that does not keeps its name', () => {
  const lines = (detail?: string) => failure(new KafkaError('BROKER_NOT_AVAILABLE', detail)).lines;
  expect(lines('tried a:1 (ECONNREFUSED); is it running?')).toEqual([
    'error: tried a:1 (ECONNREFUSED); is it running?',
  ]);
  expect(lines('a:1')[0]).toMatch(/^error: a:1: .* \(BROKER_NOT_AVAILABLE, Kafka error 8\)$/);
});

it('of several errors together the first speaks', () => {
  expect(failure(new AggregateError([new Error('first'), new Error('second')])).lines).toEqual([
    'error: first',
  ]);
});

it('a bug says that it is one', () => {
  const bug = () => assert.equal(1, 2, 'counts differ');
  let thrown: unknown;
  try {
    bug();
  } catch (error) {
    thrown = error;
  }
  expect(failure(thrown).lines).toEqual([
    'error: counts differ; this is a bug, --log-level debug shows the stack',
  ]);
});

it('the stack is shown only when asked for, with its cause', () => {
  const { lines } = failureOf(new Error('outer', { cause: new Error('inner') }), true);
  expect(lines.join('\n')).toMatch(/^error: outer\nError: outer\n {4}at [\s\S]*Error: inner\n {4}at /);
});
