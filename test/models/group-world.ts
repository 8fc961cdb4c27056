/**
 * A world around the coordinator of groups in which time, network and log are simulated and follow from a seed: requests
 * and answers are late, the log takes its time, and the broker dies with what its log had not taken yet. What the
 * coordinator does is held against the promises of the protocol at once; `GroupMember` plays the clients.
 */
import { Coordinator } from '../../broker/groups/coordinator.ts';
import type { Answer, CommitRequest, Effect, GroupLimits, GroupRequest } from '../../broker/groups/events.ts';
import { readGroupsRecord } from '../../broker/groups/group-records.ts';
import type { KeyedRecord } from '../../broker/log/keyed-topic.ts';
import type { ErrorName } from '../../broker/protocol/errors.ts';
import { SeededRandom } from '../../jobs/activity-in/seeded-random.ts';

export const GROUP = 'simulated';
export const TOPIC = 'events';
export const PARTITIONS = 6;
const RETENTION_MS = 24 * 3600_000;
const MAX_LOG_MS = 80;

const LIMITS: GroupLimits = {
  minSessionTimeoutMs: 1_000,
  maxSessionTimeoutMs: 60_000,
  initialRebalanceDelayMs: 200,
  maxMembers: 50,
  maxMemberBytes: 100_000,
  maxGroups: 10,
  maxStateBytes: 10_000_000,
  offsetMetadataBytes: 1_000,
  offsetsRetentionMs: RETENTION_MS,
  retentionCheckIntervalMs: 600_000,
  offsetsPartitions: 1,
};

/** What is broken on purpose: each hook changes what passes between the world and the coordinator. */
export interface Sabotage {
  request?: (request: GroupRequest, coordinator: Coordinator) => GroupRequest;
  effects?: (effects: Effect[], random: SeededRandom) => Effect[];
  /** Takes records for durable as soon as they are asked for. */
  storesAtOnce?: boolean;
  /** The longest that an append takes. */
  logMs?: number;
  /** How far the coordinator's clock runs ahead in a tick. */
  hurryMs?: number;
}

type Reply = (answer: Answer) => void;

interface Appended {
  records: readonly KeyedRecord[];
  isDurable: boolean;
}

interface Waiting {
  request: GroupRequest;
  reply: Reply;
}

export class GroupWorld {
  readonly random: SeededRandom;
  readonly trace: string[] = [];
  /** Why the run failed, if it did. */
  problem: string | undefined;
  nowMs = 1_000_000;
  /** How often the broker died. */
  crashes = 0;
  /** From then on nobody fails any more. */
  isCalm = false;
  /** Sessions outlast rebalances in some worlds, and not in others. */
  readonly sessionMs: number;
  readonly rebalanceMs: number;
  #coordinator: Coordinator;
  readonly #sabotage: Sabotage;
  readonly #agenda: { atMs: number; act: () => void }[] = [];
  #nextTicket = 0;
  #nextId = 0;
  #log: Appended[] = [];
  #logIdleMs = 0;
  readonly #waiting = new Map<number, Waiting>();
  #latestGeneration = 0;
  /** Generation → partition → who was given it. */
  readonly #given = new Map<number, Map<number, string>>();
  readonly #acknowledged = new Map<number, number>();

  constructor(seed: number, sabotage: Sabotage = {}) {
    this.random = new SeededRandom(seed);
    const isPatient = this.random.chance(0.5);
    this.sessionMs = isPatient ? 20_000 : 10_000;
    this.rebalanceMs = isPatient ? 6_000 : 15_000;
    this.#sabotage = sabotage;
    this.#coordinator = this.#newCoordinator();
  }

