/** The schedule as processes: one run, a long-running one, two of them of which one is killed. */
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { webRequests } from '../support/events.ts';
import { visibleOffsets } from '../support/foreign-eyes.ts';
import { createTopic, sendRecords } from '../support/load-topic.ts';
import { runCli, startCli, statusOf } from '../support/run-cli.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

const PATIENT = { timeout: 120_000, interval: 200 };
/** Every second, so that a test sees several runs. */
const OFTEN = ['--set', 'schedule.cron=* * * * * *'];

let dir: TempDir;
let broker: Broker;
let address: string;
beforeAll(async () => {
  dir = new TempDir('schedule');
  broker = await startBroker(dir.join('data'));
  address = addressOf(broker);
});
afterAll(async () => {
  await broker.stop();
  dir[Symbol.dispose]();
});

const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

/** Starts a command that goes on; `lines` are those of its stdout so far. */
function start(argv: readonly string[]): { child: ChildProcess; lines: string[] } {
  const child = startCli(argv, { stdio: ['ignore', 'pipe', 'inherit'], cwd: dir.path });
  started.push(child);
  const lines: string[] = [];
  createInterface({ input: child.stdout! }).on('line', (line) => lines.push(line));
  return { child, lines };
}

/** Options for topics of one test in a warehouse of its own. */
function places(name: string, topics: readonly string[]) {
  const warehouse = dir.join(`warehouse-${name}`);
  const schemas = topics.flatMap((topic) => ['--set', `topics.${topic}.schema=web_request`]);
  const only = ['--set', `schedule.topics=${topics.join('|')}`];
  return { warehouse, argv: ['--broker', address, '--warehouse', `file:${warehouse}`, ...schemas, ...only] };
}

async function jsonOf<T>(...argv: string[]): Promise<T> {
  const { status, stdout, stderr } = await runCli([...argv, '--json'], { cwd: dir.path });
  expect([argv[0], status, stderr]).toEqual([argv[0], 0, '']);
  return JSON.parse(stdout) as T;
}

const rowsOf = async (warehouse: string, topic: string) =>
  existsSync(warehouse)
    ? (await visibleOffsets(warehouse, topic)).reduce((sum, { rows }) => sum + rows, 0)
    : 0;

async function expectOnce(warehouse: string, topic: string, rows: number): Promise<void> {
  const found = await visibleOffsets(warehouse, topic);
  expect(found.every((one) => one.rows === one.distinct && one.max === one.rows - 1)).toBe(true);
  expect(found.reduce((sum, one) => sum + one.rows, 0)).toBe(rows);
}

