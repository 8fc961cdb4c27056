/**
 * What a cluster says about itself, as plain data: brokers, topics, and who leads which partition.
 */
import type { metadata } from '../protocol/apis/metadata.ts';
import { type ErrorName, errorNameOf } from '../protocol/errors.ts';
import type { Response } from '../protocol/schema.ts';

/** A broker of the cluster, at the address it wants to be reached at. */
export interface BrokerMetadata {
  nodeId: number;
  host: string;
  port: number;
}

/** A partition; `leader` is -1 while it has none. */
export interface PartitionMetadata {
  partition: number;
  leader: number;
  leaderEpoch: number;
  replicas: number[];
  isr: number[];
  error?: ErrorName;
}

/** A topic; `topicId` is its uuid as text, all zeros where the broker is older than topic ids (Kafka 2.8). */
export interface TopicMetadata {
  name: string;
  topicId: string;
  error?: ErrorName;
  internal: boolean;
  partitions: PartitionMetadata[];
}

/** The answer to one metadata request; only the topics asked for are in it. */
export interface ClusterMetadata {
  clusterId: string | null;
  controllerId: number;
  brokers: BrokerMetadata[];
  topics: TopicMetadata[];
}

const withError = (code: number) => {
  const error = errorNameOf(code);
  return error === undefined ? {} : { error };
};

/** Turns a response into plain data, partitions in order. */
export function readMetadata(response: Response<typeof metadata>): ClusterMetadata {
  return {
    clusterId: response.clusterId,
    controllerId: response.controllerId,
    brokers: response.brokers.map(({ nodeId, host, port }) => ({ nodeId, host, port })),
    topics: response.topics.map((topic) => ({
      name: topic.name ?? '',
      topicId: topic.topicId,
      ...withError(topic.errorCode),
      internal: topic.isInternal,
      partitions: topic.partitions
        .map((part) => ({
          partition: part.partitionIndex,
          leader: part.leaderId,
          leaderEpoch: part.leaderEpoch,
          replicas: part.replicaNodes,
          isr: part.isrNodes,
          ...withError(part.errorCode),
        }))
        .sort((a, b) => a.partition - b.partition),
    })),
  };
}
