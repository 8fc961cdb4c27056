/**
 * `millrace config show`: every effective setting and the layer it came from.
 */
import type { Command } from 'commander';
import { SETTINGS } from '../config/setting-paths.ts';
import type { Settings } from '../config/settings.ts';
import { type Act, addExamples } from './command.ts';
import type { CommandContext } from './context.ts';
import { tableText } from './table.ts';

/** The value at a path of keys; undefined where a group is absent. */
function valueAt(settings: unknown, keys: readonly string[]): unknown {
  return keys.reduce((group, key) => (group as Record<string, unknown> | undefined)?.[key], settings);
}

/** All paths with a value: the schema's, and under `topics` those that a layer set. */
function* effective(settings: Settings, origins: CommandContext['origins']) {
  for (const { path, keys, environment } of SETTINGS) {
    const name = keys.indexOf('*');
    const names = name < 0 ? [] : Object.keys(valueAt(settings, keys.slice(0, name)) as object);
    const all = name < 0 ? [keys] : names.map((n) => keys.with(name, n));
    for (const each of all) {
      const value = valueAt(settings, each);
      if (value === undefined) continue;
      const full = name < 0 ? path : each.join('.');
      yield { path: full, value, from: origins.get(full) ?? 'default', environment };
    }
  }
}

async function show({ settings, origins, out }: CommandContext): Promise<void> {
  const rows = [...effective(settings, origins)];
  out.object({
    settings: Object.fromEntries(
      rows.map(({ path, value, from, environment }) => [
        path,
        { value, from, environment: environment || null },
      ]),
    ),
  });
  const cells = rows.map(({ path, value, from }) => [path, JSON.stringify(value), from]);
  out.line(tableText(['setting', 'value', 'from'], cells));
}

export function define(command: Command, act: Act): void {
  const showCommand = command
    .command('show')
    .description('Every effective setting and where it came from.')
    .action(act<object>(show));
  addExamples(showCommand, [
    ['config show', 'all settings; those not "default" were given'],
    ['--config config/cluster.yaml config show --json', 'what a file makes of them'],
  ]);
  addExamples(command, [['config show', 'every setting and where its value came from']]);
}
