/**
 * Activity that nobody's visitors had to make: a pure function of its options, so that anyone can generate the same
 * events again and count them independently. Visitors come and go over the hours of a day, look at pages (Zipf), search
 * and click; each visit is a session. Events come in order of time, unless late ones are asked for.
 *
 * The JSON is put together from parts that need no escaping; it equals JSON.stringify of the event.
 */
import { ELEMENTS, MONITOR, PAGES, REFERRERS, SEARCHES, USER_AGENTS } from './made-up-site.ts';
import { SeededRandom, zipf } from './seeded-random.ts';

/** What is generated. The shares are from 0 to below 1 and default to 0. */
export interface ActivityOptions {
  /** Exactly so many events. */
  events: number;
  /** A whole number: the same seed, the same events. */
  seed: number;
  /** The first hour's beginning, ms since 1970. */
  startMs: number;
  /** Over so many hours, 1 or more. */
  hours: number;
  /** From so many visitors, at most 2^24. */
  visitors: number;
  /** The share of events that arrive late: after events that happened later. */
  lateShare?: number;
  /** How late at most. */
  maxLateMs?: number;
  /** The share of events that are an exact repetition of the one before. They are events like all others. */
  repeatedShare?: number;
  /** The share of events that one visitor makes alone: a hot key. */
  skew?: number;
}

/** One event. `json`: the record's value, by the schema `activity`; `visitorId`: its key. `timeMs` is its event time. */
export interface ActivityEvent {
  json: string;
  visitorId: string;
  timeMs: number;
}

/** The default of `maxLateMs`. */
export const MAX_LATE_MS = 15 * 60_000;

const HOUR_MS = 3_600_000;
/** How busy each hour of a UTC day is. */
const HOUR_WEIGHTS = [4, 3, 2, 2, 2, 3, 5, 8, 11, 13, 14, 14, 13, 13, 13, 13, 14, 15, 17, 19, 18, 15, 10, 6];
/** Mean time between two events of one visit; decides how many visits are under way at once. */
const EVENT_GAP_MS = 40_000;
/** After each event a visit ends with this probability: 8 events on the average. */
const LEAVE = 1 / 8;
/** Further late events are on time: the queue of those held back is bounded. */
const MAX_HELD_BACK = 1_000_000;

const pickPage = zipf(PAGES.length, 1.05);
const pickSearch = zipf(SEARCHES.length, 0.9);
const pickAgent = zipf(USER_AGENTS.length, 1.1);

/** The events, in the order in which they arrive. */
export function* generateActivity(options: ActivityOptions): Generator<ActivityEvent, void, undefined> {
  const random = new SeededRandom(options.seed);
  const site = new Visits(options, random);
  const heldBack = new HeldBack();
  const { lateShare = 0, maxLateMs = MAX_LATE_MS, repeatedShare = 0 } = options;
  let previous: ActivityEvent | undefined;
  for (const timeMs of eventTimes(options, random)) {
    yield* heldBack.until(timeMs);
    const isRepeated = random.chance(repeatedShare);
    const event: ActivityEvent = isRepeated && previous !== undefined ? previous : site.eventAt(timeMs);
    previous = event;
    if (random.chance(lateShare) && heldBack.size < MAX_HELD_BACK) {
      heldBack.add(event, timeMs + 1 + random.below(maxLateMs));
    } else {
      yield event;
    }
  }
  yield* heldBack.until(Number.POSITIVE_INFINITY);
}

/** How many events each hour has: by its weight, and exactly `events` together. */
function eventsByHour({ events, hours, startMs }: ActivityOptions): number[] {
  const firstHour = Math.floor(startMs / HOUR_MS);
  const weights = Array.from({ length: hours }, (_, i) => HOUR_WEIGHTS[(((firstHour + i) % 24) + 24) % 24]!);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let weight = 0;
  let given = 0;
  return weights.map((one) => {
    weight += one;
    const until = Math.round((events * weight) / total);
    const count = until - given;
    given = until;
    return count;
  });
}

/** Times that never decrease: the hour cut into as many slices as it has events, one event somewhere in each. */
function* eventTimes(options: ActivityOptions, random: SeededRandom): Generator<number> {
  for (const [hour, count] of eventsByHour(options).entries()) {
    const start = options.startMs + hour * HOUR_MS;
    const slice = HOUR_MS / count;
    for (let i = 0; i < count; i++) yield Math.floor(start + (i + random.fraction()) * slice);
  }
}

/** A visit under way. The parts of its events that stay the same are JSON text already. */
interface Visit {
  visitorId: string;
  /** `,"host":"…"`. */
  host: string;
  /** `,"user_agent":"…"`. */
  agent: string;
  /** `,"visitor_id":"…","session_id":"…"`. */
  ids: string;
  page: string;
  referrer: string;
  /** Which search it was led by, if it was. */
  query: string;
}

const ORIGIN = 'https://shop.example.com';

/** The visits under way and what happens in them next. */
class Visits {
  readonly #random: SeededRandom;
  readonly #visitors: number;
  readonly #skew: number;
  readonly #visits: Visit[] = [];
  readonly #wanted: number;
  readonly #monitor: Visit;
  #sessions = 0;

