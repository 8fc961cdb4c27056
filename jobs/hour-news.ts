/**
 * News of complete hours: turns the hours that were marked since the last look into events, tells them oldest first, and
 * notes how far it came. What was not taken is found again by the next look.
 */
import { hourDirectory } from '../loader/hour.ts';
import { newestMarker } from '../loader/hour-marker.ts';
import type { Store } from '../loader/store/store.ts';
import type { HourComplete } from './hooks.ts';
import { changedHours } from './hour-cursor.ts';

/** Tells of the complete hours of a topic; throws what `tell` threw, after noting what was told before. */
export async function tellHours(
  store: Store,
  topic: string,
  tell: (event: HourComplete) => Promise<void>,
): Promise<void> {
  const { hours = [], advance } = await changedHours(store, topic, 'hooks');
  if (hours.length === 0) return;
  const waiting = new Set(hours);
  try {
    for (const hour of hours) {
      const marker = await newestMarker(store, topic, hour);
      if (marker === undefined) continue; // not published yet: its time will change
      const { version, rows, files, bytes } = marker;
      const directory = `${store.url}/${topic}/${hourDirectory(hour)}`;
      const id = `hour-complete/${topic}/${hour}/${version}`;
      await tell({ event: 'hour-complete', id, topic, hour, version, rows, files, bytes, directory });
      waiting.delete(hour);
    }
  } finally {
    await advance(waiting);
  }
}
