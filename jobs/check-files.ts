/**
 * Whether a schema goes with the files that a topic has already: the newest of them is looked at, because columns are only
 * ever added. What levels there are between versions of a schema plays no part: a file has no rules, only columns.
 */
import { isGrownFrom } from '../loader/column-growth.ts';
import type { RowCopier } from '../loader/row-copier.ts';
import type { Store } from '../loader/store/store.ts';
import { liveFiles, type TopicState } from '../loader/table-state.ts';
import { typeName } from '../schemas/column.ts';
import type { EventSchema } from '../schemas/event-schema.ts';
import { type Change, changed } from '../schemas/evolution.ts';
import { FetchedFiles } from './fetched-files.ts';

export interface CheckedFiles {
  /** The file that was looked at, relative to the topic; undefined: there is none. */
  file: string | undefined;
  changes: Change[];
}

/** Compares a schema with the newest file of a topic. */
export async function checkFiles(
  { store, copier, localDirectory }: { store: Store; copier: RowCopier; localDirectory: string },
  state: TopicState,
  schema: EventSchema,
): Promise<CheckedFiles> {
  const file = newestFile(state);
  if (file === undefined) return { file, changes: [] };
  await using local = await FetchedFiles.open(store, localDirectory);
  const path = `${state.topic}/${file}`;
  await local.fetch([path]);
  const wanted = schema.columns.map((column) => typeName(column, 'duckdb'));
  const { file: columns, types } = await copier.typesOf(local.at(path), wanted);
  // The record's own columns begin with _, those of schemas never do.
  const own = columns.filter(([name]) => !name.startsWith('_'));
  return { file, changes: differences(own, schema, types) };
}

/** The live file of the newest commit that has one; of a table that was rewritten since, any. */
function newestFile(state: TopicState): string | undefined {
  const commits = [...state.chains.values()].flatMap(({ commits: of }) => of);
  commits.sort((a, b) => b.committedAt.localeCompare(a.committedAt));
  for (const { files } of commits)
    for (const { role, final } of files) if (role === 'data' && state.live.has(final)) return final;
  return liveFiles(state).next().value?.final;
}

function differences(
  columns: readonly (readonly [name: string, type: string])[],
  schema: EventSchema,
  types: readonly string[],
): Change[] {
  const names = schema.columns.map(({ name }) => name);
  const changes = columns.flatMap(([name, type], i) => {
    const at = names.indexOf(name);
    if (at < 0) return [changed('removed', name)];
    const moved = at === i ? [] : [changed('moved', name)];
    if (isGrownFrom(type, types[at]!)) return moved;
    return [...moved, changed('of another type', name, { old: type, new: types[at]! })];
  });
  const added = schema.columns.filter(({ name }) => !columns.some(([known]) => known === name));
  return [
    ...changes,
    ...added.map(({ name, required }) => changed(required ? 'added as required' : 'added at the end', name)),
  ];
}
