/**
 * Incremental fetch sessions (KIP-227), after Kafka's FetchSession: the broker remembers what a consumer fetches and what
 * it was told, so that a request names only what changed and an answer only what is new. A cache of bounded size: whoever
 * finds no room, or was put out, fetches in full, as without sessions. Pure but for the ids.
 */
import type { fetch } from '../protocol/apis/fetch.ts';
import { KafkaError } from '../protocol/errors.ts';
import type { Request, ResponseInput } from '../protocol/schema.ts';
import { topicPartitionName } from '../topic-partition.ts';

type FetchRequest = Request<typeof fetch>;
type TopicResponse = ResponseInput<typeof fetch>['responses'][number];
export type PartitionResponse = TopicResponse['partitions'][number];
export type PartitionRequest = FetchRequest['topics'][number]['partitions'][number];

/** A partition that a request asks for, by itself or by its session. */
export interface Wanted {
  topic: string;
  wanted: PartitionRequest;
}

/** The answer for a partition, in the order of what was wanted. */
export interface Answered {
  topic: string;
  answer: PartitionResponse;
}

/** One request's part in a session, or none. */
export interface FetchTurn {
  wanted: readonly Wanted[];
  /** What of the answers is sent. Throws INVALID_FETCH_SESSION_EPOCH if another request overtook this one. */
  finish(answers: readonly Answered[]): { sessionId: number; responses: TopicResponse[] };
}

export interface FetchSessionLimits {
  /** Sessions at a time; 0: none are given. */
  slots: number;
  /** Partitions of all sessions together. */
  maxPartitions: number;
  /** A session unused for this long makes room for any other, one this old for a larger one. */
  evictionMs: number;
}

/** Epoch of a request that wants a new session. */
const INITIAL_EPOCH = 0;
/** Epoch of a request that wants none. */
const FINAL_EPOCH = -1;
const MAX_EPOCH = 2 ** 31 - 1;
/** What no partition has: it is told at the next chance. */
const NEVER_TOLD = -1;

interface Remembered extends Wanted {
  highWatermark: number;
  lastStableOffset: number;
  logStartOffset: number;
}

interface Session {
  readonly id: number;
  /** Of the next request. */
  epoch: number;
  readonly createdMs: number;
  usedMs: number;
  readonly partitions: Map<string, Remembered>;
}

export class FetchSessions {
  readonly #limits: FetchSessionLimits;
  readonly #newId: () => number;
  /** The least recently used first. */
  readonly #sessions = new Map<number, Session>();
  #partitions = 0;

