/**
 * A consumer as the protocol wants it, against a simulated broker: joins, shares out partitions when it leads, sends
 * heartbeats, reads and commits, and does on each error what clients do. Eager ones give everything up before they join
 * again, cooperative ones keep what they have until told otherwise (KIP-429). Some are faulty: they stand still, lose
 * answers, or die without a word.
 */
import type { Answer, AnswerOf, GroupRequest, JoinAnswer, SyncAnswer } from '../../broker/groups/events.ts';
import { GROUP, type GroupWorld, PARTITIONS, TOPIC } from './group-world.ts';

const HEARTBEAT_MS = 1_000;
const MAX_DELAY_MS = 150;
/** Longer than any rebalance. */
const REQUEST_TIMEOUT_MS = 25_000;

export interface MemberOptions {
  name: string;
  isStatic: boolean;
  isCooperative: boolean;
  /** Loses answers now and then, and may be paused: must not be blamed for what it is told. */
  isFaulty: boolean;
  needsKnownId: boolean;
}

interface Subscription {
  name: string;
  owned: number[];
  /** The generation in which it got them (KIP-792). */
  generation: number;
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value));

export class GroupMember {
  readonly options: MemberOptions;
  readonly #world: GroupWorld;
  /** Partition → next offset to read. */
  readonly positions = new Map<number, number>();
  memberId = '';
  generation = -1;
  isAlive = true;
  isSettled = false;
  #isPaused = false;
  #isJoining = false;
  /** Answers to what was asked before the last reset are for nothing. */
  #life = 0;
  #lineBusyMs = 0;
  /** The broker died since the member last got a generation: it may have forgotten anything later. */
  #crashesSeen = 0;
  #answeredAfterCrashes = 0;
  #missed: (() => void)[] = [];

  constructor(world: GroupWorld, options: MemberOptions) {
    this.#world = world;
    this.options = options;
  }

  get name(): string {
    return this.options.name;
  }

  start(): void {
    this.#join();
    this.#every(HEARTBEAT_MS, () => this.#heartbeat());
    this.#every(300, () => this.#work());
  }

  /** Dies without a word. */
  die(): void {
    this.isAlive = false;
    this.positions.clear();
  }

