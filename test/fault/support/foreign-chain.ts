/**
 * Reads the records of a topic as anyone can who has read docs/formats.md, without the loader's code: walks the chains,
 * folds the rewrites, and tells which files are named and which of the named are not as they should be.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { listing } from '../../support/foreign-eyes.ts';

interface NamedFile {
  final: string;
  bytes: number;
}
interface JsonRecord {
  start: number;
  next: number;
  kind: string;
  prevSha256: string;
  files?: NamedFile[];
  removes?: NamedFile[];
  adds?: NamedFile[];
  head?: number;
  expiredBefore?: string;
}

const names = (path: string) => (existsSync(path) ? readdirSync(path).sort() : []);
const sha256 = (body: Buffer) => createHash('sha256').update(body).digest('hex');
const recordName = (start: number) => `${String(start).padStart(20, '0')}.json`;
/** Files that must be named by a record to be there. */
const VISIBLE = /^(?:_late\/|_quarantine\/)?dt=[^/]+\/hour=\d\d\/(?!_SUCCESS$)/;

export interface ForeignChain {
  heads: Map<string, number>;
  records: number;
  files: Map<string, number>;
  /** Also those that were taken out since. */
  everNamed: Set<string>;
  /** Hours before this one were expired. */
  expiredBefore: string | undefined;
  problems: string[];
}

/** Reads everything a topic's records say. */
export function readRecords(root: string): ForeignChain {
  const found: ForeignChain = {
    heads: new Map(),
    records: 0,
    files: new Map(),
    everNamed: new Set(),
    expiredBefore: undefined,
    problems: [],
  };
  const commits = join(root, '_loader/commits');
  for (const partition of names(commits)) walk(join(commits, partition), partition, found);
  for (const final of found.files.keys()) found.everNamed.add(final);
  const rewrites = join(root, '_loader/rewrites');
  for (const generation of names(rewrites))
    for (const name of names(join(rewrites, generation)).filter((each) => each.endsWith('.json'))) {
      const {
        removes = [],
        adds = [],
        expiredBefore,
      } = JSON.parse(readFileSync(join(rewrites, generation, name), 'utf8')) as JsonRecord;
      found.expiredBefore = expiredBefore ?? found.expiredBefore;
      for (const { final } of [...removes, ...adds]) found.everNamed.add(final);
      for (const { final } of removes) found.files.delete(final);
      for (const { final, bytes } of adds) found.files.set(final, bytes);
    }
  return found;
}

/** The newest generation of one chain. An older one may still be there; it must not live on without its base. */
function walk(directory: string, partition: string, found: ForeignChain): void {
  const generations = names(directory);
  const based = generations.filter((name) => existsSync(join(directory, name, 'base.json')));
  for (const name of generations.filter((each) => !based.includes(each)))
    if (names(join(directory, name)).length > 0)
      found.problems.push(
        `${partition}/${name} holds records but no base: a generation that was gone is back`,
      );
  const generation = based.at(-1);
  if (generation === undefined) return;
  const at = join(directory, generation);
  let body = readFileSync(join(at, 'base.json'));
  const base = JSON.parse(body.toString()) as JsonRecord;
  for (const { final, bytes } of base.files ?? []) found.files.set(final, bytes);
  let head = base.head!;
  const reached = new Set(['base.json']);
  while (existsSync(join(at, recordName(head)))) {
    const name = recordName(head);
    const before = sha256(body);
    body = readFileSync(join(at, name));
    const record = JSON.parse(body.toString()) as JsonRecord;
    if (record.start !== head || record.prevSha256 !== before)
      found.problems.push(`${partition}/${generation}/${name} does not continue the record before it`);
    for (const { final, bytes } of record.files ?? []) found.files.set(final, bytes);
    reached.add(name);
    found.records++;
    if (record.next <= head) break;
    head = record.next;
  }
  for (const name of names(at).filter((each) => !reached.has(each)))
    found.problems.push(`${partition}/${generation}/${name} is not part of the chain`);
  found.heads.set(partition, head);
}

/** Files that no record names. */
export const unnamedFiles = (root: string, { files }: ForeignChain): string[] =>
  listing(root, '').filter((path) => VISIBLE.test(path) && !files.has(path));

/** Files without a record, and records without their file. */
export function fileProblems(root: string, records: ForeignChain): string[] {
  const { files } = records;
  const unnamed = unnamedFiles(root, records).map((path) => `no record names ${path}`);
  const wrong = [...files].flatMap(([path, bytes]) => {
    const found = statSync(join(root, path), { throwIfNoEntry: false });
    return found?.size === bytes
      ? []
      : [`a record names ${path}, which ${found ? 'has another size' : 'is not there'}`];
  });
  return [...unnamed, ...wrong];
}
