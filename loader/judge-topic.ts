/**
 * What every run that changes a table does at its end, from the table as it is then: sweep dead staging, mark complete
 * hours, forget old records. All of it is derived or redone by every run, so trouble here is a warning and no failure.
 */
import type { KafkaClient } from '../broker/client/client.ts';
import type { Settings } from '../config/settings.ts';
import { listStaged } from './apply.ts';
import { forgetHistory } from './forget.ts';
import type { Hour } from './hour.ts';
import { type Judgement, judgeHours } from './hour-judge.ts';
import type { Store } from './store/store.ts';
import { sweepMarkers, sweepStaging } from './sweep.ts';
import { type ReadBefore, readTopicState } from './table-state.ts';

/** Clocks this close are taken as equal, whatever the grace: a file system's time is coarse. */
const CLOCK_TOLERANCE_MS = 1_000;

export interface JudgeTopicOptions {
  settings: Pick<Settings, 'loader'>;
  store: Store;
  client: Pick<KafkaClient, 'metadata'>;
  run: string;
  now: () => number;
  warn: (message: string) => void;
}

/** What the run has seen before it did its work. */
export interface SeenBefore extends ReadBefore {
  /** Hours that may already bear a marker. */
  markedHours: ReadonlySet<Hour>;
  /** By how much the clocks of this machine and of the store differ. */
  skewMs: number;
  /** The run's clock when it began; milliseconds since 1970. */
  takenMs: number;
  /** Whether the topic is loaded by several runs at a time. */
  isShared?: boolean;
}

/** Undefined: the hours were not judged, and a warning says why. */
export async function judgeTopic(
  options: JudgeTopicOptions,
  topic: string,
  { markedHours, skewMs, takenMs, isShared, ...read }: SeenBefore,
): Promise<Judgement | undefined> {
  const { store, client, settings, warn, run, now } = options;
  const { graceMs, emptyHoursPerRun } = settings.loader;
  try {
    const state = await readTopicState(store, topic, read);
    const staged = await listStaged(store, topic); // after the chains
    await sweepStaging(store, state, staged);
    if (skewMs > Math.max(graceMs / 2, CLOCK_TOLERANCE_MS)) {
      warn(
        `${topic}: the clocks of this machine and of ${store.url} differ by ${Math.round(skewMs)} ms; no hour was marked complete, set one of them right`,
      );
      return undefined;
    }
    // Partitions by metadata fetched after the run's observations: one that is not loaded yet holds every hour up.
    const { topics } = await client.metadata([topic], { autoCreate: false });
    const found = topics[0];
    if (found === undefined || found.error !== undefined)
      throw new Error(`the broker answers ${found?.error ?? 'nothing'} for it; the next load judges them`);
    const judgement = await judgeHours({
      store,
      state,
      staged,
      partitions: found.partitions.map(({ partition }) => partition),
      markedHours,
      isShared: isShared ?? false,
      graceMs,
      emptyHoursPerRun,
      run,
      now,
    });
    for (const problem of judgement.problems) warn(problem);
    await sweepMarkers(store, topic, takenMs);
    const sealer = { run, nowMs: now() };
    await forgetHistory(store, state, { limit: settings.loader.sealAfterRecords, sealer });
    return judgement;
  } catch (error) {
    warn(`${topic}: hours were not judged: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}
