import { describe, expect, test } from 'vitest';
import { Coordinator } from '../../../../broker/groups/coordinator.ts';
import type { Answer, Effect, GroupRequest } from '../../../../broker/groups/events.ts';
import { readGroupsRecord } from '../../../../broker/groups/group-records.ts';
import type { KeyedRecord } from '../../../../broker/log/keyed-topic.ts';
import { settingsSchema } from '../../../../config/settings.ts';

const DAY = 24 * 3600_000;
const START = 1_700_000_000_000;
const limits = { ...settingsSchema.parse({}).broker.groups, initialRebalanceDelayMs: 0 };
/** A subscription of the consumer protocol, version 0, to the topic "read". */
const subscription = Buffer.from([0, 0, 0, 0, 0, 1, 0, 4, ...Buffer.from('read'), 0, 0, 0, 0]);

/** A coordinator whose log takes everything at once. */
class Bench {
  nowMs = START;
  readonly coordinator: Coordinator;
  readonly log: KeyedRecord[] = [];
  /** What the log does not take yet, while it is held up. */
  readonly held: Extract<Effect, { kind: 'store' }>[] = [];
  isHeldUp = false;
  #ids = 0;
  #tickets = 0;

  constructor(overrides: Partial<typeof limits> = {}) {
    this.coordinator = new Coordinator({ ...limits, ...overrides }, () => String(this.#ids++));
  }

  ask(request: GroupRequest): Answer | undefined {
    const ticket = this.#tickets++;
    const answers = new Map<number, Answer>();
    this.#do(this.coordinator.request(request, ticket, this.nowMs), answers);
    // The first rebalance of a group ends by its deadline, which is now.
    this.#do(this.coordinator.tick(request.groupId, this.nowMs), answers);
    return answers.get(ticket);
  }

  expire(): void {
    this.#do(this.coordinator.expire(this.nowMs), new Map());
  }

  #do(effects: Effect[], answers: Map<number, Answer>): void {
    for (const effect of effects) {
      if (effect.kind === 'answer') answers.set(effect.ticket, effect.answer);
      else if (this.isHeldUp) this.held.push(effect);
      else {
        this.log.push(...effect.records);
        this.#do(this.coordinator.stored(effect.groupId, effect.after, undefined, this.nowMs), answers);
      }
    }
  }

  /** Group and topic of every offset. */
  get offsets(): string[] {
    const names = [...this.coordinator.all()].flatMap(({ id, offsets }) =>
      [...offsets.all()].map(({ topic }) => `${id}:${topic}`),
    );
    return names.sort();
  }

  commit(
    groupId: string,
    topic: string,
    who: { memberId?: string; generation?: number; expiresMs?: number } = {},
  ) {
    const { memberId = '', generation = -1, expiresMs } = who;
    const committed = { offset: 7, leaderEpoch: -1, metadata: '', committedMs: this.nowMs, expiresMs };
    const offsets = [{ topic, partition: 0, committed }];
    return this.ask({ kind: 'commit', groupId, memberId, instanceId: null, generation, offsets })?.error;
  }

  join(groupId: string) {
    return this.ask({
      kind: 'join',
      groupId,
      memberId: '',
      instanceId: null,
      clientId: 'c',
      clientHost: '/h',
      sessionTimeoutMs: limits.maxSessionTimeoutMs,
      rebalanceTimeoutMs: 1_000,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: subscription }],
      needsKnownId: false,
    });
  }

  /** A stable group of one member. */
  member(groupId: string): string {
    const answer = this.join(groupId);
    const memberId = answer !== undefined && 'memberId' in answer ? answer.memberId : '';
    const request = { kind: 'sync', groupId, memberId, instanceId: null, generation: 1 } as const;
    this.ask({ ...request, protocolType: null, protocolName: null, assignments: new Map() });
    return memberId;
  }

  leave(groupId: string, memberId: string): void {
    this.ask({ kind: 'leave', groupId, members: [{ memberId, instanceId: null }] });
  }
}

