/**
 * What the schedule decides, as pure functions: which topics, how long to wait before another attempt, and what failed or
 * recovered since the run before.
 */
import { z } from 'zod';
import type { Settings } from '../config/settings.ts';

const BACKOFF_MS_MAX = 10 * 60_000;

/** What a run of the schedule does; `topics`: finding out what there is to load. */
const job = z.enum(['topics', 'load', 'aggregate', 'compact', 'expire']);
export type Job = z.infer<typeof job>;

/** Something that failed the last time it was tried. */
export const failure = z.strictObject({
  job,
  /** Null: all topics. */
  topic: z.string().nullable(),
  error: z.string(),
  /** When it failed first, of all times in a row. */
  since: z.iso.datetime(),
});
export type Failure = z.infer<typeof failure>;

/** A failure that began, or one that is over, as hooks hear of it. */
export const news = z.strictObject({
  event: z.enum(['failed', 'recovered']),
  /** The same however often the event is told. */
  id: z.string(),
  ...failure.shape,
});
export type News = z.infer<typeof news>;

/** One thing that was tried, and how it ended. */
export interface Tried {
  job: Job;
  topic: string | null;
  error: string | null;
}

/** The topics of a broker that the settings choose, sorted. Names that readers of a table pass over can't be loaded. */
export function chooseTopics(
  known: readonly { name: string; internal: boolean }[],
  { topics, deny }: Pick<Settings['schedule'], 'topics' | 'deny'>,
): string[] {
  const wanted = new RegExp(`^(?:${topics})$`);
  const denied = deny === '' ? undefined : new RegExp(`^(?:${deny})$`);
  return known
    .filter(({ name, internal }) => !internal && !/^[_.]/.test(name))
    .map(({ name }) => name)
    .filter((name) => wanted.test(name) && !denied?.test(name))
    .sort();
}

/** The wait after attempt `attempt` (1 is the first) failed. */
export function backOffMs(attempt: number, { retryBackoffMs }: Pick<Settings['schedule'], 'retryBackoffMs'>) {
  return Math.min(BACKOFF_MS_MAX, retryBackoffMs * 2 ** Math.min(attempt - 1, 30));
}

const keyOf = ({ job: of, topic }: Pick<Failure, 'job' | 'topic'>) => `${of} ${topic ?? ''}`;

/** What fails now, and the news in it. What was not tried stays as it was; `known` topics that are gone are forgotten. */
export function compareFailures(
  before: readonly Failure[],
  tried: readonly Tried[],
  { known, at }: { known: ReadonlySet<string> | undefined; at: string },
): { failing: Failure[]; news: News[] } {
  const old = new Map(before.map((one) => [keyOf(one), one]));
  const triedKeys = new Set(tried.map(keyOf));
  const untried = before.filter(
    (one) =>
      !triedKeys.has(keyOf(one)) && (one.topic === null || known === undefined || known.has(one.topic)),
  );
  const failed = tried.flatMap((one): Failure[] => {
    const { job: of, topic, error } = one;
    return error === null ? [] : [{ job: of, topic, error, since: old.get(keyOf(one))?.since ?? at }];
  });
  const recovered = tried.flatMap((one) => (one.error === null ? (old.get(keyOf(one)) ?? []) : []));
  const events = [
    ...failed.filter((one) => !old.has(keyOf(one))).map((one) => eventOf('failed', one)),
    ...recovered.map((one) => eventOf('recovered', one)),
  ];
  return { failing: [...failed, ...untried], news: events };
}

function eventOf(event: 'failed' | 'recovered', one: Failure): News {
  const id = [event, one.job, one.topic ?? '*', one.since].join('/');
  return { event, id, ...one };
}
