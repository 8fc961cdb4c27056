/**
 * What the doctor finds in staging and trash: work that nothing can come of any more, and work that may still be going on.
 */
import { parseTrashName, parseWantedName, stagingDirectory, trashRoot } from '../loader/paths.ts';
import type { Store } from '../loader/store/store.ts';
import { standingOf } from '../loader/sweep.ts';
import type { TopicState } from '../loader/table-state.ts';
import type { Finding } from './finding.ts';

export async function findInStaging(store: Store, state: TopicState): Promise<Finding[]> {
  const { topic, log } = state;
  const findings: Finding[] = [];
  for (const { name } of await store.list(stagingDirectory(topic))) {
    const want = parseWantedName(name);
    if (want === undefined) continue; // markers are swept by age
    const path = `${stagingDirectory(topic)}/${name}`;
    const attempts = (await store.list(path)).map((entry) => entry.name);
    const standing = standingOf(state, want);
    const isFree = standing === undefined || standing.isFree;
    if (!isFree && attempts.some((attempt) => attempt !== standing.unapplied)) findings.push(dead(path));
    else if (isFree && want.kind === 'rewrite' && attempts.length > 0) findings.push(orphaned(path));
  }
  const known = new Set(log.rewrites.map(({ seq }) => seq));
  for (const { name } of await store.list(trashRoot(topic))) {
    const seq = parseTrashName(name);
    if (seq !== undefined && seq > log.sealedUntil && !known.has(seq))
      findings.push(strayTrash(`${trashRoot(topic)}/${name}`));
  }
  return findings;
}

const dead = (path: string): Finding => ({
  kind: 'dead staging',
  severity: 'warning',
  path,
  problem: 'what is staged there was outbid, and nothing can come of it',
  remedy: 'the next load sweeps it, or doctor --fix',
  fixable: true,
});

const orphaned = (path: string): Finding => ({
  kind: 'orphaned rewrite',
  severity: 'warning',
  path,
  problem:
    'a replay, compaction or undo has staged files and not published its record: it is at work, or it died',
  remedy: 'if no such command is running, doctor --fix takes its number and sweeps it',
  fixable: true,
});

const strayTrash = (path: string): Finding => ({
  kind: 'stray trash',
  severity: 'error',
  path,
  problem: 'it bears the number of a rewrite that the log does not have',
  remedy: 'restore the record of that rewrite from a copy',
  fixable: false,
});
