import { describe, expect, test } from 'vitest';
import {
  checkTopicConfigs,
  describeConfigs,
  effectiveConfig,
  TOPIC_CONFIG_NAMES,
} from '../../../../broker/log/log-config.ts';
import { LONG_MAX, TOPIC_CONFIGS, type TopicConfig } from '../../../../broker/log/topic-configs.ts';
import { settingsSchema } from '../../../../config/settings.ts';

const defaults = settingsSchema.parse({}).broker.log;

/** A value that is served and not the default. */
function another({ values, default: text }: TopicConfig): string | undefined {
  switch (values.kind) {
    case 'number':
      return String(values.min + 7);
    case 'ratio':
      return '0.25';
    case 'words':
    case 'list':
      return values.words.find((word) => word !== text);
    case 'fixed':
      return undefined;
  }
}

describe('topic settings', () => {
  test('an override wins, everything else is the broker’s', () => {
    const config = effectiveConfig(defaults, { 'retention.ms': '-1', 'segment.bytes': '1000' });
    expect(config).toMatchObject({ retentionMs: -1, segmentBytes: 1000, segmentMs: defaults.segmentMs });
  });

  test.each(Object.entries(TOPIC_CONFIGS))('%s has the default that the broker has', (name, config) => {
    const described = describeConfigs(defaults, {}).find((each) => each.name === name);
    expect(described).toMatchObject({ value: config.default, source: 'DEFAULT_CONFIG' });
    expect(() => checkTopicConfigs({ [name]: config.default })).not.toThrow();
  });

  test.each(Object.entries(TOPIC_CONFIGS).filter(([, { setting }]) => setting !== undefined))(
    '%s, given to a topic, changes exactly the setting it names',
    (name, config) => {
      const value = another(config);
      if (value === undefined || config.setting === undefined) return;
      const configs = { [name]: value };
      checkTopicConfigs(configs);
      const before = effectiveConfig(defaults, {});
      const after = effectiveConfig(defaults, configs);
      expect(String(after[config.setting])).toBe(value);
      expect({ ...after, [config.setting]: before[config.setting] }).toEqual(before);
    },
  );

  test('Kafka’s largest number means no limit, and is told as it was given', () => {
    const configs = { 'flush.messages': LONG_MAX, 'retention.ms': LONG_MAX };
    checkTopicConfigs(configs);
    const config = effectiveConfig(defaults, configs);
    expect([config.flushMessages, config.retentionMs]).toEqual([-1, Number.MAX_SAFE_INTEGER]);
    const described = describeConfigs(defaults, configs);
    expect(described.find(({ name }) => name === 'retention.ms')?.value).toBe(LONG_MAX);
  });

  test('flush.messages=1 has acks=all wait for fsync', () => {
    expect(effectiveConfig(defaults, { 'flush.messages': '1' }).flush).toBe('acks');
    expect(effectiveConfig(defaults, { 'flush.messages': '2' }).flush).toBe('interval');
  });

  test.each([
    ['retention.ms', '-2'],
    ['retention.ms', '1.5'],
    ['retention.bytes', ''],
    ['segment.bytes', '3000000000'],
    ['segment.bytes', '-1'],
    ['max.message.bytes', '1e6'],
    ['max.message.bytes', LONG_MAX],
    ['cleanup.policy', 'keep'],
    ['cleanup.policy', ''],
    ['compression.type', 'lz4'],
    ['min.insync.replicas', '2'],
    ['min.cleanable.dirty.ratio', '1.5'],
    ['message.timestamp.type', 'logappendtime'],
    ['retention.requires.load', 'yes'],
    ['constructor', '1'],
  ])('%s=%s is refused by name', (name, value) => {
    expect(() => checkTopicConfigs({ [name]: value })).toThrow(new RegExp(`${name}: .*INVALID_CONFIG`));
  });

  test('a least lag above the greatest is refused', () => {
    const configs = { 'min.compaction.lag.ms': '100', 'max.compaction.lag.ms': '99' };
    expect(() => checkTopicConfigs(configs)).toThrow(/min.compaction.lag.ms: 100 is above/);
  });

  test('every setting is described, with all values there are for it', () => {
    const described = describeConfigs({ ...defaults, segmentMs: 9000 }, { 'segment.ms': '5000' });
    expect(described.map(({ name }) => name)).toEqual(TOPIC_CONFIG_NAMES);
    expect(described.find(({ name }) => name === 'segment.ms')).toMatchObject({
      value: '5000',
      source: 'DYNAMIC_TOPIC_CONFIG',
      synonyms: [
        { name: 'segment.ms', value: '5000', source: 'DYNAMIC_TOPIC_CONFIG' },
        { name: 'log.roll.ms', value: '9000', source: 'STATIC_BROKER_CONFIG' },
        { name: 'log.roll.ms', value: '604800000', source: 'DEFAULT_CONFIG' },
      ],
    });
  });
});
