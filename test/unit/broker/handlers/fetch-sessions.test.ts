import { describe, expect, test } from 'vitest';
import {
  type Answered,
  type FetchSessionLimits,
  FetchSessions,
  type PartitionRequest,
  type Wanted,
} from '../../../../broker/handlers/fetch-sessions.ts';
import { ERRORS, KafkaError } from '../../../../broker/protocol/errors.ts';
import { randomFrom } from '../../../models/random-schedule.ts';

const SEEDS = Number(process.env.FETCH_SESSION_SEEDS ?? 30);
const STEPS = 300;
const TOPICS = ['a', 'b'];
const PARTITIONS = 4;

type FetchRequest = Parameters<FetchSessions['begin']>[0];

const partition = (number: number, fetchOffset = 0): PartitionRequest => ({
  partition: number,
  currentLeaderEpoch: -1,
  fetchOffset,
  lastFetchedEpoch: -1,
  logStartOffset: -1,
  partitionMaxBytes: 1000,
});

function request(
  [sessionId, sessionEpoch]: [number, number],
  wanted: readonly Wanted[],
  forgotten: readonly Wanted[] = [],
): FetchRequest {
  const group = (each: readonly Wanted[]) => [...Map.groupBy(each, ({ topic }) => topic)];
  return {
    clusterId: null,
    replicaId: -1,
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 1000,
    isolationLevel: 0,
    sessionId,
    sessionEpoch,
    topics: group(wanted).map(([topic, each]) => ({ topic, partitions: each.map((w) => w.wanted) })),
    forgottenTopicsData: group(forgotten).map(([topic, each]) => ({
      topic,
      partitions: each.map((w) => w.wanted.partition),
    })),
    rackId: '',
  };
}

interface LogFacts {
  start: number;
  stable: number;
  end: number;
  isBroken: boolean;
}

/** The broker's side without its logs: what each partition would answer now. */
class Logs {
  readonly facts = new Map<string, LogFacts>();

  get(topic: string, number: number): LogFacts {
    const name = `${topic}-${number}`;
    const known = this.facts.get(name) ?? { start: 0, stable: 0, end: 0, isBroken: false };
    this.facts.set(name, known);
    return known;
  }

  answer({ topic, wanted }: Wanted): Answered {
    const { start, stable, end, isBroken } = this.get(topic, wanted.partition);
    const partitionIndex = wanted.partition;
    if (isBroken) {
      return {
        topic,
        answer: { partitionIndex, errorCode: ERRORS.KAFKA_STORAGE_ERROR[0], highWatermark: -1 },
      };
    }
    const records = Buffer.alloc(end > wanted.fetchOffset ? 10 : 0);
    const offsets = { highWatermark: end, lastStableOffset: stable, logStartOffset: start };
    return { topic, answer: { partitionIndex, errorCode: 0, ...offsets, records } };
  }
}

/** A consumer that keeps what it was told, and sends only what changed since, as Java's FetchSessionHandler does. */
class Consumer {
  session: [number, number] = [0, 0];
  wanted = new Map<string, Wanted>();
  #sent = new Map<string, Wanted>();
  readonly told = new Map<string, string>();

