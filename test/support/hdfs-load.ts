/**
 * Loads of one topic into real HDFS by the command line, as a process, and what must be true after each: whatever went
 * wrong, the table holds nothing twice and no marked hour with a gap; once a load says it is done, every record is there.
 * The broker is asked by kafkajs, the table is read by DuckDB from a stranger's copies.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { expect } from 'vitest';
import { webRequests } from './events.ts';
import { queryTable, visibleFiles } from './foreign-eyes.ts';
import { HdfsEyes, isSilence } from './hdfs-eyes.ts';
import { createTopic, sendRecords } from './load-topic.ts';
import { cleanEnvironment, type Ended, MAIN, runCli, statusOf } from './run-cli.ts';

export const PARTITIONS = 2;
export const HOURS = 3;
/** Sent at a time: as many for each hour of each partition. */
export const EVENTS = 6_000;
const LOOKS = 240;
const LOOK_AGAIN_MS = 500;
/** Loads that may each find one more upload landed. */
const SWEEPS = 5;

/** Settings of a loader that soon gives up. What the gate holds is silent: only a longer silence is taken for trouble. */
export const IMPATIENT = ['webhdfs.deadlineMs=2000'];
/** Settings of one that waits for servers to come back. */
export const PATIENT = ['webhdfs.deadlineMs=300000', 'webhdfs.retries=1000'];
const ALWAYS = [
  'loader.workers=2',
  'webhdfs.connectTimeoutMs=2000',
  'webhdfs.retryBackoffMs=100',
  'webhdfs.minBlockBytes=4096',
];

/** A command and its own options; topic, addresses and settings are added. */
export type Command = readonly string[];
const LOAD: Command = ['load'];

/** What never stands in a line for people: users and tokens of a request. */
const SECRETS = /user\.name=|delegation=|token=|doas=|\/\/[^/\s]*@/i;

export interface HdfsLoadOptions {
  /** `host:port` of the broker. */
  broker: string;
  topic: string;
  /** Local directory for copies of the table. */
  copies: string;
  /** Of the NameNode that serves, asked at every look. */
  httpPort: () => number;
  /** The warehouse as the loader knows it. */
  warehouse: string;
}

export class HdfsLoad implements AsyncDisposable {
  readonly eyes: HdfsEyes;
  readonly #options: HdfsLoadOptions;
  #sent = 0;
  /**
   * Whether a marked hour is whole at every look. Not while two rewrites move files at once: the judge of the one that ends
   * first may mark an hour in the midst of the other's moves, a known limit (docs/operations.md); the last one mends it.
   */
  areMarksSure = true;
  /** Of them, those that every marked hour must hold. */
  #covered = EVENTS;