describe('schedule --once', () => {
  it('loads, marks, aggregates and tells; and a topic that fails stops no other', async () => {
    const topics = ['once-a', 'once-b'];
    const { warehouse, argv } = places('once', topics);
    for (const topic of topics) {
      await createTopic(address, topic, 2);
      await sendRecords(address, topic, webRequests(0, 200, { partitions: 2, hours: 2 }));
    }
    const events = dir.join('events.jsonl');
    const hook = JSON.stringify(['sh', '-c', `cat >> ${events}`]);
    const options = [...argv, '--set', `schedule.hooks.command=${hook}`, '--set', 'schedule.retries=0'];
    const broken = ['--set', 'topics.once-a.schema=nosuch'];
    const first = await runCli(['schedule', '--once', ...options, ...broken, '--json'], { cwd: dir.path });
    expect(first.status).toBe(1);
    expect(JSON.parse(first.stdout)).toMatchObject({
      state: 'failed',
      topics: [
        { topic: 'once-a', state: 'failed', rows: 0, error: expect.stringContaining('nosuch') },
        { topic: 'once-b', state: 'done', rows: 200, hoursMarked: 2 },
      ],
      failing: [{ job: 'load', topic: 'once-a' }],
    });
    const status = await jsonOf<{ schedule: object }>('status', ...argv);
    expect(status.schedule).toMatchObject({
      runner: { n: 1, hasEnded: true },
      lastTick: { state: 'failed' },
      failing: [{ job: 'load', topic: 'once-a', error: expect.stringContaining('nosuch') }],
    });
    const second = await runCli(['schedule', '--once', ...options], { cwd: dir.path });
    expect([second.status, second.stderr]).toEqual([0, '']);
    expect(second.stdout).toMatch(/ done: 2 topics, 200 rows, 0 refused, 2 hours marked complete/);
    const told = readFileSync(events, 'utf8').trim().split('\n');
    expect(
      told.map((line) => JSON.parse(line)).map(({ event, topic, hour }) => [event, topic, hour ?? null]),
    ).toEqual([
      ['failed', 'once-a', null],
      ['hour-complete', 'once-b', '2026-03-01T00'],
      ['hour-complete', 'once-b', '2026-03-01T01'],
      ['recovered', 'once-a', null],
      ['hour-complete', 'once-a', '2026-03-01T00'],
      ['hour-complete', 'once-a', '2026-03-01T01'],
    ]);
    for (const topic of topics) {
      await expectOnce(warehouse, topic, 200);
      const directory = `_aggregates/traffic_by_hour/topic=${topic}/dt=2026-03-01/hour=01`;
      expect(existsSync(`${warehouse}/${directory}`)).toBe(true);
    }
    const { runs, ticks } = await jsonOf<{ runs: object[]; ticks: object[] }>('runs', ...argv, '-n', '3');
    expect(ticks).toMatchObject([{ state: 'done' }, { state: 'failed' }]);
    expect(runs).toHaveLength(3);
    const ofTopic = await jsonOf<{ runs: object[] }>('runs', ...argv, '--topic', 'once-a');
    expect(ofTopic.runs).toMatchObject([
      { kind: 'load', state: 'done', rows: 200, hoursMarked: 2, errors: [] },
    ]);
    const text = await runCli(['runs', ...argv], { cwd: dir.path });
    expect(text.stdout).toContain('runs of the schedule');
  });

  it('tells again what a runner had told, but not noted, when it was killed', async () => {
    const { argv } = places('again', ['again']);
    await createTopic(address, 'again', 1);
    await sendRecords(address, 'again', webRequests(0, 20, { hours: 2 }));
    const [events, calm] = [dir.join('again.jsonl'), dir.join('calm')];
    const hook = JSON.stringify(['sh', '-c', `cat >> ${events}; test -e ${calm} || sleep 3`]);
    const set = [`schedule.hooks.command=${hook}`, 'schedule.leaseMs=1000'].flatMap((one) => ['--set', one]);
    const options = ['schedule', '--once', ...argv, ...set];
    const { child } = start(options);
    await expect.poll(() => existsSync(events) && readFileSync(events, 'utf8'), PATIENT).toContain('\n');
    child.kill('SIGKILL');
    expect(await statusOf(child)).toBe(137);
    writeFileSync(calm, '');
    const next = async () => (await runCli(options, { cwd: dir.path })).stdout;
    await expect.poll(next, PATIENT).toMatch(/ done: 1 topics, 0 rows/);
    expect(await next()).toMatch(/ done: /);
    const ids = readFileSync(events, 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { id: string }).id);
    const id = (hour: string) => `hour-complete/again/2026-03-01T${hour}/1`;
    expect(ids).toEqual([id('00'), id('00'), id('01')]);
  });

  it('names every setting that can not be meant, and does nothing', async () => {
    const { argv, warehouse } = places('settings', ['none']);
    const wrong = { cron: 'hourly', deny: '(', 'hooks.url': 'ftp://x', 'hooks.command': '[1]' };
    const set = Object.entries(wrong).flatMap(([path, text]) => ['--set', `schedule.${path}=${text}`]);
    const { status, stderr } = await runCli(['schedule', '--once', ...argv, ...set], { cwd: dir.path });
    expect(status).toBe(78);
    for (const path of Object.keys(wrong)) expect(stderr).toContain(`error: schedule.${path} is "`);
    expect(existsSync(warehouse)).toBe(false);
  });
});

