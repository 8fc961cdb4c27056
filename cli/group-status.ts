/**
 * Consumer groups as `status` shows them: members, state, and how far each is behind the ends of the logs.
 */
import type { KafkaClient } from '../broker/client/client.ts';
import type { ClusterMetadata } from '../broker/client/cluster-metadata.ts';
import { consumerGroups, type GroupView } from '../broker/client/groups.ts';
import { topicPartitionName } from '../broker/topic-partition.ts';
import { tableText } from './table.ts';

/** A group with the lag of each partition it has committed; null: the partition is not there. */
export interface GroupStatus extends Omit<GroupView, 'offsets'> {
  /** Of all partitions with a known one. */
  lag: number;
  offsets: Array<GroupView['offsets'][number] & { logEnd: number | null; lag: number | null }>;
}

/** The groups of a cluster, by name. */
export async function groupStatuses(
  client: KafkaClient,
  { topics }: ClusterMetadata,
): Promise<GroupStatus[]> {
  const groups = await consumerGroups(client);
  const served = new Set(
    topics.flatMap(({ name: topic, partitions }) =>
      partitions.map(({ partition }) => topicPartitionName({ topic, partition })),
    ),
  );
  const parts = new Map(
    groups
      .flatMap(({ offsets }) => offsets)
      .map(({ topic, partition }) => [topicPartitionName({ topic, partition }), { topic, partition }]),
  );
  const wanted = [...parts].filter(([name]) => served.has(name)).map(([, part]) => part);
  const found = wanted.length === 0 ? [] : await client.listOffsets(wanted, 'latest');
  const ends = new Map(found.map((end) => [topicPartitionName(end), end.offset]));
  return groups.map((group) => {
    const offsets = group.offsets.map((each) => {
      const logEnd = ends.get(topicPartitionName(each)) ?? null;
      return { ...each, logEnd, lag: logEnd === null ? null : Math.max(0, logEnd - each.committed) };
    });
    return { ...group, offsets, lag: offsets.reduce((sum, { lag }) => sum + (lag ?? 0), 0) };
  });
}

/** The groups as a table, and each member of theirs with what it reads. */
export function groupsText(groups: readonly GroupStatus[]): string {
  const rows = groups.map(({ group, state, protocol, members, offsets, lag, error }) => [
    group,
    error ?? state,
    protocol,
    members.length,
    offsets.length,
    lag,
  ]);
  const members = groups.flatMap(({ group, members: each }) =>
    each.map(({ clientId, instanceId, host, partitions }) => [
      group,
      instanceId ?? clientId,
      host,
      partitions?.length ?? null,
    ]),
  );
  const tables = [tableText(['group', 'state', 'protocol', 'members', 'partitions', 'lag'], rows)];
  if (members.length > 0) tables.push(tableText(['group', 'member', 'host', 'partitions'], members));
  return tables.join('\n\n');
}
