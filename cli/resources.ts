/**
 * What commands open for their length: a connected client, a warehouse. Imported when opened, not at start.
 */
import type { KafkaClient } from '../broker/client/client.ts';
import type { Store } from '../loader/store/store.ts';
import type { CommandContext } from './context.ts';

/** Connects by the settings; the caller owns the client (`await using`). */
export async function connect({ settings, signal }: CommandContext): Promise<KafkaClient> {
  const { KafkaClient } = await import('../broker/client/client.ts');
  return KafkaClient.connect(settings.client, { clientId: 'millrace', signal });
}

/** The warehouse of the settings; the caller owns the store (`await using`). */
export async function openWarehouse({ settings }: CommandContext): Promise<Store> {
  const { openStore } = await import('../loader/store/open-store.ts');
  return openStore(settings.loader.warehouse);
}
