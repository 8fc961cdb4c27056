/**
 * What commands open for their length: a connected client, a warehouse. Imported when opened, not at start.
 */
import type { KafkaClient } from '../broker/client/client.ts';
import type { Producer } from '../broker/client/producer.ts';
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

/** The warehouse of the settings; the caller owns the store (`await using`). */
export async function openWarehouse({ settings }: CommandContext): Promise<Store> {
  const { openStore } = await import('../loader/store/open-store.ts');
  return openStore(settings);
}

/** A producer on a client; what it holds is sent before it closes. */
export async function openProducer(
  client: KafkaClient,
  settings: CommandContext['settings']['producer'],
): Promise<Producer & AsyncDisposable> {
  const { Producer } = await import('../broker/client/producer.ts');
  return Producer.open(client, settings);
}
