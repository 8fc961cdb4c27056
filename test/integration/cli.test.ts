/** The command line as its users meet it: help, one clear line for every mistake, and the right exit status. */
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../cli/commands.ts';
import { runCli, startCli, statusOf } from '../support/run-cli.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'millrace-cli-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** As `addExamples` writes them. */
const EXAMPLE = /^Examples?:\n {2}millrace /m;

/** A command that must fail: its status and the one line it says. */
async function failureOf(...argv: string[]): Promise<{ status: number; line: string }> {
  const { status, stdout, stderr } = await runCli(argv, { cwd: directory });
  expect(stdout).toBe('');
  expect(stderr).toMatch(/^error: [^\n]+\n$/);
  return { status, line: stderr.trimEnd() };
}

describe('help', () => {
  for (const { name, summary } of COMMANDS)
    it(`${name} --help says what it does and shows examples, and so does that of what stands under it`, async () => {
      const { status, stdout, stderr } = await runCli([name, '--help']);
      expect(stderr).toBe('');
      expect(status).toBe(0);
      expect(stdout).toContain(`Usage: millrace ${name}`);
      expect(stdout.replace(/\s+/g, ' ').toLowerCase()).toContain(summary.toLowerCase().replace(/\s+/g, ' '));
      expect(stdout).toMatch(/Common options:[\s\S]*--set <path=value>/);
      expect(stdout).toMatch(EXAMPLE);
      const below = /^Commands:\n((?: .*\n)+)/m.exec(stdout)?.[1] ?? '';
      for (const [, child] of below.matchAll(/^ {2}(\w+) \[options\]/gm))
        expect((await runCli([name, child!, '--help'])).stdout, child!).toMatch(EXAMPLE);
    });

  it('millrace --help lists every command, and --version the version', async () => {
    const { status, stdout } = await runCli(['--help']);
    expect(status).toBe(0);
    for (const { name } of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
    expect((await runCli(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('a wrong command line is status 2', () => {
  it.each([
    [
      ['broker', '--prot', '1'],
      /unknown option '--prot' \(Did you mean --port\?\); see "millrace broker --help"$/,
    ],
    [['brokr'], /unknown command 'brokr' \(Did you mean broker\?\)/],
    [['topics', 'create'], /missing required argument 'name'/],
    [['topics', 'create', 'a', '--partitions', '0'], /whole number from 1 to 10000/],
    [['topics', 'create', 'a', '--config', 'x'], /name=value/],
    [['config', 'show', '--set', 'novalue'], /name=value/],
    [['tail'], /required option '--topic <name>' not specified/],
    [['tail', '--topic', 'a', '--from', 'yesterday'], /earliest, latest, an offset or a UTC time/],
    [['load'], /--topic/],
    [['load', '--topic', 'a', '--exclude', 'b'], /--exclude takes topics out of --topics/],
    [['load', '--topic', 'a', '--shard', '4/4'], /write I\/N with I from 0 to N-1/],
    [['load', '--topics', '('], /'\(' is invalid/],
    [['aggregate', '--topic', 'a', '--engine', 'abacus'], /no engine abacus/],
    [['aggregate', '--topic', 'a', '--from', '2026'], /'2026' is invalid: write an hour like 2026-11-22T13/],
    [['aggregate', '--topic', 'a', '--query', 'abacus'], /no query "abacus"; known are bot_share_by_hour, /],
    [
      ['aggregate', '--topic', 'a', '--param', 'x=1'],
      /--param x: no query has that parameter; known are bot_share_by_hour.pattern, /,
    ],
    [
      ['aggregate', '--topic', 'a', '--from', '2026-11-22T13', '--to', '2026-11-22T12'],
      /--from 2026-11-22T13 is after --to 2026-11-22T12/,
    ],
  ])('%j', async (argv, says) => {
    const { status, line } = await failureOf(...argv);
    expect(line).toMatch(says);
    expect(status).toBe(2);
  });

  it('without a command the help is shown', async () => {
    const { status, stdout, stderr } = await runCli([]);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^Usage: millrace[\s\S]*\nerror: a command is missing; see "millrace --help"\n$/);
  });
});

describe('wrong settings are status 78', () => {
  it('an unknown setting of the command line, with the nearest name', async () => {
    expect(await failureOf('topics', 'list', '--set', 'client.retrys=1')).toEqual({
      status: 78,
      line: 'error: unknown setting client.retrys, from --set; did you mean client.retries?',
    });
  });

  it('a value out of range, by the option it was given with', async () => {
    expect(await failureOf('broker', '--port', '70000')).toEqual({
      status: 78,
      line: 'error: setting broker.port is 70000, from --port; it must be a whole number from 0 to 65535',
    });
  });

  it('a file that is not there', async () => {
    expect(await failureOf('--config', 'nothing.yaml', 'config', 'show')).toEqual({
      status: 78,
      line: 'error: cannot read the settings file nothing.yaml (ENOENT); check --config',
    });
  });

  it('every problem of file and environment at once, a line each', async () => {
    await writeFile(join(directory, 'a.yaml'), 'broker: {prot: 1}\nloader: {workers: many}\n');
    const env = { MILLRACE_LOADER_WORKRS: '2' };
    const { status, stderr } = await runCli(['config', 'show', '--config', 'a.yaml'], {
      cwd: directory,
      env,
    });
    expect(stderr.trimEnd().split('\n')).toEqual([
      'error: unknown setting broker.prot, from file a.yaml; did you mean broker.port?',
      'error: unknown setting MILLRACE_LOADER_WORKRS, from the environment; did you mean MILLRACE_LOADER_WORKERS?',
      'error: setting loader.workers is "many", from file a.yaml; it must be a whole number from 0 to 256',
    ]);
    expect(status).toBe(78);
  });
});

describe('what goes wrong in operation is status 1', () => {
  it('broker unreachable', async () => {
    const { status, line } = await failureOf(
      'topics',
      'list',
      '--broker',
      '127.0.0.1:1',
      '--set',
      'client.retries=0',
    );
    expect(line).toMatch(/127\.0\.0\.1:1\b/);
    expect(status).toBe(1);
  });

  it('port taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.on('listening', resolve));
    const { port } = server.address() as { port: number };
    const { status, line } = await failureOf(
      'broker',
      '--port',
      String(port),
      '--data',
      join(directory, 'taken'),
    );
    server.close();
    expect(line).toMatch(new RegExp(`\\b${port}\\b.*[:;] .*--port`));
    expect(status).toBe(1);
  });

  // A path below a regular file: not even root may write there, as it may under mere permission bits.
  it('data directory not writable', async () => {
    await writeFile(join(directory, 'file'), '');
    const { status, line } = await failureOf(
      'broker',
      '--port',
      '0',
      '--data',
      join(directory, 'file', 'logs'),
    );
    expect(line).toMatch(/file\/logs.*[:;] .*--data/);
    expect(status).toBe(1);
  });
});

describe('config show', () => {
  it('tells every setting and its layer', async () => {
    const { status, stdout } = await runCli(
      ['config', 'show', '--json', '--set', 'topics.a.b.schema=web_request'],
      {
        env: { MILLRACE_LOG_LEVEL: 'info' },
      },
    );
    expect(status).toBe(0);
    const { settings } = JSON.parse(stdout) as { settings: Record<string, object> };
    expect(settings['logLevel']).toEqual({
      value: 'info',
      from: 'environment MILLRACE_LOG_LEVEL',
      environment: 'MILLRACE_LOG_LEVEL',
    });
    expect(settings['topics.a.b.schema']).toEqual({ value: 'web_request', from: '--set', environment: null });
    expect(settings['broker.port']).toMatchObject({ value: 9092, from: 'default' });
  });
});

it('the lowest level of the log shows every request that the broker gets', async () => {
  const log = join(directory, 'trace');
  const stderr = openSync(log, 'w');
  const argv = [
    'broker',
    '--port',
    '0',
    '--data',
    join(directory, 'traced'),
    '--json',
    '--log-level',
    'trace',
  ];
  const broker = startCli(argv, { stdio: ['ignore', 'pipe', stderr] });
  closeSync(stderr);
  const [line] = await once(createInterface({ input: broker.stdout! }), 'line');
  const { status } = await runCli(['topics', 'list', '--broker', `127.0.0.1:${JSON.parse(line).port}`]);
  broker.kill('SIGTERM');
  expect([status, await statusOf(broker)]).toEqual([0, 143]);
  expect(await readFile(log, 'utf8')).toMatch(/"clientId":"millrace".*"msg":"request Metadata \d+"/);
});

it('a result that could not be written is a failure', { skip: !existsSync('/dev/full') }, async () => {
  const full = openSync('/dev/full', 'w');
  const child = startCli(['config', 'show'], { stdio: ['ignore', full, 'ignore'] });
  closeSync(full);
  expect(await statusOf(child)).toBe(1);
});

it.each([['runs'], ['doctor'], ['expire', '--dry-run']])(
  '%s makes no warehouse where none is',
  async (...argv) => {
    const place = join(directory, 'not-made');
    const { status, stderr } = await runCli([...argv, '--warehouse', `file:${place}`]);
    expect([status, stderr, existsSync(place)]).toEqual([0, '', false]);
  },
);

describe('schema list', () => {
  it('names the built-in schemas and their columns', async () => {
    const { status, stdout } = await runCli(['schema', 'list', '--json']);
    expect(status).toBe(0);
    const { schemas } = JSON.parse(stdout) as { schemas: { name: string; columns: { name: string }[] }[] };
    expect(schemas.map(({ name }) => name)).toEqual(['activity', 'web_request']);
    expect(schemas[1]!.columns[0]!.name).toBe('event_time');
  });

  it('a schema that is named but not there is a matter of settings', async () => {
    const { status, line } = await failureOf('schema', 'list', '--set', 'schemas.dir=nowhere');
    expect(line).toMatch(/nowhere/);
    expect(status).toBe(78);
  });
});
