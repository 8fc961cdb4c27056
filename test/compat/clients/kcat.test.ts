/**
 * librdkafka, through kcat, as a foreign witness of the broker.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Broker } from '../../../broker/broker.ts';
import { hasKcat, kcat } from '../../support/kcat.ts';
import { SeenApis } from '../../support/seen-apis.ts';
import { addressOf, startBroker } from '../../support/start-broker.ts';
import { TempDir } from '../../support/temp-dir.ts';

const LINES = Array.from({ length: 20_000 }, (_, i) => `key${i % 100}\tline ${i} äöü ${'.'.repeat(i % 300)}`);
const INPUT = `${LINES.join('\n')}\n`;

describe.runIf(hasKcat())('kcat', () => {
  const dir = new TempDir('kcat');
  let broker: Broker;
  const seen = new SeenApis();

  beforeAll(async () => {
    broker = await startBroker(dir.path, {}, seen.log);
  });
  afterAll(async () => {
    await broker.stop();
    seen.expectTold('kcat', /^rdkafka$/);
    dir[Symbol.dispose]();
  });

  const run = (args: string[], input?: string) => kcat(addressOf(broker), args, input);
  const readBack = async (topic: string) => {
    const out = await run(['-C', '-t', topic, '-e', '-q', '-f', '%k\t%s\n']);
    return out.trimEnd().split('\n').sort();
  };

  test.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'])(
    'writes and reads back every byte, idempotently, with codec %s',
    async (codec) => {
      const produce = ['-P', '-t', codec, '-K', '\t', '-z', codec, '-X', 'enable.idempotence=true'];
      await run(produce, INPUT);
      expect(await readBack(codec)).toEqual([...LINES].sort());
    },
  );

  test('keeps the order of a partition and headers, keys and nulls', async () => {
    await run(['-P', '-t', 'order', '-p', '0'], INPUT);
    const lines = await run(['-C', '-t', 'order', '-p', '0', '-e', '-q']);
    expect(lines).toBe(INPUT);
    await run(['-P', '-t', 'extras', '-p', '0', '-H', 'a=1', '-K', ':', '-Z'], 'k:\n');
    expect(await run(['-C', '-t', 'extras', '-p', '0', '-e', '-q', '-f', '%h %k %S'])).toBe('a=1 k -1');
  });

  test('small fetches and batches give the same', async () => {
    await run(['-P', '-t', 'small', '-p', '0', '-X', 'batch.num.messages=7'], INPUT);
    const limits = ['-X', 'fetch.message.max.bytes=1000'];
    expect(await run(['-C', '-t', 'small', '-p', '0', '-e', '-q', ...limits])).toBe(INPUT);
  });

  test('finds offsets by time, and describes the cluster', async () => {
    await run(['-P', '-t', 'times', '-p', '0'], 'one\ntwo\n');
    expect(await run(['-Q', '-t', 'times:0:0'])).toContain('times [0] offset 0');
    expect(await run(['-C', '-t', 'times', '-p', '0', '-o', 's@1', '-e', '-q'])).toBe('one\ntwo\n');
    const listing = await run(['-L', '-t', 'times']);
    expect(listing).toContain(`broker 1 at ${addressOf(broker)} (controller)`);
    expect(listing).toContain('topic "times" with 4 partitions');
  });
});
