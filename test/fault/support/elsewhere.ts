/**
 * Rows of the fault matrix that other suites play: they stand in the table with the file that does, which must be there.
 */
export const ELSEWHERE: readonly { id: string; name: string; file: string }[] = [
  { id: 'K8', name: 'seeded races of two loaders, in directories', file: 'test/fault/races.test.ts' },
  { id: 'K8', name: 'seeded races of two loaders, in HDFS', file: 'test/real/races.test.ts' },
  {
    id: 'K11',
    name: 'the three falses of a rename in HDFS',
    file: 'test/unit/loader/store/webhdfs-faults.test.ts',
  },
  { id: 'B1', name: 'the unloaded beginning of a log is deleted', file: 'test/integration/same-log.test.ts' },
  { id: 'B2', name: 'refused and undecodable records', file: 'test/integration/malformed.test.ts' },
  { id: 'H1', name: 'failover, safe mode, quota, permission', file: 'test/real/webhdfs-faults.test.ts' },
  { id: 'T1', name: 'a transaction open over the end of an hour', file: 'test/real/load-from-kafka.test.ts' },
  { id: 'P1', name: 'any store operation, each in turn', file: 'test/fault/load-stops.test.ts' },
];
