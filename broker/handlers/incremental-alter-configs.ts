/**
 * IncrementalAlterConfigs: single settings set, deleted (the broker's acts again), or, of lists, appended to and
 * subtracted from the value that acts (KIP-339).
 */
import { describeConfigs } from '../log/log-config.ts';
import { incrementalAlterConfigs } from '../protocol/apis/incremental-alter-configs.ts';
import { changeConfigs, changed } from './config-changes.ts';
import { handler } from './handler.ts';

/** Answers requests to change settings. */
export const handleIncrementalAlterConfigs = handler(incrementalAlterConfigs, (request, context) =>
  changeConfigs(request, context, (resource, configs) => {
    const acting = describeConfigs(context.settings.log, configs);
    const valueNow = (name: string) => acting.find((config) => config.name === name)?.value ?? '';
    return resource.configs.reduce((next, change) => changed(next, change, valueNow), configs);
  }),
);
