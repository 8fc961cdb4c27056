/**
 * The broker's settings by Kafka's names, for tools that ask a broker for them: those that topics may override, and the
 * others that have a counterpart in Kafka. They are read-only: the settings file is where they are changed.
 */
import type { Settings } from '../../config/settings.ts';
import { brokerValues, type ConfigValue, type DescribedConfig } from '../log/log-config.ts';
import { TOPIC_CONFIGS, type TopicConfig } from '../log/topic-configs.ts';

type BrokerSettings = Settings['broker'];
type Described = Omit<DescribedConfig, 'config'> & { config: Pick<TopicConfig, 'type' | 'help'> };

interface BrokerConfig extends Pick<TopicConfig, 'type' | 'help'> {
  value(settings: BrokerSettings): number | string | boolean;
}

/** Kafka's name → our setting. */
const BROKER_CONFIGS: Record<string, BrokerConfig> = {
  'auto.create.topics.enable': {
    type: 'BOOLEAN',
    value: ({ autoCreateTopics }) => autoCreateTopics,
    help: 'broker.autoCreateTopics: whether asking for an unknown topic creates it',
  },
  'broker.id': { type: 'INT', value: ({ nodeId }) => nodeId, help: 'broker.nodeId: id of this broker' },
  'connections.max.idle.ms': {
    type: 'LONG',
    value: ({ idleConnectionMs }) => idleConnectionMs,
    help: 'broker.idleConnectionMs: a connection without a request for this long is closed',
  },
  'default.replication.factor': { type: 'INT', value: () => 1, help: 'there is one broker' },
  'fetch.max.bytes': {
    type: 'INT',
    value: ({ fetchMaxBytes }) => fetchMaxBytes,
    help: 'broker.fetchMaxBytes: largest answer to one fetch request',
  },
  'log.dirs': {
    type: 'STRING',
    value: ({ dataDir }) => dataDir,
    help: 'broker.dataDir: directory of the logs',
  },
  'log.retention.check.interval.ms': {
    type: 'LONG',
    value: ({ log }) => log.retentionCheckIntervalMs,
    help: 'broker.log.retentionCheckIntervalMs: time between two looks for segments to delete',
  },
  'max.connections': {
    type: 'INT',
    value: ({ maxConnections }) => maxConnections,
    help: 'broker.maxConnections: further connections are closed at once',
  },
  'max.incremental.fetch.session.cache.slots': {
    type: 'INT',
    value: ({ fetchSessions }) => fetchSessions.slots,
    help: 'broker.fetchSessions.slots: fetch sessions at a time',
  },
  'num.partitions': {
    type: 'INT',
    value: ({ numPartitions }) => numPartitions,
    help: 'broker.numPartitions: partitions of a topic created without a number',
  },
  'socket.request.max.bytes': {
    type: 'INT',
    value: ({ maxRequestBytes }) => maxRequestBytes,
    help: 'broker.maxRequestBytes: a larger request frame closes its connection',
  },
  'transaction.max.timeout.ms': {
    type: 'INT',
    value: ({ transactions }) => transactions.maxTimeoutMs,
    help: 'broker.transactions.maxTimeoutMs: longest time a producer may ask for its transactions',
  },
  'transactional.id.expiration.ms': {
    type: 'INT',
    value: ({ transactions }) => transactions.idExpirationMs,
    help: 'broker.transactions.idExpirationMs: a transactional id is forgotten after this idle time',
  },
};

/** Every setting of the broker that has a name in Kafka. */
export function describeBroker(settings: BrokerSettings): Described[] {
  const own = Object.entries(BROKER_CONFIGS).map(([name, config]): Described => {
    const value: ConfigValue = {
      name,
      value: String(config.value(settings)),
      source: 'STATIC_BROKER_CONFIG',
    };
    return { ...value, config, synonyms: [value] };
  });
  const ofTopics = Object.values(TOPIC_CONFIGS).flatMap((config): Described[] => {
    if (config.brokerName === undefined) return [];
    const synonyms = brokerValues(config, config.brokerName, settings.log);
    const [acting] = synonyms as [ConfigValue];
    return [{ ...acting, config, synonyms }];
  });
  return [...own, ...ofTopics].sort((a, b) => (a.name < b.name ? -1 : 1));
}
