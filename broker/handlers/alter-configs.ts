/**
 * AlterConfigs: the settings named are all that a topic overrides from then on; what is not named falls back to the
 * broker's. Kept for clients that know only this (kafkajs); IncrementalAlterConfigs leaves the others alone.
 */
import { alterConfigs } from '../protocol/apis/alter-configs.ts';
import { KafkaError } from '../protocol/errors.ts';
import { changeConfigs } from './config-changes.ts';
import { handler } from './handler.ts';

/** Answers requests to replace settings. */
export const handleAlterConfigs = handler(alterConfigs, (request, context) =>
  changeConfigs(request, context, ({ configs }) =>
    Object.fromEntries(
      configs.map(({ name, value }) => {
        if (value === null) throw new KafkaError('INVALID_REQUEST', `${name}: null is no value`);
        return [name, value];
      }),
    ),
  ),
);