  constructor({ events, hours, visitors, skew = 0, seed }: ActivityOptions, random: SeededRandom) {
    this.#random = random;
    this.#visitors = visitors;
    this.#skew = skew;
    const wanted = Math.ceil((events / (hours * HOUR_MS)) * EVENT_GAP_MS);
    this.#wanted = Math.max(1, Math.min(wanted, visitors));
    this.#monitor = {
      visitorId: 'v000000-monitor',
      host: `,"host":"${MONITOR.host}"`,
      agent: `,"user_agent":"${MONITOR.userAgent}"`,
      ids: `,"visitor_id":"v000000-monitor","session_id":"s${seed}-monitor"`,
      page: MONITOR.page,
      referrer: '',
      query: '',
    };
  }

  eventAt(timeMs: number): ActivityEvent {
    const random = this.#random;
    if (random.chance(this.#skew)) return this.#pageView(this.#monitor, timeMs);
    const index = random.below(this.#wanted);
    const visit = this.#visits[index];
    if (visit === undefined || random.chance(LEAVE)) return this.#pageView(this.#begin(index), timeMs);
    const what = random.fraction();
    if (what < 0.6) {
      visit.referrer = ORIGIN + visit.page;
      visit.page = PAGES[pickPage(random)]!;
      visit.query = '';
      return this.#pageView(visit, timeMs);
    }
    return what < 0.75 ? this.#search(visit, timeMs) : this.#click(visit, timeMs);
  }

  /** Lets a new visit take the place of one that ended. */
  #begin(index: number): Visit {
    const random = this.#random;
    // Visitors come back: squaring the draw makes some come far more often.
    const visitor = Math.floor(random.fraction() ** 2 * this.#visitors);
    const visitorId = `v${String(visitor + 1).padStart(6, '0')}`;
    // What follows from the visitor's number alone stays the same over its visits.
    const own = new SeededRandom(visitor);
    const host = `10.${(visitor >>> 16) & 255}.${(visitor >>> 8) & 255}.${visitor & 255}`;
    const visit = {
      visitorId,
      host: `,"host":"${host}"`,
      agent: `,"user_agent":"${USER_AGENTS[pickAgent(own)]}"`,
      ids: `,"visitor_id":"${visitorId}","session_id":"s${(++this.#sessions).toString(36).padStart(7, '0')}"`,
      page: PAGES[pickPage(random)]!,
      referrer: REFERRERS[random.below(REFERRERS.length)]!,
      query: '',
    };
    this.#visits[index] = visit;
    return visit;
  }

  #pageView(visit: Visit, timeMs: number): ActivityEvent {
    const random = this.#random;
    const isMissing = random.chance(0.02);
    const bytes = 4_000 + random.below(60_000);
    const result = isMissing ? '"status":404,"bytes":512' : `"status":200,"bytes":${bytes}`;
    return event(visit, timeMs, result, 'page_view', '');
  }

  #search(visit: Visit, timeMs: number): ActivityEvent {
    const random = this.#random;
    const terms = SEARCHES[pickSearch(random)]!;
    visit.referrer = ORIGIN + visit.page;
    visit.page = '/search';
    visit.query = `q=${terms.replaceAll(' ', '+')}`;
    const result = `"status":200,"bytes":${2_000 + random.below(20_000)}`;
    return event(visit, timeMs, result, 'search', `,"search_terms":"${terms}"`);
  }

  #click(visit: Visit, timeMs: number): ActivityEvent {
    const element = ELEMENTS[this.#random.below(ELEMENTS.length)]!;
    return event(visit, timeMs, '"status":204', 'click', `,"element":"${element}"`);
  }
}

function event(visit: Visit, timeMs: number, result: string, type: string, more: string): ActivityEvent {
  const { page, query, referrer } = visit;
  const json =
    `{"event_time":"${timeText(timeMs)}"${visit.host},"path":"${page}"${query === '' ? '' : `,"query":"${query}"`},` +
    `${result}${referrer === '' ? '' : `,"referrer":"${referrer}"`}${visit.agent},"event_type":"${type}"${visit.ids}${more}}`;
  return { json, visitorId: visit.visitorId, timeMs };
}

/** The second last written: neighbouring events share it. */
let textSecond = Number.NaN;
let textPrefix = '';
const MILLISECONDS = Array.from({ length: 1_000 }, (_, ms) => `${String(ms).padStart(3, '0')}Z`);

/** ISO 8601 with milliseconds, as Date writes it. */
function timeText(timeMs: number): string {
  const second = Math.floor(timeMs / 1_000);
  if (second !== textSecond) {
    textSecond = second;
    textPrefix = new Date(second * 1_000).toISOString().slice(0, 20);
  }
  return textPrefix + MILLISECONDS[timeMs - second * 1_000];
}

/** Late events, each held back until its time of arrival: a binary heap. */
class HeldBack {
  readonly #heap: { event: ActivityEvent; arrivalMs: number }[] = [];

  get size(): number {
    return this.#heap.length;
  }

  add(event: ActivityEvent, arrivalMs: number): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push({ event, arrivalMs });
    for (let parent = (at - 1) >> 1; at > 0 && heap[parent]!.arrivalMs > arrivalMs; parent = (at - 1) >> 1) {
      [heap[at], heap[parent]] = [heap[parent]!, heap[at]!];
      at = parent;
    }
  }

  /** Takes out those that have arrived by a time, in order of arrival. */
  *until(timeMs: number): Generator<ActivityEvent> {
    const heap = this.#heap;
    while (heap.length > 0 && heap[0]!.arrivalMs <= timeMs) {
      yield heap[0]!.event;
      const last = heap.pop()!;
      if (heap.length > 0) this.#sink(last);
    }
  }

  #sink(item: { event: ActivityEvent; arrivalMs: number }): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.arrivalMs < heap[child]!.arrivalMs) child++;
      if (heap[child]!.arrivalMs >= item.arrivalMs) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = item;
  }
}
