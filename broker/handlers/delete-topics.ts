/**
 * DeleteTopics: by name, or by id from version 6. A topic is gone when the answer leaves.
 */
import { deleteTopics } from '../protocol/apis/delete-topics.ts';
import { KafkaError } from '../protocol/errors.ts';
import { ZERO_UUID } from '../protocol/schema.ts';
import { handler, orCode, type RequestContext, refuseInternal } from './handler.ts';

interface Doomed {
  name: string | null;
  topicId: string;
}

/** Answers requests to delete topics. */
export const handleDeleteTopics = handler(deleteTopics, async ({ topics, topicNames }, context) => {
  const wanted: Doomed[] = [...topics, ...topicNames.map((name) => ({ name, topicId: ZERO_UUID }))];
  const responses = [];
  for (const doomed of wanted) {
    const answer = await orCode(
      context,
      async () => {
        const found = nameAndId(doomed, context);
        refuseInternal(found.name);
        await context.directory.deleteTopic(found.name);
        await context.groups.topicDeleted(found.name);
        return { ...found, errorCode: 0 };
      },
      (errorCode, errorMessage) => ({ ...doomed, errorCode, errorMessage }),
    );
    responses.push(answer);
  }
  return { responses };
});

function nameAndId({ name, topicId }: Doomed, { directory }: RequestContext) {
  if (name !== null && topicId !== ZERO_UUID) {
    throw new KafkaError('INVALID_REQUEST', `${name} is named by name and id`);
  }
  const topic = name === null ? directory.topics.byId(topicId) : directory.topics.get(name);
  if (topic !== undefined) return { name: topic.name, topicId: topic.topicId };
  throw name === null
    ? new KafkaError('UNKNOWN_TOPIC_ID', topicId)
    : new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', name);
}
