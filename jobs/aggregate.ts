/**
 * Brings the aggregates of a topic up to date: computes each hour whose inputs or query changed, and nothing else. An
 * hour's file stands under a fixed name and is replaced by one atomic overwrite, **then** its record is published under a
 * number that must not exist. In this order every stop is harmless: a file without its record is only computed once
 * more, and who publishes knows that the file was there before. Of two runs that want the same number one loses and
 * looks again, with fresh state. No order keeps a run that stalled from putting an older file in place long after, so
 * each run compares the visible file with what the newest record says of it.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Logger } from 'pino';
import { type Hour, parseHour } from '../loader/hour.ts';
import { queryRecordsDirectory } from '../loader/paths.ts';
import type { Store } from '../loader/store/store.ts';
import {
  batchOf,
  filesOf,
  hoursBetween,
  hoursRead,
  inputsOf,
  isAnsweredAt,
  isUpToDate,
  portionsOf,
  type TopicHours,
  type WantedHour,
} from './aggregate-plan.ts';
import {
  type AggregateRecord,
  aggregateFile,
  attemptPath,
  decodeRecord,
  encodeRecord,
  identityOf,
  isFileThere,
  readNewestRecord,
  recordPath,
} from './aggregate-record.ts';
import type { Engine, HourResult } from './engine/engine.ts';
import { FetchedFiles } from './fetched-files.ts';
import { type Query, type QuerySources, readQueries } from './query-file.ts';
import { sideBySide } from './side-by-side.ts';
import { readTopicHours } from './topic-hours.ts';

/** Hours whose records are read or written side by side. */
const AT_ONCE = 16;
/** An hour that another run changes under our hands is looked at again this often. */
const MAX_ROUNDS = 4;

/** `from` and `to` are hours, `2026-11-22T13`, both included. `queries`: names; without them all there are. */
export interface AggregateOptions {
  store: Store;
  topic: string;
  engine: Engine;
  /** An existing local directory for result files on their way. */
  localDirectory: string;
  now: () => number;
  log: Logger;
  queries?: readonly string[] | undefined;
  sources?: QuerySources | undefined;
  from?: Hour | undefined;
  to?: Hour | undefined;
  /** Hours that are not complete yet as well. */
  all?: boolean | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** `rows` counts those of the files computed in this run. */
export interface QuerySummary {
  query: string;
  computed: number;
  unchanged: number;
  rows: number;
}

/** `unsettled`: hours that other runs kept changing; the next run sees to them. */
export interface AggregateResult {
  topic: string;
  hours: number;
  queries: QuerySummary[];
  unsettled: { query: string; hour: Hour }[];
  seconds: number;
}

/** Aggregates a topic of the warehouse. Throws if it has no table, or no event times. */
export async function aggregate(options: AggregateOptions): Promise<AggregateResult> {
  const { store, topic } = options;
  return await bringUpToDate(options, () => readTopicHours(store, topic));
}

/** The same over any account of the topic's hours. */
export async function bringUpToDate(
  options: AggregateOptions,
  readHours: () => Promise<TopicHours>,
): Promise<AggregateResult> {
  const { from, to, now, topic } = options;
  for (const hour of [from, to])
    if (hour !== undefined && parseHour(hour) === undefined)
      throw new Error(`"${hour}" is no hour; write it like 2026-11-22T13 (UTC)`);
  const startedAt = now();
  const queries = await readQueries(options.queries, options.sources);
  const run = new Aggregation(options, queries);
  await run.bringUpToDate(readHours);
  return { topic, ...run.outcome(), seconds: (now() - startedAt) / 1_000 };
}

const nameOf = ({ query, hour }: { query: Query; hour: Hour }) => `${query.name} ${hour}`;

/** One run. `#unsettled`: what the round under way has left to be looked at again. */
class Aggregation {
  readonly #options: AggregateOptions;
  readonly #queries: readonly Query[];
  readonly #summaries: Map<string, QuerySummary>;
  #unsettled = new Map<string, { query: Query; hour: Hour }>();
  #hours = 0;
  #done = 0;
  #total = 0;

