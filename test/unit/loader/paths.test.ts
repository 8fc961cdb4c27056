import { describe, expect, it } from 'vitest';
import {
  finalName,
  heartbeatPath,
  parseFinalName,
  parseRecordName,
  parseRunName,
  parseRunnerName,
  parseWantedName,
  recordName,
  runnerPath,
  runPath,
  wantedName,
} from '../../../loader/paths.ts';

const ID = { partition: 7, incarnation: 0, from: 123456789, next: 123999999, rewrite: 0, part: 2 };

describe('names in the warehouse', () => {
  it('are made as the format says and read back', () => {
    const hour = '2026-11-22T13';
    const stem = 'p00007-i000-o00000000000123456789-00000000000123999999-r00000000-002';
    const names = {
      data: `dt=2026-11-22/hour=13/${stem}.parquet`,
      late: `_late/dt=2026-11-22/hour=13/${stem}.parquet.late`,
      quarantine: `_quarantine/dt=2026-11-22/hour=13/${stem}.jsonl`,
    } as const;
    for (const role of ['data', 'late', 'quarantine'] as const) {
      expect(finalName(role, hour, ID)).toBe(names[role]);
      expect(parseFinalName(names[role])).toEqual({ role, hour, ...ID });
    }
  });

  it('of other making are not taken for ours', () => {
    for (const name of [
      'dt=2026-11-22/hour=13/_SUCCESS',
      'dt=2026-11-22/hour=13/part-0.parquet',
      `_late/${finalName('data', '2026-11-22T13', ID)}`,
    ])
      expect(parseFinalName(name)).toBeUndefined();
    for (const name of ['1.json', '0000000000000000000x.json', 'base.json', '00000000000000000001.json.tmp'])
      expect(parseRecordName(name)).toBeUndefined();
  });

  it('sort as their numbers do', () => {
    const starts = [0, 9, 10, 99, 2 ** 31, 2 ** 53 - 1];
    expect(starts.map(recordName).sort()).toEqual(starts.map(recordName));
    expect(starts.map(recordName).map(parseRecordName)).toEqual(starts);
  });

  it('say what a staged attempt wants', () => {
    for (const want of [
      { kind: 'commit', partition: 7, generation: 3, start: 42 },
      { kind: 'base', partition: 99999, generation: 0 },
      { kind: 'rewrite', generation: 2, seq: 12 },
      { kind: 'rewrite-base', generation: 1 },
    ] as const)
      expect(parseWantedName(wantedName(want))).toEqual(want);
    expect(parseWantedName('h-markers')).toBeUndefined();
  });

  it('say which run and which runner a file is of', () => {
    const [startedAt, run] = ['2026-11-22T13:07:00.123Z', '0b0c-1'];
    const nameOf = (path: string) => path.slice(path.lastIndexOf('/') + 1);
    for (const stage of ['started', 'plan', 'outcome'] as const)
      expect(parseRunName(nameOf(runPath('web', startedAt, run, stage)))).toEqual({ startedAt, run });
    expect(parseRunName('notes.txt')).toBeUndefined();
    for (const n of [1, 999_999, 12_345_678])
      for (const path of [runnerPath(n), heartbeatPath(n)]) expect(parseRunnerName(nameOf(path))).toBe(n);
    expect(parseRunnerName('000001.json.tmp')).toBeUndefined();
  });
});
