/**
 * `millrace broker`: one broker until it is stopped.
 */
import type { Command } from 'commander';
import { type Act, addExamples } from './command.ts';
import { type CommandContext, stopped } from './context.ts';
import { addBrokerOptions } from './options.ts';

async function serve({ settings, log, out, signal }: CommandContext): Promise<void> {
  const { Broker } = await import('../broker/broker.ts');
  await using broker = await Broker.start(settings.broker, { log });
  const { host, port } = broker;
  const { nodeId, dataDir } = settings.broker;
  out.line(`broker ${nodeId} listens on ${host}:${port}, logs in ${dataDir}; Ctrl-C stops it`);
  out.object({ nodeId, host, port, dataDir });
  await stopped(signal);
}

export function define(command: Command, act: Act): void {
  addBrokerOptions(command);
  command.action(act<object>(serve));
  addExamples(command, [
    ['broker', 'on 127.0.0.1:9092 with its logs in ./millrace-data'],
    [
      'broker --host 0.0.0.0 --port 19092 --data /var/lib/millrace --set broker.log.flush=acks',
      'durable before acknowledged',
    ],
  ]);
}
