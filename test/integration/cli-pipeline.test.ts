/** The commands against a real broker process, one after the other, as an operator uses them. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BrokerProcess, runCli, startBrokerProcess } from '../support/run-cli.ts';

let directory: string;
let broker: BrokerProcess;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-pipeline-'));
  broker = await startBrokerProcess(join(directory, 'logs'), '--set', 'broker.autoCreateTopics=false');
});
afterAll(async () => {
  await broker[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const env = () => ({
  MILLRACE_CLIENT_BROKERS: broker.address,
  MILLRACE_LOADER_WAREHOUSE: `file:${join(directory, 'warehouse')}`,
  MILLRACE_TOPICS: '{"access":{"schema":"web_request"}}',
});
const run = (argv: string[], input?: string | Buffer) =>
  runCli(argv, { cwd: directory, env: env(), ...(input !== undefined && { input }) });

/** The JSON of a command that must end with this status. */
async function jsonOf(argv: string[], input?: string | Buffer, wanted = 0): Promise<Record<string, unknown>> {
  const { status, stdout, stderr } = await run([...argv, '--json'], input);
  expect([status, stderr]).toEqual([wanted, '']);
  return JSON.parse(stdout);
}

async function lineOf(...argv: string[]): Promise<string> {
  const { status, stdout, stderr } = await run(argv);
  expect([status, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(/^error: [^\n]+\n$/);
  return stderr.trimEnd();
}

const line = (hour: number, path: string) =>
  `10.0.0.${hour} - - [20/Feb/2016:${String(hour).padStart(2, '0')}:00:00 +0000] "GET ${path} HTTP/1.1" 200 5 "-" "test"\n`;

describe('topics', () => {
  it('are created, listed and described', async () => {
    expect(await jsonOf(['topics', 'create', 'access', '--partitions', '2'])).toEqual({
      topic: 'access',
      partitions: 2,
      replication: 1,
    });
    const list = await jsonOf(['topics', 'list']);
    expect(list).toMatchObject({ topics: [{ name: 'access', partitions: 2, internal: false }] });
    const described = await jsonOf(['topics', 'describe', 'access']);
    expect(described).toMatchObject({
      topic: 'access',
      partitions: [
        { partition: 0, leader: 1, replicas: [1], isr: [1], logStart: 0, logEnd: 0 },
        { partition: 1, leader: 1, logStart: 0, logEnd: 0 },
      ],
    });
    const { stdout } = await run(['topics', 'describe', 'access']);
    expect(stdout).toMatch(
      /^topic access, id [0-9a-f-]{36}\ntopic access has no settings of its own\npartition +leader +replicas +in sync/,
    );
  });

  it('what can not be created says why, in one line', async () => {
    expect(await lineOf('topics', 'create', 'access')).toMatch(/topic access is there already; /);
    expect(await lineOf('topics', 'create', 'a b')).toMatch(/'a b'/);
    expect(await lineOf('topics', 'create', 'a', '--config', 'no.such=1')).toMatch(/no\.such/);
  });

  it('are deleted', async () => {
    await jsonOf(['topics', 'create', 'brief']);
    expect(await jsonOf(['topics', 'delete', 'brief'])).toEqual({ topic: 'brief', deleted: true });
    expect(await lineOf('topics', 'describe', 'brief')).toMatch(/no topic brief/);
  });

  it('an unknown one is one line and status 1, whatever the command', async () => {
    for (const argv of [
      ['topics', 'describe', 'nope'],
      ['topics', 'delete', 'nope'],
      ['tail', '--topic', 'nope'],
      ['load', '--topic', 'nope'],
      ['load', '--topics', 'nop.*'],
      ['offsets', '--topic', 'nope'],
      ['aggregate', '--topic', 'nope'],
    ])
      expect(await lineOf(...argv), argv.join(' ')).toMatch(/\bnop/);
  });
});

describe('rejected lines', () => {
  const argv = ['ingest', 'one.log', '--topic', 'rejected', '--format', 'combined', '--rejects'];
  const schema = ['--set', 'topics.rejected.schema=web_request'];

  it('a file for them that cannot be written, or is the one that is read, fails before anything is sent', async () => {
    await writeFile(join(directory, 'one.log'), line(5, '/a'));
    expect(await lineOf(...argv, 'nowhere/rejects', ...schema)).toBe(
      'error: cannot write rejected lines to nowhere/rejects (ENOENT); check --rejects',
    );
    const same = await run([...argv, './one.log', ...schema]);
    expect([same.status, same.stderr]).toEqual([
      2,
      'error: --rejects ./one.log is the file that is read; name another\n',
    ]);
    expect(await readFile(join(directory, 'one.log'), 'utf8')).toBe(line(5, '/a'));
  });
});

describe('from a log to numbers', () => {
  it('ingest sends the lines that are events and keeps the others', async () => {
    const log = `${line(5, '/a')}nonsense\n${line(5, '/b')}${line(6, '/a')}`;
    const argv = ['ingest', '-', '--topic', 'access', '--format', 'combined'];
    expect(
      await jsonOf([...argv, '--rejects', 'rejects.ndjson', '--strict'], gzipSync(log), 3),
    ).toMatchObject({
      lines: 4,
      sent: 3,
      rejected: 1,
    });
    const rejects = await readFile(join(directory, 'rejects.ndjson'), 'utf8');
    expect(JSON.parse(rejects)).toMatchObject({
      line: 2,
      valueBase64: Buffer.from('nonsense').toString('base64'),
    });
    expect(
      await jsonOf(['ingest', '-', '--topic', 'access', '--format', 'ndjson'], '{"host":1}\n'),
    ).toMatchObject({
      sent: 1,
    });
  });

  it('ingest of access logs into a topic without their columns is status 2 and names the setting', async () => {
    const { status, stderr } = await run(
      ['ingest', '-', '--topic', 'other', '--format', 'combined'],
      line(5, '/'),
    );
    expect(status).toBe(2);
    expect(stderr).toMatch(/topics\.other\.schema/);
    expect(await lineOf('ingest', 'no-such-file', '--topic', 'access', '--format', 'combined')).toMatch(
      /cannot read no-such-file \(ENOENT\)/,
    );
  });

  it('tail prints the records, as lines or NDJSON, and ends after -n', async () => {
    const { status, stdout } = await run(['tail', '--topic', 'access', '-n', '4', '--json']);
    expect(status).toBe(0);
    const records = stdout
      .trimEnd()
      .split('\n')
      .map((text) => JSON.parse(text));
    expect(records).toHaveLength(4);
    const first = records.find(({ key }) => key === '10.0.0.6');
    expect(JSON.parse(first.value)).toMatchObject({ event_time: '2016-02-20T06:00:00Z', path: '/a' });
    expect(first.timestamp).toBe(new Date(first.timestamp).toISOString());
    const p = String(first.partition);
    const lines = await run([
      'tail',
      '--topic',
      'access',
      '-n',
      '1',
      '--partition',
      p,
      '--from',
      String(first.offset),
    ]);
    expect(lines.stdout).toBe(`${p} ${first.offset} ${first.timestamp} 10.0.0.6 ${first.value}\n`);
    expect(await lineOf('tail', '--topic', 'access', '--partition', '7')).toMatch(
      /no partition 7; it has 0 to 1/,
    );
  });

  it('load takes everything once, and its status tells of refusals and faults', async () => {
    const first = await jsonOf(['load', '--topic', 'access', '--strict'], undefined, 3);
    expect(first).toMatchObject({ rows: 3, quarantined: 1, hours: ['2016-02-20T05', '2016-02-20T06'] });
    const second = await jsonOf(['load', '--topics', 'acc.*', '--strict']);
    expect(second).toMatchObject({ rows: 0, quarantined: 0, files: 0, topics: [{ topic: 'access' }] });
    await writeFile(join(directory, 'file'), '');
    expect(await lineOf('load', '--topic', 'access', '--warehouse', 'file:file/below')).toMatch(
      /file\/below/,
    );
  });

  it('offsets, status and aggregate show what is there', async () => {
    const { partitions } = (await jsonOf(['offsets', '--topic', 'access'])) as {
      partitions: { logEnd: number; committed: number; lag: number; records: { rows: number }[] }[];
    };
    expect(partitions.map(({ lag, logEnd, committed }) => [lag, logEnd - committed])).toEqual([
      [0, 0],
      [0, 0],
    ]);
    expect(partitions.flatMap(({ records }) => records).reduce((sum, { rows }) => sum + rows, 0)).toBe(3);
    expect(await jsonOf(['status'])).toMatchObject({
      brokers: [{ nodeId: 1 }],
      topics: [
        { topic: 'access', records: 4, rows: 3, quarantined: 1, lag: 0, newestCompleteHour: '2016-02-20T06' },
      ],
    });
    const argv = ['aggregate', '--topic', 'access', '--query', 'traffic_by_hour', '--from', '2016-02-20T05'];
    expect(await jsonOf([...argv, '--to', '2016-02-20T06'])).toMatchObject({
      rows: {
        traffic_by_hour: [
          { hour_start: '2016-02-20T05', events: 2, unique_hosts: 1, bytes: 10 },
          { hour_start: '2016-02-20T06', events: 1, unique_hosts: 1, bytes: 5 },
        ],
      },
    });
  });
});

describe('demo', () => {
  it('runs the whole pipeline in a directory of its own and shows every event', async () => {
    const keep = join(directory, 'demo');
    const result = (await runCli(['demo', '--events', '20000', '--keep', keep, '--json'])) as {
      stdout: string;
      status: number;
    };
    expect(result.status).toBe(0);
    const { rows, quarantined, hours, completeHours } = JSON.parse(result.stdout);
    expect({ rows, quarantined, completeHours }).toEqual({ rows: 20_000, quarantined: 0, completeHours: 24 });
    expect(hours).toHaveLength(24);
    expect(hours.reduce((sum: number, { events }: { events: number }) => sum + events, 0)).toBe(20_000);
  });

  it('takes a real log, and replaces what an earlier demo left', async () => {
    const log = join(directory, 'some.log');
    await writeFile(log, Array.from({ length: 300 }, (_, i) => line(i % 24, `/${i % 7}`)).join(''));
    const { status, stdout } = await runCli(['demo', '--input', log, '--keep', join(directory, 'demo')]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^\nEvents per hour \(UTC\)\n {2}2016-02-20T00 +13 {2}█+\n/);
    expect(stdout).toMatch(/300 rows in \d+ Parquet files, .*; 24 of 24 hours complete; 0 events refused\./);
  });

  it("leaves a directory alone that it didn't make", async () => {
    const { status, stderr } = await runCli(['demo', '--keep', directory]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error: \S+ was not made by a demo; [^\n]+\n$/);
  });
});
