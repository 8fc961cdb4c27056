/**
 * Publishing a record: one rename to a name that must not exist, and its true outcome. Chains of commits and the log of
 * rewrites both stand on this one act: it is at once the commit and the fence against every other process.
 */
import { dirname } from 'node:path/posix';
import { BrokenRecord } from './commit.ts';
import { attemptDirectory, RECORD_STAGED_NAME, type WantedName, wantedPath } from './paths.ts';
import type { Store } from './store/store.ts';

/** How an attempt to publish ended. `lost`: the name belongs to another attempt, or its generation is gone. */
export type Published = 'won' | 'lost';

/**
 * Stages a record beside the files of its attempt and publishes it under the name it wants. `won` and `lost` are both
 * read back from the store, never taken from a failed call. The parent of the name is never made here: a generation that
 * is gone must stay gone. Throws if the outcome can't be learnt: the attempt may still land, so its staging must stay
 * until its name is taken.
 */
export async function publishRecord(
  store: Store,
  topic: string,
  want: WantedName,
  { attempt, body }: { attempt: string; body: Buffer },
): Promise<Published> {
  const staged = `${attemptDirectory(topic, want, attempt)}/${RECORD_STAGED_NAME}`;
  const path = wantedPath(topic, want);
  if (!(await stageRecord(store, staged, body, path))) return 'lost';
  return await publishOnce(store, staged, path, attempt);
}

/** Writes a record beside its files; false if the name was taken meanwhile: who took it sweeps the staging of all others. */
async function stageRecord(store: Store, staged: string, body: Buffer, wanted: string): Promise<boolean> {
  try {
    await store.create(staged, body);
    return true;
  } catch (error) {
    if ((await store.stat(wanted)) !== undefined) return false;
    throw error;
  }
}

/**
 * Whatever the call said, or if it failed without an answer, the destination decides: this attempt's id there is a win,
 * another's a loss. Absent after an error, the error stands.
 */
async function publishOnce(store: Store, staged: string, path: string, attempt: string): Promise<Published> {
  let failure: unknown;
  const outcome = await store.publish(staged, path).catch((error: unknown) => {
    failure = error;
    return 'unknown' as const;
  });
  if (outcome === 'orphaned') return 'lost';
  const body = await store.read(path);
  if (body !== undefined && attemptOf(body) !== attempt) return 'lost';
  if (body !== undefined) {
    // A call that broke off may have left a name that is there but not durable: nothing may be applied on it yet.
    if (failure !== undefined) await store.sync([dirname(path)]);
    return 'won';
  }
  if (failure !== undefined) throw failure;
  throw new BrokenRecord(
    `${path} is absent although its rename was answered "${outcome}"; run the load again`,
  );
}

function attemptOf(body: Buffer): unknown {
  return (JSON.parse(body.toString('utf8')) as { attempt?: unknown }).attempt;
}
