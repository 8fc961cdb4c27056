/**
 * `millrace schema versions`: which versions of its schema a topic was loaded by, from the commit records, and whether the
 * schema of now is one of them.
 */
import type { Command } from 'commander';
import type { Commit } from '../loader/commit.ts';
import { type Act, addExamples } from './command.ts';
import type { CommandContext } from './context.ts';
import { openWarehouse } from './resources.ts';
import { tableText } from './table.ts';

/** Loads by one version. Times are those of the first and the last of their records. */
interface Version {
  name: string;
  sha256: string;
  first: string;
  last: string;
  rows: number;
  files: number;
  /** By partition: the least and the next offset of its records. */
  offsets: Record<number, [start: number, next: number]>;
}

/** Digits of a hash that people compare. */
const SHOWN_DIGITS = 12;

/** The versions in the order of their first record. Records that hold no events, such as a seal, have none. */
function versionsOf(chains: Iterable<{ partition: number; commits: readonly Commit[] }>): Version[] {
  const versions = new Map<string, Version>();
  for (const { partition, commits } of chains)
    for (const { kind, schema, start, next, committedAt, counts, files } of commits) {
      if (kind !== 'data') continue;
      const key = `${schema.name} ${schema.sha256}`;
      const version = versions.get(key) ?? {
        ...schema,
        first: committedAt,
        last: committedAt,
        rows: 0,
        files: 0,
        offsets: {},
      };
      versions.set(key, version);
      if (committedAt < version.first) version.first = committedAt;
      if (committedAt > version.last) version.last = committedAt;
      version.rows += counts.data;
      version.files += files.filter(({ role }) => role === 'data').length;
      const [from, to] = version.offsets[partition] ?? [start, next];
      version.offsets[partition] = [Math.min(from, start), Math.max(to, next)];
    }
  return [...versions.values()].sort((a, b) => a.first.localeCompare(b.first));
}

async function versions(context: CommandContext, { topic }: { topic: string }): Promise<void> {
  const { settings, out } = context;
  const { findSchema } = await import('../schemas/event-schema.ts');
  const { readTopicState } = await import('../loader/table-state.ts');
  const now = await findSchema(topic, settings);
  await using store = await openWarehouse(context, 'read');
  const { chains } = await readTopicState(store, topic);
  const found = versionsOf(chains.values());
  out.object({ topic, current: { name: now?.name ?? 'raw', sha256: now?.sha256 ?? null }, versions: found });
  const rows = found.map((version) => [
    version.name,
    version.sha256.slice(0, SHOWN_DIGITS),
    version.first,
    version.last,
    version.rows,
    version.files,
    version.sha256 === now?.sha256 ? 'current' : '',
  ]);
  out.line(tableText(['schema', 'sha256', 'first load', 'last load', 'rows', 'files', ''], rows));
  if (!found.some(({ sha256 }) => sha256 === now?.sha256))
    out.line(
      `the schema of now, ${now?.name ?? 'raw'} ${now?.sha256.slice(0, SHOWN_DIGITS) ?? ''}, has not loaded anything yet`,
    );
}

export function defineVersions(command: Command, act: Act): void {
  const made = command
    .command('versions')
    .description('The versions of its schema that a topic was loaded by, since its chains were last sealed.')
    .requiredOption('--topic <name>', 'the topic')
    .action(act<{ topic: string }>(versions));
  addExamples(made, [['schema versions --topic shop', 'by time, with the offsets of each in the JSON']]);
}
