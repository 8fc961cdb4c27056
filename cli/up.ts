/**
 * `millrace up`: a broker and the schedule of its warehouse in one process, until stopped.
 */
import type { Command } from 'commander';
import { type Act, addExamples } from './command.ts';
import type { CommandContext } from './context.ts';
import { addBrokerOptions } from './options.ts';
import { runSchedule } from './schedule.ts';

/** Where a client on this machine finds a broker that listens on every address. */
const LOOPBACK: Record<string, string> = { '0.0.0.0': '127.0.0.1', '::': '[::1]' };

async function up(context: CommandContext): Promise<number> {
  const { Broker } = await import('../broker/broker.ts');
  const { settings, log, out } = context;
  await using broker = await Broker.start(settings.broker, { log });
  const { host, port } = broker;
  const { nodeId, dataDir } = settings.broker;
  const { warehouse } = settings.loader;
  out.line(
    `broker ${nodeId} listens on ${host}:${port}, logs in ${dataDir}, table in ${warehouse}; Ctrl-C stops it`,
  );
  out.object({ nodeId, host, port, dataDir, warehouse });
  const client = { ...settings.client, brokers: `${LOOPBACK[host] ?? host}:${port}` };
  return await runSchedule({ ...context, settings: { ...settings, client } }, {});
}

export function define(command: Command, act: Act): void {
  addBrokerOptions(command);
  command.action(act<object>(up));
  addExamples(command, [
    ['up', 'a broker on 127.0.0.1:9092, its topics in ./warehouse, an hour complete at minute 7 of the next'],
    [
      'up --data /var/lib/millrace --warehouse file:/srv/warehouse --set broker.log.flush=acks',
      'durable before acknowledged',
    ],
  ]);
}