  private constructor(options: HdfsLoadOptions) {
    this.#options = options;
    const { httpPort, topic, copies } = options;
    this.eyes = new HdfsEyes(httpPort, topic, copies, (marked) => this.#judge(marked));
  }

  /** Makes the topic, fills it, and begins to look at its table. */
  static async of(options: HdfsLoadOptions, timestampMs?: number): Promise<HdfsLoad> {
    const load = new HdfsLoad(options);
    await createTopic(options.broker, options.topic, PARTITIONS);
    await load.send(timestampMs);
    load.eyes.watch();
    return load;
  }

  /** Adds as many records again. Hours may be marked before: a mark speaks of what the log held when the load began. */
  async send(timestampMs = Date.now()): Promise<void> {
    const { broker, topic } = this.#options;
    const until = this.#sent + EVENTS;
    const events = webRequests(this.#sent, until, { partitions: PARTITIONS, hours: HOURS });
    await sendRecords(
      broker,
      topic,
      events.map((event) => ({ ...event, timestampMs })),
    );
    this.#sent = until;
  }

  #arguments(command: Command, settings: readonly string[], warehouse = this.#options.warehouse): string[] {
    const { topic, broker } = this.#options;
    const all = [...ALWAYS, ...settings, `topics.${topic}.schema=web_request`];
    return [
      ...[...command, '--topic', topic, '--broker', broker, '--warehouse', warehouse],
      ...all.flatMap((setting) => ['--set', setting]),
    ];
  }

  /** A load to its end. */
  async run(settings: readonly string[] = IMPATIENT, warehouse?: string): Promise<Ended> {
    return await this.command(LOAD, settings, warehouse);
  }

  /** Any command about the topic, to its end. */
  async command(words: Command, settings: readonly string[] = IMPATIENT, warehouse?: string): Promise<Ended> {
    const ended = await runCli(this.#arguments(words, settings, warehouse));
    expect(ended.stderr + ended.stdout).not.toMatch(SECRETS);
    return ended;
  }

  /** One that ends well. Returns its result. */
  async does<T>(words: Command, settings: readonly string[] = PATIENT): Promise<T> {
    const { status, stdout, stderr } = await this.command([...words, '--json'], settings);
    expect([status, stderr]).toEqual([0, '']);
    await this.nothingTwice();
    return JSON.parse(stdout) as T;
  }

  /** A load, or another command, that the test kills: the working process itself. */
  start(settings: readonly string[] = IMPATIENT, words: Command = LOAD): ChildProcess {
    // The flag as bin/millrace.mjs gives it.
    const argv = ['--no-memory-protection-keys', MAIN, ...this.#arguments(words, settings)];
    return spawn(process.execPath, argv, {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: cleanEnvironment(),
    });
  }

  /** A load that fails: exit status 1, and every error line names host and path, and what to do. */
  async fails(says: RegExp, ended: Ended | Promise<Ended>): Promise<void> {
    const { status, stderr } = await ended;
    expect([status, stderr]).toEqual([1, expect.stringMatching(says)]);
    const lines = stderr.split('\n').filter((line) => line.startsWith('error: '));
    expect(lines.length, stderr).toBeGreaterThan(0);
    const place = /webhdfs:\/\/127\.0\.0\.1:\d+[^ ]*\/warehouse[^ ]*: .*; \w+/;
    for (const line of lines) expect(line).toMatch(place);
    await this.nothingTwice();
  }

  /** A load that ends well although something went wrong, or after it. */
  async succeeds(ended: Ended | Promise<Ended> = this.run(PATIENT)): Promise<void> {
    const { status, stderr } = await ended;
    expect([status, stderr]).toEqual([0, '']);
    await this.nothingTwice();
    await this.eachOnce();
    this.#covered = this.#sent;
  }

  async #look(): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.eyes.look();
      } catch (error) {
        if (tries === LOOKS || !isSilence(error)) throw error;
        await sleep(LOOK_AGAIN_MS);
      }
    }
  }

  /** DuckDB over the table as it was last looked at. */
  async query(sql: string): Promise<Record<string, unknown>[]> {
    const { copies } = this.eyes;
    const { topic } = this.#options;
    return visibleFiles(copies, topic).length === 0 ? [] : await queryTable(copies, topic, sql);
  }

  /** What holds at any time HDFS can be looked at: no offset twice, none that the log does not have, marked hours whole. */
  async nothingTwice(): Promise<void> {
    await this.#look();
    await this.#judge(await this.eyes.marked());
  }

