/**
 * The settings that a topic may override, as one table: Kafka's name, what values it takes, and which of the broker's
 * settings stands behind it. CreateTopics refuses every other name, so that a topic never bears a setting that does
 * nothing.
 */
import type { Settings } from '../../config/settings.ts';
import { KafkaError } from '../protocol/errors.ts';

export type LogSettings = Settings['broker']['log'];
type Overridable = 'retentionMs' | 'retentionBytes' | 'segmentBytes' | 'segmentMs' | 'maxMessageBytes';

/** The settings of one log: the broker's, overridden by the topic's. */
export type LogConfig = Pick<
  LogSettings,
  Overridable | 'indexIntervalBytes' | 'flush' | 'producerIdExpirationMs'
>;

/** Overrides of a topic as they were given: Kafka's names and texts. */
export type TopicConfigs = Record<string, string>;

interface NumberConfig {
  setting: Overridable;
  min: number;
  max: number;
  /** Whether -1 is taken for "no limit". */
  orOff: boolean;
}

const MAX = Number.MAX_SAFE_INTEGER;
const MAX_INT32 = 2 ** 31 - 1;

const NUMBER_CONFIGS: Record<string, NumberConfig> = {
  'retention.ms': { setting: 'retentionMs', min: 0, max: MAX, orOff: true },
  'retention.bytes': { setting: 'retentionBytes', min: 0, max: MAX, orOff: true },
  'segment.bytes': { setting: 'segmentBytes', min: 14, max: MAX_INT32, orOff: false },
  'segment.ms': { setting: 'segmentMs', min: 1, max: MAX, orOff: false },
  'max.message.bytes': { setting: 'maxMessageBytes', min: 0, max: MAX_INT32, orOff: false },
};
/** Settings of which only one value is served; naming it is no error. */
const FIXED_CONFIGS: Record<string, string> = { 'cleanup.policy': 'delete' };

/** Names of all topic settings. */
export const TOPIC_CONFIG_NAMES = [...Object.keys(NUMBER_CONFIGS), ...Object.keys(FIXED_CONFIGS)];

function invalid(name: string, problem: string): KafkaError {
  return new KafkaError('INVALID_CONFIG', `${name}: ${problem}`);
}

function checkNumber(name: string, value: string, { min, max, orOff }: NumberConfig): void {
  const number = /^-?\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (orOff && number === -1) return;
  if (!(number >= min && number <= max)) {
    throw invalid(name, `'${value}' is not a whole number from ${min} to ${max}${orOff ? ', or -1' : ''}`);
  }
}

/** Throws INVALID_CONFIG, naming the setting, unless every override is known and its value in range. */
export function checkTopicConfigs(configs: TopicConfigs): void {
  for (const [name, value] of Object.entries(configs)) {
    const number = NUMBER_CONFIGS[name];
    const fixed = FIXED_CONFIGS[name];
    if (number !== undefined) checkNumber(name, value, number);
    else if (fixed === undefined) {
      throw invalid(name, `no such topic setting; there are ${TOPIC_CONFIG_NAMES.join(', ')}`);
    } else if (value !== fixed) throw invalid(name, `'${value}' is not served, only '${fixed}' is`);
  }
}

/** The settings a log acts by. `configs` must have passed `checkTopicConfigs`. */
export function effectiveConfig(defaults: LogSettings, configs: TopicConfigs): LogConfig {
  const config: LogConfig = { ...defaults };
  for (const [name, { setting }] of Object.entries(NUMBER_CONFIGS)) {
    const value = configs[name];
    if (value !== undefined) config[setting] = Number(value);
  }
  return config;
}

/** Every topic setting as a text, overridden or not, for answers to CreateTopics. */
export function describeConfigs(
  defaults: LogSettings,
  configs: TopicConfigs,
): Array<{ name: string; value: string; overridden: boolean }> {
  const effective = effectiveConfig(defaults, configs);
  return TOPIC_CONFIG_NAMES.map((name) => {
    const number = NUMBER_CONFIGS[name];
    const value = number === undefined ? (FIXED_CONFIGS[name] ?? '') : String(effective[number.setting]);
    return { name, value, overridden: Object.hasOwn(configs, name) };
  });
}
