/**
 * Metadata: this broker, and the topics asked for by name or id, all of them for null. A topic that isn't there is made,
 * if client and settings allow it; it is ready when the answer leaves.
 */
import type { Topic } from '../log/topics.ts';
import { metadata } from '../protocol/apis/metadata.ts';
import { KafkaError } from '../protocol/errors.ts';
import { type Request, ZERO_UUID } from '../protocol/schema.ts';
import { isInternalTopic } from '../topic-partition.ts';
import { advertisedHost, handler, orCode, type RequestContext, refuseInternal } from './handler.ts';

type Wanted = NonNullable<Request<typeof metadata>['topics']>[number];

/** Answers requests for metadata. */
export const handleMetadata = handler(metadata, async (request, context) => {
  const { settings, directory, version } = context;
  // Version 0 has no null: there an empty list asks for all.
  const isAll = request.topics === null || (version === 0 && request.topics.length === 0);
  const wanted = isAll
    ? directory.topics.all().map(({ name, topicId }) => ({ name, topicId }))
    : request.topics;
  const topics = [];
  for (const topic of wanted ?? []) {
    topics.push(await describe(topic, !isAll && request.allowAutoTopicCreation, context));
  }
  return {
    brokers: [{ nodeId: settings.nodeId, host: advertisedHost(context), port: context.port() }],
    clusterId: directory.clusterId,
    controllerId: settings.nodeId,
    topics,
  };
});

function describe(wanted: Wanted, mayCreate: boolean, context: RequestContext) {
  return orCode(
    context,
    async () => {
      const topic = await findOrCreate(wanted, mayCreate, context);
      const partitions = Array.from({ length: topic.partitions }, (_, partition) =>
        describePartition(topic, partition, context),
      );
      const { name, topicId } = topic;
      return { errorCode: 0, name, topicId, isInternal: isInternalTopic(name), partitions };
    },
    (errorCode) => ({ errorCode, name: wanted.name, topicId: wanted.topicId, partitions: [] }),
  );
}

async function findOrCreate(wanted: Wanted, mayCreate: boolean, context: RequestContext): Promise<Topic> {
  const { directory, settings } = context;
  if (wanted.name === null || wanted.topicId !== ZERO_UUID) {
    const topic = directory.topics.byId(wanted.topicId);
    if (topic === undefined) throw new KafkaError('UNKNOWN_TOPIC_ID', wanted.topicId);
    return topic;
  }
  const { name } = wanted;
  const topic = directory.topics.get(name);
  if (topic !== undefined) return topic;
  if (!mayCreate || !settings.autoCreateTopics) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', name);
  refuseInternal(name);
  return directory.createTopic({ name, partitions: settings.numPartitions, configs: {} });
}

function describePartition(topic: Topic, partition: number, { directory, settings }: RequestContext) {
  const log = directory.log({ topic: topic.name, partition });
  return {
    errorCode: log.failure?.code ?? 0,
    partitionIndex: partition,
    leaderId: settings.nodeId,
    leaderEpoch: log.leaderEpoch,
    replicaNodes: [settings.nodeId],
    isrNodes: [settings.nodeId],
  };
}
