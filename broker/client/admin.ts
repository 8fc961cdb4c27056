/**
 * What a client asks of a topic that is there: more partitions, other settings. Works with any broker of Kafka 2.3 or
 * later.
 */
import { createPartitions } from '../protocol/apis/create-partitions.ts';
import { describeConfigs, TOPIC_RESOURCE } from '../protocol/apis/describe-configs.ts';
import { CONFIG_OPERATIONS, incrementalAlterConfigs } from '../protocol/apis/incremental-alter-configs.ts';
import { errorOf } from '../protocol/errors.ts';
import type { KafkaClient } from './client.ts';
import { retrying } from './retry.ts';

/** As DescribeConfigs numbers it: the topic's own value. */
const DYNAMIC_TOPIC_CONFIG = 1;

/** Settings to give to a topic, and names of those that shall fall back to the broker's. */
export interface ConfigChanges {
  set: Record<string, string>;
  unset: readonly string[];
}

interface ChangeOptions {
  /** Only asks whether it would be done. */
  validateOnly?: boolean;
}

/** A broker's refusal in its own words. */
function refusal(errorCode: number, what: string, words: string | null) {
  return errorOf(errorCode, words ? `${what} (${words})` : what);
}

/** Changes single settings of a topic, all or none. Throws INVALID_CONFIG. */
export async function alterTopicConfigs(
  client: KafkaClient,
  topic: string,
  { set, unset }: ConfigChanges,
  { validateOnly = false }: ChangeOptions = {},
): Promise<void> {
  const configs = [
    ...Object.entries(set).map(([name, value]) => ({ name, configOperation: CONFIG_OPERATIONS.set, value })),
    ...unset.map((name) => ({ name, configOperation: CONFIG_OPERATIONS.delete, value: null })),
  ];
  const resources = [{ resourceType: TOPIC_RESOURCE, resourceName: topic, configs }];
  await retrying(client.retryPolicy, async () => {
    const { responses } = await client.requestOnce(incrementalAlterConfigs, 'controller', {
      resources,
      validateOnly,
    });
    const { errorCode = 0, errorMessage = null } = responses[0] ?? {};
    const error = refusal(errorCode, `topic ${topic}`, errorMessage);
    if (error) throw error;
  });
}

/** Brings a topic to a number of partitions. Throws INVALID_PARTITIONS unless that is more than it has. */
export async function growTopic(
  client: KafkaClient,
  topic: string,
  count: number,
  { validateOnly = false }: ChangeOptions = {},
): Promise<void> {
  await retrying(client.retryPolicy, async (retry) => {
    const { results } = await client.requestOnce(createPartitions, 'controller', {
      topics: [{ name: topic, count }],
      timeoutMs: client.settings.requestTimeoutMs,
      validateOnly,
    });
    const { errorCode = 0, errorMessage = null } = results[0] ?? {};
    const error = refusal(errorCode, `topic ${topic}`, errorMessage);
    if (!error) return;
    // An attempt that seemed to fail may have done it.
    const { topics } = retry > 0 ? await client.metadata([topic]) : { topics: [] };
    if (topics[0]?.partitions.length !== count) throw error;
  });
  client.forgetLeaders(topic);
}

/** What a topic overrides, by name. */
export async function topicOverrides(client: KafkaClient, topic: string): Promise<Record<string, string>> {
  const overrides: Record<string, string> = {};
  await retrying(client.retryPolicy, async () => {
    const resources = [{ resourceType: TOPIC_RESOURCE, resourceName: topic }];
    const { results } = await client.requestOnce(describeConfigs, 'any', { resources });
    const error = refusal(results[0]?.errorCode ?? 0, `topic ${topic}`, results[0]?.errorMessage ?? null);
    if (error) throw error;
    for (const { name, value, configSource } of results[0]?.configs ?? []) {
      if (configSource === DYNAMIC_TOPIC_CONFIG && value !== null) overrides[name] = value;
    }
  });
  return overrides;
}
