import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { settingsSchema } from '../../config/settings.ts';
import { type HookEvent, type HookSettings, tell } from '../../jobs/hooks.ts';
import { TempDir } from '../support/temp-dir.ts';

let dir: TempDir;
beforeAll(() => {
  dir = new TempDir('hooks');
});
afterAll(() => dir[Symbol.dispose]());

const EVENT: HookEvent = {
  event: 'failed',
  id: 'failed/load/web/2026-11-22T13:07:00.000Z',
  job: 'load',
  topic: 'web',
  error: 'the "disk" is full',
  since: '2026-11-22T13:07:00.000Z',
};

const waits: number[] = [];
const clock = { now: () => 0, sleep: async (ms: number) => void waits.push(ms) };
const never = new AbortController().signal;
async function outcome(hooks: Partial<HookSettings>, signal = never): Promise<string> {
  const settings = settingsSchema.parse({ schedule: { hooks } }).schedule.hooks;
  return await tell(EVENT, settings, { clock, signal }).then(
    () => 'taken',
    (error: Error) => error.message,
  );
}
beforeEach(() => void waits.splice(0));

/** A command that runs this text with Node; `argv` follow it. */
const node = (text: string, ...argv: string[]) => JSON.stringify([process.execPath, '-e', text, ...argv]);

describe('a command', () => {
  it('gets the event as one line of JSON on its stdin', async () => {
    const file = dir.join('event.json');
    const text = "process.stdin.pipe(require('fs').createWriteStream(process.argv[1]))";
    expect(await outcome({ command: node(text, file) })).toBe('taken');
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(EVENT);
    expect(waits).toEqual([]);
  });

  it('is words and no shell', async () => {
    const script = dir.join('words.sh');
    writeFileSync(script, '#!/bin/sh\nprintf "%s\\n" "$@" > "$0.out"\n', { mode: 0o755 });
    expect(await outcome({ command: `${script}  one $HOME ; two` })).toBe('taken');
    expect(readFileSync(`${script}.out`, 'utf8')).toBe('one\n$HOME\n;\ntwo\n');
  });

  it('that fails is tried again with growing waits; then it is told what it said', async () => {
    const count = dir.join('count');
    const text =
      "require('fs').appendFileSync(process.argv[1], '.'); console.error('no mail today'); process.exit(7)";
    expect(await outcome({ command: node(text, count), retries: 2 })).toMatch(
      /^hook .*node.* ended with 7: no mail today; see schedule.hooks.command$/,
    );
    expect(readFileSync(count, 'utf8')).toBe('...');
    expect(waits).toEqual([500, 1_000]);
  });

  it('that takes too long is ended with whatever it started', async () => {
    const file = dir.join('grandchild');
    const script = `(sleep 2; touch ${file}) & sleep 60`;
    const command = JSON.stringify(['sh', '-c', script]);
    expect(await outcome({ command, retries: 0, timeoutMs: 500 })).toMatch(/took longer than 500 ms/);
    await sleep(2_500);
    expect(existsSync(file)).toBe(false);
  });

  it('that is not there is not tried again', async () => {
    expect(await outcome({ command: dir.join('nothing') })).toMatch(/can't be run \(ENOENT\)/);
    expect(waits).toEqual([]);
  });

  it('is ended when the schedule is stopped', async () => {
    const stop = new AbortController();
    const told = outcome(
      {
        command: node(
          "require('fs').writeFileSync(process.argv[1], ''); setInterval(() => {}, 1e6)",
          dir.join('up'),
        ),
      },
      stop.signal,
    );
    await expect.poll(() => existsSync(dir.join('up')), { timeout: 120_000 }).toBe(true);
    stop.abort(new Error('stopped'));
    expect(await told).toBe('stopped');
  });
});

describe('a URL', () => {
  let server: Server;
  let url: string;
  const got: { request: IncomingMessage; body: string }[] = [];
  let answers: number[] = [];
  beforeAll(async () => {
    server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      got.push({ request, body });
      const status = answers.shift() ?? 204;
      if (status === 0) return; // never answered
      response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?key=secret`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => {
    got.splice(0);
    answers = [];
  });

  it('is posted the event as JSON, with the headers of the file', async () => {
    const headersFile = dir.join('headers');
    writeFileSync(headersFile, 'Authorization: Bearer a:b\nX-Team: ops\n');
    expect(await outcome({ url, headersFile })).toBe('taken');
    const [{ request, body }] = got as [(typeof got)[0]];
    expect([request.method, request.url]).toEqual(['POST', '/hook?key=secret']);
    expect(request.headers).toMatchObject({
      'content-type': 'application/json',
      authorization: 'Bearer a:b',
      'x-team': 'ops',
    });
    expect(JSON.parse(body)).toEqual(EVENT);
  });

  it('is asked again while it may be only for a moment, and no error holds its secrets', async () => {
    answers = [503, 429, 200];
    expect(await outcome({ url })).toBe('taken');
    answers = [500, 500];
    const line = await outcome({ url, retries: 1 });
    expect(line).toMatch(/^hook http:\/\/127\.0\.0\.1:\d+\/hook answers 500; see schedule.hooks.url$/);
  });

  it('that refuses or redirects is not asked again, and nobody else is', async () => {
    for (const status of [404, 302]) {
      answers = [status];
      expect(await outcome({ url })).toContain(`answers ${status}`);
    }
    expect(got.map(({ request }) => request.url)).toEqual(['/hook?key=secret', '/hook?key=secret']);
  });

  it('that does not answer, or is not there, costs a bounded time', async () => {
    answers = [0];
    expect(await outcome({ url, retries: 0, timeoutMs: 300 })).toMatch(/took longer than 300 ms/);
    expect(await outcome({ url: 'http://127.0.0.1:1/', retries: 1 })).toMatch(/could not be asked/);
  });

  it('and a command must both take the event', async () => {
    expect(await outcome({ command: node(''), url })).toBe('taken');
    expect(got).toHaveLength(1);
    expect(await outcome({ command: node('process.exit(1)'), url, retries: 0 })).toMatch(/ended with 1/);
    expect(got).toHaveLength(1);
  });
});
