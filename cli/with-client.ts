/**
 * A connected client for the length of one command.
 */
import type { KafkaClient } from '../broker/client/client.ts';
import type { CommandContext } from './context.ts';

/** Connects by the settings; the caller owns the client (`await using`). */
export async function connect({ settings, signal }: CommandContext): Promise<KafkaClient> {
  const { KafkaClient } = await import('../broker/client/client.ts');
  return KafkaClient.connect(settings.client, { clientId: 'millrace', signal });
}
