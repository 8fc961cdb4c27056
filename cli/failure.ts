/**
 * Turns whatever was thrown into lines for a person and an exit status. The one place where errors end.
 */
import { EXIT } from './context.ts';

export interface Failure {
  lines: string[];
  status: number;
}

/** Errors that name no place or remedy themselves: system calls that failed before any part of ours looked at them. */
const REMEDIES: Record<string, string> = {
  ENOENT: 'check the path',
  EACCES: 'check who may write there',
  EPERM: 'check who may write there',
  ENOTDIR: 'a part of the path is a file; choose another path',
  EISDIR: 'the path is a directory; name a file',
  EROFS: 'the file system is read-only; choose another path',
  ENOSPC: 'the disk is full; make room and run it again',
  EMFILE: 'too many open files; raise the limit (ulimit -n)',
  EADDRINUSE: 'stop the program that has the port, or choose another with --port',
  EADDRNOTAVAIL: 'choose an address of this machine with --host',
  ECONNREFUSED: 'is the broker running? give its address with --broker',
};

/** Bugs: an assertion or a type error is no fault of the caller's, and its first line says little. */
function isBug(error: Error): boolean {
  return error.name === 'AssertionError' || error instanceof TypeError || error instanceof ReferenceError;
}

/** Where a Kafka error's own detail says what to do, the general words of the protocol after it say nothing more. */
const PROTOCOL_WORDS = /^(.*; .*): [^:;]* \([A-Z_]+, Kafka error -?\d+\)$/;

function oneLine(error: Error): string {
  const [whole = ''] = error.message.split('\n');
  const first = error.name === 'KafkaError' ? whole.replace(PROTOCOL_WORDS, '$1') : whole;
  const code = (error as NodeJS.ErrnoException).code;
  const remedy = code === undefined ? undefined : REMEDIES[code];
  if (isBug(error)) return `${first || error.name}; this is a bug, --log-level debug shows the stack`;
  return remedy && !first.includes(';') ? `${first}; ${remedy}` : first || error.name;
}

/** Thrown where a setting is read, or where a job finds that several do not go together. */
const SETTINGS_ERRORS = new Set(['SettingsError', 'SchemaError', 'RetentionError']);

function statusOf(error: Error): number {
  if (error.name === 'UsageError' || error.name === 'IngestUsageError') return EXIT.usage;
  // A schema is named by a setting or lies in a directory that one names.
  if (SETTINGS_ERRORS.has(error.name)) return EXIT.settings;
  return EXIT.failed;
}

/** The failure that a thrown value is. `withStack`: the stack follows, for `--log-level debug`. */
export function failureOf(thrown: unknown, withStack: boolean): Failure {
  let error = thrown instanceof Error ? thrown : new Error(String(thrown));
  while (error instanceof AggregateError && error.errors[0] instanceof Error) error = error.errors[0];
  const status = statusOf(error);
  const messages = status === EXIT.settings ? error.message.split('\n') : [oneLine(error)];
  const lines = messages.map((message) => `error: ${message}`);
  if (withStack)
    lines.push(error.stack ?? '', ...(error.cause instanceof Error ? [error.cause.stack ?? ''] : []));
  return { lines, status };
}
