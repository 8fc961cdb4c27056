/**
 * Groups request by request: error codes, versions, static members, what waits, what is there after a restart.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import { createTopics } from '../../broker/protocol/apis/create-topics.ts';
import { deleteGroups } from '../../broker/protocol/apis/delete-groups.ts';
import { deleteTopics } from '../../broker/protocol/apis/delete-topics.ts';
import { describeGroups } from '../../broker/protocol/apis/describe-groups.ts';
import { heartbeat } from '../../broker/protocol/apis/heartbeat.ts';
import { leaveGroup } from '../../broker/protocol/apis/leave-group.ts';
import { listGroups } from '../../broker/protocol/apis/list-groups.ts';
import { offsetDelete } from '../../broker/protocol/apis/offset-delete.ts';
import { offsetFetch } from '../../broker/protocol/apis/offset-fetch.ts';
import { ERRORS, type ErrorName } from '../../broker/protocol/errors.ts';
import { batchOf, produceBatch } from '../support/batches.ts';
import { BrokerProcess } from '../support/broker-process.ts';
import { beat, commit, committed, join, joinAlone, joinOnce, leave, sync } from '../support/group-calls.ts';
import { RawClient } from '../support/raw-client.ts';
import { startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

const LONG = 120_000;
const TOPIC = 'events';
const code = (name: ErrorName) => ERRORS[name][0];
const groups = { initialRebalanceDelayMs: 0, maxMembers: 3, offsetMetadataBytes: 10, maxMemberBytes: 1024 };

async function makeTopic(client: RawClient, name = TOPIC): Promise<void> {
  const topics = [{ name, numPartitions: 2, replicationFactor: 1 }];
  const answer = await client.request(createTopics, 7, { topics });
  expect(answer.topics[0]?.errorCode).toBe(0);
}

describe('a group', { timeout: LONG }, () => {
  const dir = new TempDir('groups');
  let broker: Broker;
  let client: RawClient;
  let other: RawClient;
  let count = 0;
  const fresh = () => `group-${count++}`;

  beforeAll(async () => {
    broker = await startBroker(dir.path, { groups });
    client = await RawClient.connect(broker);
    other = await RawClient.connect(broker);
    await makeTopic(client);
  });
  afterAll(async () => {
    client[Symbol.dispose]();
    other[Symbol.dispose]();
    await broker.stop();
    dir[Symbol.dispose]();
  });

  test('takes a member in every version of every request', async () => {
    for (let version = 0; version <= 7; version++) {
      const groupId = fresh();
      const first = await joinOnce(client, { groupId, version });
      expect(first.errorCode).toBe(version < 4 ? 0 : code('MEMBER_ID_REQUIRED'));
      expect(first.memberId).toMatch(/^raw-/);
      const { memberId, generationId, protocolName, leader, members } =
        version < 4 ? first : await joinOnce(client, { groupId, version, memberId: first.memberId });
      expect({ generationId, protocolName, leader }).toEqual({
        generationId: 1,
        protocolName: 'range',
        leader: memberId,
      });
      expect(members.map(({ metadata }) => String(metadata))).toEqual(['topics']);
      const member = { groupId, memberId, generationId };
      const { assignment } = await sync(client, member, { [memberId]: 'mine' }, Math.min(5, version));
      expect(String(assignment)).toBe('mine');
      expect(await beat(client, member, Math.min(4, version))).toBe(0);
      const offset = 10 + version;
      expect(await commit(client, { ...member, topic: TOPIC, offset, version: Math.max(2, version) })).toBe(
        0,
      );
      expect((await committed(client, groupId, TOPIC, Math.max(1, version)))?.committedOffset).toBe(offset);
      const leaving = { groupId, memberId, members: [{ memberId }] };
      const left = await client.request(leaveGroup, Math.min(4, version), leaving);
      expect([left.errorCode, left.members[0]?.errorCode ?? 0]).toEqual([0, 0]);
    }
  });

  test('refuses by Kafka’s codes', async () => {
    const groupId = fresh();
    const member = await joinAlone(client, { groupId });
    const stranger = { ...member, memberId: 'nobody' };
    const late = { ...member, generationId: 7 };
    expect(await beat(client, stranger)).toBe(code('UNKNOWN_MEMBER_ID'));
    expect(await beat(client, late)).toBe(code('ILLEGAL_GENERATION'));
    expect((await sync(client, stranger)).errorCode).toBe(code('UNKNOWN_MEMBER_ID'));
    expect((await sync(client, late)).errorCode).toBe(code('ILLEGAL_GENERATION'));
    const at = { topic: TOPIC, offset: 1 };
    expect(await commit(client, { ...stranger, ...at })).toBe(code('UNKNOWN_MEMBER_ID'));
    expect(await commit(client, { ...late, ...at })).toBe(code('ILLEGAL_GENERATION'));
    expect(await commit(client, { groupId, ...at })).toBe(code('UNKNOWN_MEMBER_ID'));
    expect(await commit(client, { groupId: fresh(), memberId: 'x', generationId: 3, ...at })).toBe(
      code('ILLEGAL_GENERATION'),
    );
    expect(await commit(client, { ...member, topic: 'none', offset: 1 })).toBe(
      code('UNKNOWN_TOPIC_OR_PARTITION'),
    );
    expect(await commit(client, { ...member, ...at, metadata: 'x'.repeat(11) })).toBe(
      code('OFFSET_METADATA_TOO_LARGE'),
    );
    expect(await leave(client, groupId, 'nobody')).toBe(code('UNKNOWN_MEMBER_ID'));
    const refused = async (options: Parameters<typeof join>[1]) => (await join(client, options)).errorCode;
    expect(await refused({ groupId: '' })).toBe(code('INVALID_GROUP_ID'));
    expect(await refused({ groupId, sessionTimeoutMs: 5 })).toBe(code('INVALID_SESSION_TIMEOUT'));
    expect(await refused({ groupId, sessionTimeoutMs: 2 ** 30 })).toBe(code('INVALID_SESSION_TIMEOUT'));
    expect(await refused({ groupId, memberId: 'nobody' })).toBe(code('UNKNOWN_MEMBER_ID'));
    expect(await refused({ groupId, protocolType: 'connect' })).toBe(code('INCONSISTENT_GROUP_PROTOCOL'));
    expect(await refused({ groupId, protocols: { sticky: '' } })).toBe(code('INCONSISTENT_GROUP_PROTOCOL'));
    expect(await refused({ groupId, protocols: { range: 'x'.repeat(2_000) } })).toBe(
      code('GROUP_MAX_SIZE_REACHED'),
    );
    const { results } = await client.request(deleteGroups, 2, { groupsNames: [groupId, 'no-such'] });
    expect(results.map(({ errorCode }) => errorCode)).toEqual([
      code('NON_EMPTY_GROUP'),
      code('GROUP_ID_NOT_FOUND'),
    ]);
  });

  test('takes no more members than it may', async () => {
    const groupId = fresh();
    for (let i = 0; i < 3; i++) {
      expect((await joinOnce(client, { groupId })).errorCode).toBe(code('MEMBER_ID_REQUIRED'));
    }
    expect((await joinOnce(client, { groupId })).errorCode).toBe(code('GROUP_MAX_SIZE_REACHED'));
  });

  test('rebalances when another comes: who waits holds up nobody else', async () => {
    const groupId = fresh();
    const first = await joinAlone(client, { groupId });
    const second = join(other, { groupId });
    await expect.poll(() => beat(client, first), { timeout: LONG }).toBe(code('REBALANCE_IN_PROGRESS'));
    // The commit of what was read before the members share anew.
    expect(await commit(client, { ...first, topic: TOPIC, offset: 5 })).toBe(0);
    const again = await joinOnce(client, { groupId, memberId: first.memberId });
    const joined = await second;
    expect([again.generationId, joined.generationId]).toEqual([2, 2]);
    expect([again.members.length, joined.members.length]).toEqual([2, 0]);
    const follower = { groupId, memberId: joined.memberId, generationId: 2 };
    const waiting = sync(other, follower);
    expect(await commit(client, { ...follower, topic: TOPIC, offset: 6 })).toBe(
      code('REBALANCE_IN_PROGRESS'),
    );
    const shares = { [first.memberId]: 'left', [joined.memberId]: 'right' };
    expect(String((await sync(client, { ...first, generationId: 2 }, shares)).assignment)).toBe('left');
    expect(String((await waiting).assignment)).toBe('right');
    expect(await commit(client, { ...first, topic: TOPIC, offset: 7 })).toBe(code('ILLEGAL_GENERATION'));
    // A follower that joins unchanged is told its generation again, the leader has all share anew.
    expect((await joinOnce(other, { groupId, memberId: joined.memberId })).generationId).toBe(2);
    expect(await beat(client, { ...first, generationId: 2 })).toBe(0);
    expect(await leave(client, groupId, first.memberId)).toBe(0);
    expect(await beat(other, follower)).toBe(code('REBALANCE_IN_PROGRESS'));
  });

  test('keeps a member whose connection broke while its join waited, and takes it out in time', async () => {
    const groupId = fresh();
    const first = await joinAlone(client, { groupId, sessionTimeoutMs: 6_000 });
    const brief = await RawClient.connect(broker);
    const { memberId } = await joinOnce(brief, { groupId });
    void joinOnce(brief, { groupId, memberId }).catch(() => {});
    await expect.poll(() => beat(client, first), { timeout: LONG }).toBe(code('REBALANCE_IN_PROGRESS'));
    brief[Symbol.dispose]();
    const again = await joinOnce(client, { groupId, memberId: first.memberId });
    expect(again.members.map((member) => member.memberId)).toContain(memberId);
    expect(await leave(client, groupId, memberId)).toBe(0);
  });

  test('knows a static member again, and fences off its double', async () => {
    const groupId = fresh();
    const first = await joinAlone(client, { groupId, instanceId: 'one' });
    const back = await joinOnce(other, { groupId, instanceId: 'one' });
    expect(back).toMatchObject({ errorCode: 0, generationId: 1 });
    expect(back.memberId).not.toBe(first.memberId);
    const member = { ...first, memberId: back.memberId };
    expect(String((await sync(other, member)).assignment)).toBe('all');
    expect(await beat(client, first)).toBe(code('FENCED_INSTANCE_ID'));
    expect(await commit(client, { ...first, topic: TOPIC, offset: 1 })).toBe(code('FENCED_INSTANCE_ID'));
    expect((await sync(client, first)).errorCode).toBe(code('FENCED_INSTANCE_ID'));
    expect(await beat(other, member)).toBe(0);
    expect(await leave(client, groupId, first.memberId, 'one')).toBe(code('FENCED_INSTANCE_ID'));
    expect(await leave(client, groupId, '', 'one')).toBe(0);
  });

  test('is listed, described and deleted, and offsets apart from it', async () => {
    const groupId = fresh();
    const member = await joinAlone(client, { groupId });
    await commit(client, { ...member, topic: TOPIC, offset: 3 });
    for (let version = 0; version <= 5; version++) {
      const answer = await client.request(describeGroups, version, { groups: [groupId, 'no-such'] });
      expect(answer.groups).toMatchObject([
        { errorCode: 0, groupState: 'Stable', protocolType: 'consumer', protocolData: 'range' },
        { errorCode: 0, groupState: 'Dead', members: [] },
      ]);
      const [described] = answer.groups[0]?.members ?? [];
      expect(described).toMatchObject({ clientId: 'raw', clientHost: '/127.0.0.1' });
      expect(String(described?.memberAssignment)).toBe('all');
    }
    const listed = async (statesFilter: string[], version = 4) => {
      const answer = await client.request(listGroups, version, { statesFilter });
      return answer.groups.map((group) => group.groupId).includes(groupId);
    };
    expect([await listed([]), await listed(['Stable']), await listed(['Empty'])]).toEqual([
      true,
      true,
      false,
    ]);
    for (const version of [0, 1, 2, 3]) expect(await listed([], version)).toBe(true);
    const topics = [{ name: TOPIC, partitions: [{ partitionIndex: 0 }, { partitionIndex: 9 }] }];
    const deleteOffset = async () => {
      const answer = await client.request(offsetDelete, 0, { groupId, topics });
      return answer.topics[0]?.partitions.map(({ errorCode }) => errorCode);
    };
    const unknown = code('UNKNOWN_TOPIC_OR_PARTITION');
    expect(await deleteOffset()).toEqual([code('GROUP_SUBSCRIBED_TO_TOPIC'), unknown]);
    await leave(client, groupId, member.memberId);
    expect(await deleteOffset()).toEqual([0, unknown]);
    expect((await committed(client, groupId, TOPIC))?.committedOffset).toBe(-1);
    const { results } = await client.request(deleteGroups, 2, { groupsNames: [groupId] });
    expect(results[0]?.errorCode).toBe(0);
    expect(await listed([])).toBe(false);
  });

  test('has its offsets told all together, and loses those of a deleted topic', async () => {
    const groupId = fresh();
    await makeTopic(client, 'brief');
    await commit(client, { groupId, topic: TOPIC, offset: 4, metadata: 'mine' });
    await commit(client, { groupId, topic: 'brief', offset: 5 });
    const names = async () => {
      const answer = await client.request(offsetFetch, 8, { groups: [{ groupId, topics: null }] });
      return answer.groups[0]?.topics.map(({ name }) => name).sort();
    };
    expect(await names()).toEqual(['brief', TOPIC]);
    expect(await committed(client, groupId, TOPIC)).toMatchObject({ committedOffset: 4, metadata: 'mine' });
    await client.request(deleteTopics, 6, { topics: [{ name: 'brief' }], timeoutMs: 10_000 });
    expect(await names()).toEqual([TOPIC]);
  });

  test('has a topic that clients can read and not change', async () => {
    const topic = '__consumer_offsets';
    const produced = await produceBatch(client, batchOf(['x']), { topic });
    const deleted = await client.request(deleteTopics, 6, { topics: [{ name: topic }], timeoutMs: 10_000 });
    expect([produced.errorCode, deleted.responses[0]?.errorCode]).toEqual([
      code('INVALID_TOPIC_EXCEPTION'),
      code('INVALID_TOPIC_EXCEPTION'),
    ]);
  });
});

describe('after the broker', { timeout: LONG }, () => {
  test('was killed or stopped, acknowledged commits and members are there, and a stop refuses who waits', async () => {
    using dir = new TempDir('groups-restart');
    const start = async () => {
      const broker = await BrokerProcess.start(dir.path, { groups });
      return { broker, client: await RawClient.connect(broker), other: await RawClient.connect(broker) };
    };
    const first = await start();
    await makeTopic(first.client);
    const member = await joinAlone(first.client, { groupId: 'g' });
    for (let offset = 1; offset <= 50; offset++) {
      expect(await commit(first.client, { ...member, topic: TOPIC, offset })).toBe(0);
    }
    await first.broker.kill();

    const second = await start();
    expect((await committed(second.client, 'g', TOPIC))?.committedOffset).toBe(50);
    // As in Kafka: the generation stands in the log with its members, who need not notice.
    expect(await beat(second.client, member)).toBe(0);
    expect(await commit(second.client, { ...member, topic: TOPIC, offset: 51 })).toBe(0);
    const waiting = join(second.other, { groupId: 'g' });
    await expect
      .poll(() => beat(second.client, member), { timeout: LONG })
      .toBe(code('REBALANCE_IN_PROGRESS'));
    await second.broker.stop();
    expect((await waiting).errorCode).toBe(code('NOT_COORDINATOR'));

    const third = await start();
    await using _ = third.broker;
    expect((await committed(third.client, 'g', TOPIC))?.committedOffset).toBe(51);
    const { errorCode } = await third.client.request(heartbeat, 4, member);
    expect(errorCode).toBe(0);
    for (const { client, other } of [first, second, third]) {
      client[Symbol.dispose]();
      other[Symbol.dispose]();
    }
  });
});
