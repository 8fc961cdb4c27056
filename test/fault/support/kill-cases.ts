/**
 * The cases of the matrix that are one fault in one load, as a table: which operation, of which file, and what happens
 * there. Numbers are those of the fault matrix in docs/design.md.
 */
import type { Failpoint } from './fault-plan.ts';

export interface KillCase {
  id: string;
  /** What goes wrong. */
  name: string;
  points: readonly Failpoint[];
  /** On an empty warehouse, instead of on one that was loaded before. */
  isFirst?: boolean;
  /** Records of the chains that the faulted load itself must have published; unset: it does not matter. */
  publishes?: number;
}

const RECORD = '/_loader/commits/p=\\d+/g=\\d+/\\d{20}\\.json$';
const BASE = '/base\\.json$';
const STAGED = '/_loader/staging/c-.*\\.staged$';
const FINAL = '/dt=.*/p\\d{5}-';
const RECORD_TMP = '/staging/c-.*/record\\.json\\.tmp$';
const ATTEMPT = '/staging/c-[^/]*$';
const COMMITS_DIRECTORY = '/_loader/commits/p=\\d+/g=\\d+$';
const MARKER = '/_loader/hours/.*\\.json$';
const SUCCESS = '/_SUCCESS$';
/** Files that one load of both partitions moves into place: three hours of rows and one of refused records each. */
const FILES_OF_LOAD = 8;

const kill = (
  id: string,
  name: string,
  op: string,
  path: string,
  more: Partial<KillCase> & { nth?: number; act?: Failpoint['act'] } = {},
): KillCase => {
  const { nth, act = 'kill after', ...rest } = more;
  return { id, name, points: [{ op, path, act, ...(nth !== undefined && { nth }) }], ...rest };
};

export const KILL_CASES: readonly KillCase[] = [
  kill('K0', 'killed before its plan', 'create', '\\.plan\\.json$', { act: 'kill before', publishes: 0 }),
  kill('K0', 'killed after its plan', 'create', '\\.plan\\.json$', { publishes: 0 }),
  kill('K0', 'killed with half a plan', 'create', '\\.plan\\.json$', { act: 'kill halfway', publishes: 0 }),
  kill('K0', 'first load killed before the root of a chain', 'publish', BASE, {
    isFirst: true,
    act: 'kill before',
  }),
  kill('K0', 'first load killed after the root of a chain', 'publish', BASE, { isFirst: true }),
  kill('K0', 'first load, its answer about the root lost', 'publish', BASE, {
    isFirst: true,
    act: 'drop answer',
  }),
  kill('K1', 'killed while it reads', 'read batch', '', { act: 'kill before', publishes: 0 }),
  kill('K1', 'a worker thread dies while it reads', 'read batch', '', { act: 'end thread', publishes: 1 }),
  kill('K2', 'killed with half a staged file', 'upload', STAGED, { act: 'kill halfway', publishes: 0 }),
  kill('K3', 'killed when some hours are staged', 'upload', STAGED, { nth: 2, publishes: 0 }),
  kill('K4', 'killed when all of a partition is staged', 'upload', STAGED, { nth: 4, publishes: 0 }),
  kill('K5', 'a staged file arrives short', 'upload', STAGED, { act: 'cut', publishes: 1 }),
  kill('K6', 'killed before its record is staged', 'create', RECORD_TMP, {
    act: 'kill before',
    publishes: 0,
  }),
  kill('K6', 'killed with half a staged record', 'create', RECORD_TMP, { act: 'kill halfway', publishes: 0 }),
  kill('K6', 'killed when its record is staged', 'create', RECORD_TMP, { publishes: 0 }),
  kill('K7', 'published, the answer lost', 'publish', RECORD, { act: 'drop answer', publishes: 2 }),
  kill('K7', 'the publish is refused by an error', 'publish', RECORD, { act: 'error', publishes: 1 }),
  kill('K9', 'killed between link and unlink', 'fs.link', RECORD),
  kill('K9', 'killed before the name of the record is fsynced', 'fs.sync', COMMITS_DIRECTORY, {
    act: 'kill before',
  }),
  kill('K9', 'killed when it has published', 'publish', RECORD),
  kill('K9', 'killed when it has made the directory of an hour', 'makeDirectory', '/dt=[^/]*/hour=01$'),
  ...Array.from({ length: FILES_OF_LOAD }, (_, i) =>
    kill('K10', `killed after move ${i + 1} of ${FILES_OF_LOAD}`, 'move', FINAL, { nth: i + 1 }),
  ),
  kill('K10', 'killed before its moves are fsynced', 'sync', FINAL.slice(0, 4), { act: 'kill before' }),
  kill('K10', 'killed when the hours are fsynced, staging not', 'fs.sync', '/staging/c-[^/]*/[^/]*$', {
    nth: 2,
    act: 'kill before',
  }),
  kill('K10', 'killed when its moves are fsynced', 'sync', '/dt='),
  kill('K11', 'moved, the answer lost', 'move', FINAL, { act: 'drop answer', publishes: 2 }),
  kill('K11', 'a move is tried twice', 'move', FINAL, { act: 'twice', publishes: 2 }),
  kill('K11', 'every move is refused by an error', 'move', FINAL, { act: 'error', nth: 0, publishes: 2 }),
  kill('K11', 'the directory of a move goes away', 'move', '/dt=.*/hour=02/p00000.*parquet$', {
    act: 'without parent',
  }),
  kill('K12', 'killed before it sweeps its staging', 'remove', ATTEMPT, { act: 'kill before' }),
  kill('K12', 'killed when all is applied, before markers', 'remove', ATTEMPT, { nth: 2, publishes: 2 }),
  kill('K12', 'killed before its outcome is written', 'create', '\\.outcome\\.json$', {
    act: 'kill before',
    publishes: 2,
  }),
  kill('K13', 'killed before a marker is published', 'publish', MARKER, { act: 'kill before', publishes: 2 }),
  kill('K13', 'killed when a marker is published', 'publish', MARKER, { publishes: 2 }),
  kill('K13', 'killed with half a copy of a marker', 'create', 'success-\\d+\\.json\\.tmp$', {
    act: 'kill halfway',
    publishes: 2,
  }),
  kill('K13', 'killed before _SUCCESS is overwritten', 'overwrite', SUCCESS, {
    act: 'kill before',
    publishes: 2,
  }),
  kill('K13', 'killed when _SUCCESS is overwritten', 'overwrite', SUCCESS, { publishes: 2 }),
  kill('K13', 'killed before _SUCCESS is fsynced', 'fs.rename', SUCCESS, { publishes: 2 }),
  kill('K13', '_SUCCESS is overwritten, the answer lost', 'overwrite', SUCCESS, {
    act: 'drop answer',
    publishes: 2,
  }),
];
