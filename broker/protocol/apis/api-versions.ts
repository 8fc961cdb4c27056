import { api, array, boolean, int16, int32, int64, string } from '../schema.ts';

/**
 * What a broker speaks. A request of an unknown version is answered in version 0 with UNSUPPORTED_VERSION, and the
 * response header is version 0 always, so that both sides can begin without knowing each other (KIP-511).
 */
export const apiVersions = api({
  key: 18,
  name: 'ApiVersions',
  versions: [0, 3],
  flexible: 3,
  request: {
    clientSoftwareName: string.since(3).default(''),
    clientSoftwareVersion: string.since(3).default(''),
  },
  response: {
    errorCode: int16,
    apiKeys: array({ apiKey: int16, minVersion: int16, maxVersion: int16 }),
    throttleTimeMs: int32.since(1).default(0),
    supportedFeatures: array({ name: string, minVersion: int16, maxVersion: int16 })
      .since(3)
      .tagged(0)
      .default([]),
    finalizedFeaturesEpoch: int64.since(3).tagged(1).default(-1),
    finalizedFeatures: array({ name: string, maxVersionLevel: int16, minVersionLevel: int16 })
      .since(3)
      .tagged(2)
      .default([]),
    zkMigrationReady: boolean.since(3).tagged(3).default(false),
  },
});