describe('schedule', () => {
  it('is run by one of two; when that one is killed the other takes over, and no event is lost or twice', async () => {
    const { warehouse, argv } = places('two', ['two']);
    await createTopic(address, 'two', 2);
    const options = ['schedule', ...argv, ...OFTEN, '--set', 'schedule.leaseMs=2000'];
    const first = start(options);
    await sendRecords(address, 'two', webRequests(0, 300, { partitions: 2, hours: 3 }));
    await expect.poll(() => rowsOf(warehouse, 'two'), PATIENT).toBe(300);
    const second = start(options);
    await expect.poll(() => second.lines.join(), PATIENT).toMatch(/waiting: runner 1 .*process \d+ on/);
    const once = await runCli(['schedule', '--once', ...argv], { cwd: dir.path });
    expect([once.status, once.stdout]).toEqual([0, expect.stringContaining('nothing done: runner 1')]);
    await sendRecords(address, 'two', webRequests(300, 500, { partitions: 2, hours: 3 }));
    first.child.kill('SIGKILL');
    expect(await statusOf(first.child)).toBe(137);
    await sendRecords(address, 'two', webRequests(500, 700, { partitions: 2, hours: 4 }));
    await expect.poll(() => rowsOf(warehouse, 'two'), PATIENT).toBe(700);
    await expectOnce(warehouse, 'two', 700);
    await expect
      .poll(
        () => [0, 1, 2, 3].map((hour) => existsSync(`${warehouse}/two/dt=2026-03-01/hour=0${hour}/_SUCCESS`)),
        PATIENT,
      )
      .toEqual([true, true, true, true]);
    second.child.kill('SIGTERM');
    expect(await statusOf(second.child)).toBe(143);
    const { schedule } = await jsonOf<{ schedule: object }>('status', ...argv);
    expect(schedule).toMatchObject({ runner: { n: 2, pid: second.child.pid, hasEnded: true }, failing: [] });
  });

  it('waits for a broker that is not there yet', async () => {
    const { warehouse, argv } = places('patient', ['patient']);
    const nowhere = argv.map((word) => (word === address ? '127.0.0.1:1' : word));
    const few = ['--set', 'client.retries=0', '--set', 'schedule.retries=0'];
    const { child, lines } = start([
      'schedule',
      ...nowhere,
      ...OFTEN,
      ...few,
      '--json',
      '--log-level',
      'silent',
    ]);
    await expect.poll(() => lines.length, PATIENT).toBeGreaterThan(1);
    expect(lines.map((line) => JSON.parse(line))).toMatchObject(
      [
        { state: 'failed', failing: [{ job: 'topics', topic: null }] },
        { state: 'failed', failing: [{ job: 'topics', topic: null }] },
      ].slice(0, 2),
    );
    child.kill('SIGINT');
    expect(await statusOf(child)).toBe(130);
    expect(existsSync(`${warehouse}/_millrace/ticks`)).toBe(true);
  });
});

describe('up', () => {
  it('is a broker and its schedule until it is stopped, and goes on where it was', async () => {
    const warehouse = dir.join('warehouse-up');
    const argv = [
      'up',
      '--port',
      '0',
      '--data',
      dir.join('up-data'),
      '--warehouse',
      `file:${warehouse}`,
      '--json',
      ...OFTEN,
    ];
    const own = ['--set', 'topics.clicks.schema=web_request'];
    for (const [from, until] of [
      [0, 250],
      [250, 400],
    ] as const) {
      const { child, lines } = start([...argv, ...own]);
      await expect.poll(() => lines.length, PATIENT).toBeGreaterThan(0);
      const { host, port } = JSON.parse(lines[0]!) as { host: string; port: number };
      expect(host).toBe('127.0.0.1');
      if (from === 0) await createTopic(`${host}:${port}`, 'clicks', 2);
      await sendRecords(`${host}:${port}`, 'clicks', webRequests(from, until, { partitions: 2, hours: 2 }));
      await expect.poll(() => rowsOf(warehouse, 'clicks'), PATIENT).toBe(until);
      child.kill('SIGTERM');
      expect(await statusOf(child)).toBe(143);
    }
    await expectOnce(warehouse, 'clicks', 400);
    expect(existsSync(dir.join('up-data', 'clean-shutdown'))).toBe(true);
  });

  it('keeps its broker while the warehouse can not be used', async () => {
    writeFileSync(dir.join('file'), '');
    const { status, stderr } = await runCli(
      ['up', '--port', '0', '--data', dir.join('bad-data'), '--warehouse', `file:${dir.join('file')}`],
      { cwd: dir.path },
    );
    expect(status).toBe(1);
    expect(stderr).toMatch(/it is a file/);
    const away = ['--warehouse', 'webhdfs://me@127.0.0.1:1/warehouse', '--set', 'webhdfs.retries=0'];
    const { child, lines } = start([
      'up',
      '--port',
      '0',
      '--data',
      dir.join('away-data'),
      ...away,
      '--log-level',
      'silent',
      '--json',
    ]);
    await expect.poll(() => lines.length, PATIENT).toBeGreaterThan(0);
    const { host, port } = JSON.parse(lines[0]!) as { host: string; port: number };
    await createTopic(`${host}:${port}`, 'safe', 1);
    await sendRecords(`${host}:${port}`, 'safe', webRequests(0, 5));
    child.kill('SIGTERM');
    expect(await statusOf(child)).toBe(143);
  });
});
