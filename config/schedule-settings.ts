/** The branch `schedule` of the settings: what runs unattended, when, how often it is tried again, and who is told. */
import { z } from 'zod';
import { HOUR, ms, SECOND } from './setting-kinds.ts';

export const schedule = z.strictObject({
  cron: z
    .string()
    .min(1)
    .default('7 * * * *')
    .describe(
      'when loads run, five cron fields in UTC; later after the hour than loader.graceMs, so that the hour before is complete',
    ),
  topics: z
    .string()
    .min(1)
    .default('.*')
    .describe('regular expression that the whole name of a topic must fit to be loaded'),
  deny: z
    .string()
    .default('')
    .describe('regular expression; topics whose whole name fits are left out; empty: none'),
  maxMinutes: z
    .int()
    .min(1)
    .max(7 * 24 * 60)
    .default(50)
    .describe('one load stops reading after this; the next goes on from there'),
  retries: z
    .int()
    .min(0)
    .max(1_000)
    .default(5)
    .describe('attempts after the first, of topics that failed, while the next run is not due'),
  retryBackoffMs: ms(1, HOUR)
    .default(15 * SECOND)
    .describe('first wait between attempts; doubles, up to 10 min'),
  aggregate: z
    .boolean()
    .default(true)
    .describe('aggregates of the hours that became complete or changed, after each load'),
  compactCron: z
    .string()
    .default('')
    .describe('when small files of complete hours are merged, after the load due then; empty: never'),
  expireCron: z
    .string()
    .default('37 3 * * *')
    .describe('when the retention settings are applied, after the load due then; empty: never'),
  leaseMs: ms(SECOND, HOUR)
    .default(120 * SECOND)
    .describe('a runner not heard of for this long, by the clock of the warehouse, is replaced'),
  hooks: z
    .strictObject({
      command: z
        .string()
        .default('')
        .describe(
          'program told of every event as JSON on stdin: words separated by spaces, or a JSON array; no shell',
        ),
      url: z.string().default('').describe('http: or https: URL that every event is posted to as JSON'),
      headersFile: z
        .string()
        .default('')
        .describe('file of further headers of the POST, "Name: value" a line, for secrets'),
      timeoutMs: ms(100, HOUR)
        .default(30 * SECOND)
        .describe('a hook that takes longer is ended and counts as failed'),
      retries: z.int().min(0).max(100).default(3).describe('attempts after the first, per event and run'),
    })
    .prefault({}),
});
