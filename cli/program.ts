/**
 * The commander program: every command's name and sentence, and in full those whose names stand on the command line.
 * Commander reports errors by throwing; it never ends the process.
 */
import { Command, type CommanderError } from 'commander';
import type { Act } from './command.ts';
import { COMMANDS } from './commands.ts';
import { addCommonOptions } from './options.ts';
import { UsageError } from './usage-error.ts';

const INTRODUCTION =
  'Millrace leads activity streams to Hadoop: Kafka-protocol brokers take them in, a parallel loader writes them as ' +
  'hourly Parquet, each event exactly once, and SQL aggregates them.';

const EPILOGUE = `
Examples:
  millrace demo                              the whole pipeline on generated activity
  millrace broker                            a broker on 127.0.0.1:9092
  millrace ingest access.log.gz --topic access --format combined --set topics.access.schema=web_request
  millrace load --topic access               into ./warehouse, one worker thread per partition
  millrace aggregate --topic access --query traffic_by_hour --all

Exit status: 0 done · 1 failed · 2 usage · 3 finished, but something was refused or is incomplete, with --strict
78 settings · 130/143 stopped by SIGINT/SIGTERM (a second one: at once)`;

function addCommonOptionsBelow(command: Command): void {
  command.optionsGroup('Common options:');
  addCommonOptions(command);
  for (const child of command.commands) addCommonOptionsBelow(child);
}

/** The program for these arguments, ready to parse them. */
export async function buildProgram(argv: readonly string[], version: string, act: Act): Promise<Command> {
  const program = new Command('millrace')
    .description(INTRODUCTION)
    .version(version, '-V, --version', 'the version')
    .helpOption('-h, --help', 'this help')
    .helpCommand('help [command]', 'help of a command')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .addHelpText('after', EPILOGUE);
  for (const { name, summary, load } of COMMANDS) {
    const command = program.command(name).summary(summary);
    // Every name that occurs is loaded: whichever of them is the command, it is among them.
    if (!argv.includes(name)) continue;
    command.description(`${summary[0]!.toUpperCase()}${summary.slice(1)}.`);
    (await load()).define(command, act);
  }
  addCommonOptionsBelow(program);
  return program;
}

/** What commander threw, as ours: undefined after help or version, a UsageError for a wrong command line. */
export function usageErrorOf(error: CommanderError, argv: readonly string[]): UsageError | undefined {
  if (error.exitCode === 0) return undefined;
  const name = COMMANDS.find((c) => argv.includes(c.name))?.name;
  const see = `see "millrace ${name ? `${name} ` : ''}--help"`;
  if (error.code === 'commander.help') return new UsageError(`a command is missing; ${see}`);
  const message = error.message
    .replace(/^error: /, '')
    .replaceAll('\n', ' ')
    .replace(' is invalid. ', ' is invalid: ')
    .replace(/\.$/, '');
  return new UsageError(`${message}; ${see}`);
}
