/**
 * DeleteGroups: groups without members, with their offsets, each by itself.
 */
import { deleteGroups } from '../protocol/apis/delete-groups.ts';
import { codeOf } from '../protocol/errors.ts';
import { handler } from './handler.ts';

/** Answers requests to delete groups. */
export const handleDeleteGroups = handler(deleteGroups, async ({ groupsNames }, { groups }) => {
  const results = groupsNames.map(async (groupId) => {
    const { error } = await groups.ask({ kind: 'deleteGroup', groupId });
    return { groupId, errorCode: codeOf(error) };
  });
  return { results: await Promise.all(results) };
});
