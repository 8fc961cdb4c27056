/**
 * Runs the command line as its users do: as a process of its own, with its exit status and both of its streams.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const MAIN = join(import.meta.dirname, '../../cli/main.ts');

/** How a process ended. `status` is 128 + the signal's number if a signal ended it, as a shell tells it. */
export interface Ended {
  status: number;
  stdout: string;
  stderr: string;
}

const SIGNAL_NUMBERS: Record<string, number> = { SIGINT: 2, SIGABRT: 6, SIGKILL: 9, SIGTERM: 15 };

async function textOf(stream: NodeJS.ReadableStream | null): Promise<string> {
  let text = '';
  for await (const chunk of stream ?? []) text += String(chunk);
  return text;
}

/** The status of a process once it has ended. */
export async function statusOf(child: ChildProcess): Promise<number> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.exitCode ?? 128 + (SIGNAL_NUMBERS[child.signalCode ?? ''] ?? 0);
}

/** The environment without settings of whoever runs the tests. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('MILLRACE_')));
}

/** Starts a command and leaves it running. */
export function startCli(
  argv: readonly string[],
  options: SpawnOptions = {},
  [program, ...before]: readonly [string, ...string[]] = [process.execPath, MAIN],
): ChildProcess {
  const env = { ...cleanEnvironment(), ...options.env };
  return spawn(program, [...before, ...argv], { stdio: 'pipe', ...options, env });
}

/** Runs a command to its end, with `input` on its stdin; `through`: by another program that starts it. */
export async function runCli(
  argv: readonly string[],
  {
    input = '',
    through,
    ...options
  }: SpawnOptions & { input?: string | Buffer; through?: readonly [string, ...string[]] } = {},
): Promise<Ended> {
  const child = startCli(argv, options, through);
  child.stdin?.on('error', () => {}); // it may end without reading
  child.stdin?.end(input);
  const [stdout, stderr] = await Promise.all([textOf(child.stdout), textOf(child.stderr)]);
  return { status: await statusOf(child), stdout, stderr };
}

/** A broker in a process of its own, on any free port. */
export interface BrokerProcess extends AsyncDisposable {
  readonly child: ChildProcess;
  /** `127.0.0.1:port`, for `--broker`. */
  readonly address: string;
}

/** Starts `millrace broker` and waits until it listens. Stopped by SIGTERM at the end of the block. */
export async function startBrokerProcess(dataDir: string, ...argv: string[]): Promise<BrokerProcess> {
  const child = startCli(['broker', '--port', '0', '--data', dataDir, '--json', ...argv], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout! });
  const [line] = (await Promise.race([once(lines, 'line'), once(child, 'exit').then(() => [''])])) as [
    string,
  ];
  if (line === '') throw new Error(`the broker ended at start with ${child.exitCode}`);
  const { host, port } = JSON.parse(line) as { host: string; port: number };
  return {
    child,
    address: `${host}:${port}`,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await statusOf(child);
    },
  };
}