describe('offsets expire', () => {
  test('so long after the last commit where the group never had members', () => {
    const bench = new Bench();
    bench.commit('simple', 'a');
    bench.nowMs += DAY;
    bench.commit('simple', 'b');
    bench.nowMs += 6 * DAY - 1;
    bench.expire();
    expect(bench.offsets).toEqual(['simple:a', 'simple:b']);
    bench.nowMs += 1;
    bench.expire();
    expect(bench.offsets).toEqual(['simple:b']);
    bench.nowMs += DAY;
    bench.expire();
    expect(bench.coordinator.get('simple')).toBeUndefined();
  });

  test('so long after the group became empty, not after the commit; and with the last the group goes', () => {
    const bench = new Bench();
    const memberId = bench.member('group');
    bench.commit('group', 'read', { memberId, generation: 1 });
    bench.nowMs += 30 * DAY;
    bench.expire();
    expect(bench.offsets).toEqual(['group:read']);
    bench.leave('group', memberId);
    bench.nowMs += 7 * DAY - 1;
    bench.expire();
    expect(bench.offsets).toEqual(['group:read']);
    bench.nowMs += 1;
    bench.expire();
    expect(bench.coordinator.get('group')).toBeUndefined();
    expect(bench.coordinator.stateBytes).toBe(0);
    const newest = new Map(bench.log.map(({ key, value }) => [key.toString('hex'), value]));
    expect([...newest.values()]).toEqual([null, null]);
  });

  test('so long after the group became empty, though more was committed since', () => {
    const bench = new Bench();
    const memberId = bench.member('group');
    bench.commit('group', 'read', { memberId, generation: 1 });
    bench.leave('group', memberId);
    bench.nowMs += 5 * DAY;
    bench.commit('group', 'late');
    bench.nowMs += 2 * DAY - 1;
    bench.expire();
    expect(bench.offsets).toEqual(['group:late', 'group:read']);
    bench.nowMs += 1;
    bench.expire();
    expect(bench.coordinator.get('group')).toBeUndefined();
  });

  test('of topics that a group with members no longer reads', () => {
    const bench = new Bench();
    const memberId = bench.member('group');
    for (const topic of ['read', 'left']) bench.commit('group', topic, { memberId, generation: 1 });
    bench.nowMs += 7 * DAY;
    bench.expire();
    expect(bench.offsets).toEqual(['group:read']);
  });

  test('at the end that an old client gave', () => {
    const bench = new Bench();
    bench.commit('old', 'a', { expiresMs: START + 1_000 });
    bench.nowMs += 1_000;
    bench.expire();
    expect(bench.offsets).toEqual([]);
  });
});

describe('what groups take', () => {
  test('is bounded in number and memory, and given back', () => {
    const bench = new Bench({ maxGroups: 2, maxStateBytes: 1_500 });
    const memberId = bench.member('one');
    bench.member('two');
    expect(bench.join('three')?.error).toBe('GROUP_MAX_SIZE_REACHED');
    expect(bench.commit('one', 'read', { memberId, generation: 1 })).toBeUndefined();
    const more = Array.from({ length: 5 }, (_, i) =>
      bench.commit('one', `t${i}`, { memberId, generation: 1 }),
    );
    expect(more.at(-1)).toBe('INVALID_COMMIT_OFFSET_SIZE');
    bench.leave('one', memberId);
    bench.ask({ kind: 'deleteGroup', groupId: 'one' });
    expect(bench.join('three')?.error).toBeUndefined();
  });

  test('is the same after it was read back', () => {
    const bench = new Bench();
    const memberId = bench.member('group');
    bench.commit('group', 'read', { memberId, generation: 1 });
    bench.commit('simple', 'a');
    const replayed = new Coordinator(limits, () => 'x');
    for (const { key, value } of bench.log) {
      const record = readGroupsRecord(key, value, bench.nowMs);
      if (record !== undefined) replayed.load(record, bench.nowMs);
    }
    expect(replayed.stateBytes).toBe(bench.coordinator.stateBytes);
    expect(replayed.get('group')).toMatchObject({ state: 'Stable', generation: 1, leaderId: memberId });
    expect([...(replayed.get('group')?.offsets.all() ?? [])]).toEqual([
      ...(bench.coordinator.get('group')?.offsets.all() ?? []),
    ]);
  });
});

test('an assignment that gets to the log when its generation is over is handed to nobody', () => {
  const bench = new Bench();
  bench.isHeldUp = true;
  bench.member('group');
  expect(bench.coordinator.get('group')?.state).toBe('CompletingRebalance');
  bench.join('group');
  expect(bench.coordinator.get('group')?.state).toBe('PreparingRebalance');
  for (const { groupId, after } of bench.held) {
    expect(bench.coordinator.stored(groupId, after, undefined, bench.nowMs)).toEqual([]);
  }
  expect(bench.coordinator.get('group')?.state).toBe('PreparingRebalance');
});
