/**
 * ApiVersions: which APIs are served in which versions (KIP-35). The table reads as Apache Kafka 3.0's with the floors of
 * 4.x, because clients deduce the broker's age from it.
 */
import { apiVersions } from '../protocol/apis/api-versions.ts';
import { type Handler, handler } from './handler.ts';

/** The list in answers to ApiVersions, also of a version that isn't served. */
export function advertisedApis(handlers: readonly Handler[]) {
  return handlers
    .filter(({ isAdvertised }) => isAdvertised)
    .map(({ api }) => ({ apiKey: api.key, minVersion: api.versions[0], maxVersion: api.versions[1] }))
    .sort((a, b) => a.apiKey - b.apiKey);
}

/** Makes the handler of ApiVersions for a list that it is part of. */
export function makeApiVersionsHandler(handlers: () => readonly Handler[]): Handler {
  return handler(apiVersions, () => ({ errorCode: 0, apiKeys: advertisedApis(handlers()) }));
}
