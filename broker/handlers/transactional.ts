/**
 * What the handlers of transactional requests share: the error codes that older versions know.
 */
import { KafkaError } from '../protocol/errors.ts';
import type { RequestContext } from './handler.ts';

/**
 * Runs work on a transactional id. Versions below `fencedSince` know a fenced producer only by INVALID_PRODUCER_EPOCH
 * (KIP-588).
 */
export async function fencedAsKnown<T>(
  { version }: Pick<RequestContext, 'version'>,
  fencedSince: number,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const isFenced = error instanceof KafkaError && error.error === 'PRODUCER_FENCED';
    if (isFenced && version < fencedSince) throw new KafkaError('INVALID_PRODUCER_EPOCH', error.message);
    throw error;
  }
}
