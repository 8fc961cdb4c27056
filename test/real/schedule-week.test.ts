/**
 * A simulated week over real HDFS. The NameNode is killed when a run has published its first commit and has not moved
 * the file of it into place yet, and started again hours later.
 */
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { settingsSchema } from '../../config/settings.ts';
import { openStore } from '../../loader/store/open-store.ts';
import type { Store } from '../../loader/store/store.ts';
import { SimulatedWeek } from '../support/simulated-week.ts';
import { TempDir } from '../support/temp-dir.ts';
import { checkWeek } from '../support/week-checks.ts';
import { type Hdfs, startHdfs } from './bed/hdfs.ts';

/** One of three topics: a file in HDFS costs several times what it does on a disk, and aggregates are most of them. */
const EVENTS = ['app'];
/** A NameNode that is away is given up soon: the clock of the schedule is simulated, that of HDFS is not. */
const WEBHDFS = { deadlineMs: 1_000, minBlockBytes: 4096 };
const THREADS = '4';
/** On a quiet machine it is some minutes. */
const PATIENT_MS = 45 * 60_000;

let dir: TempDir;
let hdfs: Hdfs;
let store: Store;
let week: SimulatedWeek;

beforeAll(async () => {
  dir = new TempDir('week-real');
  hdfs = await startHdfs({ dataNodes: 1 });
  const { url } = hdfs;
  store = await openStore(settingsSchema.parse({ loader: { warehouse: url }, webhdfs: WEBHDFS }));
  let isDoomed = false;
  const killer = async () => {
    isDoomed = false;
    await hdfs.nameNode.kill();
  };
  const warehouse = {
    url,
    webhdfs: WEBHDFS,
    store: beforeMoves(store, () => (isDoomed ? killer() : undefined)),
    leave: async () => {
      isDoomed = true;
    },
    comeBack: () => hdfs.nameNode.start(),
    silence:
      /webhdfs:\/\/127\.0\.0\.1:\d+\/warehouse\S*: .*(is it running|finds out what was done|see the log of that DataNode|NameNode log)/,
    copyOf,
  };
  week = await SimulatedWeek.open(dir, warehouse, { events: EVENTS });
  await week.play();
}, PATIENT_MS);
afterAll(async () => {
  await week[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  await hdfs[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

/** Lets something happen before a file is moved to where readers see it. */
function beforeMoves(store: Store, act: () => Promise<void> | undefined): Store {
  return new Proxy(store, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      if (name !== 'move') return value.bind(target);
      return async (from: string, to: string) => {
        await act();
        return await target.move(from, to);
      };
    },
  });
}

let copies = 0;
/** Made by Hadoop's own shell. */
async function copyOf(directories: readonly string[]): Promise<string> {
  const to = dir.join(`copy-${++copies}`);
  for (const directory of directories) {
    const parent = join(to, dirname(directory));
    await mkdir(parent, { recursive: true });
    await hdfs.fs('-get', '-t', THREADS, `/warehouse/${directory}`, parent);
  }
  return to;
}

checkWeek(EVENTS, () => week);
