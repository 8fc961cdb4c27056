/**
 * What main hands to a command: settings, log, output, clock, and the signal that says "stop now". A command reads
 * nothing else of the process. It returns its exit status (nothing: 0) and throws for 1, 2 and 78.
 */
import type { Logger } from 'pino';
import type { LoadedSettings } from '../config/load.ts';
import type { Settings } from '../config/settings.ts';
import type { Output } from './output.ts';

/** Exit statuses that scripts may rely on. */
export const EXIT = { done: 0, failed: 1, usage: 2, incomplete: 3, settings: 78 } as const;

export interface CommandContext {
  settings: Settings;
  origins: LoadedSettings['origins'];
  log: Logger;
  out: Output;
  /** Where progress goes; shown only on a terminal. */
  progress: NodeJS.WriteStream;
  stdin: NodeJS.ReadStream;
  /** Aborted by the first SIGINT or SIGTERM. */
  signal: AbortSignal;
  /** Milliseconds since 1970. */
  now: () => number;
}

/** Resolves when the signal is aborted. */
export async function stopped(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  // The timer keeps the loop alive even when nothing else does: signals alone would let Node end.
  const alive = setInterval(() => {}, 2 ** 30);
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  clearInterval(alive);
}
