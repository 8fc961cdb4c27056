/**
 * The form of a command's module: `define` declares arguments, options, help and action on the commander command that
 * was made for it. The action is a `Run`, which main wraps, so that no module reads the process.
 */
import type { Command } from 'commander';
import type { CommandContext } from './context.ts';

/** What a command does: it gets the context, its own options and its arguments, and answers its exit status (nothing: 0). */
export type Run<Options, Args extends unknown[]> = (
  context: CommandContext,
  options: Options,
  ...args: Args
) => Promise<number | undefined> | Promise<void>;

/** Wraps a `Run` as the action of a commander command. */
export type Act = <Options, Args extends unknown[] = []>(
  run: Run<Options, Args>,
) => (...args: unknown[]) => Promise<void>;

/** What every command's module exports. */
export interface CommandModule {
  define(command: Command, act: Act): void;
}

/** Appends examples to a command's help: a command line and what it does, each. */
export function addExamples(command: Command, examples: readonly (readonly [string, string])[]): void {
  const lines = examples.map(([line, does]) => `  millrace ${line}\n      ${does}`);
  command.addHelpText('after', `\n${examples.length > 1 ? 'Examples' : 'Example'}:\n${lines.join('\n')}`);
}
