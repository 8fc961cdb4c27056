/**
 * ListGroups: all groups of the broker, or those in the states asked for.
 */
import { listGroups } from '../protocol/apis/list-groups.ts';
import { handler } from './handler.ts';

/** Answers requests for the list of groups. */
export const handleListGroups = handler(listGroups, ({ statesFilter }, context) => {
  const wanted = new Set(statesFilter.map((state) => state.toLowerCase()));
  const groups = [...context.groups.all()]
    .filter(({ state }) => wanted.size === 0 || wanted.has(state.toLowerCase()))
    .map(({ id, protocolType, state }) => ({
      groupId: id,
      protocolType: protocolType ?? '',
      groupState: state,
    }));
  return { errorCode: 0, groups };
});
