import { describe, expect, it } from 'vitest';
import { hourDirectory, hourEndMs, hourName, hourOfUs, parseHour } from '../../../loader/hour.ts';

describe('hours', () => {
  it('go from an instant to a name and back, across year ends and before 1970', () => {
    for (const text of ['1969-12-31T23', '1970-01-01T00', '2016-02-29T05', '2026-11-22T13', '9999-12-31T23'])
      expect(hourName(parseHour(text)!)).toBe(text);
    expect(hourName(hourOfUs(Date.parse('2016-02-20T05:59:59.999Z') * 1000 + 999))).toBe('2016-02-20T05');
    expect(hourName(hourOfUs(-1))).toBe('1969-12-31T23');
  });

  it('end where the next begins', () => {
    expect(hourEndMs(parseHour('2016-12-31T23')!)).toBe(Date.parse('2017-01-01T00:00:00Z'));
  });

  it('are directories as Hive names them', () => {
    expect(hourDirectory('2026-11-22T03')).toBe('dt=2026-11-22/hour=03');
  });

  it('that do not exist are not read', () => {
    for (const text of ['2026-11-22', '2026-02-30T01', '2026-11-22T24', '2026-11-22T1', 'h-markers'])
      expect(parseHour(text)).toBeUndefined();
  });
});
