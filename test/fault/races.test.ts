/**
 * Two hundred seeded races of two loaders on one topic, in a directory (FAULT_RACES: another number). Every record has one
 * winner, and the loser leaves nothing that can be seen.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { webRequests } from '../support/events.ts';
import { listing, visibleOffsets } from '../support/foreign-eyes.ts';
import { createTopic, sendRecords, setupSettings } from '../support/load-topic.ts';
import { RacingLoader, race } from '../support/loader-races.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';
import { fileProblems, readRecords } from './support/foreign-chain.ts';

const RACES = Number(process.env['FAULT_RACES'] ?? 200);
const [TOPIC, PARTITIONS, PER_RACE] = ['web_request', 2, 40];
/** A warehouse takes so many races: walking long chains is not what is tried here. */
const PER_WAREHOUSE = 20;
/** The longest ordinary wait before an operation. */
const MAX_WAIT_MS = 3;

test('each record of a topic that two loaders load at once has one winner', {
  timeout: 1_800_000,
}, async () => {
  using dir = new TempDir('races');
  await using broker = await startBroker(dir.join('data'));
  const address = addressOf(broker);
  await createTopic(address, TOPIC, PARTITIONS);
  let [produced, shared, decided] = [0, 0, 0];
  for (let seed = 0; seed < RACES; ) {
    const warehouse = dir.join(`warehouse-${seed}`);
    const settings = setupSettings({ address, warehouse, loader: { workers: 1, emptyHoursPerRun: 0 } });
    await using one = await RacingLoader.open(settings);
    await using other = await RacingLoader.open(settings);
    let before = 0;
    for (const end = Math.min(RACES, seed + PER_WAREHOUSE); seed < end; seed++) {
      const spread = { partitions: PARTITIONS, hours: 3 };
      await sendRecords(address, TOPIC, webRequests(produced, (produced += PER_RACE), spread));
      const { rows, errors } = await race([one, other], TOPIC, { seed, maxMs: MAX_WAIT_MS });
      expect([errors, rows[0] + rows[1]], `race ${seed}`).toEqual([[], produced - before]);
      before = produced;
      if (rows[0] > 0 && rows[1] > 0) shared++;
      else decided++;
      const root = join(warehouse, TOPIC);
      const records = readRecords(root);
      expect([...records.problems, ...fileProblems(root, records)], `race ${seed}`).toEqual([]);
    }
    const each = produced / PARTITIONS;
    expect(await visibleOffsets(warehouse, TOPIC)).toEqual(
      [0, 1].map((partition) => ({ partition, rows: each, distinct: each, min: 0, max: each - 1 })),
    );
    // The last of each may have been outbid after the other swept; whoever comes next clears that away.
    await one.load(TOPIC, { seed: 0, maxMs: 0 });
    const staging = join(warehouse, TOPIC, '_loader/staging');
    const left = existsSync(staging) ? listing(staging, '') : [];
    expect(left.filter((path) => !path.startsWith('h-markers/'))).toEqual([]);
  }
  // Both kinds must come up, or the waits are not such that the two meet.
  expect(Math.min(shared, decided), `${shared} shared, ${decided} decided`).toBeGreaterThan(0);
});
