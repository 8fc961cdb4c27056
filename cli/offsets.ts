/**
 * `millrace offsets`: the stored offsets of a topic. They are the chain of commit records of each partition: a record is
 * named by the offset it starts at and holds the one the next record starts at.
 */
import type { Command } from 'commander';
import { type Act, addExamples } from './command.ts';
import type { CommandContext } from './context.ts';
import { connect, openWarehouse } from './resources.ts';
import { tableText } from './table.ts';
import { type PartitionOffsets, topicOffsets } from './topic-offsets.ts';

function partitionObject({ chain, ...offsets }: PartitionOffsets): object {
  const records = (chain?.commits ?? []).map((commit) => ({
    startOffset: commit.start,
    nextOffset: commit.next,
    kind: commit.kind,
    runId: commit.run,
    committedAt: commit.committedAt,
    rows: commit.counts.data,
    files: commit.files.filter(({ role }) => role === 'data').length,
  }));
  return { ...offsets, records };
}

async function offsets(context: CommandContext, { topic }: { topic: string }): Promise<void> {
  const { out } = context;
  await using client = await connect(context);
  await using store = await openWarehouse(context, 'read');
  const partitions = await topicOffsets(client, store, topic);
  if (partitions.length === 0)
    throw new Error(
      `no topic ${topic}, on the broker or in ${store.url}; "millrace topics list" shows those there are`,
    );
  out.object({ topic, partitions: partitions.map(partitionObject) });
  const rows = partitions.map((p) => [
    p.partition,
    p.logStart,
    p.logEnd,
    p.committed,
    p.lag,
    p.chain?.commits.length ?? 0,
    p.chain?.commits.at(-1)?.committedAt,
  ]);
  out.line(
    tableText(['partition', 'log start', 'log end', 'committed', 'lag', 'commits', 'last commit'], rows),
  );
}

export function define(command: Command, act: Act): void {
  command.requiredOption('--topic <name>', 'the topic').action(act<{ topic: string }>(offsets));
  addExamples(command, [
    ['offsets --topic access', 'what is loaded of each partition, and what is still to come'],
    ['offsets --topic access --json', 'with every commit record'],
  ]);
}
