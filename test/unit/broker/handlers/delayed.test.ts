import { describe, expect, test } from 'vitest';
import { waitForBytes } from '../../../../broker/handlers/delayed.ts';
import { batchOf } from '../../../support/batches.ts';
import { append, appendMarker, logOf, openLogs } from '../../../support/open-logs.ts';
import { TempDir } from '../../../support/temp-dir.ts';

const LONG_MS = 3_600_000;
const never = new AbortController().signal;

const bytes = (count: number) => ({ bytes: count, isCommitted: false });

/** Whether a promise is settled after the turn of the event loop in which logs write. */
async function isSettled(promise: Promise<void>): Promise<boolean> {
  const turn = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 20));
  return Promise.race([promise.then(() => true), turn]);
}

describe('waiting for bytes', () => {
  test('ends when enough bytes came, not with the first', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path);
    const log = logOf(directory);
    const waiting = waitForBytes([log], bytes(2 * batchOf(['a']).length), LONG_MS, never);
    await append(log, ['a']);
    expect(await isSettled(waiting)).toBe(false);
    await append(log, ['b']);
    await waiting;
  });

  test('of read_committed ends with the transaction, not with its records', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path);
    const log = logOf(directory);
    const waiting = (count = 1) => waitForBytes([log], { bytes: count, isCommitted: true }, LONG_MS, never);
    const first = waiting();
    await append(log, ['a'], { producerId: 1, producerEpoch: 0, baseSequence: 0, isTransactional: true });
    expect(await isSettled(first)).toBe(false);
    const second = waiting(1_000);
    await appendMarker(log, 1, 'commit');
    await Promise.all([first, second]);
    const third = waiting();
    await append(log, ['plain']);
    await third;
  });

  test('ends with its time, with the connection, and with the log', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path);
    const log = logOf(directory);
    await waitForBytes([log], bytes(1), 1, never);
    const closing = new AbortController();
    const waiting = waitForBytes([log], bytes(1), LONG_MS, closing.signal);
    closing.abort();
    await waiting;
    await waitForBytes([log], bytes(1), LONG_MS, closing.signal);
    const orphaned = waitForBytes([log], bytes(1), LONG_MS, never);
    await directory.deleteTopic('events');
    await orphaned;
  });
});
