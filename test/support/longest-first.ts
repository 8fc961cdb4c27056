/**
 * The order of test files: those that are known to take minutes begin first, or the last of them would keep one core busy
 * while the other waits. Where vitest remembers how long a file took it knows better, and in a fresh clone it does not.
 */
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Longest first. */
const LONGEST = [
  'fault/matrix',
  'real/schedule-week',
  'real/load-faults',
  'real/load-from-kafka',
  'real/readers',
  'models/schedules',
  'integration/schedule-week',
  'real/races',
  'real/rewrites',
  'real/load-failover',
  'integration/main-job',
  'integration/cli-pipeline',
  'fault/load-stops',
  'fault/replay-stops',
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const at = LONGEST.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
      return at < 0 ? LONGEST.length : at;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}
