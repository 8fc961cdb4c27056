/**
 * The work of one piscina thread: one range of one partition, from the broker's socket to files staged and verified in
 * the warehouse. It publishes nothing. Errors lose their class between threads, so a task answers with plain data; a
 * rejection means a bug or a dead thread.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { KafkaClient } from '../broker/client/client.ts';
import { fetchRange } from '../broker/client/fetch-range.ts';
import type { OffsetRange } from '../broker/topic-partition.ts';
import type { Settings } from '../config/settings.ts';
import type { EventSchema } from '../schemas/event-schema.ts';
import type { EventBounds } from '../schemas/guard.ts';
import { EventSorter, type LastBatch, RAW_COLUMNS } from './event-sorter.ts';
import { type HourIndex, hourName } from './hour.ts';
import { firstMarkedMs } from './hour-marker.ts';
import { ParquetWriter } from './parquet-file.ts';
import type { RegistrySettings } from './schema-registry.ts';
import { Spool } from './spool.ts';
import { FileStager, type StagedFile } from './stage-files.ts';
import { openStore } from './store/open-store.ts';
import type { Store } from './store/store.ts';
import { decodersOf, type ValueDecoders } from './value-decoders.ts';

/** What a task is told; plain data, sent to the thread. */
export interface TaskInput {
  topic: string;
  partition: number;
  range: OffsetRange;
  /** Number of the task among the sub-ranges of its record. */
  task: number;
  schema: EventSchema | undefined;
  bounds: EventBounds;
  tombstones: 'quarantine' | 'skip';
  /** Hours that bear a marker; those first marked before `lateBeforeMs` take no more rows. */
  markedHours: ReadonlySet<HourIndex>;
  lateBeforeMs: number;
  /** Hour of refused records without a timestamp. */
  fallbackHour: HourIndex;
  /** Of a replay: rows of hours before this one were deleted by retention and are only counted. */
  expiredBefore?: HourIndex | undefined;
  /** Staging directory of the attempt, relative to the topic. */
  staging: string;
  client: Settings['client'];
  loader: Settings['loader'];
  webhdfs: Settings['webhdfs'];
  registry: RegistrySettings;
  spoolDirectory: string;
  /** One Int32 that all tasks of a run watch: a value of STOP. */
  stop: SharedArrayBuffer;
  /** Float64: records read so far by this task, for progress. */
  progress: SharedArrayBuffer;
}

/** `finish`: stop reading and stage what was read (a time budget). `abandon`: stop at once, nothing is to be published. */
export const STOP = { go: 0, finish: 1, abandon: 2 } as const;

/** What a task found; `next` is where the range it really covered ends. */
export interface TaskDone {
  ok: true;
  next: number;
  files: StagedFile[];
  read: number;
  /** Records in no file: deletions passed over, and rows of expired hours. */
  filtered: number;
  /** The latter alone. */
  expired: number;
  last: LastBatch | null;
  leaderEpoch: number;
  /** How long the thread was at it. */
  seconds: number;
}

export type TaskResult =
  | TaskDone
  | { ok: false; abandoned: boolean; message: string; stack: string | undefined };

class Abandoned extends Error {}

/** Opened once per thread and kept: an engine and a connection cost more than a small partition's load. */
interface ThreadResources {
  key: string;
  store: Store;
  client: KafkaClient;
  writer: ParquetWriter;
  /** Undefined: there is no registry. */
  decoders: ValueDecoders | undefined;
}
let resources: ThreadResources | undefined;

async function threadResources({
  client,
  loader,
  webhdfs,
  registry,
  spoolDirectory,
}: TaskInput): Promise<ThreadResources> {
  const key = JSON.stringify([client, loader, webhdfs, registry, spoolDirectory]);
  if (resources?.key === key) return resources;
  if (resources !== undefined) await closeResources(resources);
  resources = undefined;
  resources = {
    key,
    store: await openStore({ loader, webhdfs }),
    client: await KafkaClient.connect(client, { clientId: 'millrace-loader' }),
    writer: await ParquetWriter.open({
      memoryLimitBytes: loader.duckdbMemoryBytes,
      tempDirectory: spoolDirectory,
    }),
    decoders: decodersOf(registry),
  };
  return resources;
}

