/**
 * DescribeConfigs: every setting of a topic or of this broker, with its value, where that comes from, and what stands
 * behind it. Tools show no setting that is not in the answer.
 */
import { CONFIG_SOURCES, type DescribedConfig, describeConfigs as describeTopic } from '../log/log-config.ts';
import { CONFIG_TYPES } from '../log/topic-configs.ts';
import { BROKER_RESOURCE, describeConfigs, TOPIC_RESOURCE } from '../protocol/apis/describe-configs.ts';
import { KafkaError } from '../protocol/errors.ts';
import type { Request } from '../protocol/schema.ts';
import { describeBroker } from './broker-configs.ts';
import { handler, orCode, type RequestContext } from './handler.ts';

type Resource = Request<typeof describeConfigs>['resources'][number];
type Described = ReturnType<typeof describeBroker>[number] | DescribedConfig;

/** Answers requests for settings. */
export const handleDescribeConfigs = handler(describeConfigs, async (request, context) => {
  const { resources, includeSynonyms, includeDocumentation } = request;
  const results = resources.map((resource) => {
    const { resourceType, resourceName, configurationKeys } = resource;
    return orCode(
      context,
      () => {
        const isWanted = ({ name }: Described) => configurationKeys?.includes(name) ?? true;
        const configs = described(resource, context)
          .filter(isWanted)
          .map(({ name, value, source, config, synonyms }) => ({
            name,
            value,
            readOnly: resourceType !== TOPIC_RESOURCE,
            configSource: CONFIG_SOURCES[source],
            synonyms: includeSynonyms
              ? synonyms.map((s) => ({ ...s, source: CONFIG_SOURCES[s.source] }))
              : [],
            configType: CONFIG_TYPES[config.type],
            documentation: includeDocumentation ? config.help : null,
          }));
        return { errorCode: 0, resourceType, resourceName, configs };
      },
      (errorCode, errorMessage) => ({ errorCode, errorMessage, resourceType, resourceName, configs: [] }),
    );
  });
  return { results: await Promise.all(results) };
});

function described({ resourceType, resourceName }: Resource, context: RequestContext): Described[] {
  const { settings, directory } = context;
  if (resourceType === TOPIC_RESOURCE) {
    const topic = directory.topics.get(resourceName);
    if (topic === undefined) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', resourceName);
    return describeTopic(settings.log, topic.configs);
  }
  checkBroker({ resourceType, resourceName }, context);
  // Without a name the settings that all brokers of a cluster share at run time are asked for: there are none.
  return resourceName === '' ? [] : describeBroker(settings);
}

/** Throws INVALID_REQUEST unless a resource is this broker, or all brokers (no name). */
export function checkBroker(
  { resourceType, resourceName }: Pick<Resource, 'resourceType' | 'resourceName'>,
  { settings }: RequestContext,
): void {
  if (resourceType !== BROKER_RESOURCE) {
    throw new KafkaError(
      'INVALID_REQUEST',
      `resource type ${resourceType} has no settings here; topics (2) and brokers (4) have`,
    );
  }
  if (resourceName !== '' && resourceName !== String(settings.nodeId)) {
    throw new KafkaError(
      'INVALID_REQUEST',
      `broker '${resourceName}' was asked of broker ${settings.nodeId}`,
    );
  }
}
