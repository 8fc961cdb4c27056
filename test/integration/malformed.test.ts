/**
 * Broken events among good ones, one in a hundred, of every kind the fault table knows and some that only records can have:
 * each goes to the quarantine with its place and reason, every other one into the table, and the load goes on.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { SeededRandom } from '../../jobs/activity-in/seeded-random.ts';
import type { Reason } from '../../schemas/reasons.ts';
import { FAULTS } from '../support/event-faults.ts';
import {
  EXTRAS,
  type Members,
  PROBE_TEXT,
  pick,
  plainMembers,
  rowText,
  validMembers,
} from '../support/event-rows.ts';
import { listing, quarantineLines, queryTable, type Row } from '../support/foreign-eyes.ts';
import { createTopic, sendRecords, type TestRecord } from '../support/load-topic.ts';
import { runCli } from '../support/run-cli.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

const SEED = 20_261_122;
const TOPIC = 'probe';
const [PARTITIONS, PER_PARTITION, ONE_IN] = [3, 4_000, 100];
/** The fault table has one event time whose verdict depends on the day. */
const DEPENDS_ON_THE_DAY = '2026-11-23T12';
const TIMES = ['"2026-03-01T05:00:45Z"', '"2026-03-01T08:30:00+02:00"', '"2026-02-28T23:59:59.999999Z"'];
const KEYS = [null, 'some key', Buffer.from([0xff, 0]), ''];
const ABSURD_TIMES = [Number.MAX_SAFE_INTEGER, 253_402_300_800_000, Date.UTC(2_255, 0), -12_345];

/** A record as sent, and what must become of it. */
interface Sent extends TestRecord {
  partition: number;
  offset: number;
  refused?: { reason: Reason; field: string | null };
  /** Its unknown members, as JSON. */
  extra: string | null;
}

/** With an event time out of few: a file per hour is written, and hours are not what this is about. */
const inFewHours = (random: SeededRandom, members: Members): Members =>
  members.map(([name, value]) => [name, name === '"at"' ? pick(random, TIMES) : value]);

/** A record with the next fault of the table; after the last, a tombstone and an absurd timestamp. */
function faulty(random: SeededRandom, n: number): Pick<Sent, 'value' | 'timestampMs' | 'refused'> {
  const fault = FAULTS[n % (FAULTS.length + 2)];
  const members = inFewHours(random, plainMembers(random));
  if (fault !== undefined) {
    let value = fault.plant(random, members);
    while (value.includes(DEPENDS_ON_THE_DAY)) value = fault.plant(random, members);
    return { value, refused: { reason: fault.reason, field: fault.field } };
  }
  return n % (FAULTS.length + 2) === FAULTS.length
    ? { value: null, refused: { reason: 'tombstone', field: null } }
    : {
        value: Buffer.from(rowText(random, members)),
        timestampMs: pick(random, ABSURD_TIMES),
        refused: { reason: 'timestamp', field: null },
      };
}

function good(random: SeededRandom): Pick<Sent, 'value' | 'extra'> {
  const members = inFewHours(random, validMembers(random));
  const extra = random.chance(0.05) ? pick(random, EXTRAS) : undefined;
  const value = Buffer.from(rowText(random, extra === undefined ? members : [...members, extra]));
  return { value, extra: extra === undefined ? null : `{${extra[0]}:${extra[1]}}` };
}

function makeRecords(): Sent[] {
  const random = new SeededRandom(SEED);
  let faults = 0;
  return Array.from({ length: PARTITIONS * PER_PARTITION }, (_, n) => {
    const place = { partition: n % PARTITIONS, offset: Math.floor(n / PARTITIONS), key: pick(random, KEYS) };
    const isFaulty = n % ONE_IN === ONE_IN / 2;
    return { ...place, extra: null, ...(isFaulty ? faulty(random, faults++) : good(random)) };
  });
}

let dir: TempDir;
let broker: Broker;
const sent = makeRecords();
const refused = sent.filter((record) => record.refused !== undefined);
const accepted = sent.filter((record) => record.refused === undefined);
const byPlace = (a: { partition: number; offset: number }, b: { partition: number; offset: number }) =>
  a.partition - b.partition || a.offset - b.offset;

