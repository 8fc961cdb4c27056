/**
 * Markers say that an hour is complete. The truth is a numbered record per version, `_loader/hours/<hour>/<n>.json`,
 * published under a name that must not exist; `_SUCCESS` in the hour's directory is a copy of the newest, for readers
 * and schedulers. A marker is derived from chains and observations and can be made again from them.
 */
import { z } from 'zod';
import { BrokenRecord } from './commit.ts';
import { newAttempt } from './commit-chain.ts';
import type { Hour } from './hour.ts';
import { hourMarkersDirectory, hoursDirectory, parseVersionName, successPath, versionName } from './paths.ts';
import type { Store } from './store/store.ts';

/** How often one judge copies a marker because another has published the next meanwhile. */
const MAX_COPIES = 8;

const count = z.int().min(0);

const marker = z.strictObject({
  v: z.literal(1),
  topic: z.string(),
  hour: z.string(),
  /** 1 for the first marker of the hour, then one more each time its files change. */
  version: z.int().min(1),
  markedAt: z.iso.datetime(),
  firstMarkedAt: z.iso.datetime(),
  run: z.string(),
  attempt: z.string(),
  /** Head of every chain when the hour was judged: partition → next offset. */
  nextOffsets: z.record(z.string(), count),
  rewriteSeq: count,
  rows: count,
  bytes: count,
  files: count,
  /** Rows that came after the first marker: in the hour's files, and in `_late/`. */
  late: z.strictObject({ inHour: count, apart: count }),
  /** SHA-256 over the sorted names of the hour's files: changes when and only when the set of files does. */
  filesSha256: z.string(),
});

/** The body of a marker and of `_SUCCESS`. */
export type HourMarker = z.infer<typeof marker>;

/** The hours that may bear a marker (one listing; a directory without a version is possible after a crash). */
export async function listMarkedHours(store: Store, topic: string): Promise<Hour[]> {
  return (await store.list(hoursDirectory(topic))).map(({ name }) => name);
}

/** The newest marker of an hour, or undefined if it has none. */
export async function newestMarker(store: Store, topic: string, hour: Hour): Promise<HourMarker | undefined> {
  const newest = await newestVersion(store, topic, hour);
  if (newest === 0) return undefined;
  return await readMarker(store, `${hourMarkersDirectory(topic, hour)}/${versionName(newest)}`);
}

async function newestVersion(store: Store, topic: string, hour: Hour): Promise<number> {
  const entries = await store.list(hourMarkersDirectory(topic, hour));
  return Math.max(0, ...entries.flatMap(({ name }) => parseVersionName(name) ?? []));
}

/** When the hour was first marked, in milliseconds since 1970, or undefined. It never changes afterwards. */
export async function firstMarkedMs(store: Store, topic: string, hour: Hour): Promise<number | undefined> {
  const first = await readMarker(store, `${hourMarkersDirectory(topic, hour)}/${versionName(1)}`);
  return first && Date.parse(first.markedAt);
}

async function readMarker(store: Store, path: string): Promise<HourMarker | undefined> {
  const body = await store.read(path);
  if (body === undefined) return undefined;
  const parsed = marker.safeParse(JSON.parse(body.toString('utf8')));
  if (parsed.success) return parsed.data;
  throw new BrokenRecord(
    `${path} is not a marker this version can read; delete it, the next load writes it again`,
  );
}

/**
 * Publishes a marker and copies it to `_SUCCESS`. Returns false if another process took the version: it has judged the
 * hour too, and its word stands. A judge that dies between the two leaves an old or no `_SUCCESS`; the next run sees that
 * this one did not end, and mends it. `staging`: a directory of the caller's own, its to remove when all its markers stand.
 */
export async function publishMarker(
  store: Store,
  body: Omit<HourMarker, 'v' | 'attempt'>,
  staging: string,
): Promise<boolean> {
  const record: HourMarker = marker.parse({ v: 1, ...body, attempt: newAttempt() });
  const directory = hourMarkersDirectory(record.topic, record.hour);
  const staged = `${staging}/${record.hour}-marker.json.tmp`;
  await store.makeDirectory(directory);
  await store.create(staged, encode(record));
  const outcome = await store.publish(staged, `${directory}/${versionName(record.version)}`);
  if (outcome === 'published') await writeSuccess(store, record, staging);
  return outcome === 'published';
}

/** Makes `_SUCCESS` say what the newest marker says, if it doesn't. */
export async function repairSuccess(store: Store, newest: HourMarker, staging: string): Promise<void> {
  const found = await store.read(successPath(newest.topic, newest.hour));
  if (!found?.equals(encode(newest))) await writeSuccess(store, newest, staging);
}

/** Looks again after each copy: of two judges the slower may have put its older marker over the newer one. */
async function writeSuccess(store: Store, record: HourMarker, staging: string): Promise<void> {
  const { topic, hour } = record;
  const path = successPath(topic, hour);
  if (record.files === 0) await store.makeDirectory(path.slice(0, path.lastIndexOf('/'))); // else its files stand in it
  let copied = record;
  for (let copy = 0; copy < MAX_COPIES; copy++) {
    const staged = `${staging}/${hour}-success-${copy}.json.tmp`;
    await store.create(staged, encode(copied));
    await store.overwrite(staged, path);
    if ((await newestVersion(store, topic, hour)) <= copied.version) return;
    copied = (await newestMarker(store, topic, hour)) ?? copied;
  }
  throw new BrokenRecord(
    `${path}: ${MAX_COPIES} other judges marked this hour meanwhile; run the load again`,
  );
}

const encode = (record: HourMarker) => Buffer.from(`${JSON.stringify(record, null, 1)}\n`);
