/**
 * The process: reads arguments and environment, builds a command's context, turns what it threw into a line and an exit
 * status. Nothing else reads argv or env, listens to signals, or exits. Whatever a command needs is imported when it runs.
 */
import { readFile } from 'node:fs/promises';
import { type Command, CommanderError } from 'commander';
import type { LoadedSettings } from '../config/load.ts';
import packageJson from '../package.json' with { type: 'json' };
import type { Act } from './command.ts';
import { type CommandContext, EXIT } from './context.ts';
import { failureOf } from './failure.ts';
import { listenForInterruption } from './interruption.ts';
import { commonOptions } from './options.ts';
import { Output } from './output.ts';
import { buildProgram, usageErrorOf } from './program.ts';

const argv = process.argv.slice(2);
const interruption = listenForInterruption();
/** Levels of who looks for a fault: failures are told with their stacks. */
const LOOKS_FOR_FAULTS: ReadonlySet<string> = new Set(['trace', 'debug']);
let logLevel = 'warn';
let status: number = EXIT.done;

async function readSettings(command: Command): Promise<LoadedSettings> {
  const { loadSettings, SettingsError } = await import('../config/load.ts');
  const { configFile, set } = commonOptions(command);
  const file = configFile && {
    name: configFile,
    text: await readFile(configFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw new SettingsError([
        `cannot read the settings file ${configFile} (${error.code}); check --config`,
      ]);
    }),
  };
  return loadSettings({ file: file || undefined, environment: process.env, set });
}

/** Logs go to stderr at once: a line still in a buffer when the process dies is the line that was needed. */
async function openLog(level: string): Promise<CommandContext['log']> {
  const { pino } = await import('pino');
  return pino({ level, base: null }, pino.destination({ dest: 2, sync: true }));
}

async function openContext(command: Command): Promise<CommandContext> {
  const { settings, origins } = await readSettings(command);
  logLevel = settings.logLevel;
  return {
    settings,
    origins,
    log: await openLog(settings.logLevel),
    out: new Output(process.stdout, commonOptions(command).json),
    progress: process.stderr,
    stdin: process.stdin,
    signal: interruption.signal,
    now: Date.now,
  };
}

const act: Act =
  (run) =>
  async (...args) => {
    const command = args.pop() as Command;
    const options = args.pop();
    const context = await openContext(command);
    const result = await (run as (...all: unknown[]) => Promise<number | undefined>)(
      context,
      options,
      ...args,
    );
    status = result ?? EXIT.done;
  };

function report(thrown: unknown): number {
  const error = thrown instanceof CommanderError ? usageErrorOf(thrown, argv) : thrown;
  if (error === undefined) return EXIT.done;
  const failure = failureOf(error, LOOKS_FOR_FAULTS.has(logLevel));
  process.stderr.write(`${failure.lines.join('\n')}\n`);
  return failure.status;
}

process.on('uncaughtException', (error) => process.exit(report(error)));
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // The reader has gone (`millrace tail … | head`): nobody is left to tell, which is no failure.
  process.exit(error.code === 'EPIPE' ? EXIT.done : report(error));
});

try {
  const program = await buildProgram(argv, packageJson.version, act);
  await program.parseAsync(argv, { from: 'user' });
} catch (error) {
  // After a signal whatever is under way fails in its own words; only who looks for a fault wants to read them.
  if (interruption.status() === undefined || LOOKS_FOR_FAULTS.has(logLevel)) status = report(error);
}
// What stdout can't take (a full disk) is an error of the last write, which comes a moment later.
if (interruption.status() === undefined)
  await new Promise<void>((resolve) => process.stdout.write('', () => setImmediate(resolve)));
// Explicit, because a pool or a socket that a failed command left open must not keep the process.
process.exit(interruption.status() ?? status);
