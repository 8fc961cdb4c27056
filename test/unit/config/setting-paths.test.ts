/** The names derived from the settings schema. */
import { expect, it } from 'vitest';
import { acceptedText, environmentName, SETTINGS } from '../../../config/setting-paths.ts';

it('an environment name is the path in capitals', () => {
  expect(environmentName(['broker', 'log', 'segmentBytes'])).toBe('MILLRACE_BROKER_LOG_SEGMENT_BYTES');
});

it('no two settings share an environment name', () => {
  const names = SETTINGS.map((s) => s.environment).filter(Boolean);
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBeGreaterThan(30);
});

it('every setting has a sentence of help and says what it accepts', () => {
  for (const { path, node } of SETTINGS) {
    expect(node.description, path).toMatch(/.{10}/);
    expect(acceptedText(node), path).not.toMatch(/undefined/);
  }
});
