/**
 * The schedule as processes over real HDFS: the times of directories that tell which hours are news, the lease by the
 * NameNode's clock, a runner that is killed, and a NameNode that goes and comes back while the schedule runs.
 */
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { webRequests } from '../support/events.ts';
import { createTopic, sendRecords } from '../support/load-topic.ts';
import { runCli, startCli, statusOf } from '../support/run-cli.ts';
import { addressOf, startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';
import { type Hdfs, startHdfs } from './bed/hdfs.ts';

const PATIENT = { timeout: 600_000, interval: 500 };
const HOURS = ['2026-03-01T00', '2026-03-01T01'];

let dir: TempDir;
let hdfs: Hdfs;
let broker: Broker;
beforeAll(async () => {
  dir = new TempDir('schedule-real');
  hdfs = await startHdfs();
  broker = await startBroker(dir.join('data'));
});
afterAll(async () => {
  await broker.stop();
  await hdfs[Symbol.asyncDispose]();
  dir[Symbol.dispose]();
});

const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

/** A topic, the options of commands about it, and what the hook heard. */
async function newTopic(topic: string) {
  const events = dir.join(`${topic}.jsonl`);
  const set = {
    [`topics.${topic}.schema`]: 'web_request',
    'schedule.topics': topic,
    'schedule.cron': '* * * * * *',
    'schedule.leaseMs': '4000',
    'schedule.hooks.command': JSON.stringify(['sh', '-c', `cat >> ${events}`]),
    'webhdfs.deadlineMs': '3000',
    'webhdfs.minBlockBytes': '4096',
  };
  const argv = [
    ...['--broker', addressOf(broker)],
    ...['--warehouse', `webhdfs://loader@127.0.0.1:${hdfs.nameNode.httpPort}/warehouse`],
    ...Object.entries(set).flatMap(([path, text]) => ['--set', `${path}=${text}`]),
  ];
  await createTopic(addressOf(broker), topic, 2);
  const told = (): string[] =>
    existsSync(events)
      ? readFileSync(events, 'utf8')
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as Record<string, string>)
          .map(({ event, job, hour, version }) => `${event} ${job ?? `${hour} ${version}`}`)
      : [];
  const send = (from: number, until: number) =>
    sendRecords(addressOf(broker), topic, webRequests(from, until, { partitions: 2, hours: 2 }));
  return { topic, argv, told, send };
}

function start(argv: readonly string[]): ChildProcess {
  const child = startCli(['schedule', ...argv, '--log-level', 'silent'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  started.push(child);
  return child;
}

async function expectAudited(
  { topic, argv }: { topic: string; argv: string[] },
  files: number,
): Promise<void> {
  const { status, stdout, stderr } = await runCli(['audit', '--topic', topic, ...argv, '--json']);
  expect([status, stderr]).toEqual([0, '']);
  const { hours } = JSON.parse(stdout) as { hours: { hour: string; files: number; verdict: string }[] };
  const found = hours.filter(({ hour }) => HOURS.includes(hour));
  expect(found.map(({ verdict }) => verdict)).toEqual(['OK', 'OK']);
  expect(found.reduce((sum, one) => sum + one.files, 0)).toBe(files);
}

test('a complete hour is told once, and again when late rows come to it', async () => {
  const topic = await newTopic('news');
  await topic.send(0, 400);
  const once = async () => {
    const { status, stderr } = await runCli(['schedule', '--once', ...topic.argv]);
    expect([status, stderr]).toEqual([0, '']);
  };
  await once();
  await once();
  expect(topic.told()).toEqual(HOURS.map((hour) => `hour-complete ${hour} 1`));
  await topic.send(400, 401);
  await once();
  await once();
  expect(topic.told().slice(2)).toEqual([`hour-complete ${HOURS[0]} 2`]);
  await expectAudited(topic, 401);
});

test('a killed runner is replaced, and a NameNode that was away for a while costs nothing', async () => {
  const topic = await newTopic('away');
  await topic.send(0, 300);
  const first = start(topic.argv);
  await expect.poll(topic.told, PATIENT).toContain(`hour-complete ${HOURS[1]} 1`);
  const second = start(topic.argv);
  first.kill('SIGKILL');
  expect(await statusOf(first)).toBe(137);
  await topic.send(300, 500);
  await expect.poll(topic.told, PATIENT).toContain(`hour-complete ${HOURS[1]} 2`);
  await hdfs.nameNode.kill();
  await topic.send(500, 700);
  await expect.poll(topic.told, PATIENT).toContain('failed load');
  await hdfs.nameNode.start();
  await expect.poll(topic.told, PATIENT).toContain('recovered load');
  await expect.poll(topic.told, PATIENT).toContain(`hour-complete ${HOURS[1]} 3`);
  second.kill('SIGTERM');
  expect(await statusOf(second)).toBe(143);
  await expectAudited(topic, 700);
  const { stdout } = await runCli(['status', ...topic.argv, '--json']);
  expect(JSON.parse(stdout)).toMatchObject({
    schedule: { runner: { pid: second.pid, hasEnded: true }, failing: [] },
  });
});
