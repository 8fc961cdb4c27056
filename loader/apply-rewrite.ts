/**
 * Makes a published rewrite true on disk. In this order, so that a reader may see absence for a moment but never a row
 * twice: the markers of the hours touched are withdrawn, removed files go to the trash, added ones come in; the marker is
 * withdrawn again before each move. Any process may do it, any number of times; it is done when the staging directory of the
 * attempt is gone.
 */
import { dirname } from 'node:path/posix';
import { inParallel, placeFiles } from './apply.ts';
import { newAttempt } from './commit-chain.ts';
import type { Hour } from './hour.ts';
import {
  attemptDirectory,
  markerStagingDirectory,
  successPath,
  trashDirectory,
  trashName,
  wantedName,
  wantedPath,
} from './paths.ts';
import type { Rewrite } from './rewrite.ts';
import type { Store } from './store/store.ts';

const attemptOf = ({ topic, seq, attempt }: Rewrite, generation: number) =>
  attemptDirectory(topic, { kind: 'rewrite', generation, seq }, attempt);

/** Whether nothing is left to do for a rewrite: its staging is gone. `staged`: listed after the log was read. */
export async function isRewriteApplied(
  store: Store,
  rewrite: Rewrite,
  generation: number,
  staged?: ReadonlySet<string>,
): Promise<boolean> {
  const want = { kind: 'rewrite', generation, seq: rewrite.seq } as const;
  if (staged?.has(wantedName(want)) === false) return true;
  return (await store.stat(attemptOf(rewrite, generation))) === undefined;
}

/** Hours whose files a rewrite changes. */
export function touchedHours({ removes, adds }: Rewrite): Hour[] {
  return [...new Set([...removes, ...adds].map(({ hour }) => hour))].sort();
}

/** Applies a rewrite. `own` is false for one that another process published: its name is made durable first. */
export async function applyRewrite(
  store: Store,
  rewrite: Rewrite,
  generation: number,
  own: boolean,
): Promise<void> {
  const { topic, seq, removes, adds, kind, trash = [] } = rewrite;
  const staging = attemptOf(rewrite, generation);
  const isDone = async () => (await store.stat(staging)) === undefined;
  if (own && (await isDone())) return; // by another process, which may have marked the hours again by now
  if (!own) await store.sync([dirname(wantedPath(topic, { kind: 'rewrite', generation, seq }))]);
  const withdraw = (hour: Hour) => store.remove(successPath(topic, hour));
  await inParallel(touchedHours(rewrite), withdraw);
  // What was withdrawn may have been a new mark already: the next judge is told to look at every mark again.
  const tellJudges = () => store.create(`${markerStagingDirectory(topic, newAttempt())}/withdrawn`, '');
  if (await isDone()) return tellJudges();
  // A judge who folded the log before this rewrite was in it may mark an hour late. Looked at first, so that new marks stay.
  const withdrawAgain = async (hour: Hour) => {
    if ((await store.stat(successPath(topic, hour))) !== undefined && !(await isDone())) await withdraw(hour);
  };
  const left = new Set(removes.map(({ final }) => `${topic}/${dirname(final)}`));
  if (kind !== 'expire' && removes.length > 0) await store.makeDirectory(trashDirectory(topic, seq));
  await inParallel(removes.entries(), async ([index, { final, hour }]) => {
    await withdrawAgain(hour);
    if (kind === 'expire') await store.remove(`${topic}/${final}`);
    else await retire(store, `${topic}/${final}`, `${topic}/${trashName(seq, index)}`);
  });
  // Durable before the added files are, or a crash could bring the removed rows back beside them; and the trash before the
  // directories they left, or it could leave them in neither.
  await store.sync([trashDirectory(topic, seq), ...left]);
  const entered = await placeFiles(store, topic, adds, {
    staging,
    own,
    before: ({ hour }) => withdrawAgain(hour),
  });
  if (await isDone()) return tellJudges(); // by another process, meanwhile
  for (const seq of trash) await store.remove(trashDirectory(topic, seq));
  await store.sync([...entered, staging]);
  await store.remove(staging);
}

/** Moves a file to the trash. Not there: another process moved it, or a later rewrite brought it back under a new name. */
async function retire(store: Store, path: string, retired: string): Promise<void> {
  await store.move(path, retired).catch(async (error: unknown) => {
    if ((await store.stat(path)) !== undefined) throw error; // else it was moved, by this call or another's
  });
}
