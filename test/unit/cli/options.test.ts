/** Options of the command line, and how they become settings. */
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import {
  addCommonOptions,
  addSettingOption,
  collectPairs,
  commonOptions,
  share,
  timeMs,
  wholeNumber,
} from '../../../cli/options.ts';

/** What the common options of a line come to, for a program with the commands `serve --port` and `create --config`. */
function parse(...argv: string[]) {
  const program = new Command().enablePositionalOptions().exitOverride();
  let chosen: Command | undefined;
  const serve = program.command('serve').action((_options, command) => {
    chosen = command;
  });
  addSettingOption(serve, '--port <port>', 'broker.port', 'port');
  const create = program
    .command('create')
    .option('--config <pair>', 'pair', collectPairs)
    .action((_options, command) => {
      chosen = command;
    });
  for (const command of [program, serve, create]) addCommonOptions(command);
  program.parse(argv, { from: 'user' });
  return commonOptions(chosen!);
}

describe('common options', () => {
  it('are taken before and after the name of the command, the nearer after the farther', () => {
    const { set, json } = parse('--set', 'a=1', '--json', 'serve', '--set', 'b=x=y', '--set', 'c=');
    expect(set).toEqual([
      { path: 'a', text: '1', from: '--set' },
      { path: 'b', text: 'x=y', from: '--set' },
      { path: 'c', text: '', from: '--set' },
    ]);
    expect(json).toBe(true);
  });

  it('a short option is a --set that wins', () => {
    const { set } = parse(
      '--broker',
      'h:1',
      'serve',
      '--port',
      '7',
      '--set',
      'broker.port=8',
      '--broker',
      'h:2',
    );
    expect(set.map(({ path, text, from }) => `${from} ${path}=${text}`)).toEqual([
      '--set broker.port=8',
      '--broker client.brokers=h:1',
      '--port broker.port=7',
      '--broker client.brokers=h:2',
    ]);
  });

  it("a command's own --config leaves the settings file alone", () => {
    expect(parse('serve', '--config', 'f').configFile).toBe('f');
    expect(parse('--config', 'f', 'create', '--config', 'retention.ms=1').configFile).toBe('f');
    expect(parse('create', '--config', 'retention.ms=1').configFile).toBeUndefined();
  });
});

describe('values', () => {
  it('whole numbers are taken within their bounds only', () => {
    expect(wholeNumber(1, 5)('5')).toBe(5);
    for (const text of ['0', '6', '1.5', '-1', '', ' 1', '1e1', '99999999999999999999'])
      expect(() => wholeNumber(1, 5)(text), text).toThrow('whole number from 1 to 5');
  });

  it('shares lie from 0 to 1', () => {
    expect(share('0.05')).toBe(0.05);
    for (const text of ['', '-0.1', '1.1', 'x']) expect(() => share(text), text).toThrow('0 to 1');
  });

  it('times are days, hours or times, in UTC unless they say otherwise', () => {
    expect(timeMs('2026-11-22')).toBe(Date.UTC(2026, 10, 22));
    expect(timeMs('2026-11-22T13')).toBe(Date.UTC(2026, 10, 22, 13));
    expect(timeMs('2026-11-22T13:05')).toBe(Date.UTC(2026, 10, 22, 13, 5));
    expect(timeMs('2026-11-22T13:05:06.7Z')).toBe(Date.UTC(2026, 10, 22, 13, 5, 6, 700));
    expect(timeMs('2026-11-22T13:05+02:00')).toBe(Date.UTC(2026, 10, 22, 11, 5));
    for (const text of ['', 'yesterday', '12', '2026-13-01', '2026-11-22T25', '2026-11-22 13:00'])
      expect(() => timeMs(text), text).toThrow('UTC time');
  });
});
