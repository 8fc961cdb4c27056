/**
 * The settings of one log: the broker's, overridden by the topic's. Overrides are checked when they are given, kept as the
 * texts they were given as, and told with every value they hide: that is what DescribeConfigs shows.
 */
import { KafkaError } from '../protocol/errors.ts';
import {
  LONG_MAX,
  type LogSettings,
  type Overridable,
  TOPIC_CONFIGS,
  type TopicConfig,
  type Values,
} from './topic-configs.ts';

export type { LogSettings } from './topic-configs.ts';

/** The settings of one log. `flushIntervalMs` and `flushMessages` are `flush.ms` and `flush.messages` there. */
export type LogConfig = Overridable & Pick<LogSettings, 'flush' | 'producerIdExpirationMs'>;

/** Overrides of a topic as they were given: Kafka's names and texts. */
export type TopicConfigs = Record<string, string>;

/** Names of all topic settings. */
export const TOPIC_CONFIG_NAMES = Object.keys(TOPIC_CONFIGS);

function invalid(name: string, problem: string): KafkaError {
  return new KafkaError('INVALID_CONFIG', `${name}: ${problem}`);
}

/** The setting of a name. Throws INVALID_CONFIG, naming those there are. */
export function topicConfig(name: string): TopicConfig {
  const config = Object.hasOwn(TOPIC_CONFIGS, name) ? TOPIC_CONFIGS[name] : undefined;
  if (config !== undefined) return config;
  throw invalid(name, `no such topic setting; there are ${TOPIC_CONFIG_NAMES.join(', ')}`);
}

/** The words of a list, without spaces and empty ones. */
export function listWords(text: string): string[] {
  return text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
}

/** Why a value is not taken, or undefined if it is. */
function problemOf(text: string, values: Values, fixed: string): string | undefined {
  const what = `'${text.slice(0, 200)}' is not`;
  switch (values.kind) {
    case 'number': {
      const { min, max, off } = values;
      const value = /^-?\d{1,19}$/.test(text) ? Math.min(Number(text), max < 2 ** 31 ? Infinity : max) : NaN;
      if (text === off || (value >= min && value <= max)) return undefined;
      return `${what} a whole number from ${min} to ${max}${off === undefined ? '' : `, or ${off}`}`;
    }
    case 'ratio':
      return /^\d(\.\d{1,15})?$/.test(text) && Number(text) <= 1 ? undefined : `${what} a number from 0 to 1`;
    case 'words':
      return values.words.includes(text) ? undefined : `${what} served, only ${values.words.join(' or ')}`;
    case 'list': {
      const words = listWords(text);
      const isServed = words.length > 0 && words.every((word) => values.words.includes(word));
      return isServed ? undefined : `${what} served, only ${values.words.join(', ')} or both`;
    }
    case 'fixed':
      return text === fixed ? undefined : `${what} served, only '${fixed}' is`;
  }
}

/** Throws INVALID_CONFIG, naming the setting, unless every override is known, in range, and fits the others. */
export function checkTopicConfigs(configs: TopicConfigs): void {
  for (const [name, value] of Object.entries(configs)) {
    const config = topicConfig(name);
    const problem = problemOf(value, config.values, config.default);
    if (problem !== undefined) throw invalid(name, problem);
  }
  const [min, max] = ['min.compaction.lag.ms', 'max.compaction.lag.ms'].map((name) => Number(configs[name]));
  if (min !== undefined && max !== undefined && min > max) {
    throw invalid('min.compaction.lag.ms', `${min} is above max.compaction.lag.ms, ${max}`);
  }
}

/** A checked text as the value by which a log acts. */
function parsed(text: string, { values }: TopicConfig): number | string | boolean {
  switch (values.kind) {
    case 'number':
      return text === values.off ? -1 : Math.min(Number(text), Number.MAX_SAFE_INTEGER);
    case 'ratio':
      return Number(text);
    case 'list':
      return values.words.filter((word) => listWords(text).includes(word)).join(',');
    default:
      return text === 'true' || text === 'false' ? text === 'true' : text;
  }
}

/** The settings a log acts by. `configs` must have passed `checkTopicConfigs`. */
export function effectiveConfig(defaults: LogSettings, configs: TopicConfigs): LogConfig {
  const overrides: Record<string, number | string | boolean> = {};
  for (const [name, config] of Object.entries(TOPIC_CONFIGS)) {
    const text = configs[name];
    if (text !== undefined && config.setting !== undefined) overrides[config.setting] = parsed(text, config);
  }
  // The table names the setting of each value, and a test reads every one of them back.
  const config = { ...defaults, ...overrides } as LogConfig;
  if (config.flushMessages === 1) config.flush = 'acks';
  return config;
}

/** Whether the last record of each key is kept. */
export function isCompacted({ cleanupPolicy }: Pick<LogConfig, 'cleanupPolicy'>): boolean {
  return cleanupPolicy !== 'delete';
}

/** Whether retention deletes old segments. */
export function isDeleting({ cleanupPolicy }: Pick<LogConfig, 'cleanupPolicy'>): boolean {
  return cleanupPolicy !== 'compact';
}

/** Where a value comes from, as DescribeConfigs numbers it. */
export const CONFIG_SOURCES = {
  DYNAMIC_TOPIC_CONFIG: 1,
  STATIC_BROKER_CONFIG: 4,
  DEFAULT_CONFIG: 5,
} as const;
export type ConfigSource = keyof typeof CONFIG_SOURCES;

/** One value of a setting among those that could act; the first of them does. */
export interface ConfigValue {
  name: string;
  value: string;
  source: ConfigSource;
}

/** A setting as it is described: the value that acts, and all there are for it, strongest first. */
export interface DescribedConfig extends ConfigValue {
  config: TopicConfig;
  synonyms: ConfigValue[];
}

/** The broker's value of a setting and, where they differ, the default behind it. */
export function brokerValues(config: TopicConfig, name: string, defaults: LogSettings): ConfigValue[] {
  const byDefault: ConfigValue = { name, value: config.default, source: 'DEFAULT_CONFIG' };
  if (config.setting === undefined) return [byDefault];
  const own = defaults[config.setting];
  const isOff = own === -1 && config.values.kind === 'number' && config.values.off === LONG_MAX;
  const value = isOff ? LONG_MAX : String(own);
  return value === config.default
    ? [byDefault]
    : [{ name, value, source: 'STATIC_BROKER_CONFIG' }, byDefault];
}

/** Every topic setting as a text, overridden or not. */
export function describeConfigs(defaults: LogSettings, configs: TopicConfigs): DescribedConfig[] {
  return Object.entries(TOPIC_CONFIGS).map(([name, config]) => {
    const synonyms = brokerValues(config, config.brokerName ?? name, defaults);
    const own = configs[name];
    if (own !== undefined) synonyms.unshift({ name, value: own, source: 'DYNAMIC_TOPIC_CONFIG' });
    const [acting] = synonyms as [ConfigValue];
    return { name, value: acting.value, source: acting.source, config, synonyms };
  });
}
