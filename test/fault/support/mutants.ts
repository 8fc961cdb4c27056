/**
 * The mistakes that the fault matrix must catch, as switches in the tests' store, disk or clock. Each breaks one rule of
 * the commit protocol, in the way that loaders in the field break it.
 */
import { link, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { StoreEntry } from '../../../loader/store/store.ts';
import type { Mutant, Mutate, StoreMethods } from './mutant.ts';
import { RECORD_MUTANTS } from './record-mutants.ts';

const COMMIT_RECORD = /_loader\/commits\/p=\d+\/g=\d+\/\d{20}\.json$/;
const COMMIT_ATTEMPT = /_loader\/staging\/c-[^/]+\/[^/]+$/;
const HOUR = /^([^_/][^/]*)\/(dt=[^/]+\/hour=\d\d)$/;

const at = (root: string, path: unknown) => join(root, String(path));
const names = async (store: StoreMethods, path: string) =>
  ((await store['list']!(path)) as StoreEntry[]).map(({ name }) => name);

/** Deletes every staged data file there is, as if it were old. */
async function sweepEverything(store: StoreMethods, staging: string, found: StoreEntry[]): Promise<void> {
  for (const { name: wanted } of found)
    for (const attempt of wanted.startsWith('c-') ? await names(store, `${staging}/${wanted}`) : [])
      for (const name of await names(store, `${staging}/${wanted}/${attempt}`))
        if (name.endsWith('.staged')) await store['remove']!(`${staging}/${wanted}/${attempt}/${name}`);
}

/** The files of an hour by what the records say, instead of by what is there. */
async function filesByRecords(store: StoreMethods, topic: string, hour: string): Promise<StoreEntry[]> {
  const found: StoreEntry[] = [];
  const commits = `${topic}/_loader/commits`;
  for (const partition of await names(store, commits))
    for (const generation of await names(store, `${commits}/${partition}`))
      for (const name of await names(store, `${commits}/${partition}/${generation}`)) {
        const path = `${commits}/${partition}/${generation}/${name}`;
        const body = COMMIT_RECORD.test(path) && ((await store['read']!(path)) as Buffer | undefined);
        if (!body) continue;
        const { files } = JSON.parse(String(body)) as { files: { final: string; bytes: number }[] };
        for (const { final, bytes } of files)
          if (dirname(final) === hour)
            found.push({ name: final.slice(hour.length + 1), kind: 'file', size: bytes, modifiedMs: 0 });
      }
  return found;
}

/** Publishes given up. */
const given = new Set<string>();

const attemptIsGone: Mutate = async (_, [path], original) =>
  COMMIT_ATTEMPT.test(String(path)) ? undefined : await original();

export const MUTANTS = {
  'publish overwrites': {
    store: {
      publish: async (_, [from, to], original, root) => {
        if (!COMMIT_RECORD.test(String(to))) return await original();
        await rename(at(root, from), at(root, to));
        return 'published';
      },
    },
  },
  'sweep by age': {
    store: {
      list: async (store, [path], original) => {
        const found = (await original()) as StoreEntry[];
        if (String(path).endsWith('/_loader/staging')) await sweepEverything(store, String(path), found);
        return found;
      },
    },
  },
  'time-out taken as failure': {
    caller: {
      publish: async (store, [from, to], original) => {
        try {
          return await original();
        } catch (error) {
          given.add(String(to));
          await store['remove']!(dirname(String(from)));
          throw error;
        }
      },
      // It doesn't look again.
      read: async (_, [path], original) => (given.has(String(path)) ? undefined : await original()),
    },
  },
  'no roll-forward': { store: { stat: attemptIsGone } },
  'move by link': {
    store: {
      move: async (_, [from, to], __, root) => {
        await link(at(root, from), at(root, to));
        await unlink(at(root, from));
        return true;
      },
    },
  },
  'publisher makes the parent': {
    store: {
      publish: async (store, [, to], original) => {
        await store['makeDirectory']!(dirname(String(to)));
        return await original();
      },
    },
  },
  'marker from published but unapplied': {
    store: {
      list: async (store, [path], original) => {
        const [, topic, hour] = HOUR.exec(String(path)) ?? [];
        return topic === undefined ? await original() : await filesByRecords(store, topic, hour!);
      },
      stat: attemptIsGone,
    },
  },
  'clock read after the watermark': {
    store: {
      create: async (_, [path, body], original) => {
        if (!String(path).endsWith('.plan.json')) return await original();
        const plan = JSON.parse(String(body)) as { observations: { timeMs: number }[] };
        for (const observation of plan.observations) observation.timeMs = Date.now();
        return await original(path, JSON.stringify(plan));
      },
    },
  },
  'record not fsynced before it is applied': { unsynced: /_loader\/commits\// },
  'staged data not fsynced': { unsynced: /\.staged$/ },
  'moves not fsynced': { unsynced: /\/dt=[^/]+(\/hour=\d\d)?$/ },
  ...RECORD_MUTANTS,
} as const satisfies Record<string, Mutant>;

export type MutantName = keyof typeof MUTANTS;
