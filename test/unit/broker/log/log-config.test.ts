import { describe, expect, test } from 'vitest';
import {
  checkTopicConfigs,
  describeConfigs,
  effectiveConfig,
  TOPIC_CONFIG_NAMES,
} from '../../../../broker/log/log-config.ts';
import { settingsSchema } from '../../../../config/settings.ts';

const defaults = settingsSchema.parse({}).broker.log;

describe('topic settings', () => {
  test('an override wins, everything else is the broker’s', () => {
    const config = effectiveConfig(defaults, { 'retention.ms': '-1', 'segment.bytes': '1000' });
    expect(config).toMatchObject({ retentionMs: -1, segmentBytes: 1000, segmentMs: defaults.segmentMs });
  });

  test.each([
    ['retention.ms', '-2'],
    ['retention.ms', '1.5'],
    ['retention.bytes', ''],
    ['segment.bytes', '3000000000'],
    ['segment.bytes', '-1'],
    ['max.message.bytes', '1e6'],
    ['cleanup.policy', 'compact'],
    ['compression.type', 'lz4'],
    ['constructor', '1'],
  ])('%s=%s is refused by name', (name, value) => {
    expect(() => checkTopicConfigs({ [name]: value })).toThrow(new RegExp(`${name}: .*INVALID_CONFIG`));
  });

  test('every setting is described, with where it came from', () => {
    const described = describeConfigs(defaults, { 'segment.ms': '5000' });
    expect(described.map(({ name }) => name)).toEqual(TOPIC_CONFIG_NAMES);
    expect(described).toContainEqual({ name: 'segment.ms', value: '5000', overridden: true });
    expect(described).toContainEqual({ name: 'cleanup.policy', value: 'delete', overridden: false });
  });
});
