/**
 * Mutants of what is written into records and of who may write them: rewrites that forget a rule, as switches in the tests'
 * store. `mutants.ts` has those of single operations.
 */
import { createHash } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { StoreEntry } from '../../../loader/store/store.ts';
import type { Mutant, StoreMethods } from './mutant.ts';

const REWRITE = /_loader\/rewrites\/g=\d+\/(\d{8})\.json$/;
const REWRITE_TMP = /\/staging\/w-[^/]+\/[^/]+\/record\.json\.tmp$/;
const TRASH = /^(.*)\/_loader\/trash\/(\d{8})\/(\d+)\.retired$/;
const SEQ_DIGITS = 8;

interface File {
  final: string;
  role: string;
  hour: string;
  bytes: number;
  minOffset: number;
  maxOffset: number;
}
interface Rewrite {
  kind: string;
  seq: number;
  prevSha256: string;
  removes: File[];
  adds: File[];
  ranges?: { from: number; until: number }[];
  trash?: number[];
}

const rewriteName = (seq: number) => `${String(seq).padStart(SEQ_DIGITS, '0')}.json`;
const bodyOf = async (store: StoreMethods, path: string) =>
  (await store['read']!(path)) as Buffer | undefined;
const parse = <T>(body: unknown) => JSON.parse(String(body)) as T;
const names = async (store: StoreMethods, path: string) =>
  ((await store['list']!(path)) as StoreEntry[]).map(({ name }) => name);

/** Changes a replay's record before it is staged. */
const changesReplay = (change: (record: Rewrite) => Rewrite): Mutant => ({
  store: {
    create: async (_, [path, body], original) => {
      const record = REWRITE_TMP.test(String(path)) ? parse<Rewrite>(body) : undefined;
      return record?.kind === 'replay'
        ? await original(path, JSON.stringify(change(record)))
        : await original();
    },
  },
});

/** Gives what a replay adds the names of what it removes. */
function reuseNames(record: Rewrite): Rewrite {
  const free = [...record.removes];
  const adds = record.adds.map((file) => {
    const index = free.findIndex(({ role, hour }) => role === file.role && hour === file.hour);
    return index < 0 ? file : { ...file, final: free.splice(index, 1)[0]!.final };
  });
  return { ...record, adds };
}

/** Leaves out what lies outside the ranges that were read again. */
function carryNothing(record: Rewrite): Rewrite {
  const isInside = ({ minOffset, maxOffset }: File) =>
    record.ranges!.some(({ from, until }) => minOffset >= from && maxOffset < until);
  return { ...record, adds: record.adds.filter(isInside) };
}

/** Publishes a rewrite whose number is taken under the next one, as it is. */
async function renumber(store: StoreMethods, from: string, to: string): Promise<[string, string]> {
  const record = parse<Rewrite>(await bodyOf(store, from));
  const prevSha256 = createHash('sha256')
    .update((await bodyOf(store, to))!)
    .digest('hex');
  const seq = record.seq + 1;
  await store['create']!(`${from}.again`, JSON.stringify({ ...record, seq, prevSha256 }));
  return [`${from}.again`, `${dirname(to)}/${rewriteName(seq)}`];
}

/** Moves the base of every chain up to its head, in place, and deletes the records. */
async function freeNames(store: StoreMethods, topic: string, root: string): Promise<void> {
  const commits = `${topic}/_loader/commits`;
  for (const partition of await names(store, commits))
    for (const generation of await names(store, `${commits}/${partition}`)) {
      const directory = `${commits}/${partition}/${generation}`;
      const base = parse<{ head: number; files?: File[] }>(await bodyOf(store, `${directory}/base.json`));
      const records = (await names(store, directory)).filter((name) => /^\d{20}\.json$/.test(name)).sort();
      const files = [...(base.files ?? [])];
      for (const name of records) {
        const record = parse<{ next: number; files: File[] }>(await bodyOf(store, `${directory}/${name}`));
        base.head = record.next;
        files.push(...record.files);
      }
      const at = join(root, directory);
      writeFileSync(join(at, 'base.new'), JSON.stringify({ ...base, files }));
      renameSync(join(at, 'base.new'), join(at, 'base.json'));
      for (const name of records) await store['remove']!(`${directory}/${name}`);
    }
}

export const RECORD_MUTANTS = {
  'names reused': changesReplay(reuseNames),
  'no carry-over': changesReplay(carryNothing),
  'rewrites per partition': {
    store: {
      publish: async (store, [from, to], original) => {
        const outcome = await original();
        if (outcome !== 'taken' || !REWRITE.test(String(to))) return outcome;
        return await original(...(await renumber(store, String(from), String(to))));
      },
    },
  },
  'names freed singly': {
    store: {
      create: async (store, [path], original, root) => {
        const created = await original();
        const [, topic] = /^([^/]+)\/_loader\/runs\/.*\.outcome\.json$/.exec(String(path)) ?? [];
        if (topic !== undefined) await freeNames(store, topic, root);
        return created;
      },
    },
  },
  'trash deleted without a fence': {
    store: {
      publish: async (store, [from, to], original) => {
        const record = REWRITE.test(String(to))
          ? parse<Rewrite>(await bodyOf(store, String(from)))
          : undefined;
        if (record?.kind !== 'fence') return await original();
        const loader = String(to).replace(/\/rewrites\/.*/, '');
        for (const seq of record.trash ?? [])
          await store['remove']!(`${loader}/trash/${rewriteName(seq).slice(0, SEQ_DIGITS)}`);
        return 'published';
      },
    },
  },
  'undo without looking': {
    store: {
      read: async (_, [path], original) => {
        const body = (await original()) as Buffer | undefined;
        if (body === undefined || !REWRITE.test(String(path))) return body;
        const { trash: _trash, ...record } = parse<Rewrite>(body);
        return Buffer.from(JSON.stringify(record));
      },
      stat: async (store, [path], original) => {
        const found = await original();
        const [, topic, seq, index] = TRASH.exec(String(path)) ?? [];
        if (found !== undefined || topic === undefined || !process.argv.includes('undo')) return found;
        const record = parse<Rewrite>(await bodyOf(store, `${topic}/_loader/rewrites/g=000000/${seq}.json`));
        return record.kind === 'replay' ? { size: record.removes[Number(index)]!.bytes } : undefined;
      },
    },
  },
} as const satisfies Record<string, Mutant>;
