/**
 * What commands open for their length: a connected client, a warehouse. Imported when opened, not at start.
 */
import type { KafkaClient } from '../broker/client/client.ts';
import type { RecordSink } from '../jobs/activity-in/record-sink.ts';
import type { Store } from '../loader/store/store.ts';
import type { CommandContext } from './context.ts';

/**
 * Connects by the settings; the caller owns the client (`await using`). `atStop`: what becomes of it when the command is
 * asked to stop: `close` it at once, or let the command `finish` what it has begun, such as sending a last batch.
 */
export async function connect(
  { settings, signal }: CommandContext,
  atStop: 'close' | 'finish' = 'close',
): Promise<KafkaClient> {
  const { KafkaClient } = await import('../broker/client/client.ts');
  return KafkaClient.connect(settings.client, {
    clientId: 'millrace',
    ...(atStop === 'close' && { signal }),
  });
}

/** The warehouse of the settings; the caller owns the store (`await using`). `use`: what the command does with it. */
export async function openWarehouse(
  { settings }: CommandContext,
  use: 'read' | 'write' = 'write',
): Promise<Store> {
  const { openStore } = await import('../loader/store/open-store.ts');
  return openStore(settings, { onlyReads: use === 'read' });
}

/** What a command sends, and to which topic. */
export interface Sending {
  topic: string;
  by: 'ingest' | 'generate';
}

/**
 * Gives `send` a producer on a client; what it holds is sent before this returns. With `producer.auditCounts` it counts,
 * and says its last counts when `send` has ended, unless sending failed.
 */
export async function withProducer<T>(
  { settings, now }: CommandContext,
  client: KafkaClient,
  { topic, by }: Sending,
  send: (sink: RecordSink) => Promise<T>,
): Promise<T> {
  const { Producer } = await import('../broker/client/producer.ts');
  await using producer = await Producer.open(client, settings.producer);
  if (!settings.producer.auditCounts) return await send(producer);
  const { CountedSink, createAuditTopic } = await import('../jobs/activity-in/counted-sink.ts');
  const { findSchema } = await import('../schemas/event-schema.ts');
  await createAuditTopic(client);
  const schema = await findSchema(topic, settings);
  const { loader, producer: how } = settings;
  const sink = new CountedSink(producer, { topic, schema, loader, by, intervalMs: how.auditIntervalMs, now });
  try {
    return await send(sink);
  } finally {
    // Sent in part is sent as well. A producer that failed throws here once more what it threw.
    await sink.close();
  }
}
