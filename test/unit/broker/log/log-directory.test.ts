import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, expect, test } from 'vitest';
import { append, contents, copyAsKilled, logOf, openLogs } from '../../../support/open-logs.ts';
import { TempDir } from '../../../support/temp-dir.ts';

describe('a data directory', () => {
  test('serves one broker only, and says which process has it', async () => {
    using dir = new TempDir();
    await using _ = await openLogs(dir.path);
    await expect(openLogs(dir.path)).rejects.toThrow(`in use by the broker with process id ${process.pid}`);
  });

  test('the lock of a process that is gone is taken over', async () => {
    using dir = new TempDir();
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    fs.writeFileSync(dir.join('.lock'), `${pid} 1\n`);
    await using directory = await openLogs(dir.path);
    expect(await append(logOf(directory), ['a'])).toBe(0);
  });

  test('the lock of a process id that another process has now is taken over', async () => {
    using dir = new TempDir();
    fs.writeFileSync(dir.join('.lock'), `${process.pid} 1\n`);
    await using directory = await openLogs(dir.path);
    expect(logOf(directory).logEndOffset).toBe(0);
  });

  test('a path that cannot be a directory is refused in one line with a remedy', async () => {
    using dir = new TempDir();
    fs.writeFileSync(dir.join('file'), '');
    await expect(openLogs(dir.join('file', 'data'))).rejects.toThrow(/is not writable .*choose another/);
  });

  test('another node id is refused', async () => {
    using dir = new TempDir();
    await (await openLogs(dir.path)).close();
    await expect(openLogs(dir.path, { overrides: { nodeId: 2 } })).rejects.toThrow(/belongs to node 1/);
  });

  test('a topic made again under its old name is another one and empty', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path);
    const old = directory.topics.get('events')?.topicId;
    await append(logOf(directory), ['old']);
    await directory.housekeeping.flush();
    await directory.deleteTopic('events');
    expect(() => logOf(directory)).toThrow(/UNKNOWN_TOPIC_OR_PARTITION/);
    await directory.createTopic({ name: 'events', partitions: 1, configs: {} });
    expect(directory.topics.get('events')?.topicId).not.toBe(old);
    expect(contents(logOf(directory))).toEqual([]);
  });

  test('a deletion that was cut off is finished at the next start', async () => {
    using dir = new TempDir();
    await using live = await openLogs(dir.join('live'));
    await append(logOf(live), ['doomed']);
    copyAsKilled(dir.join('live'), dir.join('copy'));
    const file = dir.join('copy', 'topics', 'events.json');
    const topic = JSON.parse(fs.readFileSync(file, 'utf8'));
    fs.writeFileSync(file, JSON.stringify({ ...topic, deleting: true }));
    await using directory = await openLogs(dir.join('copy'));
    expect(directory.topics.get('events')?.topicId).not.toBe(topic.topicId);
    expect(logOf(directory).logEndOffset).toBe(0);
  });

  test('producer ids are never given out twice', async () => {
    using dir = new TempDir();
    const ids = new Set<number>();
    for (let start = 0; start < 3; start++) {
      const directory = await openLogs(dir.path);
      for (let i = 0; i < 700; i++) ids.add(directory.producerIds.next());
      await directory.close();
    }
    expect(ids.size).toBe(2100);
  });

  test('more partitions than broker.maxPartitions are refused', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path, { overrides: { maxPartitions: 5 } });
    const create = (name: string, partitions: number) =>
      directory.createTopic({ name, partitions, configs: {} });
    await expect(create('wide', 5)).rejects.toThrow(/INVALID_PARTITIONS/);
    await create('fits', 4);
    await expect(create('more', 1)).rejects.toThrow(/INVALID_PARTITIONS/);
  });

  test('flush=acks acknowledges and shows only what is fsynced', async () => {
    using dir = new TempDir();
    await using directory = await openLogs(dir.path, { overrides: { log: { flush: 'acks' } } });
    const log = logOf(directory);
    const appended = append(log, ['a']);
    expect(log.highWatermark).toBe(0);
    await appended;
    expect([log.recoveryPoint, log.highWatermark]).toEqual([1, 1]);
  });
});