  async #judge(marked: readonly string[]): Promise<void> {
    const wrong = await this.query(
      `SELECT _partition, _offset, count(*) AS n FROM TABLE GROUP BY ALL
       HAVING n > 1 OR any_value(bytes) <> _offset * ${PARTITIONS} + _partition LIMIT 3`,
    );
    expect(wrong).toEqual([]);
    const rows = await this.query(
      `SELECT 'dt=' || dt || '/hour=' || hour AS hour, count(*)::INT AS n FROM TABLE
       WHERE _offset < ${this.#covered / PARTITIONS} GROUP BY ALL`,
    );
    const rowsOf = new Map(rows.map(({ hour, n }) => [hour, n]));
    for (const hour of this.areMarksSure ? marked : [])
      expect([hour, rowsOf.get(hour)], 'a marked hour').toEqual([hour, this.#covered / HOURS]);
  }

  /** Every record that the broker holds is in the table, once. */
  async eachOnce(): Promise<void> {
    const { broker, topic } = this.#options;
    const admin = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    const log = await admin.fetchTopicOffsets(topic).finally(() => admin.disconnect());
    const rows = await this.query(
      `SELECT _partition AS partition, count(*)::INT AS rows, count(DISTINCT _offset)::INT AS offsets,
         min(_offset)::INT AS low, max(_offset)::INT + 1 AS high FROM TABLE GROUP BY ALL ORDER BY ALL`,
    );
    const held = log.map(({ partition, low, high }) => {
      const count = Number(high) - Number(low);
      return { partition, rows: count, offsets: count, low: Number(low), high: Number(high) };
    });
    expect(rows).toEqual(held.sort((a, b) => a.partition - b.partition));
  }

  /**
   * Nothing waits in staging. What a silent DataNode holds may land after the sweep of the load that repairs; then it is
   * the next one's to sweep.
   */
  async #swept(): Promise<void> {
    for (let loads = 0; ; loads++) {
      const staged = [...(await this.eyes.filesBelow('/_loader/staging')).keys()];
      // Those of hour marks are derived from the rest, and swept by age.
      const left = staged.filter((path) => !path.includes('/h-markers/'));
      if (left.length === 0) return;
      expect(loads, `of loads that left ${left.join(', ')}`).toBeLessThan(SWEEPS);
      await this.succeeds();
    }
  }

  /** The end of a case: what it left is repaired by one load, and another finds nothing to do. */
  async heals(): Promise<void> {
    await this.succeeds();
    await this.settles();
  }

  /** The end of a case that was repaired: everything is there once, and at no time anything was seen that nobody may see. */
  async settles(): Promise<void> {
    await this.eachOnce();
    await this.#swept();
    await this.eyes.rest();
    expect(this.eyes.looks).toBeGreaterThan(1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.eyes[Symbol.asyncDispose]();
  }
}

/** Kills a process as `kill -9` does, and waits until it is gone. */
export async function killHard(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  expect(await statusOf(child)).toBe(137);
}

/** A warehouse URL through a gate. */
export const warehouseAt = (addresses: string[], user = 'loader') =>
  `webhdfs://${user}@${addresses.join(',')}/warehouse`;

/** Moments of a load, as a gate sees them. */
export const MOMENTS = {
  /** The NameNode is asked where to put a data file. */
  placing: ({ server, op, path }: { server: string; op: string; path: string }) =>
    server.startsWith('nn') && op === 'CREATE' && path.endsWith('.staged'),
  /** A data file flows to a DataNode. */
  uploading: ({ server, op, path }: { server: string; op: string; path: string }) =>
    server.startsWith('dn') && op === 'CREATE' && path.endsWith('.staged'),
  /** A commit record is renamed: what it names is loaded from now on. */
  publishing: ({ op, destination }: { op: string; destination: string }) =>
    op === 'RENAME' && /\/commits\/p=\d+\/g=\d+\/\d{20}\.json$/.test(destination),
  /** A published file gets its final name. */
  moving: ({ op, destination }: { op: string; destination: string }) =>
    op === 'RENAME' && /\/dt=[^/]*\/hour=[^/]*\/p[^/]*\.parquet$/.test(destination),
  /** A rewrite is renamed: replay, compaction, undo, expiry. */
  rewriting: ({ op, destination }: { op: string; destination: string }) =>
    op === 'RENAME' && /\/rewrites\/g=\d+\/\d{8}\.json$/.test(destination),
  /** A file that a rewrite removes goes to the trash. */
  retiring: ({ op, destination }: { op: string; destination: string }) =>
    op === 'RENAME' && destination.endsWith('.retired'),
  /** The directory of an hour is made, right after a commit was published. */
  makingHour: ({ op, path }: { op: string; path: string }) =>
    op === 'MKDIRS' && /\/dt=[^/]*\/hour=[^/]*$/.test(path),
} as const;
