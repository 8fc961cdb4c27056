import { api, array, boolean, int8, int16, int32, nullableArray, nullableString, string } from '../schema.ts';

/** The settings of topics and brokers with where each value comes from (KIP-133, KIP-226). */
export const describeConfigs = api({
  key: 32,
  name: 'DescribeConfigs',
  versions: [1, 4],
  flexible: 4,
  request: {
    resources: array({
      resourceType: int8,
      resourceName: string,
      /** Null: all. */
      configurationKeys: nullableArray(string).default(null),
    }),
    includeSynonyms: boolean.default(false),
    includeDocumentation: boolean.since(3).default(false),
  },
  response: {
    throttleTimeMs: int32.default(0),
    results: array({
      errorCode: int16,
      errorMessage: nullableString.default(null),
      resourceType: int8,
      resourceName: string,
      configs: array({
        name: string,
        value: nullableString.default(null),
        readOnly: boolean.default(false),
        configSource: int8.default(-1),
        isSensitive: boolean.default(false),
        synonyms: array({ name: string, value: nullableString.default(null), source: int8 }),
        configType: int8.since(3).default(0),
        documentation: nullableString.since(3).default(null),
      }),
    }),
  },
});

/** Kinds of a resource: a topic, a broker by its node id (KIP-133). */
export const TOPIC_RESOURCE = 2;
export const BROKER_RESOURCE = 4;