  constructor(options: AggregateOptions, queries: readonly Query[]) {
    this.#options = options;
    this.#queries = queries;
    this.#summaries = new Map(
      queries.map(({ name }) => [name, { query: name, computed: 0, unchanged: 0, rows: 0 }]),
    );
  }

  outcome(): Pick<AggregateResult, 'hours' | 'queries' | 'unsettled'> {
    const unsettled = [...this.#unsettled.values()].map(({ query, hour }) => ({ query: query.name, hour }));
    return { hours: this.#hours, queries: [...this.#summaries.values()], unsettled };
  }

  async bringUpToDate(readHours: () => Promise<TopicHours>): Promise<void> {
    let hours = await readHours();
    const chosen = hoursBetween(hours, this.#options);
    this.#hours = chosen.length;
    await using fetched = await FetchedFiles.open(this.#options.store, this.#options.localDirectory);
    let asked = this.#queries.flatMap((query) =>
      chosen.filter((hour) => isAnsweredAt(query, hour)).map((hour) => ({ query, hour })),
    );
    for (let round = 1; asked.length > 0 && round <= MAX_ROUNDS; round++) {
      if (round > 1) hours = await readHours();
      this.#unsettled = new Map();
      const wanted = await this.#wantedOf(asked, hours);
      this.#done = 0;
      this.#total = wanted.length;
      const portions = portionsOf(wanted, hours, this.#options.engine.limits);
      for (const [i, portion] of portions.entries()) {
        await fetched.keep(new Set(filesOf(portions.slice(i).flat(), hours)));
        await this.#compute(portion, hours, fetched);
      }
      asked = [...this.#unsettled.values()];
    }
  }

  /** Those of the hours asked for whose newest record or file is not what their inputs call for. */
  async #wantedOf(asked: readonly { query: Query; hour: Hour }[], hours: TopicHours): Promise<WantedHour[]> {
    const { store, topic, signal } = this.#options;
    const wanted: WantedHour[] = [];
    const recorded = new Map<string, Set<string>>();
    for (const { name } of this.#queries) {
      const entries = await store.list(queryRecordsDirectory(topic, name));
      recorded.set(name, new Set(entries.map((entry) => entry.name)));
    }
    await sideBySide(asked, AT_ONCE, async ({ query, hour }) => {
      signal?.throwIfAborted();
      const inputs = inputsOf(query, hour, hours);
      if (!recorded.get(query.name)?.has(hour)) {
        wanted.push({ query, hour, n: 1, inputs });
        return;
      }
      const { n, record, leftovers } = await readNewestRecord(store, topic, query.name, hour);
      for (const path of leftovers) await store.remove(path);
      if (record && isUpToDate(record, query, inputs) && (await isFileThere(store, record)))
        this.#summaries.get(query.name)!.unchanged++;
      else wanted.push({ query, hour, n: n + 1, inputs });
    });
    return wanted;
  }

  async #compute(portion: readonly WantedHour[], hours: TopicHours, fetched: FetchedFiles): Promise<void> {
    const { localDirectory, signal, onProgress } = this.#options;
    const directory = await mkdtemp(join(localDirectory, 'aggregate-'));
    let rest: WantedHour[] = [];
    try {
      const results = await this.#run(portion, hours, fetched, directory).catch(async (error: unknown) => {
        signal?.throwIfAborted();
        rest = await this.#withFilesThere(portion, hours);
        if (rest.length === portion.length) throw error;
        return [];
      });
      const wantedByName = new Map(portion.map((wanted) => [nameOf(wanted), wanted]));
      await sideBySide(results, AT_ONCE, async (result) => {
        signal?.throwIfAborted();
        await this.#commit(wantedByName.get(`${result.query} ${result.hour}`)!, result);
        onProgress?.(++this.#done, this.#total);
      });
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
    if (rest.length > 0) await this.#compute(rest, hours, fetched);
  }

  async #run(
    portion: readonly WantedHour[],
    hours: TopicHours,
    fetched: FetchedFiles,
    directory: string,
  ): Promise<HourResult[]> {
    const { engine, signal } = this.#options;
    const isLocal = engine.reads === 'local';
    if (isLocal) await fetched.fetch(filesOf(portion, hours), signal);
    const batch = batchOf(portion, hours, (path) => (isLocal ? fetched.at(path) : path));
    return await engine.run({ ...batch, directory }, signal);
  }

  /**
   * Leaves out, for another look, the hours that read a file which is away: a rewrite is moving it, or its commit is
   * published but not in place yet.
   */
  async #withFilesThere(portion: readonly WantedHour[], hours: TopicHours): Promise<WantedHour[]> {
    const read = new Set(portion.flatMap(({ query, hour }) => hoursRead(query, hour)));
    const files = [...read].flatMap((hour) =>
      (hours.get(hour)?.files ?? []).map(({ path }) => ({ hour, path })),
    );
    const broken = new Set<Hour>();
    await sideBySide(files, AT_ONCE, async ({ hour, path }) => {
      if ((await this.#options.store.stat(path)) === undefined) broken.add(hour);
    });
    return portion.filter(({ query, hour }) => {
      const whole = !hoursRead(query, hour).some((each) => broken.has(each));
      if (!whole) this.#unsettled.set(nameOf({ query, hour }), { query, hour });
      return whole;
    });
  }

  async #commit(wanted: WantedHour, result: HourResult): Promise<void> {
    const { topic, log } = this.#options;
    const { query, hour } = wanted;
    const record = recordPath(topic, query.name, hour, wanted.n);
    const attempt = randomUUID();
    const settled = await this.#place(wanted, result, record, attempt).catch(async (error: unknown) => {
      // Whoever took the number may have swept our files away under us.
      const winner = await this.#attemptAt(record);
      if (winner === undefined) throw error;
      return winner === attempt;
    });
    if (settled) {
      const summary = this.#summaries.get(query.name)!;
      summary.computed++;
      summary.rows += result.rows;
      return;
    }
    log.info({ query: query.name, hour }, 'another run aggregated this hour at the same time; looking again');
    this.#unsettled.set(nameOf(wanted), { query, hour });
  }

