/**
 * Programs in Go and Python, each with its own client, against the broker: what they print must be what was to be seen.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { SeenApis } from '../support/seen-apis.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';
import { runCommand } from './bed/command.ts';
import { goProgram, type Program, pythonProgram } from './bed/foreign-programs.ts';

const PER_CODEC = 40;
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const RUN_LIMIT_MS = 4 * 60_000;

const values = Array.from({ length: PER_CODEC }, (_, i) => `value ${i}`);

let dir: TempDir;
const seen = new SeenApis();
let broker: Broker;
beforeAll(async () => {
  dir = new TempDir('foreign-programs');
  broker = await startBroker(dir.path, {}, seen.log);
});
afterAll(async () => {
  await broker.stop();
  seen.expectTold('franz-go', /^franz-go$/);
  seen.expectTold('confluent-kafka', /^confluent-kafka$/);
  seen.expectTold('kafka-python', /^kafka-python$/);
  dir[Symbol.dispose]();
});

const PROGRAMS: [name: string, topics: string, make: () => Promise<Program>][] = [
  ['franz-go', 'go', goProgram],
  ['confluent-kafka for Python', 'confluent', () => pythonProgram('use_confluent_kafka.py')],
  ['kafka-python', 'kafka-python', () => pythonProgram('use_kafka_python.py')],
];

it.each(PROGRAMS)(
  '%s makes topics, writes with every codec, reads by hand, by time and in a group, and deletes',
  { timeout: 20 * 60_000 },
  async (_, topics, make) => {
    const [command, ...args] = await make();
    const printed = await runCommand(command, [...args, addressOf(broker)], { limitMs: RUN_LIMIT_MS });
    const { left, ...seen } = JSON.parse(printed) as { left: string[] };
    expect(seen).toEqual({
      brokers: 1,
      partitions: 3,
      codecs: Object.fromEntries(CODECS.map((codec) => [codec, values])),
      // Records are a second apart from second 1 on; asked for was the first one from 60.5 seconds on.
      byTime: 60,
      group: CODECS.flatMap((codec) => values.map((value) => `${codec}=${value}`)).sort(),
      committed: CODECS.length * PER_CODEC,
      again: 1,
    });
    expect(left).toContain(`${topics}-topic`);
    expect(left).not.toContain(`${topics}-doomed`);
  },
);
