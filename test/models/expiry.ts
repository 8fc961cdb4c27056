/**
 * Actors that delete by retention: the product's own `expire`, with its deletions, its sweep and its seals, and what it
 * would be without the rules that make it safe.
 */
import { settingsSchema } from '../../config/settings.ts';
import { expire } from '../../jobs/expire.ts';
import { HOUR_MS, type Hour, hourName } from '../../loader/hour.ts';
import type { Store } from '../../loader/store/store.ts';
import { readTopicState } from '../../loader/table-state.ts';
import type { Program } from './execution.ts';
import { TOPIC, type World } from './world.ts';

/** The current hour and the one before stay. */
const KEEP_HOURS = 1;

/** The first hour that must not go. */
export const oldestKept = ({ clockMs }: World): Hour => hourName(Math.floor(clockMs / HOUR_MS) - KEEP_HOURS);

export interface ExpiryOptions {
  rounds?: number;
  /** From how many records on it seals. */
  sealAfter?: number;
  view?: (store: Store) => Store;
}

/** Expires round after round: old hours, and all trash. */
export function expiry({
  rounds = 1,
  sealAfter = Number.MAX_SAFE_INTEGER,
  view = (store) => store,
}: ExpiryOptions = {}): Program {
  const loader = {
    ...settingsSchema.parse({}).loader,
    dataKeepHours: KEEP_HOURS,
    lateHorizonHours: 0,
    trashKeepHours: 0,
    sealAfterRecords: sealAfter,
  };
  return async ({ store, name, now }) => {
    for (let round = 0; round < rounds; round++)
      await expire({ store: view(store), topic: TOPIC, loader, run: name, now, dryRun: false });
  };
}

/** Deletes the files of the hours before one without a record. */
export const deletesHours =
  (before: Hour): Program =>
  async ({ store }) => {
    const { live } = await readTopicState(store, TOPIC);
    for (const { final, hour } of live.values()) if (hour < before) await store.remove(`${TOPIC}/${final}`);
  };
