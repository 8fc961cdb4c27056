/**
 * What running processes cost while something else is timed: CPU seconds and peak memory, read from Linux's /proc, of
 * daemons that go on afterwards and of one program that is run to its end with all it starts. Memory of a program is
 * looked at a few times a second; the kernel keeps the peak, so only what it takes in its last moments can be missed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';

const LOOK_EVERY_MS = 100;
const SHOWN_CHARACTERS = 3000;
/** Clock ticks a second in /proc: USER_HZ, 100 on every Linux that Node runs on. */
const TICKS = 100;
/** What proc(5) asks to be written to clear_refs so that VmHWM begins anew. */
const RESET_PEAK = '5';

export interface Usage {
  cpuSeconds: number;
  peakMiB: number;
}

export interface ProgramRun extends Usage {
  /** From the start of the process to its end. */
  seconds: number;
  stdout: string;
}

/** The fields of /proc/PID/stat after the name: `state` is the first of them, field 3 of proc_pid_stat(5). */
function statFields(pid: number | 'self'): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

const field = (fields: readonly string[], number: number) => Number(fields[number - 3]);

function cpuSecondsOf(pid: number): number {
  const fields = statFields(pid);
  return (field(fields, 14) + field(fields, 15)) / TICKS;
}

/** CPU seconds of the programs that this process has started and that have ended, and of what those waited for. */
function endedCpuSeconds(): number {
  const fields = statFields('self');
  return (field(fields, 16) + field(fields, 17)) / TICKS;
}

function peakMiBOf(pid: number): number {
  const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kibibytes ?? Number.NaN) / 1024;
}

/** Measures daemons from now on: their peaks begin anew. The function returned tells what they cost since. */
export function watch(daemons: Readonly<Record<string, number>>): () => Record<string, Usage> {
  const before = Object.entries(daemons).map(([name, pid]) => {
    writeFileSync(`/proc/${pid}/clear_refs`, RESET_PEAK);
    return { name, pid, cpuSeconds: cpuSecondsOf(pid) };
  });
  return () =>
    Object.fromEntries(
      before.map(({ name, pid, cpuSeconds }) => [
        name,
        { cpuSeconds: cpuSecondsOf(pid) - cpuSeconds, peakMiB: peakMiBOf(pid) },
      ]),
    );
}

/** A process and those that it started, and so on. */
function familyOf(ancestor: number): number[] {
  const family = new Set([ancestor]);
  const numbers = readdirSync('/proc').map(Number).filter(Number.isInteger);
  // A child's number is above its parent's but where the numbers began anew; then the next look may find it.
  for (const pid of numbers.sort((a, b) => a - b)) {
    try {
      if (family.has(field(statFields(pid), 4))) family.add(pid);
    } catch {
      // It ended while we looked.
    }
  }
  return [...family];
}

/** The sum of the peaks of a process and those that it started, as last seen. */
function watchMemory(pid: number | undefined): Disposable & { peakMiB: () => number } {
  const peaks = new Map<number, number>();
  const look = () => {
    for (const member of pid === undefined ? [] : familyOf(pid)) {
      try {
        peaks.set(member, Math.max(peaks.get(member) ?? 0, peakMiBOf(member) || 0));
      } catch {
        // It ended while we looked.
      }
    }
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  return {
    peakMiB: () => [...peaks.values()].reduce((sum, peak) => sum + peak, 0),
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

/** Where a program runs and when it is ended. */
export interface ProgramOptions {
  signal: AbortSignal;
  env?: Record<string, string>;
  cwd?: string;
  /** Standard output is told, or the number of its bytes, or it goes nowhere. */
  output?: 'text' | 'count' | 'drop';
  /** A file that standard error is appended to; ours unless told. */
  log?: string;
}

/**
 * Runs a program to its end, alone: nothing else that this process started may end meanwhile, for the CPU seconds of the
 * ended are known only together.
 */
export async function runProgram(
  command: string,
  args: readonly string[],
  { signal, env, cwd, output = 'text', log }: ProgramOptions,
): Promise<ProgramRun> {
  signal.throwIfAborted();
  const cpuBefore = endedCpuSeconds();
  const begun = performance.now();
  const errors = log === undefined ? 2 : openSync(log, 'a');
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    ...(cwd !== undefined && { cwd }),
    stdio: ['ignore', output === 'drop' ? 'ignore' : 'pipe', errors],
  });
  if (log !== undefined) closeSync(errors);
  const stdout = child.stdout ? (output === 'count' ? countBytes : text)(child.stdout) : '';
  const end = () => void child.kill('SIGTERM');
  signal.addEventListener('abort', end);
  const closed = once(child, 'close');
  const memory = watchMemory(child.pid);
  try {
    const [code, killedBy] = await closed;
    const seconds = (performance.now() - begun) / 1_000;
    signal.throwIfAborted();
    if (code !== 0) throw new Error(`${command} ended with ${code ?? killedBy}${shownEnd(log)}`);
    const cpuSeconds = endedCpuSeconds() - cpuBefore;
    return { seconds, cpuSeconds, peakMiB: memory.peakMiB(), stdout: await stdout };
  } finally {
    memory[Symbol.dispose]();
    signal.removeEventListener('abort', end);
  }
}

async function countBytes(stream: Readable): Promise<string> {
  let bytes = 0;
  for await (const chunk of stream) bytes += (chunk as Buffer).length;
  return String(bytes);
}

const shownEnd = (log: string | undefined) =>
  log === undefined ? '' : `; its log ends with\n${readFileSync(log, 'utf8').slice(-SHOWN_CHARACTERS)}`;
