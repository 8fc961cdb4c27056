import { expect, it } from 'vitest';
import { type ClientLogs, checkLogs, type Poll, type Send } from '../../support/log-checker.ts';

/** Two producers and two partitions, all acknowledged; two consumers read all of it, one of them in two sessions. */
function goodLogs(): { sends: Send[]; polls: Poll[]; readUntil: Map<number, number> } {
  const sends = Array.from({ length: 24 }, (_, n): Send => {
    const partition = n % 2;
    return { producer: `p${n % 3}`, partition, value: `v${n}`, offset: Math.floor(n / 2) };
  });
  const read = (consumer: string, session: number, some: readonly Send[]) =>
    some.map(({ partition, value, offset = -1 }): Poll => ({ consumer, session, partition, offset, value }));
  const polls = [
    ...read('one', 0, sends),
    ...read('two', 0, sends.slice(0, 10)),
    ...read('two', 1, sends.slice(4)),
  ];
  return { sends, polls, readUntil: new Map([0, 1].map((partition) => [partition, 12])) };
}

const kinds = (logs: ClientLogs) => [...new Set(checkLogs(logs).map((fault) => fault.split(':')[0]))].sort();
const without = (polls: readonly Poll[], value: string) => polls.filter((poll) => poll.value !== value);

it('finds nothing where nothing is wrong, nor in sends that were never acknowledged', () => {
  const { sends, ...rest } = goodLogs();
  const unsure: Send = { producer: 'p0', partition: 0, value: 'never told' };
  expect(checkLogs({ ...rest, sends: [...sends, unsure] })).toEqual([]);
});

type Logs = ReturnType<typeof goodLogs>;

it.each<[name: string, plant: (logs: Logs) => Partial<Logs>, found: string[]]>([
  ['an acknowledged record that nobody sees', ({ polls }) => ({ polls: without(polls, 'v7') }), ['lost']],
  [
    'a record that lies twice in the log',
    ({ polls }) => ({
      polls: [...polls, { consumer: 'one', session: 0, partition: 1, offset: 12, value: 'v23' }],
    }),
    ['duplicated'],
  ],
  [
    'a record elsewhere than the broker said',
    ({ sends }) => ({ sends: sends.map((send) => (send.value === 'v22' ? { ...send, offset: 900 } : send)) }),
    ['moved'],
  ],
  [
    'two records of a producer in the wrong order',
    ({ sends }) => ({
      sends: sends.with(0, { ...sends[6]! }).with(6, { ...sends[0]! }),
    }),
    ['disordered'],
  ],
  [
    'a poll that passes over a record that is there',
    ({ polls }) => ({ polls: polls.filter(({ consumer, value }) => consumer !== 'one' || value !== 'v8') }),
    ['skipped'],
  ],
  [
    'a poll that goes back',
    ({ polls }) => ({
      polls: [...polls, { consumer: 'two', session: 1, partition: 0, offset: 2, value: 'v4' }],
    }),
    ['repeated'],
  ],
  [
    'two consumers that see different records at one place',
    ({ polls, sends }) => ({
      sends: [...sends, { producer: 'p9', partition: 1, value: 'other' }],
      polls: [...polls, { consumer: 'new', session: 0, partition: 1, offset: 3, value: 'other' }],
    }),
    ['inconsistent'],
  ],
  [
    'a record of an aborted transaction',
    ({ sends }) => ({
      sends: sends.map((send) => (send.value === 'v9' ? { ...send, isAborted: true } : send)),
    }),
    ['aborted read'],
  ],
  [
    'a record that nobody sent',
    ({ sends }) => ({ sends: sends.filter(({ value }) => value !== 'v11') }),
    ['strange'],
  ],
])('finds %s', (_, plant, found) => {
  const logs = goodLogs();
  expect(kinds({ ...logs, ...plant(logs) })).toEqual(found);
});
