/**
 * Telling others: a program, an HTTP server, or both hear of every complete hour, of failures and of recoveries, each event
 * as one JSON object. At least once: an event that was not taken is told again by the next run, with the same `id`. Every
 * call is bounded in time and number, and a hook that fails stops nothing but its own news.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { Settings } from '../config/settings.ts';
import type { Clock } from './schedule-clock.ts';
import type { News } from './schedule-plan.ts';

/** An hour is complete, or its files changed after it was. */
export interface HourComplete {
  event: 'hour-complete';
  /** The same however often the event is told. */
  id: string;
  topic: string;
  hour: string;
  /** 1 when the hour became complete, one more each time its files changed afterwards. */
  version: number;
  rows: number;
  files: number;
  bytes: number;
  /** URL of the hour's directory. */
  directory: string;
}

export type HookEvent = HourComplete | News;

/** Most characters of what a failed hook said that are told on. */
const SAID_CHARACTERS = 300;
/** Wait before the second attempt; doubles. */
const RETRY_MS = 500;

export type HookSettings = Settings['schedule']['hooks'];

/** A hook that did not take an event. */
class HookError extends Error {
  override name = 'HookError';
  readonly mayPass: boolean;

  constructor(message: string, mayPass = true) {
    super(message);
    this.mayPass = mayPass;
  }
}

/** The words of a command: a JSON array of them, or a text cut at spaces. Throws an Error if it is neither. */
export function commandWords(command: string): string[] {
  if (!command.trimStart().startsWith('[')) return command.split(/\s+/).filter((word) => word !== '');
  const words: unknown = JSON.parse(command);
  if (Array.isArray(words) && words.length > 0 && words.every((word) => typeof word === 'string'))
    return words;
  throw new Error('it is no JSON array of texts');
}

/** Whether anybody is to be told. */
export const hasHooks = ({ command, url }: HookSettings) => command !== '' || url !== '';

/** Tells one event to all hooks; throws one line when one of them did not take it after all attempts. */
export async function tell(
  event: HookEvent,
  hooks: HookSettings,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<void> {
  const ways = [
    ...(hooks.command === '' ? [] : [() => runCommand(event, hooks, signal)]),
    ...(hooks.url === '' ? [] : [() => post(event, hooks, signal)]),
  ];
  for (const way of ways)
    for (let attempt = 0; ; attempt++) {
      try {
        await way();
        break;
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof HookError && error.mayPass) || attempt >= hooks.retries) throw error;
        await clock.sleep(RETRY_MS * 2 ** attempt, signal);
      }
    }
}

/** Runs the program in a process group of its own, so that what it has started ends with it. */
async function runCommand(event: HookEvent, hooks: HookSettings, signal: AbortSignal): Promise<void> {
  const [program = '', ...words] = commandWords(hooks.command);
  const child = spawn(program, words, { stdio: ['pipe', 'ignore', 'pipe'], detached: true });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (said.length < SAID_CHARACTERS) said += chunk.toString('utf8');
  });
  child.stdin.on('error', () => {}); // it may end without reading
  child.stdin.end(`${JSON.stringify(event)}\n`);
  const stop = AbortSignal.any([signal, AbortSignal.timeout(hooks.timeoutMs)]);
  const end = () => endGroup(child.pid);
  stop.addEventListener('abort', end);
  try {
    const [status, ended] = (await once(child, 'exit')) as [number | null, string | null];
    if (status === 0) return;
    const why = stop.aborted ? `took longer than ${hooks.timeoutMs} ms` : `ended with ${status ?? ended}`;
    throw new HookError(`hook ${program} ${why}${saying(said)}; see schedule.hooks.command`);
  } catch (error) {
    if (error instanceof HookError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new HookError(`hook ${program} can't be run (${code}); see schedule.hooks.command`, false);
  } finally {
    stop.removeEventListener('abort', end);
  }
}

function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // it has ended meanwhile
  }
}

const saying = (said: string) => {
  const [line = ''] = said.trim().slice(0, SAID_CHARACTERS).split('\n');
  return line === '' ? '' : `: ${line}`;
};

/** Redirections are not followed: the headers may hold secrets. */
async function post(event: HookEvent, hooks: HookSettings, signal: AbortSignal): Promise<void> {
  const url = new URL(hooks.url);
  const place = `${url.origin}${url.pathname}`;
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(await headersOf(hooks.headersFile)) },
    body: JSON.stringify(event),
    redirect: 'manual',
    signal: AbortSignal.any([signal, AbortSignal.timeout(hooks.timeoutMs)]),
  }).catch((error: Error) => {
    if (error instanceof HookError) throw error;
    const why = error.name === 'TimeoutError' ? `took longer than ${hooks.timeoutMs} ms` : causeOf(error);
    throw new HookError(`hook ${place} ${why}; see schedule.hooks.url`);
  });
  await answer.body?.cancel();
  if (answer.ok) return;
  const mayPass = answer.status >= 500 || answer.status === 429 || answer.status === 408;
  throw new HookError(`hook ${place} answers ${answer.status}; see schedule.hooks.url`, mayPass);
}

function causeOf(error: Error): string {
  const cause = error.cause as NodeJS.ErrnoException | undefined;
  return `could not be asked (${cause?.code ?? cause?.message ?? error.message})`;
}

/** Read for every event, so that a secret can be changed while the schedule runs. */
async function headersOf(path: string): Promise<Record<string, string>> {
  if (path === '') return {};
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new HookError(`cannot read ${path} (${error.code}); see schedule.hooks.headersFile`, false);
  });
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return Object.fromEntries(
    lines.map((line, i) => {
      const at = line.indexOf(':');
      if (at < 1)
        throw new HookError(`${path}:${i + 1} is no "Name: value"; see schedule.hooks.headersFile`, false);
      return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    }),
  );
}
