/**
 * Small JSON files below `_millrace`: a new one under a name that must not exist, or a derived one in place of the last.
 * Either is written whole under a name of its own first, so that nobody reads a part.
 */
import { randomUUID } from 'node:crypto';
import { dirname } from 'node:path/posix';
import type { z } from 'zod';
import { millraceStagedPath } from '../loader/paths.ts';
import type { Store } from '../loader/store/store.ts';

const encode = (body: object) => `${JSON.stringify(body)}\n`;

/** Writes a file that derived state is kept in, over the one before. */
export async function replaceRecord(store: Store, path: string, body: object): Promise<void> {
  const staged = millraceStagedPath(randomUUID());
  await store.create(staged, encode(body));
  await store.makeDirectory(dirname(path));
  await store.overwrite(staged, path);
}

/** A staged record: its path, and the store's clock when it was written. */
export interface StagedRecord {
  path: string;
  storeMs: number;
}

/** Stages a record for `publishStaged`; `attempt` must be in the body as its member `attempt`. */
export async function stageRecord(store: Store, body: object & { attempt: string }): Promise<StagedRecord> {
  const path = millraceStagedPath(body.attempt);
  await store.create(path, encode(body));
  return { path, storeMs: (await store.stat(path))?.modifiedMs ?? 0 };
}

/** Gives a staged record the name that it wants. Whatever the call said, what stands there afterwards decides. */
export async function publishStaged(
  store: Store,
  staged: StagedRecord,
  path: string,
  attempt: string,
): Promise<boolean> {
  await store.makeDirectory(dirname(path));
  const outcome = await store.publish(staged.path, path).catch((error: unknown) => error as Error);
  if (outcome === 'published') return true;
  const found = (await readJson(store, path)) as { attempt?: unknown } | undefined;
  if (found === undefined && outcome instanceof Error) throw outcome;
  return found?.attempt === attempt;
}

/** A record by its schema; undefined if there is none that can be read. */
export async function readRecord<T>(
  store: Store,
  path: string,
  schema: z.ZodType<T>,
): Promise<T | undefined> {
  const parsed = schema.safeParse(await readJson(store, path));
  return parsed.success ? parsed.data : undefined;
}

async function readJson(store: Store, path: string): Promise<unknown> {
  const body = await store.read(path);
  try {
    return body === undefined ? undefined : JSON.parse(body.toString('utf8'));
  } catch {
    return undefined; // torn: the same as never written
  }
}
