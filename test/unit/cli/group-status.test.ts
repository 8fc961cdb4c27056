import { expect, test } from 'vitest';
import { type GroupStatus, groupsText } from '../../../cli/group-status.ts';

const group: GroupStatus = {
  group: 'readers',
  coordinator: 1,
  state: 'Stable',
  protocolType: 'consumer',
  protocol: 'range',
  members: [
    {
      memberId: 'a-1',
      instanceId: null,
      clientId: 'a',
      host: '10.0.0.1',
      partitions: [{ topic: 't', partition: 0 }],
    },
    { memberId: 'b-2', instanceId: 'two', clientId: 'b', host: '10.0.0.2', partitions: null },
  ],
  offsets: [
    { topic: 't', partition: 0, committed: 5, logEnd: 12, lag: 7 },
    { topic: 'gone', partition: 0, committed: 5, logEnd: null, lag: null },
  ],
  lag: 7,
  error: null,
};

test('groups are a table, and their members another', () => {
  const lost = {
    ...group,
    group: 'shut',
    members: [],
    offsets: [],
    lag: 0,
    error: 'COORDINATOR_NOT_AVAILABLE',
  };
  expect(groupsText([group, lost]).split('\n')).toEqual([
    'group    state                      protocol  members  partitions  lag',
    'readers  Stable                     range           2           2    7',
    'shut     COORDINATOR_NOT_AVAILABLE  range           0           0    0',
    '',
    'group    member  host      partitions',
    'readers  a       10.0.0.1           1',
    'readers  two     10.0.0.2           -',
  ]);
});
