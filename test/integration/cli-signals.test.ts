/** How a running command is stopped: by signals, by its terminal, and when whoever started it is gone. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { cleanEnvironment, startBrokerProcess, startCli, statusOf } from '../support/run-cli.ts';

const INTERRUPTION = pathToFileURL(join(import.meta.dirname, '../../cli/interruption.ts')).href;
const SHIM = join(import.meta.dirname, '../../bin/millrace.mjs');

/** Whatever a failed test left behind is ended after it. */
const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

/** A process that does nothing but listen for interruption; `busy`: it has work left to do. */
function startListener(busy: boolean): { child: ChildProcess; line: () => Promise<string> } {
  const program = `import('${INTERRUPTION}').then(({ listenForInterruption }) => {
    const { signal } = listenForInterruption();
    ${busy ? 'setInterval(() => {}, 1000);' : ''}
    signal.addEventListener('abort', () => console.log(signal.reason.message));
    console.log('ready');
  });`;
  const child = spawn(process.execPath, ['-e', program], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    env: { ...process.env, _MILLRACE_SHIM: '1' },
  });
  started.push(child);
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  return { child, line: async () => String((await lines.next()).value) };
}

describe('interruption', () => {
  it('the first signal asks, the second ends the process at once by that signal', async () => {
    const { child, line } = startListener(true);
    expect(await line()).toBe('ready');
    child.kill('SIGTERM');
    expect(await line()).toBe('stopped by SIGTERM');
    child.kill('SIGINT');
    expect(await statusOf(child)).toBe(130);
  });

  it('one Ctrl-C that comes from the terminal and from the shim counts once', async () => {
    const { child, line } = startListener(true);
    expect(await line()).toBe('ready');
    child.kill('SIGINT');
    expect(await line()).toBe('stopped by SIGINT');
    child.send('SIGINT');
    await sleep(200);
    expect(child.exitCode ?? child.signalCode).toBeNull();
    child.send('SIGINT');
    expect(await statusOf(child)).toBe(130);
  });

  it('a shim that was killed takes the process with it', async () => {
    const { child, line } = startListener(true);
    expect(await line()).toBe('ready');
    child.disconnect();
    expect(await statusOf(child)).toBe(137);
  });

  it('the channel to the shim keeps no finished process alive', async () => {
    const { child } = startListener(false);
    expect(await statusOf(child)).toBe(0);
  });
});

describe('a broker process', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-signals-'));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)('ends cleanly on %s with status %i', async (signal, status) => {
    await using broker = await startBrokerProcess(join(directory, signal));
    broker.child.kill(signal);
    expect(await statusOf(broker.child)).toBe(status);
  });

  it('ends with its shim, however that ends', async () => {
    for (const [signal, status] of [
      ['SIGTERM', 143],
      ['SIGKILL', 137],
    ] as const) {
      const shim = spawn(
        systemNode(),
        [SHIM, 'broker', '--port', '0', '--data', join(directory, `shim-${signal}`), '--json'],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
          env: cleanEnvironment(),
        },
      );
      started.push(shim);
      const [line] = (await once(createInterface({ input: shim.stdout! }), 'line')) as [string];
      const { port } = JSON.parse(line) as { port: number };
      expect(await isListening(port)).toBe(true);
      shim.kill(signal);
      expect(await statusOf(shim)).toBe(status);
      for (let tries = 0; tries < 100 && (await isListening(port)); tries++) await sleep(50);
      expect(await isListening(port)).toBe(false);
    }
  });

  it('a reader that goes away ends a command without a word', async () => {
    await using broker = await startBrokerProcess(join(directory, 'pipe'));
    const child = startCli(['topics', 'list', '--broker', broker.address]);
    child.stdout!.destroy();
    let stderr = '';
    child.stderr!.on('data', (chunk) => {
      stderr += chunk;
    });
    expect(await statusOf(child)).toBe(0);
    expect(stderr).toBe('');
  });
});

/** The Node of the machine, not the one npm installed: with an older one the shim has to start a child. */
function systemNode(): string {
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((p) => !p.includes('node_modules'));
  return path.map((p) => join(p, 'node')).find((p) => existsSync(p)) ?? process.execPath;
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const listening = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
  });
  socket.destroy();
  return listening;
}
