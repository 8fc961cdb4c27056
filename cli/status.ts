/**
 * `millrace status`: brokers, topics, lag and complete hours at a glance, and the consumer groups.
 */
import type { Command } from 'commander';
import type { KafkaClient } from '../broker/client/client.ts';
import { newestRunner } from '../jobs/runner-lease.ts';
import { newestTicks } from '../jobs/tick-record.ts';
import type { DataFile } from '../loader/commit.ts';
import { listMarkedHours } from '../loader/hour-marker.ts';
import type { Store } from '../loader/store/store.ts';
import { readTopicState } from '../loader/table-state.ts';
import { type Act, addExamples } from './command.ts';
import type { CommandContext } from './context.ts';
import { groupStatuses, groupsText } from './group-status.ts';
import { connect, openWarehouse } from './resources.ts';
import { tableText } from './table.ts';
import { topicOffsets, topicsInWarehouse } from './topic-offsets.ts';

/** The last of times or hours, which sort as text. */
const newest = (values: readonly string[]) => values.toSorted().at(-1) ?? null;

async function topicStatus(client: KafkaClient, store: Store, topic: string) {
  const offsets = await topicOffsets(client, store, topic);
  const hours = await listMarkedHours(store, topic);
  const commits = offsets.flatMap(({ chain }) => chain?.commits ?? []);
  const live = [...(await readTopicState(store, topic)).live.values()];
  const rowsOf = (role: DataFile['role']) =>
    live.reduce((all, file) => (file.role === role ? all + file.rows : all), 0);
  const sum = (values: readonly (number | null)[]) => values.reduce<number>((all, v) => all + (v ?? 0), 0);
  return {
    topic,
    partitions: offsets.length,
    records: sum(offsets.map((o) => (o.logEnd ?? 0) - (o.logStart ?? 0))),
    rows: rowsOf('data'),
    quarantined: rowsOf('quarantine'),
    lag: sum(offsets.map(({ lag }) => lag)),
    hoursComplete: hours.length,
    newestCompleteHour: newest(hours),
    lastCommit: newest(commits.map(({ committedAt }) => committedAt)),
    problems: offsets.flatMap(({ problem }) => problem ?? []),
  };
}

/** Who runs the schedule of the warehouse, how its last run ended, and what fails; null: it never ran. */
async function scheduleStatus(store: Store) {
  const runner = await newestRunner(store);
  const [last] = await newestTicks(store, 1);
  if (runner === undefined) return null;
  const { n, record, heardMs, hasEnded } = runner;
  return {
    runner: { n, ...record, lastHeardAt: new Date(heardMs).toISOString(), hasEnded },
    lastTick: last ? { startedAt: last.startedAt, endedAt: last.endedAt, state: last.state } : null,
    failing: last?.failing ?? [],
  };
}

function printSchedule({ out }: CommandContext, schedule: Awaited<ReturnType<typeof scheduleStatus>>): void {
  if (schedule === null) return;
  const { runner, lastTick, failing } = schedule;
  const who = `runner ${runner.n} (process ${runner.pid ?? '?'} on ${runner.host ?? '?'})`;
  const life = runner.hasEnded ? 'has ended' : `last heard of at ${runner.lastHeardAt}`;
  const end = lastTick ? `; last run ${lastTick.state} at ${lastTick.endedAt}` : '';
  out.line(`schedule: ${who} ${life}${end}`);
  for (const { job, topic, error, since } of failing)
    out.line(`${job} of ${topic ?? 'all topics'} fails since ${since}: ${error}`);
}

async function status(context: CommandContext): Promise<void> {
  const { out } = context;
  await using client = await connect(context);
  await using store = await openWarehouse(context, 'read');
  const cluster = await client.metadata(null);
  const own = cluster.topics.filter(({ internal }) => !internal).map(({ name }) => name);
  const names = new Set([...own, ...(await topicsInWarehouse(store))]);
  const topics = [];
  for (const name of [...names].sort()) topics.push(await topicStatus(client, store, name));
  const { clusterId, controllerId, brokers } = cluster;
  const schedule = await scheduleStatus(store);
  const groups = await groupStatuses(client, cluster);
  out.object({ clusterId, controllerId, brokers, warehouse: store.url, topics, schedule, groups });

  out.line(
    `cluster ${clusterId}: ${brokers.map((b) => `broker ${b.nodeId} at ${b.host}:${b.port}`).join(', ')}`,
  );
  out.line(`warehouse ${store.url}`);
  printSchedule(context, schedule);
  out.line();
  const rows = topics.map((t) => [
    t.topic,
    t.partitions,
    t.records,
    t.rows,
    t.quarantined,
    t.lag,
    t.hoursComplete,
    t.newestCompleteHour,
    t.lastCommit,
  ]);
  const head = [
    'topic',
    'partitions',
    'in log',
    'rows',
    'refused',
    'lag',
    'complete hours',
    'newest',
    'last commit',
  ];
  out.line(topics.length === 0 ? 'no topics yet' : tableText(head, rows));
  for (const problem of topics.flatMap(({ problems }) => problems)) out.line(`stopped: ${problem}`);
  if (groups.length > 0) out.line(`\n${groupsText(groups)}`);
}

export function define(command: Command, act: Act): void {
  command.action(act<object>(status));
  addExamples(command, [['status --broker broker-1:9092 --warehouse file:/srv/warehouse', 'of a cluster']]);
}