async function closeResources({ store, client, writer }: ThreadResources): Promise<void> {
  await writer[Symbol.asyncDispose]();
  await client[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
}

/** The piscina entry. */
export default async function loadTask(input: TaskInput): Promise<TaskResult> {
  try {
    return await runTask(input, await threadResources(input));
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    return { ok: false, abandoned: error instanceof Abandoned, message, stack };
  }
}

async function runTask(
  input: TaskInput,
  { store, client, writer, decoders }: ThreadResources,
): Promise<TaskResult> {
  const { topic, partition, range, loader } = input;
  const begunMs = performance.now();
  const stop = new Int32Array(input.stop);
  const progress = new Float64Array(input.progress);
  const checkStop = () => {
    if (Atomics.load(stop, 0) === STOP.abandon) throw new Abandoned('the load was stopped');
  };
  using rows = Spool.create(join(input.spoolDirectory, `${randomUUID()}.rows`));
  using refused = Spool.create(join(input.spoolDirectory, `${randomUUID()}.refused`));
  const sorter = new EventSorter({ ...input, decoders }, rows, refused);
  await using stager = new FileStager({
    ...stagerOptions(input),
    store,
    writer,
    isTooLate: lateRule(input, store),
    checkStop,
  });
  const stage = async () => {
    await stager.stageRows(rows);
    await stager.stageRefused(refused, sorter.refused);
    rows.clear();
    refused.clear();
    sorter.refused.clear();
  };
  let next = range.from;
  for await (const fetched of fetchRange(client, { topic, partition }, range, {
    maxBytes: loader.fetchBytes,
    isolation: 'read_committed',
  })) {
    if (input.schema !== undefined) await decoders?.prepare(fetched.bytes, range);
    sorter.add(fetched.bytes);
    fetched.release();
    next = Math.min(fetched.nextOffset, range.until);
    progress[0] = sorter.read;
    checkStop();
    stager.check();
    if (rows.bytes + refused.bytes >= loader.spoolBytes) await stage();
    if (Atomics.load(stop, 0) === STOP.finish) break;
  }
  await stage();
  const files = [...(await stager.finish())];
  const { read, filtered, expired, last, leaderEpoch } = sorter;
  const seconds = (performance.now() - begunMs) / 1_000;
  return { ok: true, next, files, read, filtered, expired, last, leaderEpoch, seconds };
}

function stagerOptions({ topic, partition, task, staging, spoolDirectory, schema, loader }: TaskInput) {
  return {
    topic,
    partition,
    task,
    directory: staging,
    spoolDirectory,
    columns: schema?.columns ?? RAW_COLUMNS,
    isBinary: schema === undefined,
    compression: loader.compression,
    rowGroupRows: loader.rowGroupRows,
    targetFileBytes: loader.targetFileBytes,
    metadata: {
      'millrace.topic': topic,
      'millrace.partition': String(partition),
      'millrace.schema': schema?.name ?? 'raw',
      'millrace.schema.sha256': schema?.sha256 ?? '',
    },
  };
}

/** The rule for `_late/`: only hours whose first marker is older than the horizon are closed. Asked once per marked hour. */
function lateRule(
  { topic, markedHours, lateBeforeMs }: TaskInput,
  store: Store,
): (hour: HourIndex) => Promise<boolean> {
  const answers = new Map<HourIndex, boolean>();
  return async (hour) => {
    if (!markedHours.has(hour)) return false;
    let answer = answers.get(hour);
    if (answer === undefined) {
      const markedMs = await firstMarkedMs(store, topic, hourName(hour));
      answers.set(hour, (answer = markedMs !== undefined && markedMs < lateBeforeMs));
    }
    return answer;
  };
}
