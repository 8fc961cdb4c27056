/**
 * What process a number belongs to. Numbers are used again by the system, so the bed looks at the command line before it
 * ends a process that it knows only from a file.
 */
import { readFile } from 'node:fs/promises';
import { runCommand } from './command.ts';
import { waitFor } from './wait.ts';

const PS_LIMIT_MS = 60_000;
const END_LIMIT_MS = 60_000;

/** The command line of a process, or undefined when there is none by that number. */
async function commandLine(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') {
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return line.replaceAll('\0', ' ').trim() || undefined;
  }
  const line = await runCommand('ps', ['-ww', '-o', 'args=', '-p', String(pid)], {
    limitMs: PS_LIMIT_MS,
  }).catch(() => '');
  return line.trim() || undefined;
}

/** Whether the process by that number still runs and bears the mark in its command line. */
export async function isOurs(pid: number, mark: string): Promise<boolean> {
  return (await commandLine(pid))?.includes(mark) ?? false;
}

/**
 * Whether a process has let go of all it had. One that is ending shows no command line before it closes its sockets; one
 * that nobody has waited for stays in the list, as a zombie, which it is from its first thread's end to after its last's.
 */
async function isGone(pid: number): Promise<boolean> {
  if (process.platform === 'linux') {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    // After the name in brackets: the state, and num_threads, the 20th field of proc_pid_stat(5).
    const [state, ...numbers] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return stat === '' || state === 'X' || (state === 'Z' && Number(numbers[16]) <= 1);
  }
  return (await commandLine(pid)) === undefined;
}

/** Kills a process if it is ours, and waits until it is gone. Says whether there was one. */
export async function endOurs(pid: number, mark: string): Promise<boolean> {
  if (!(await isOurs(pid, mark))) return false;
  process.kill(pid, 'SIGKILL');
  await waitFor(`process ${pid} to end`, END_LIMIT_MS, () => isGone(pid));
  return true;
}
