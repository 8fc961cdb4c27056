import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { KeyedTopic } from '../../../../broker/log/keyed-topic.ts';
import type { LogDirectory } from '../../../../broker/log/log-directory.ts';
import { copyAsKilled, openLogs } from '../../../support/open-logs.ts';
import { TempDir } from '../../../support/temp-dir.ts';

const NAME = '__consumer_offsets';

const keyed = (directory: LogDirectory, partitions = 4) =>
  new KeyedTopic({ directory, name: NAME, partitions, now: Date.now });

const put = (topic: KeyedTopic, id: string, value: string | null) =>
  topic.append(topic.partitionOf(id), [
    { key: Buffer.from(id), value: value === null ? null : Buffer.from(value) },
  ]);

async function mapOf(topic: KeyedTopic): Promise<Map<string, string>> {
  const map = new Map<string, string>();
  await topic.replay(({ key, value }, _, partition) => {
    expect(partition).toBe(topic.partitionOf(String(key)));
    if (value === null) map.delete(String(key));
    else map.set(String(key), String(value));
  });
  return map;
}

describe('a keyed topic', () => {
  test('gives back the newest value of every key after kill -9 and after an orderly stop', async () => {
    using dir = new TempDir();
    const live = await openLogs(dir.join('live'));
    const topic = keyed(live);
    // At once: the topic is made by the first of them, and all find it.
    await Promise.all(['a', 'b', 'c', 'd', 'e'].map((id) => put(topic, id, `${id}1`)));
    await put(topic, 'a', 'a2');
    await put(topic, 'b', null);
    const expected = new Map([
      ['a', 'a2'],
      ['c', 'c1'],
      ['d', 'd1'],
      ['e', 'e1'],
    ]);
    copyAsKilled(dir.join('live'), dir.join('killed'));
    await live.close();
    for (const copy of ['killed', 'live']) {
      await using directory = await openLogs(dir.join(copy));
      // The number of partitions is the topic's once it is made, not the setting's.
      const sorted = [...(await mapOf(keyed(directory, 9)))].sort();
      expect(sorted).toEqual([...expected]);
    }
  });

  test('has nothing to replay before its first use, and makes no topic for that', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path);
    expect(await mapOf(keyed(directory))).toEqual(new Map());
    expect(directory.topics.has(NAME)).toBe(false);
  });

  test('replays records larger than what is read at once', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path);
    const topic = keyed(directory, 1);
    const large = 'x'.repeat(3 * 1024 ** 2);
    await put(topic, 'small', '1');
    await put(topic, 'large', large);
    await put(topic, 'last', '2');
    expect(await mapOf(topic)).toEqual(
      new Map([
        ['small', '1'],
        ['large', large],
        ['last', '2'],
      ]),
    );
  });

  test('places an id where Kafka does, also where its hash has no positive form', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path);
    // Java: "hello".hashCode() = 99162322, "polygenelubricants" = -2147483648.
    expect(keyed(directory, 50).partitionOf('hello')).toBe(22);
    expect(keyed(directory, 50).partitionOf('polygenelubricants')).toBe(0);
    expect(keyed(directory, 7).partitionOf('hello')).toBe(99162322 % 7);
  });

  test('gives back the same when its log was compacted, and goes on from there', async () => {
    using dir = new TempDir();
    const first = await openLogs(dir.path);
    const topic = keyed(first, 1);
    const expected = new Map<string, string>();
    for (let i = 0; i < 400; i++) {
      const id = `key${i % 20}`;
      const isGone = i > 380 && i % 2 === 0;
      await put(topic, id, isGone ? null : `value ${i}`);
      if (isGone) expected.delete(id);
      else expected.set(id, `value ${i}`);
    }
    const log = first.log({ topic: NAME, partition: 0 });
    log.rollIfIdle();
    await put(topic, 'key0', 'after');
    expected.set('key0', 'after');
    await first.housekeeping.flush();
    const before = log.segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    await first.cleaner.clean();
    expect(log.segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)).toBeLessThan(before / 4);
    expect(await mapOf(topic)).toEqual(expected);
    await first.close();
    await using again = await openLogs(dir.path);
    expect(await mapOf(keyed(again))).toEqual(expected);
    await put(keyed(again), 'key1', 'later');
    expect((await mapOf(keyed(again))).get('key1')).toBe('later');
  });

  test('says which partition has a flipped bit, and replays the others', async () => {
    using dir = new TempDir();
    const first = await openLogs(dir.path);
    await put(keyed(first, 2), 'a', 'whole');
    await put(keyed(first, 2), 'b', 'broken');
    const broken = keyed(first, 2).partitionOf('b');
    expect(keyed(first, 2).partitionOf('a')).not.toBe(broken);
    await first.close();
    const file = path.join(dir.path, `${NAME}-${broken}`, '00000000000000000000.log');
    const bytes = fs.readFileSync(file);
    bytes[bytes.length - 2] = (bytes.at(-2) ?? 0) ^ 1;
    fs.writeFileSync(file, bytes);
    await using directory = await openLogs(dir.path);
    const seen: string[] = [];
    const failures = await keyed(directory).replay(({ value }) => seen.push(String(value)));
    expect(seen).toEqual(['whole']);
    expect([...failures.keys()]).toEqual([broken]);
    expect(failures.get(broken)?.message).toMatch(`${NAME}-${broken} at offset 0: `);
  });

  test('is marked to be compacted and never cut by age or size', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path);
    await keyed(directory).ensure();
    expect(directory.topics.get(NAME)?.configs).toMatchObject({
      'cleanup.policy': 'compact',
      'retention.ms': '-1',
      'retention.bytes': '-1',
    });
  });
});
