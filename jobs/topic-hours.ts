/**
 * What aggregates need to know of a topic's table: for each hour its committed files and its newest marker. The files
 * are those of the fold of the commit chains, never of a listing.
 */
import type { Hour } from '../loader/hour.ts';
import { listMarkedHours, newestMarker } from '../loader/hour-marker.ts';
import type { Store } from '../loader/store/store.ts';
import { liveFilesByHour, readTopicState } from '../loader/table-state.ts';
import type { TopicHours } from './aggregate-plan.ts';
import { sideBySide } from './side-by-side.ts';

/** Markers read side by side. */
const AT_ONCE = 16;

/** Reads the state of every hour of a topic. Throws if the topic has no table in this warehouse. */
export async function readTopicHours(store: Store, topic: string): Promise<TopicHours> {
  // Markers before chains: then no marker tells of a file that the chains read do not have yet.
  const markers = new Map<Hour, number>();
  await sideBySide(await listMarkedHours(store, topic), AT_ONCE, async (hour) => {
    const marker = await newestMarker(store, topic, hour);
    if (marker) markers.set(hour, marker.version);
  });
  const state = await readTopicState(store, topic);
  if (state.chains.size === 0)
    throw new Error(`topic "${topic}" has no table in ${store.url}; load it first`);
  const filesByHour = liveFilesByHour(state);
  const hours = new Set([...markers.keys(), ...filesByHour.keys()]);
  return new Map(
    [...hours].map((hour) => [
      hour,
      {
        marker: markers.get(hour) ?? null,
        // Of this hour, not of the topic: a rewrite elsewhere is no reason to compute it again.
        rewriteSeq: Math.max(0, ...(filesByHour.get(hour) ?? []).map(({ rewrite }) => rewrite)),
        files: (filesByHour.get(hour) ?? []).map(({ final, rows, bytes }) => ({
          path: `${topic}/${final}`,
          rows,
          bytes,
        })),
      },
    ]),
  );
}