  /** `newId` gives a random id from 1 to 2^31 - 1. */
  constructor(limits: FetchSessionLimits, newId: () => number) {
    this.#limits = limits;
    this.#newId = newId;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Takes a request up. Throws FETCH_SESSION_ID_NOT_FOUND or INVALID_FETCH_SESSION_EPOCH. */
  begin(request: FetchRequest, nowMs: number): FetchTurn {
    const { sessionId, sessionEpoch } = request;
    const isFull = sessionEpoch === INITIAL_EPOCH || sessionEpoch === FINAL_EPOCH;
    if (!isFull) return this.#continue(request, nowMs);
    if (sessionId !== 0) this.#remove(this.#sessions.get(sessionId));
    const wanted = wantedOf(request);
    return {
      wanted,
      finish: (answers) => ({
        sessionId: sessionEpoch === FINAL_EPOCH ? 0 : this.#create(wanted, answers, nowMs),
        responses: byTopic(answers),
      }),
    };
  }

  /** A new session if there is room for it; returns its id, or 0. */
  #create(wanted: readonly Wanted[], answers: readonly Answered[], nowMs: number): number {
    if (wanted.length === 0 || !this.#makeRoom(wanted.length, nowMs)) return 0;
    let id = this.#newId();
    while (this.#sessions.has(id)) id = this.#newId();
    const partitions = new Map<string, Remembered>();
    for (const [i, each] of wanted.entries()) {
      const remembered = remember(each);
      const answered = answers[i];
      if (answered !== undefined) isNews(remembered, answered.answer);
      partitions.set(nameOf(each), remembered);
    }
    this.#sessions.set(id, { id, epoch: INITIAL_EPOCH + 1, createdMs: nowMs, usedMs: nowMs, partitions });
    this.#partitions += partitions.size;
    return id;
  }

  #makeRoom(size: number, nowMs: number): boolean {
    const { slots, maxPartitions, evictionMs } = this.#limits;
    if (slots === 0 || size > maxPartitions) return false;
    while (this.#sessions.size >= slots || this.#partitions + size > maxPartitions) {
      const old = [...this.#sessions.values()].filter(({ createdMs }) => createdMs + evictionMs < nowMs);
      const [unused] = this.#sessions.values();
      const isStale = unused !== undefined && unused.usedMs + evictionMs < nowMs;
      const smallest = old.reduce<Session | undefined>(smaller, undefined);
      const isSmaller = smallest !== undefined && smallest.partitions.size < size;
      if (!isStale && !isSmaller) return false;
      this.#remove(isStale ? unused : smallest);
    }
    return true;
  }

  #remove(session: Session | undefined): void {
    if (session === undefined || !this.#sessions.delete(session.id)) return;
    this.#partitions -= session.partitions.size;
  }

  #continue(request: FetchRequest, nowMs: number): FetchTurn {
    const session = this.#sessions.get(request.sessionId);
    if (session === undefined) {
      throw new KafkaError('FETCH_SESSION_ID_NOT_FOUND', `session ${request.sessionId}`);
    }
    checkEpoch(session, request.sessionEpoch);
    this.#update(session, request);
    if (session.partitions.size === 0) {
      this.#remove(session);
      return { wanted: [], finish: () => ({ sessionId: 0, responses: [] }) };
    }
    session.epoch = session.epoch === MAX_EPOCH ? INITIAL_EPOCH + 1 : session.epoch + 1;
    session.usedMs = nowMs;
    this.#sessions.delete(session.id);
    this.#sessions.set(session.id, session);
    const { epoch } = session;
    return {
      wanted: [...session.partitions.values()],
      finish: (answers) => {
        checkEpoch(session, epoch);
        return { sessionId: session.id, responses: byTopic(newsOf(session, answers)) };
      },
    };
  }

  /** Takes up what a request changes in its session; one that grows too large ends, and is fetched in full. */
  #update(session: Session, request: FetchRequest): void {
    const { partitions } = session;
    const before = partitions.size;
    for (const each of wantedOf(request)) {
      const known = partitions.get(nameOf(each));
      if (known === undefined) partitions.set(nameOf(each), remember(each));
      else known.wanted = each.wanted;
    }
    for (const { topic, partitions: numbers } of request.forgottenTopicsData) {
      for (const partition of numbers) partitions.delete(topicPartitionName({ topic, partition }));
    }
    this.#partitions += partitions.size - before;
    if (this.#partitions <= this.#limits.maxPartitions) return;
    this.#remove(session);
    throw new KafkaError('FETCH_SESSION_ID_NOT_FOUND', 'no room for so many partitions');
  }
}

function smaller(a: Session | undefined, b: Session): Session {
  return a !== undefined && a.partitions.size <= b.partitions.size ? a : b;
}

function checkEpoch({ id, epoch }: Session, asked: number): void {
  if (asked === epoch) return;
  throw new KafkaError('INVALID_FETCH_SESSION_EPOCH', `session ${id} is at epoch ${epoch}, not ${asked}`);
}

function wantedOf({ topics }: FetchRequest): Wanted[] {
  return topics.flatMap(({ topic, partitions }) => partitions.map((wanted) => ({ topic, wanted })));
}

function nameOf({ topic, wanted }: Wanted): string {
  return topicPartitionName({ topic, partition: wanted.partition });
}

function remember({ topic, wanted }: Wanted): Remembered {
  return {
    topic,
    wanted,
    highWatermark: NEVER_TOLD,
    lastStableOffset: NEVER_TOLD,
    logStartOffset: NEVER_TOLD,
  };
}

/** Whether an answer says anything that was not told before; it is remembered as told. */
function isNews(told: Remembered, answer: PartitionResponse): boolean {
  const { highWatermark, lastStableOffset = NEVER_TOLD, logStartOffset = NEVER_TOLD } = answer;
  const isSame =
    told.highWatermark === highWatermark &&
    told.lastStableOffset === lastStableOffset &&
    told.logStartOffset === logStartOffset;
  // An error is told without a high watermark, so what follows it is news, also if it is what was told before.
  const isError = answer.errorCode !== 0;
  told.highWatermark = highWatermark;
  told.lastStableOffset = lastStableOffset;
  told.logStartOffset = logStartOffset;
  const hasRecords = (answer.records?.length ?? 0) > 0;
  return !isSame || isError || hasRecords || answer.divergingEpoch !== undefined;
}

/** The answers with news. Partitions that had records go to the end: the next answer begins with others. */
function newsOf({ partitions }: Session, answers: readonly Answered[]): Answered[] {
  const news: Answered[] = [];
  for (const each of answers) {
    const name = topicPartitionName({ topic: each.topic, partition: each.answer.partitionIndex });
    const told = partitions.get(name);
    if (told === undefined || !isNews(told, each.answer)) continue;
    news.push(each);
    if ((each.answer.records?.length ?? 0) === 0) continue;
    partitions.delete(name);
    partitions.set(name, told);
  }
  return news;
}

function byTopic(answers: readonly Answered[]): TopicResponse[] {
  const topics = Map.groupBy(answers, ({ topic }) => topic);
  return [...topics].map(([topic, each]) => ({ topic, partitions: each.map(({ answer }) => answer) }));
}
