/**
 * Runs programs in processes of their own and tells what they cost: wall time, CPU seconds of all their threads, peak
 * memory. Node programs report their own usage when they exit, over a pipe; of others only the time is known.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';

const MAIN = join(import.meta.dirname, 'main.ts');
const USAGE_FD = 3;

/** What a run cost. `cpuSeconds` and `peakMiB` are NaN for programs that don't report. */
export interface Cost {
  seconds: number;
  cpuSeconds: number;
  peakMiB: number;
}

/** A process under way. `stop` ends it and tells its cost. */
export interface Running {
  child: ChildProcess;
  /** Resolves with the first line on stdout. */
  firstLine: Promise<string>;
  ended: Promise<Cost & { stdout: string }>;
  stop(): Promise<Cost & { stdout: string }>;
}

/** Where a process may run, and where its input comes from and its output goes. */
export interface RunOptions {
  /** Pins the process to this core, or to those of a list like `0,1`, where taskset is there. */
  core?: number | string | undefined;
  stdinFile?: string;
  /** Counts the bytes of stdout instead of keeping them; the count is then the stdout told. */
  countOutput?: boolean;
}

export const hasTaskset = spawnSync('taskset', ['-V']).status === 0;
export const hasKcat = spawnSync('kcat', ['-V']).status === 0;

/** Starts a program. */
export function start(command: string, args: readonly string[], options: RunOptions = {}): Running {
  const pinned = options.core !== undefined && hasTaskset;
  const [file, all] = pinned
    ? ['taskset', ['-c', String(options.core), command, ...args]]
    : [command, [...args]];
  const stdin = options.stdinFile === undefined ? 'ignore' : openSync(options.stdinFile, 'r');
  const begun = performance.now();
  const child = spawn(file, all, { stdio: [stdin, 'pipe', 'inherit', 'pipe'] });
  const stdout = child.stdout as Readable;
  const firstLine = once(stdout, 'data').then(([chunk]) => String(chunk).split('\n')[0]!);
  const output = options.countOutput ? countBytes(stdout) : text(stdout);
  const usage = text(child.stdio[USAGE_FD] as Readable);
  const ended = once(child, 'close').then(async ([code, signal]) => {
    const seconds = (performance.now() - begun) / 1_000;
    if (code !== 0 && code !== 143 && signal !== 'SIGTERM')
      throw new Error(`${command} ${args.slice(0, 4).join(' ')} … ended with ${code ?? signal}`);
    const told = (await usage) || '{}';
    const { cpuSeconds = Number.NaN, peakMiB = Number.NaN } = JSON.parse(told) as Partial<Cost>;
    return { seconds, cpuSeconds, peakMiB, stdout: await output };
  });
  const stop = async () => {
    child.kill('SIGTERM');
    return await ended;
  };
  return { child, firstLine, ended, stop };
}

/** Runs a program to its end. */
export const run = (command: string, args: readonly string[], options?: RunOptions) =>
  start(command, args, options).ended;

/** Starts one of the programs that `bench/main.ts` holds. */
export const startOwn = (program: string, args: readonly string[], options?: RunOptions) =>
  start(process.execPath, ['--no-warnings', MAIN, `child:${program}`, ...args], options);

export const runOwn = (program: string, args: readonly string[], options?: RunOptions) =>
  startOwn(program, args, options).ended;

async function countBytes(stream: Readable): Promise<string> {
  let bytes = 0;
  for await (const chunk of stream) bytes += (chunk as Buffer).length;
  return String(bytes);
}

/** Makes this process tell its usage when it exits; for the programs started by `startOwn`. */
export function tellUsageAtExit(): void {
  process.on('exit', () => {
    const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
    const usage = { cpuSeconds: (userCPUTime + systemCPUTime) / 1e6, peakMiB: maxRSS / 1024 };
    writeSync(USAGE_FD, JSON.stringify(usage));
  });
}