  fetch(sessions: FetchSessions, logs: Logs, nowMs: number): void {
    const [id, epoch] = this.session;
    const isFull = epoch === 0;
    const changed = [...this.wanted].filter(([name, each]) => isFull || this.#sent.get(name) !== each);
    const gone = [...this.#sent].filter(([name]) => !isFull && !this.wanted.has(name));
    try {
      const bodies = [changed, gone].map((all) => all.map(([, each]) => each)) as [Wanted[], Wanted[]];
      const turn = sessions.begin(request([id, epoch], ...bodies), nowMs);
      const { sessionId, responses } = turn.finish(turn.wanted.map((each) => logs.answer(each)));
      const known = new Map(
        turn.wanted.map((each) => [`${each.topic}-${each.wanted.partition}`, each.wanted]),
      );
      expect(known).toEqual(new Map([...this.wanted].map(([name, each]) => [name, each.wanted])));
      if (isFull) this.told.clear();
      for (const { topic, partitions } of responses)
        for (const each of partitions)
          this.told.set(`${topic}-${each.partitionIndex}`, facts({ topic, answer: each }));
      this.session = sessionId === 0 ? [0, 0] : [sessionId, epoch + 1];
      this.#sent = new Map(this.wanted);
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      this.session = [error.error === 'FETCH_SESSION_ID_NOT_FOUND' ? 0 : id, 0];
    }
  }
}

function facts({ answer }: Answered): string {
  const { errorCode, highWatermark, lastStableOffset, logStartOffset } = answer;
  return errorCode === 0 ? `${highWatermark} ${lastStableOffset} ${logStartOffset}` : `error ${errorCode}`;
}

let ids = 0;
const limits: FetchSessionLimits = { slots: 2, maxPartitions: 12, evictionMs: 50 };
const open = (over: Partial<FetchSessionLimits> = {}) =>
  new FetchSessions({ ...limits, ...over }, () => ++ids);

describe('fetch sessions', () => {
  test.each(Array.from({ length: SEEDS }, (_, seed) => seed))(
    'fold to what full fetches would tell (seed %i)',
    (seed) => {
      const random = randomFrom(seed);
      const pick = (count: number) => Math.floor(random() * count);
      const [sessions, logs] = [open(), new Logs()];
      const consumers = [new Consumer(), new Consumer(), new Consumer()];
      let nowMs = 0;
      let incremental = 0;
      for (let step = 0; step < STEPS; step++) {
        nowMs += pick(20);
        const log = logs.get(TOPICS[pick(2)] as string, pick(PARTITIONS));
        if (pick(3) === 0) log.end += 1 + pick(3);
        if (pick(4) === 0) log.stable = log.end;
        if (pick(20) === 0) log.start = log.stable;
        if (pick(15) === 0) log.isBroken = !log.isBroken;
        const consumer = consumers[pick(consumers.length)] as Consumer;
        const [topic, number] = [TOPICS[pick(2)] as string, pick(PARTITIONS)];
        const name = `${topic}-${number}`;
        if (pick(4) === 0) consumer.wanted.delete(name);
        else consumer.wanted.set(name, { topic, wanted: partition(number, logs.get(topic, number).end) });
        if (consumer.session[1] > 0) incremental += 1;
        const before = consumer.session;
        consumer.fetch(sessions, logs, nowMs);
        if (consumer.session[1] === 0 && before[1] > 0) consumer.fetch(sessions, logs, nowMs);
        const truth = [...consumer.wanted].map(([key, each]) => [key, facts(logs.answer(each))]);
        expect(truth.map(([key]) => [key, consumer.told.get(key as string)])).toEqual(truth);
        expect(sessions.size).toBeLessThanOrEqual(limits.slots);
      }
      expect(incremental).toBeGreaterThan(STEPS / 10);
    },
  );

  const wanted = (...numbers: number[]): Wanted[] =>
    numbers.map((number) => ({ topic: 'a', wanted: partition(number) }));

  function fetchBy(sessions: FetchSessions, logs: Logs, body: FetchRequest, nowMs = 0) {
    const turn = sessions.begin(body, nowMs);
    return turn.finish(turn.wanted.map((each) => logs.answer(each)));
  }

  test('an answer leaves out what did not change, and begins with who had no records last', () => {
    const [sessions, logs] = [open(), new Logs()];
    const { sessionId } = fetchBy(sessions, logs, request([0, 0], wanted(0, 1, 2)));
    expect(sessionId).toBeGreaterThan(0);
    expect(fetchBy(sessions, logs, request([sessionId, 1], []))).toEqual({ sessionId, responses: [] });
    logs.get('a', 0).end = 5;
    const news = fetchBy(sessions, logs, request([sessionId, 2], []));
    expect(news.responses).toMatchObject([{ topic: 'a', partitions: [{ partitionIndex: 0 }] }]);
    const order = sessions.begin(request([sessionId, 3], []), 0).wanted.map((each) => each.wanted.partition);
    expect(order).toEqual([1, 2, 0]);
  });

  test('another epoch than the next, an unknown session, and one that was overtaken are refused', () => {
    const [sessions, logs] = [open(), new Logs()];
    const { sessionId } = fetchBy(sessions, logs, request([0, 0], wanted(0)));
    const turn = sessions.begin(request([sessionId, 1], []), 0);
    fetchBy(sessions, logs, request([sessionId, 2], []));
    expect(() => turn.finish([])).toThrow(/INVALID_FETCH_SESSION_EPOCH/);
    expect(() => sessions.begin(request([sessionId, 2], []), 0)).toThrow(/INVALID_FETCH_SESSION_EPOCH/);
    expect(() => sessions.begin(request([4711, 1], []), 0)).toThrow(/FETCH_SESSION_ID_NOT_FOUND/);
  });

  test('a session ends with its last partition, with epoch -1, and with a new full fetch', () => {
    const [sessions, logs] = [open(), new Logs()];
    const first = fetchBy(sessions, logs, request([0, 0], wanted(0))).sessionId;
    expect(fetchBy(sessions, logs, request([first, 1], [], wanted(0))).sessionId).toBe(0);
    const second = fetchBy(sessions, logs, request([0, 0], wanted(0))).sessionId;
    expect(fetchBy(sessions, logs, request([second, -1], wanted(0))).sessionId).toBe(0);
    const third = fetchBy(sessions, logs, request([0, 0], wanted(0))).sessionId;
    const fourth = fetchBy(sessions, logs, request([third, 0], wanted(0))).sessionId;
    expect(() => sessions.begin(request([third, 1], []), 0)).toThrow(/FETCH_SESSION_ID_NOT_FOUND/);
    expect(sessions.size).toBe(1);
    expect(fourth).toBeGreaterThan(third);
  });

  test('who finds no room fetches in full; a stale session, or an old smaller one, makes room', () => {
    const [sessions, logs] = [open(), new Logs()];
    const create = (numbers: number[], nowMs: number) =>
      fetchBy(sessions, logs, request([0, 0], wanted(...numbers)), nowMs).sessionId;
    const small = create([0], 0);
    const large = create([0, 1, 2], 0);
    expect(create([0, 1], 10)).toBe(0);
    fetchBy(sessions, logs, request([small, 1], []), 55);
    fetchBy(sessions, logs, request([large, 1], []), 60);
    expect(create([0], 70)).toBe(0);
    expect(create([0, 1], 70)).toBeGreaterThan(0);
    expect(() => sessions.begin(request([small, 2], []), 70)).toThrow(/FETCH_SESSION_ID_NOT_FOUND/);
    expect(create([0], 200)).toBeGreaterThan(0);
    expect(() => sessions.begin(request([large, 2], []), 200)).toThrow(/FETCH_SESSION_ID_NOT_FOUND/);
    expect(fetchBy(open({ slots: 0 }), logs, request([0, 0], wanted(0))).sessionId).toBe(0);
    expect(fetchBy(open({ maxPartitions: 2 }), logs, request([0, 0], wanted(0, 1, 2))).sessionId).toBe(0);
  });

  test('one that grows beyond the room for all ends', () => {
    const [sessions, logs] = [open({ maxPartitions: 2 }), new Logs()];
    const { sessionId } = fetchBy(sessions, logs, request([0, 0], wanted(0, 1)));
    expect(() => sessions.begin(request([sessionId, 1], wanted(2)), 0)).toThrow(/FETCH_SESSION_ID_NOT_FOUND/);
    expect(sessions.size).toBe(0);
  });
});