  #newCoordinator(): Coordinator {
    return new Coordinator(LIMITS, () => `id${this.#nextId++}`);
  }

  get coordinator(): Coordinator {
    return this.#coordinator;
  }

  /** Does something after a time. */
  later(ms: number, act: () => void): void {
    const atMs = this.nowMs + Math.ceil(ms);
    // Latest first, and of those at one time the last that was put in.
    let [low, high] = [0, this.#agenda.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#agenda[middle]?.atMs ?? 0) > atMs) low = middle + 1;
      else high = middle;
    }
    this.#agenda.splice(low, 0, { atMs, act });
  }

  note(line: string): void {
    this.trace.push(`${this.nowMs} ${line}`);
  }

  fail(problem: string): void {
    this.note(`PROBLEM ${problem}`);
    this.problem ??= problem;
  }

  /** Lets time pass; stops at the first problem. */
  run(ms: number): void {
    const untilMs = this.nowMs + ms;
    while (this.problem === undefined) {
      const due = this.#coordinator.deadline(GROUP) ?? Number.POSITIVE_INFINITY;
      const nextMs = Math.min(due, this.#agenda.at(-1)?.atMs ?? Number.POSITIVE_INFINITY);
      if (nextMs > untilMs) break;
      this.nowMs = Math.max(this.nowMs, nextMs);
      const event = due <= nextMs ? undefined : this.#agenda.pop();
      if (event !== undefined) event.act();
      else this.#do(this.#coordinator.tick(GROUP, this.nowMs + (this.#sabotage.hurryMs ?? 0)));
    }
    this.nowMs = untilMs;
  }

  /** A request reaches the broker now. `reply` is called with its answer, unless the broker dies before. */
  ask(asked: GroupRequest, reply: Reply): void {
    const request = this.#sabotage.request?.(asked, this.#coordinator) ?? asked;
    const ticket = this.#nextTicket++;
    this.#waiting.set(ticket, { request: asked, reply });
    const effects = this.#coordinator.request(request, ticket, this.nowMs);
    if (asked.kind === 'commit' && effects.some(({ kind }) => kind === 'store')) this.#checkTaken(asked);
    this.#do(effects);
  }

  #checkTaken({ generation }: CommitRequest): void {
    if (generation >= 0 && generation !== this.#latestGeneration) {
      this.fail(`a commit of generation ${generation} was taken in generation ${this.#latestGeneration}`);
    }
  }

  /** Does something once all that was committed so far is stored, as the answer to an OffsetFetch waits for that. */
  whenStored(act: () => void): void {
    this.later(Math.max(0, this.#logIdleMs - this.nowMs), act);
  }

  /** The committed offset of a partition. */
  committed(partition: number): number {
    return this.#coordinator.get(GROUP)?.offsets.get({ topic: TOPIC, partition })?.offset ?? 0;
  }

  /** Tells requests that wait for an answer. */
  get unanswered(): string[] {
    return [...this.#waiting.values()].map(({ request }) => request.kind);
  }

  #do(effects: Effect[]): void {
    const carried = this.#sabotage.effects?.(effects, this.random) ?? effects;
    for (const effect of carried) {
      if (effect.kind === 'store') this.#store(effect);
      else this.#answer(effect.ticket, effect.answer);
    }
  }

  #store({ records, after }: Extract<Effect, { kind: 'store' }>): void {
    const appended: Appended = { records, isDurable: false };
    this.#log.push(appended);
    const stored = () => this.#do(this.#coordinator.stored(GROUP, after, undefined, this.nowMs));
    this.#logIdleMs =
      Math.max(this.#logIdleMs, this.nowMs) + this.random.below(this.#sabotage.logMs ?? MAX_LOG_MS);
    const crashes = this.crashes;
    this.later(this.#logIdleMs - this.nowMs, () => {
      // A dead broker writes nothing more; what was on its way was decided on when it died.
      if (crashes !== this.crashes) return;
      appended.isDurable = true;
      if (!this.#sabotage.storesAtOnce) stored();
    });
    if (this.#sabotage.storesAtOnce) stored();
  }

  #answer(ticket: number, answer: Answer): void {
    const waiting = this.#waiting.get(ticket);
    if (waiting === undefined) {
      this.fail(`request ${ticket} was answered twice`);
      return;
    }
    this.#waiting.delete(ticket);
    const { request, reply } = waiting;
    this.note(
      `${request.kind} ${'memberId' in request ? request.memberId : ''} -> ${JSON.stringify(answer)}`,
    );
    if ('generation' in answer && answer.error === undefined) this.#checkGeneration(answer.generation);
    if (request.kind === 'commit' && answer.error === undefined) this.#acknowledge(request);
    reply(answer);
  }

  #checkGeneration(generation: number): void {
    if (generation < this.#latestGeneration) {
      this.fail(`generation ${generation} was told after ${this.#latestGeneration}`);
    }
    this.#latestGeneration = Math.max(this.#latestGeneration, generation);
  }

  /** A consumer that keeps to its assignment never takes a group back. */
  #acknowledge({ offsets }: CommitRequest): void {
    for (const { partition, committed } of offsets) {
      const before = this.#acknowledged.get(partition) ?? 0;
      if (committed.offset < before) {
        this.fail(`the offset of partition ${partition} went back from ${before} to ${committed.offset}`);
      }
      this.#acknowledged.set(partition, committed.offset);
    }
  }

  /** A member was given its part of a generation. */
  given(who: string, generation: number, partitions: readonly number[]): void {
    const owners = this.#given.get(generation) ?? new Map<number, string>();
    this.#given.set(generation, owners);
    for (const partition of partitions) {
      const other = owners.get(partition) ?? who;
      if (other !== who) {
        this.fail(`generation ${generation} gives partition ${partition} to ${other} and to ${who}`);
      }
      owners.set(partition, who);
    }
  }

  /** The broker dies and is there again. Of what it had not written, a part may have got to the log. */
  crash(): void {
    this.crashes += 1;
    this.#waiting.clear();
    const durable = this.#log.filter(({ isDurable }) => isDurable).length;
    const kept = durable + this.random.below(this.#log.length - durable + 1);
    this.#log = this.#log.slice(0, kept).map(({ records }) => ({ records, isDurable: true }));
    this.#logIdleMs = this.nowMs;
    this.#coordinator = this.replayed();
    this.#latestGeneration = this.#coordinator.get(GROUP)?.generation ?? 0;
    this.note(`CRASH: generation ${this.#latestGeneration} after ${kept} of ${durable} appends and more`);
    for (const [partition, offset] of this.#acknowledged) {
      const found = this.committed(partition);
      if (found < offset)
        this.fail(`partition ${partition}: commit ${offset} was acknowledged, ${found} is left`);
      this.#acknowledged.set(partition, found);
    }
  }

  /** A coordinator that knows what the log holds. */
  replayed(): Coordinator {
    const coordinator = this.#newCoordinator();
    for (const { records } of this.#log)
      for (const { key, value } of records) {
        const record = readGroupsRecord(key, value, this.nowMs);
        if (record !== undefined) coordinator.load(record, this.nowMs);
      }
    return coordinator;
  }

  /** Lets the retention pass, and what it brings get to the log. */
  expire(): void {
    this.run(RETENTION_MS + 1);
    this.#do(this.#coordinator.expire(this.nowMs));
    this.run(1_000);
  }

  /** An error that a member without fault must never be told. */
  blame(who: string, request: GroupRequest, error: ErrorName): void {
    this.fail(`${who} did nothing wrong and got ${error} for ${request.kind}`);
  }
}
