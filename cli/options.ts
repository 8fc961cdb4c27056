/**
 * Options of the command line and how they become settings. An option such as `--port` is nothing but a shorter
 * `--set broker.port=…`; the table of such options hangs on the commander command that declares them.
 */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { SettingText } from '../config/load.ts';
import { type Hour, parseHour } from '../loader/hour.ts';

const settingOptions = new WeakMap<Command, Map<string, { path: string; flag: string }>>();

/** Declares an option that sets one setting. */
export function addSettingOption(command: Command, flags: string, path: string, help: string): Command {
  const option = new Option(flags, `${help} (setting ${path})`);
  const table = settingOptions.get(command) ?? new Map();
  settingOptions.set(command, table.set(option.attributeName(), { path, flag: option.long ?? flags }));
  return command.addOption(option);
}

/** Collects a repeatable option. */
export function collect(value: string, previous: string[] = []): string[] {
  return [...previous, value];
}

/** A parser of `name=value` pairs, collected in order. */
export function collectPairs(value: string, previous: [string, string][] = []): [string, string][] {
  const at = value.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('write it as name=value.');
  return [...previous, [value.slice(0, at), value.slice(at + 1)]];
}

/** A parser of whole numbers within bounds. */
export function wholeNumber(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    throw new InvalidArgumentError(`write a whole number ${range}.`);
  };
}

/** A parser of shares from 0 to 1. */
export function share(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError('write a number from 0 to 1.');
}

const HOUR_OR_DAY = /^\d{4}-\d{2}-\d{2}(T\d{2})?$/;
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})?$/;

/** Milliseconds since 1970 of a time as people write it: a day, an hour (`2026-11-22T13`) or a time; UTC unless it says otherwise. */
export function timeMs(text: string): number {
  const whole = HOUR_OR_DAY.test(text) ? `${text.slice(0, 10)}T${text.slice(11, 13) || '00'}:00Z` : text;
  const zoned = /(Z|[+-]\d{2}:\d{2})$/.test(whole) ? whole : `${whole}Z`;
  const value = TIME.test(whole) ? Date.parse(zoned) : Number.NaN;
  if (Number.isNaN(value)) throw new InvalidArgumentError('write a UTC time like 2026-11-22T13:00:00Z.');
  return value;
}

/** A parser of hours, `2026-11-22T13`. */
export function hourText(text: string): Hour {
  if (parseHour(text) !== undefined) return text;
  throw new InvalidArgumentError('write an hour like 2026-11-22T13 (UTC).');
}

/** The options that every command has, before or after its name. */
export function addCommonOptions(command: Command): Command {
  // `topics create --config retention.ms=1` is a topic's setting; its file is given before the command's name.
  if (!command.options.some((o) => o.long === '--config'))
    command.option('--config <file>', 'settings as YAML or JSON');
  command.option('--set <path=value>', 'one setting; may be repeated', collectPairs);
  addSettingOption(command, '--broker <host:port,…>', 'client.brokers', 'brokers to start from');
  addSettingOption(command, '--warehouse <url>', 'loader.warehouse', 'root of the table, file:PATH');
  addSettingOption(command, '--log-level <level>', 'logLevel', 'trace, debug, info, warn, error or silent');
  return command.option('--json', 'the result as one JSON object');
}

/** A command and the commands it stands under, the program first. */
function lineOf(command: Command): Command[] {
  return command.parent ? [...lineOf(command.parent), command] : [command];
}

/** What the common and the setting options of a command line say. */
export interface CommonOptions {
  configFile: string | undefined;
  json: boolean;
  set: SettingText[];
}

/** Gathers the common options wherever they stand. A short option wins over `--set`, the nearer one over the farther. */
export function commonOptions(command: Command): CommonOptions {
  const line = lineOf(command);
  const set: SettingText[] = [];
  const shorts: SettingText[] = [];
  let configFile: string | undefined;
  let json = false;
  for (const each of line) {
    const options = each.opts<Record<string, unknown>>();
    for (const [path, text] of (options['set'] as [string, string][] | undefined) ?? [])
      set.push({ path, text, from: '--set' });
    for (const [name, { path, flag }] of settingOptions.get(each) ?? [])
      if (options[name] !== undefined) shorts.push({ path, text: String(options[name]), from: flag });
    if (typeof options['config'] === 'string') configFile = options['config'];
    json ||= options['json'] === true;
  }
  return { configFile, json, set: [...set, ...shorts] };
}

/** The options of a command that runs a broker. */
export function addBrokerOptions(command: Command): void {
  addSettingOption(command, '--host <address>', 'broker.host', 'address to listen on');
  addSettingOption(command, '--port <port>', 'broker.port', 'port to listen on, 0: any');
  addSettingOption(command, '--data <dir>', 'broker.dataDir', 'directory of the logs');
  addSettingOption(command, '--node-id <id>', 'broker.nodeId', 'id of this broker');
}