beforeAll(async () => {
  dir = new TempDir('malformed');
  broker = await startBroker(dir.join('data'));
  mkdirSync(dir.join('schemas'));
  writeFileSync(dir.join('schemas', `${TOPIC}.json`), PROBE_TEXT);
  await createTopic(addressOf(broker), TOPIC, PARTITIONS);
  await sendRecords(addressOf(broker), TOPIC, sent);
});
afterAll(async () => {
  await broker.stop();
  dir[Symbol.dispose]();
});

async function runLoad(warehouse: string, ...argv: string[]) {
  const where = ['--broker', addressOf(broker), '--warehouse', `file:${warehouse}`];
  const schemas = ['--set', `schemas.dir=${dir.join('schemas')}`];
  const ended = await runCli(['load', '--topic', TOPIC, '--json', ...where, ...schemas, ...argv]);
  return { ...ended, answer: JSON.parse(ended.stdout) as Record<string, unknown> };
}

describe('a load of events of which one in a hundred is broken', () => {
  let warehouse: string;
  beforeAll(async () => {
    warehouse = dir.join('warehouse');
    const { status, stderr, answer } = await runLoad(warehouse);
    expect([status, stderr]).toEqual([0, '']);
    expect(answer).toMatchObject({ rows: accepted.length, quarantined: refused.length });
  });

  test('plants every kind of fault several times', () => {
    expect(refused).toHaveLength(sent.length / ONE_IN);
    expect(refused.length).toBeGreaterThan(2 * (FAULTS.length + 2));
  });

  test('puts each broken one into the quarantine: its place, reason, field, key and bytes', () => {
    const lines = quarantineLines(warehouse, TOPIC) as (Row & Sent)[];
    const found = lines.map(({ timestamp: _, ...line }) => line).sort(byPlace);
    const wanted = refused.map(({ partition, offset, key, value, refused: why }) => ({
      partition,
      offset,
      ...(Buffer.isBuffer(key) ? { key: null, keyBase64: key.toString('base64') } : { key }),
      ...why,
      valueBase64: (value as Buffer | null)?.toString('base64') ?? null,
    }));
    expect(found).toEqual(wanted.sort(byPlace));
  });

  test('loads every other row, its values and unknown members as they were sent', async () => {
    const rows = await queryTable(
      warehouse,
      TOPIC,
      `SELECT _partition AS partition, _offset::INTEGER AS offset, hex(_key) AS key, hex(encode(host)) AS host,
        status, ok, _extra AS extra, epoch_us("at")::VARCHAR AS "at" FROM TABLE ORDER BY ALL`,
    );
    const hex = (text: string | Buffer | null) => text && Buffer.from(text).toString('hex').toUpperCase();
    const known = accepted.sort(byPlace).map(({ partition, offset, key, value }) => {
      // Nothing as deep as one of the unknown members for this reader.
      const { host, status, ok, at } = JSON.parse(String(value)) as Record<string, string | number | boolean>;
      const us = { [TIMES[0]!]: '000000', [TIMES[1]!]: '000000', [TIMES[2]!]: '999999' }[`"${at}"`]!;
      const seconds = Math.floor(Date.parse(String(at)) / 1_000);
      return {
        partition,
        offset,
        key: hex(key!),
        host: hex(String(host)),
        status: Number(status) + 0,
        ok,
        at: `${seconds}${us}`,
      };
    });
    expect(rows.map(({ extra: _, ...row }) => row)).toEqual(known);
    const parsed = (text: unknown) => (text === null ? null : (JSON.parse(String(text)) as unknown));
    expect(rows.map(({ extra }) => parsed(extra))).toEqual(accepted.map(({ extra }) => parsed(extra)));
    expect(rows.some(({ extra }) => String(extra).includes('12345678901234567890.123456789e5'))).toBe(true);
  });

  test('ends with status 3 if told to be strict, and a second one adds nothing', async () => {
    expect((await runLoad(dir.join('strict'), '--strict')).status).toBe(3);
    const before = listing(warehouse, TOPIC).filter((path) => !path.startsWith('_loader/runs/'));
    const { status, answer } = await runLoad(warehouse, '--strict');
    expect([status, answer['rows'], answer['quarantined']]).toEqual([0, 0, 0]);
    expect(listing(warehouse, TOPIC).filter((path) => !path.startsWith('_loader/runs/'))).toEqual(before);
  });
});