  /** Stops in order. */
  leave(): void {
    const instanceId = this.#instanceId;
    this.#send(
      { kind: 'leave', groupId: GROUP, members: [{ memberId: this.memberId, instanceId }] },
      () => {},
    );
    this.die();
  }

  /** Stands still for a while, and then finds everything that came meanwhile. */
  pause(ms: number): void {
    this.#isPaused = true;
    this.#world.later(ms, () => {
      this.#isPaused = false;
      for (const each of this.#missed.splice(0)) each();
    });
  }

  get #instanceId(): string | null {
    return this.options.isStatic ? this.name : null;
  }

  #every(ms: number, act: () => void): void {
    const again = () => {
      if (!this.isAlive) return;
      this.#whenAwake(act);
      this.#world.later(ms / 2 + this.#world.random.below(ms), again);
    };
    this.#world.later(this.#world.random.below(ms), again);
  }

  #whenAwake(act: () => void): void {
    if (this.#isPaused) this.#missed.push(act);
    else act();
  }

  /** Sends a request; requests of one member arrive in their order. Lost answers look like a broken connection. */
  #send<R extends GroupRequest>(request: R, reply: (answer: AnswerOf[R['kind']]) => void): void {
    const world = this.#world;
    this.#lineBusyMs = Math.max(this.#lineBusyMs, world.nowMs + 1 + world.random.below(MAX_DELAY_MS));
    const [life, crashes] = [this.#life, world.crashes];
    const isCurrent = () => this.isAlive && life === this.#life;
    let isOver = false;
    world.later(this.#lineBusyMs - world.nowMs, () => {
      if (crashes !== world.crashes) return;
      world.ask(request, (answer: Answer) => {
        if (this.options.isFaulty && !world.isCalm && world.random.chance(0.03)) return;
        world.later(1 + world.random.below(MAX_DELAY_MS), () =>
          this.#whenAwake(() => {
            isOver = true;
            this.#answeredAfterCrashes = crashes;
            // The answer to a request is of its kind.
            if (isCurrent()) reply(answer as AnswerOf[R['kind']]);
          }),
        );
      });
    });
    world.later(REQUEST_TIMEOUT_MS, () => {
      if (!isOver && isCurrent()) this.#rejoin();
    });
  }

  #join(): void {
    const { isCooperative, needsKnownId, isStatic } = this.options;
    this.#isJoining = true;
    this.isSettled = false;
    if (!isCooperative) this.positions.clear();
    const subscription: Subscription = {
      name: this.name,
      owned: [...this.positions.keys()],
      generation: this.generation,
    };
    const protocol = isCooperative ? 'cooperative' : 'eager';
    const request: GroupRequest = {
      kind: 'join',
      groupId: GROUP,
      memberId: this.memberId,
      instanceId: this.#instanceId,
      clientId: this.name,
      clientHost: '/here',
      sessionTimeoutMs: this.#world.sessionMs,
      rebalanceTimeoutMs: this.#world.rebalanceMs,
      protocolType: 'consumer',
      protocols: [{ name: protocol, metadata: encode(subscription) }],
      needsKnownId: needsKnownId && !isStatic,
    };
    this.#send(request, (answer) => this.#joined(request, answer));
  }

  #joined(request: GroupRequest, answer: JoinAnswer): void {
    if (answer.error === 'MEMBER_ID_REQUIRED') {
      this.memberId = answer.memberId;
      this.#crashesSeen = this.#answeredAfterCrashes;
      this.#join();
    } else if (answer.error !== undefined) this.#onError(request, answer);
    else {
      this.memberId = answer.memberId;
      // Others had its partitions in a generation that it missed.
      if (answer.generation > this.generation + 1) this.positions.clear();
      this.generation = answer.generation;
      this.#crashesSeen = this.#answeredAfterCrashes;
      this.#sync(answer);
    }
  }

  #sync({ members, leaderId }: JoinAnswer): void {
    const assignments = new Map<string, Buffer>();
    if (leaderId === this.memberId) {
      const subscriptions = members.map(({ memberId, metadata }) => ({
        memberId,
        ...(JSON.parse(String(metadata)) as Subscription),
      }));
      for (const [id, partitions] of share(subscriptions)) assignments.set(id, encode(partitions));
    }
    const request: GroupRequest = {
      kind: 'sync',
      groupId: GROUP,
      generation: this.generation,
      memberId: this.memberId,
      instanceId: this.#instanceId,
      protocolType: 'consumer',
      protocolName: null,
      assignments,
    };
    this.#send(request, (answer) => this.#synced(request, answer));
  }

  #synced(request: GroupRequest, answer: SyncAnswer): void {
    this.#isJoining = false;
    if (answer.error !== undefined) {
      this.#onError(request, answer);
      return;
    }
    const partitions: number[] = answer.assignment.length === 0 ? [] : JSON.parse(String(answer.assignment));
    this.#world.given(this.name, this.generation, partitions);
    // Asked for behind its own commits, as every request of a member.
    this.#world.whenStored(() => this.#take(partitions));
  }

  #take(partitions: readonly number[]): void {
    if (!this.isAlive) return;
    const revoked = [...this.positions.keys()].filter((each) => !partitions.includes(each));
    for (const partition of revoked) this.positions.delete(partition);
    for (const partition of partitions) {
      if (!this.positions.has(partition)) this.positions.set(partition, this.#world.committed(partition));
    }
    this.isSettled = true;
    // What it gave up is shared out in the next generation.
    if (revoked.length > 0) this.#join();
  }

  #heartbeat(): void {
    if (this.#isJoining || this.generation < 0) return;
    const { generation, memberId } = this;
    const instanceId = this.#instanceId;
    const request: GroupRequest = { kind: 'heartbeat', groupId: GROUP, generation, memberId, instanceId };
    this.#send(request, (answer) => this.#onError(request, answer));
  }

  #work(): void {
    if (!this.isSettled || this.#isJoining || this.positions.size === 0) return;
    const committedMs = this.#world.nowMs;
    const offsets = [...this.positions].map(([partition, position]) => {
      const offset = position + this.#world.random.below(5);
      this.positions.set(partition, offset);
      const committed = { offset, leaderEpoch: 0, metadata: '', committedMs, expiresMs: undefined };
      return { topic: TOPIC, partition, committed };
    });
    const request: GroupRequest = {
      kind: 'commit',
      groupId: GROUP,
      generation: this.generation,
      memberId: this.memberId,
      instanceId: this.#instanceId,
      offsets,
    };
    this.#send(request, (answer) => this.#onError(request, answer));
  }

  /** Does on an error what clients do. */
  #onError(request: GroupRequest, { error }: { error: Answer['error'] }): void {
    if (error === undefined) return;
    const isOld = 'generation' in request && request.generation !== this.generation;
    if (this.#isJoining && request.kind !== 'join' && request.kind !== 'sync' && isOld) return;
    const isFatal =
      error === 'UNKNOWN_MEMBER_ID' || error === 'FENCED_INSTANCE_ID' || error === 'ILLEGAL_GENERATION';
    const mayBeBlamed = !this.options.isFaulty && this.#crashesSeen === this.#world.crashes;
    if (isFatal && mayBeBlamed) this.#world.blame(this.name, request, error);
    else if (error === 'FENCED_INSTANCE_ID') this.die();
    else if (isFatal) {
      this.positions.clear();
      if (error !== 'ILLEGAL_GENERATION') this.memberId = '';
      this.generation = -1;
      this.#rejoin();
    } else if (error === 'REBALANCE_IN_PROGRESS') {
      if (request.kind === 'join' || !this.#isJoining) this.#rejoin();
    } else this.#world.fail(`${this.name} got ${error} for ${request.kind}`);
  }

  #rejoin(): void {
    this.#life += 1;
    this.#join();
  }
}

/**
 * The leader's work: everyone about as many; whoever has a partition keeps it if it may, and what another has is left out
 * until that one has given it up. Who missed a generation has nothing any more.
 */
function share(members: readonly (Subscription & { memberId: string })[]): Map<string, number[]> {
  const most = Math.ceil(PARTITIONS / members.length);
  const shares = new Map<string, number[]>(members.map(({ memberId }) => [memberId, []]));
  const newest = Math.max(...members.map(({ generation }) => generation));
  const owners = members.filter(({ generation }) => generation === newest);
  const owned = new Set(owners.flatMap((member) => member.owned));
  for (const { memberId, owned: kept } of owners) shares.get(memberId)?.push(...kept.slice(0, most));
  for (let partition = 0; partition < PARTITIONS; partition++) {
    if (owned.has(partition)) continue;
    const [least] = [...shares.values()].sort((a, b) => a.length - b.length);
    least?.push(partition);
  }
  return shares;
}
