/**
 * Runs one program to its end and returns what it printed. A failure shows the end of both streams, for the programs of
 * the bed (Maven, Hadoop's and Kafka's tools) tell there what is wrong.
 */
import { execFile } from 'node:child_process';

const OUTPUT_BYTES = 64 * 1024 * 1024;
const SHOWN_CHARACTERS = 2000;

export interface CommandOptions {
  env?: Record<string, string>;
  cwd?: string;
  /** The program is killed after this time. */
  limitMs: number;
  input?: string;
}

/** The standard output of `command args…`; throws when it can't be started, fails or takes too long. */
export function runCommand(command: string, args: string[], options: CommandOptions): Promise<string> {
  const { env, cwd, limitMs, input = '' } = options;
  return new Promise((resolve, reject) => {
    const child = execFile(
      command,
      args,
      {
        env: { ...process.env, ...env },
        ...(cwd === undefined ? {} : { cwd }),
        timeout: limitMs,
        killSignal: 'SIGKILL',
        maxBuffer: OUTPUT_BYTES,
      },
      (error, stdout, stderr) => {
        if (error === null) return resolve(stdout);
        const shown = `${stdout}\n${stderr}`.trim().slice(-SHOWN_CHARACTERS);
        const how = error.killed
          ? `was killed after ${limitMs} ms`
          : `failed (${error.code ?? error.message})`;
        const missing = error.code === 'ENOENT' ? '; install it and put it in the PATH' : '';
        reject(new Error(`${command} ${how}${missing}\n${shown}`));
      },
    );
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}
