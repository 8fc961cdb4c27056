/**
 * What AlterConfigs and IncrementalAlterConfigs share: each resource by itself, its settings checked and replaced as a
 * whole. The two differ in how the new settings come from the old ones.
 */
import { listWords, type TopicConfigs, topicConfig } from '../log/log-config.ts';
import { TOPIC_RESOURCE } from '../protocol/apis/describe-configs.ts';
import { CONFIG_OPERATIONS } from '../protocol/apis/incremental-alter-configs.ts';
import { KafkaError } from '../protocol/errors.ts';
import { checkBroker } from './describe-configs.ts';
import { orCode, type RequestContext } from './handler.ts';

/** A change of one setting. */
export interface ConfigChange {
  name: string;
  configOperation: number;
  value: string | null;
}

interface ChangedResource {
  resourceType: number;
  resourceName: string;
  configs: readonly { name: string }[];
}

/** Replaces the settings of each resource by what `next` makes of them, and answers for each. */
export async function changeConfigs<R extends ChangedResource>(
  { resources, validateOnly }: { resources: readonly R[]; validateOnly: boolean },
  context: RequestContext,
  next: (resource: R, configs: TopicConfigs) => TopicConfigs,
) {
  const responses = resources.map((resource) => {
    const { resourceType, resourceName } = resource;
    const named = { resourceType, resourceName };
    return orCode(
      context,
      () => {
        checkResource(resource, resources, context);
        const topic = context.directory.topics.get(resourceName);
        if (topic === undefined) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', resourceName);
        const configs = next(resource, topic.configs);
        context.directory.setTopicConfigs(resourceName, configs, { validateOnly });
        return { errorCode: 0, errorMessage: null, ...named };
      },
      (errorCode, errorMessage) => ({ errorCode, errorMessage, ...named }),
    );
  });
  return { responses: await Promise.all(responses) };
}

function checkResource(
  { resourceType, resourceName, configs }: ChangedResource,
  all: readonly ChangedResource[],
  context: RequestContext,
): void {
  const isSame = (other: ChangedResource) =>
    other.resourceType === resourceType && other.resourceName === resourceName;
  if (all.filter(isSame).length > 1) {
    throw new KafkaError('INVALID_REQUEST', `${resourceName} is named twice`);
  }
  if (resourceType !== TOPIC_RESOURCE) {
    checkBroker({ resourceType, resourceName }, context);
    throw new KafkaError('INVALID_REQUEST', 'the settings of a broker are changed in its settings file');
  }
  const names = configs.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new KafkaError('INVALID_REQUEST', `${twice} is named twice`);
}

/** The settings after one change. Throws INVALID_REQUEST or INVALID_CONFIG. */
export function changed(
  configs: TopicConfigs,
  { name, configOperation, value }: ConfigChange,
  valueNow: (name: string) => string,
): TopicConfigs {
  const config = topicConfig(name);
  const { [name]: _old, ...others } = configs;
  if (configOperation === CONFIG_OPERATIONS.delete) return others;
  if (value === null) throw new KafkaError('INVALID_REQUEST', `${name}: null is no value`);
  if (configOperation === CONFIG_OPERATIONS.set) return { ...others, [name]: value };
  const isAppend = configOperation === CONFIG_OPERATIONS.append;
  if (!isAppend && configOperation !== CONFIG_OPERATIONS.subtract) {
    throw new KafkaError('INVALID_REQUEST', `${name}: there is no operation ${configOperation}`);
  }
  if (config.type !== 'LIST') throw new KafkaError('INVALID_CONFIG', `${name} is no list: set it instead`);
  const words = listWords(valueNow(name));
  const given = listWords(value);
  const result = isAppend ? new Set([...words, ...given]) : words.filter((word) => !given.includes(word));
  return { ...others, [name]: [...result].join(',') };
}
