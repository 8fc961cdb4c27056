/**
 * `millrace schedule`: loads, aggregates and keeps the table, every hour until it is stopped, or once.
 */
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { CronTimes } from '../jobs/cron-times.ts';
import { commandWords } from '../jobs/hooks.ts';
import { type Held, type RunnerOptions, runInTurn, runOnce } from '../jobs/runner.ts';
import type { NewestRunner } from '../jobs/runner-lease.ts';
import type { Clock } from '../jobs/schedule-clock.ts';
import { Scheduler } from '../jobs/scheduler.ts';
import { lineOf } from '../jobs/tick.ts';
import type { TickRecord } from '../jobs/tick-record.ts';
import { type Store, StoreError } from '../loader/store/store.ts';
import { type Act, addExamples } from './command.ts';
import { type CommandContext, EXIT } from './context.ts';
import { groupDigits, secondsText } from './output.ts';
import { openWarehouse } from './resources.ts';
import { scheduleParts } from './schedule-work.ts';

/** Wait before a warehouse that can't be reached is tried again. */
const REOPEN_MS = 30_000;

interface Options {
  once?: boolean;
}

/** Throws SettingsError for whatever can't be meant in the branch `schedule`, all at once. */
async function checkSettings({ settings, origins }: CommandContext): Promise<void> {
  const { schedule } = settings;
  const { hooks } = schedule;
  const problems: string[] = [];
  const check = (path: string, text: string, wanted: string, parse: () => unknown) => {
    try {
      if (text !== '') parse();
    } catch (error) {
      const origin = origins.get(`schedule.${path}`) ?? 'the defaults';
      problems.push(`schedule.${path} is "${text}", from ${origin}; it must be ${wanted}: ${lineOf(error)}`);
    }
  };
  for (const path of ['cron', 'compactCron', 'expireCron'] as const)
    check(path, schedule[path], 'a cron expression like "7 * * * *"', () => new CronTimes(schedule[path]));
  for (const path of ['topics', 'deny'] as const)
    check(path, schedule[path], 'a regular expression', () => new RegExp(schedule[path]));
  check('hooks.command', hooks.command, 'words, or a JSON array of them', () => commandWords(hooks.command));
  check('hooks.url', hooks.url, 'an http: or https: URL', () => {
    if (!/^https?:$/.test(new URL(hooks.url).protocol)) throw new Error('another protocol');
  });
  if (problems.length === 0) return;
  const { SettingsError } = await import('../config/load.ts');
  throw new SettingsError(problems);
}

/** Says so if hours will be complete a run later than they could be. */
function warnOfEarlyRuns({ settings, log, now }: CommandContext): void {
  const { loader, schedule } = settings;
  if (loader.graceMs === 0 || new CronTimes(schedule.cron).firesAfterGrace(loader.graceMs, now())) return;
  log.warn(
    `schedule.cron "${schedule.cron}" fires within loader.graceMs (${loader.graceMs}) after the hour, before the last one can be complete: it is marked one run later; let it fire later in the hour`,
  );
}

const CLOCK = (now: () => number): Clock => ({
  now,
  sleep: (ms, signal) => sleep(Math.max(0, ms), undefined, { signal }),
});

/** Opens the warehouse; one that does not answer is waited for, as a NameNode may start later than this machine. */
async function openPatiently(context: CommandContext, once: boolean): Promise<Store> {
  for (;;)
    try {
      return await openWarehouse(context);
    } catch (error) {
      if (once || !(error instanceof StoreError && error.retriable)) throw error;
      context.log.warn(`${lineOf(error)}; trying again in ${REOPEN_MS / 1_000} s`);
      await sleep(REOPEN_MS, undefined, { signal: context.signal });
    }
}

function printTick({ out }: CommandContext, record: TickRecord): void {
  out.object(record);
  const { startedAt, endedAt, state, topics, quiet, failing } = record;
  const total = (key: 'rows' | 'quarantined' | 'hoursMarked') =>
    groupDigits(topics.reduce((sum, topic) => sum + topic[key], 0));
  out.line(
    `${startedAt} ${state}: ${groupDigits(topics.length + quiet)} topics, ${total('rows')} rows, ${total('quarantined')} refused, ` +
      `${total('hoursMarked')} hours marked complete, ${secondsText((Date.parse(endedAt) - Date.parse(startedAt)) / 1_000)}`,
  );
  for (const { job, topic, error, since } of failing)
    out.line(`  ${job} of ${topic ?? 'all topics'} fails since ${since}: ${error}`);
}

/** A holder of the lease, for people. */
export function runnerText({ n, record, heardMs }: NewestRunner): string {
  const who = record ? ` (process ${record.pid} on ${record.host}, since ${record.startedAt})` : '';
  return `runner ${n}${who}, last heard of at ${new Date(heardMs).toISOString()}`;
}

/** Runs the schedule; the exit status of `--once`. */
export async function runSchedule(context: CommandContext, { once = false }: Options): Promise<number> {
  const { settings, now, signal, log, out } = context;
  await checkSettings(context);
  if (!once) warnOfEarlyRuns(context);
  await using store = await openPatiently(context, once);
  const clock = CLOCK(now);
  const options: RunnerOptions = {
    store,
    who: { host: hostname(), pid: process.pid, startedAt: new Date(now()).toISOString() },
    leaseMs: settings.schedule.leaseMs,
    clock,
    signal,
    warn: (message) => log.warn(message),
  };
  const parts = {
    ...scheduleParts(context, store, clock),
    onTick: (record: TickRecord) => printTick(context, record),
  };
  if (!once)
    return await runInTurn(
      options,
      (n, stop) => new Scheduler(parts, n).run(stop),
      (holder) => out.line(`waiting: ${runnerText(holder)}, runs the schedule of ${store.url}`),
    );
  const end = await runOnce(options, (n, stop) => new Scheduler(parts, n).tick(clock.now(), stop));
  if (isHeld(end)) {
    out.object(end);
    out.line(`nothing done: ${runnerText(end.heldBy)}, runs the schedule of ${store.url}`);
    return EXIT.done;
  }
  return end.state === 'failed' ? EXIT.failed : EXIT.done;
}

const isHeld = (end: TickRecord | Held): end is Held => 'heldBy' in end;

export function define(command: Command, act: Act): void {
  command
    .option('--once', 'one run, then ends; status 1 if something failed. For cron, Airflow and the like')
    .action(act<Options>(runSchedule));
  addExamples(command, [
    ['schedule', 'every hour at minute 7, all topics, until stopped'],
    [
      "schedule --set schedule.topics='web\\..*' --set schedule.hooks.url=https://ops.example/millrace",
      'some topics, with news of complete hours and failures',
    ],
    ['schedule --once --json', 'one run; its record as JSON'],
  ]);
}