  /** Puts the file in place, then publishes its record; false: the number is taken. */
  async #place(wanted: WantedHour, result: HourResult, record: string, attempt: string): Promise<boolean> {
    const { store, topic, engine, now } = this.#options;
    const { query, hour, inputs } = wanted;
    const file = aggregateFile(query.name, topic, hour);
    const staged = attemptPath(record, attempt, 'staged');
    const waiting = attemptPath(record, attempt, 'json.tmp');
    const bytes = await store.upload(result.path, staged);
    const identity = await localIdentity(result.path, bytes);
    const body: AggregateRecord = {
      v: 1,
      topic,
      query: query.name,
      hour,
      attempt,
      committedAt: new Date(now()).toISOString(),
      engine: engine.name,
      sqlSha256: query.sha256,
      ...(query.parameters.length > 0 && {
        parameters: Object.fromEntries(query.parameters.map(({ name, value }) => [name, value])),
      }),
      inputs,
      file,
      rows: result.rows,
      ...identity,
    };
    await store.create(waiting, encodeRecord(body));
    await store.makeDirectory(dirname(file));
    await store.overwrite(staged, file);
    const outcome = await store.publish(waiting, record);
    await store.remove(waiting);
    return outcome === 'published';
  }

  /** The attempt that the record at a path is of, if there is one. */
  async #attemptAt(path: string): Promise<string | undefined> {
    const body = await this.#options.store.read(path);
    return body && (decodeRecord(body)?.attempt ?? '');
  }
}

async function localIdentity(path: string, bytes: number) {
  await using handle = await open(path);
  return await identityOf(bytes, async (start, length) => {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, start);
    return buffer.subarray(0, bytesRead);
  });
}
