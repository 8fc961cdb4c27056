/**
 * The jobs of the schedule, as the commands of the same names do them: how `jobs/scheduler.ts` meets settings, brokers and
 * warehouse.
 */
import { createHash } from 'node:crypto';
import { hasHooks, tell } from '../jobs/hooks.ts';
import { beginCursor, changedHours } from '../jobs/hour-cursor.ts';
import { tellHours } from '../jobs/hour-news.ts';
import type { Clock } from '../jobs/schedule-clock.ts';
import { chooseTopics } from '../jobs/schedule-plan.ts';
import type { ScheduleParts } from '../jobs/scheduler.ts';
import { lineOf, type TickWork, type TopicLoad } from '../jobs/tick.ts';
import { forgetTicks, newestTicks, writeTick } from '../jobs/tick-record.ts';
import type { LoadResult } from '../loader/loader.ts';
import { chainsDirectory } from '../loader/paths.ts';
import type { Store } from '../loader/store/store.ts';
import { runAggregate } from './aggregate.ts';
import { runCompact } from './compact.ts';
import type { CommandContext } from './context.ts';
import { runExpire } from './expire.ts';
import { connect } from './resources.ts';

const HOUR_MS = 3_600_000;

type Loaded = LoadResult['topics'][number] & { error?: string | null };

function outcomes({ topics }: LoadResult): TopicLoad[] {
  return topics.map(({ topic, partitions, marked, error = null }: Loaded) => {
    const stopped = partitions.find((one) => one.error !== null);
    const partitionError = stopped ? `partition ${stopped.partition}: ${lineOf(stopped.error)}` : null;
    return {
      topic,
      rows: partitions.reduce((sum, { rows }) => sum + rows, 0),
      quarantined: partitions.reduce((sum, { quarantined }) => sum + quarantined, 0),
      hoursMarked: marked.length,
      isBehind: partitions.some(({ caughtUp }) => !caughtUp),
      error: error === null ? partitionError : lineOf(error),
    };
  });
}

const failed = (topic: string, error: unknown): TopicLoad => ({
  topic,
  rows: 0,
  quarantined: 0,
  hoursMarked: 0,
  isBehind: false,
  error: lineOf(error),
});

/**
 * One load of all topics; if that can't be done, one of each, so that what is wrong with one stops no other. What two in
 * a row fail with is wrong with none of them, and isn't waited for again.
 */
async function loadAll(
  context: CommandContext,
  store: Store,
  topics: readonly string[],
): Promise<TopicLoad[]> {
  const { settings, log, now, signal } = context;
  const { load } = await import('../loader/loader.ts');
  const { maxMinutes } = settings.schedule;
  const warn = (message: string) => log.warn(message);
  try {
    return outcomes(await load({ settings, store, topics, maxMinutes, now, warn, signal }));
  } catch (error) {
    signal.throwIfAborted();
    if (topics.length === 1) return [failed(topics[0]!, error)];
    log.warn(`a load of all topics failed, loading each alone: ${lineOf(error)}`);
  }
  const all: TopicLoad[] = [];
  for (const topic of topics) {
    const [last, before] = [all.at(-1)?.error, all.at(-2)?.error];
    if (last && last === before) all.push(failed(topic, last));
    else all.push(...(await loadAll(context, store, [topic])));
  }
  return all;
}

/** Loads after noting, where hooks are to hear of complete hours, which hours are no news. */
async function loadTopics(
  context: CommandContext,
  store: Store,
  topics: readonly string[],
): Promise<TopicLoad[]> {
  const { settings, signal } = context;
  const stopped: TopicLoad[] = [];
  if (hasHooks(settings.schedule.hooks))
    for (const topic of topics)
      await beginCursor(store, topic, 'hooks').catch((error: unknown) => {
        signal.throwIfAborted();
        stopped.push(failed(topic, error));
      });
  const ready = topics.filter((topic) => stopped.every((one) => one.topic !== topic));
  return ready.length === 0 ? stopped : [...stopped, ...(await loadAll(context, store, ready))];
}

/** Aggregates of the hours that were marked since the last time, for topics whose schema has event times. */
async function aggregateChanged(context: CommandContext, store: Store, topic: string): Promise<void> {
  const { settings } = context;
  if (!settings.schedule.aggregate) return;
  const { findSchema } = await import('../schemas/event-schema.ts');
  if ((await findSchema(topic, settings))?.eventTime !== 'event_time') return;
  const { readQueries } = await import('../jobs/query-file.ts');
  const queries = createHash('sha256');
  for (const { sha256 } of await readQueries()) queries.update(sha256);
  const { hours, advance } = await changedHours(store, topic, 'aggregates', queries.digest('hex'));
  if (hours?.length === 0) return;
  const { unsettled } = await runAggregate(context, store, { topic, from: hours?.[0] });
  if (unsettled.length > 0)
    throw new Error(`another run kept changing ${unsettled.length} hours; the next one sees to them`);
  await advance();
}

/** The parts of a schedule over an open warehouse. */
export function scheduleParts(
  context: CommandContext,
  store: Store,
  clock: Clock,
): Omit<ScheduleParts, 'onTick'> {
  const { settings, log } = context;
  const { hooks } = settings.schedule;
  const within = (signal: AbortSignal): CommandContext => ({ ...context, signal, now: () => clock.now() });
  // A topic whose first load failed is told of by that load alone.
  const hasTable = async (topic: string) => (await store.list(chainsDirectory(topic))).length > 0;
  const work: TickWork = {
    async topics(signal) {
      await using client = await connect(within(signal));
      return chooseTopics((await client.metadata(null)).topics, settings.schedule);
    },
    load: (topics, signal) => loadTopics(within(signal), store, topics),
    aggregate: (topic, signal) => aggregateChanged(within(signal), store, topic),
    async compact(topic, signal) {
      if (await hasTable(topic)) await runCompact(within(signal), store, { topic });
    },
    async expire(topic, signal) {
      if (await hasTable(topic)) await runExpire(within(signal), store, topic);
    },
  };
  return {
    settings: settings.schedule,
    clock,
    work,
    history: {
      newest: async () => (await newestTicks(store, 1))[0],
      async write(record) {
        await writeTick(store, record);
        await forgetTicks(store, clock.now() - settings.loader.historyKeepHours * HOUR_MS);
      },
    },
    tell: (event, signal) => tell(event, hooks, { clock, signal }),
    tellHours: (topic, signal) => tellHours(store, topic, (event) => tell(event, hooks, { clock, signal })),
    warn: (message) => log.warn(message),
  };
}
