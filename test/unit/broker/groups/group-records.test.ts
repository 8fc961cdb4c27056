import { expect, test } from 'vitest';
import { Group } from '../../../../broker/groups/group.ts';
import {
  groupRecord,
  groupTombstone,
  offsetRecord,
  offsetTombstone,
  readGroupsRecord,
} from '../../../../broker/groups/group-records.ts';

const TP = { topic: 'tp', partition: 3 };
const committed = { offset: 258, leaderEpoch: 4, metadata: 'm', committedMs: 16, expiresMs: undefined };
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

test('an offset is Kafka’s record, byte for byte', () => {
  expect(offsetRecord('g', TP, committed)).toEqual({
    key: hex('0001 0001 67 0002 7470 00000003'),
    value: hex('0003 0000000000000102 00000004 0001 6d 0000000000000010'),
  });
  expect(offsetRecord('g', TP, { ...committed, expiresMs: 32 }).value).toEqual(
    hex('0001 0000000000000102 0001 6d 0000000000000010 0000000000000020'),
  );
  expect(offsetTombstone('g', TP)).toEqual({ key: hex('0001 0001 67 0002 7470 00000003'), value: null });
});

test('a group is Kafka’s record, byte for byte', () => {
  const group = new Group('g', 5);
  group.generation = 2;
  group.protocolType = 'consumer';
  const empty = hex('0003 0008 636f6e73756d6572 00000002 ffff ffff 0000000000000005 00000000');
  expect(groupRecord(group, new Map())).toEqual({ key: hex('0002 0001 67'), value: empty });
  expect(groupTombstone('g')).toEqual({ key: hex('0002 0001 67'), value: null });
  group.protocolName = 'r';
  group.leaderId = 'm';
  group.members.set('m', {
    id: 'm',
    instanceId: null,
    clientId: 'c',
    clientHost: '/h',
    sessionTimeoutMs: 7,
    rebalanceTimeoutMs: 9,
    protocols: [{ name: 'r', metadata: hex('aa') }],
    assignment: Buffer.alloc(0),
    join: undefined,
    sync: undefined,
    isNew: false,
    owesSync: false,
    expiresMs: 0,
  });
  const record = groupRecord(group, new Map([['m', hex('bbcc')]]));
  expect(record.value).toEqual(
    hex(
      `0003 0008 636f6e73756d6572 00000002 0001 72 0001 6d 0000000000000005 00000001
      0001 6d ffff 0001 63 0002 2f68 00000009 00000007 00000001 aa 00000002 bbcc`.replaceAll('\n', ''),
    ),
  );
  const read = readGroupsRecord(record.key, record.value, 100);
  expect(read).toMatchObject({ kind: 'group', id: 'g', group: { state: 'Stable', leaderId: 'm' } });
});

test('keys of later versions say nothing, values of later versions are refused', () => {
  expect(readGroupsRecord(hex('0005 0001 67'), hex('0000'), 0)).toBeUndefined();
  const { key } = offsetRecord('g', TP, committed);
  expect(() => readGroupsRecord(key, hex('0004 00'), 0)).toThrow(
    /offset of group g in tp-3 has record version 4/,
  );
  expect(() => readGroupsRecord(key, hex('0003 00'), 0)).toThrow(/bytes/);
});
