/**
 * CreateTopics: each topic by itself, with the settings of `log-config.ts`; one replica, for there is one broker.
 */
import { CONFIG_SOURCES, describeConfigs, type TopicConfigs } from '../log/log-config.ts';
import { createTopics } from '../protocol/apis/create-topics.ts';
import { KafkaError } from '../protocol/errors.ts';
import type { Request } from '../protocol/schema.ts';
import { handler, orCode, type RequestContext, refuseInternal } from './handler.ts';

const BROKERS_DEFAULT = -1;

type NewTopic = Request<typeof createTopics>['topics'][number];

/** Answers requests to create topics. */
export const handleCreateTopics = handler(createTopics, async ({ topics, validateOnly }, context) => {
  const answers = [];
  for (const topic of topics) {
    const { name } = topic;
    const isTwice = topics.filter((other) => other.name === name).length > 1;
    const answer = await orCode(
      context,
      async () => {
        if (isTwice) throw new KafkaError('INVALID_REQUEST', `${name} is named twice`);
        refuseInternal(name);
        return create(topic, validateOnly, context);
      },
      (errorCode, errorMessage) => ({ name, errorCode, errorMessage, configs: null }),
    );
    answers.push(answer);
  }
  return { topics: answers };
});

async function create(topic: NewTopic, validateOnly: boolean, { directory, settings }: RequestContext) {
  const configs = overridesOf(topic);
  const partitions = partitionsOf(topic, settings.numPartitions, settings.nodeId);
  const wanted = { name: topic.name, partitions, configs };
  directory.checkNewTopic(wanted);
  const made = validateOnly ? undefined : await directory.createTopic(wanted);
  return {
    name: topic.name,
    ...(made && { topicId: made.topicId }),
    errorCode: 0,
    numPartitions: partitions,
    replicationFactor: 1,
    configs: describeConfigs(settings.log, configs).map(({ name, value, source }) => ({
      name,
      value,
      readOnly: false,
      configSource: CONFIG_SOURCES[source],
      isSensitive: false,
    })),
  };
}

function overridesOf({ configs }: NewTopic): TopicConfigs {
  const overrides = configs.map(({ name, value }): [string, string] => {
    if (value === null) throw new KafkaError('INVALID_CONFIG', `${name}: null is no value`);
    return [name, value];
  });
  return Object.fromEntries(overrides);
}

function partitionsOf(topic: NewTopic, numPartitions: number, nodeId: number): number {
  const { assignments, replicationFactor } = topic;
  if (assignments.length === 0) {
    if (replicationFactor !== 1 && replicationFactor !== BROKERS_DEFAULT) {
      throw new KafkaError('INVALID_REPLICATION_FACTOR', `replication ${replicationFactor}, and one broker`);
    }
    return topic.numPartitions === BROKERS_DEFAULT ? numPartitions : topic.numPartitions;
  }
  const indexes = new Set(assignments.map(({ partitionIndex }) => partitionIndex));
  const isDense = assignments.every((_, index) => indexes.has(index));
  const isHere = assignments.every(({ brokerIds }) => brokerIds.length === 1 && brokerIds[0] === nodeId);
  if (!isDense || !isHere) {
    throw new KafkaError(
      'INVALID_REPLICA_ASSIGNMENT',
      `${topic.name}: partitions from 0, each on node ${nodeId}`,
    );
  }
  return assignments.length;
}
