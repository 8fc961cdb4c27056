/**
 * Finds what a log must never do, from what its clients wrote down, in the spirit of Jepsen's workload for queues. Pure: it
 * takes the sends and polls and answers sentences, none if all is well. Values are unique: each names the send it came from.
 */

/** One record given to a producer; a producer's sends to a partition stand in the order in which it gave them. */
export interface Send {
  producer: string;
  partition: number;
  value: string;
  /** Where the broker said it is; undefined: it was never acknowledged, and may be there or not. */
  offset?: number | undefined;
  /** It belongs to a transaction that was aborted: nobody who reads committed records may see it. */
  isAborted?: boolean;
}

/** One record that a consumer got; a consumer's polls stand in the order in which it got them. */
export interface Poll {
  consumer: string;
  /** Grows when the partition is assigned to the consumer, or sought, anew: only within one are offsets in step. */
  session: number;
  partition: number;
  offset: number;
  value: string;
}

export interface ClientLogs {
  sends: readonly Send[];
  polls: readonly Poll[];
  /** By partition, the end up to which somebody has read: what was acknowledged below it must have been seen. */
  readUntil: ReadonlyMap<number, number>;
}

type Check = (logs: ClientLogs, seen: Seen) => string[];

/** What was polled, by place and by value. */
interface Seen {
  /** Every value found at `partition/offset`; more than one is a fault. */
  byPlace: Map<string, Set<string>>;
  /** The places of each value; more than one is a fault. */
  byValue: Map<string, Set<string>>;
}

const place = ({ partition, offset }: { partition: number; offset: number }) => `${partition}/${offset}`;

function seenIn(polls: readonly Poll[]): Seen {
  const seen: Seen = { byPlace: new Map(), byValue: new Map() };
  for (const poll of polls) {
    const at = place(poll);
    seen.byPlace.set(at, (seen.byPlace.get(at) ?? new Set()).add(poll.value));
    seen.byValue.set(poll.value, (seen.byValue.get(poll.value) ?? new Set()).add(at));
  }
  return seen;
}

const acknowledged = (sends: readonly Send[]) =>
  sends.filter((send): send is Send & { offset: number } => send.offset !== undefined);

const lost: Check = ({ sends, readUntil }, { byValue }) =>
  acknowledged(sends)
    .filter(({ isAborted }) => !isAborted)
    .filter(({ partition, offset }) => offset < (readUntil.get(partition) ?? 0))
    .filter(({ value }) => !byValue.has(value))
    .map(
      (send) => `lost: ${send.value} of ${send.producer} was acknowledged at ${place(send)} and never seen`,
    );

const moved: Check = ({ sends }, { byValue }) =>
  acknowledged(sends).flatMap((send) => {
    const found = byValue.get(send.value);
    if (found === undefined || found.has(place(send))) return [];
    return [`moved: ${send.value} was acknowledged at ${place(send)} and seen at ${[...found].join(', ')}`];
  });

const duplicated: Check = (_, { byValue }) =>
  [...byValue]
    .filter(([, places]) => places.size > 1)
    .map(([value, places]) => `duplicated: ${value} is at ${[...places].join(' and ')}`);

const inconsistent: Check = (_, { byPlace }) =>
  [...byPlace]
    .filter(([, values]) => values.size > 1)
    .map(([at, values]) => `inconsistent: ${at} was seen as ${[...values].join(' and as ')}`);

const aborted: Check = ({ sends }, { byValue }) =>
  sends
    .filter(({ isAborted, value }) => isAborted && byValue.has(value))
    .map(({ value }) => `aborted read: ${value} was seen, and its transaction was aborted`);

const strange: Check = ({ sends }, { byValue }) => {
  const sent = new Set(sends.map(({ value }) => value));
  return [...byValue.keys()]
    .filter((value) => !sent.has(value))
    .map((value) => `strange: nobody sent ${value}`);
};

/** Records of one producer lie in a partition in the order in which they were sent. */
const disordered: Check = ({ sends }, { byValue }) => {
  const last = new Map<string, { offset: number; value: string }>();
  const faults: string[] = [];
  for (const { producer, partition, value } of sends) {
    const [at] = byValue.get(value) ?? [];
    if (at === undefined) continue;
    const offset = Number(at.split('/')[1]);
    const before = last.get(`${producer} ${partition}`);
    if (before !== undefined && before.offset >= offset)
      faults.push(`disordered: ${producer} sent ${before.value} before ${value}, which lies before it`);
    last.set(`${producer} ${partition}`, { offset, value });
  }
  return faults;
};

/** Within a session offsets rise, and no record that is known to be there is passed over. */
const skippedOrRepeated: Check = ({ polls }, { byPlace }) => {
  const last = new Map<string, number>();
  const faults: string[] = [];
  for (const { consumer, session, partition, offset } of polls) {
    const key = `${consumer} ${session} ${partition}`;
    const before = last.get(key);
    last.set(key, offset);
    if (before === undefined) continue;
    if (offset <= before)
      faults.push(`repeated: ${consumer} got ${partition}/${offset} after ${partition}/${before}`);
    for (let between = before + 1; between < offset; between++)
      if (byPlace.has(`${partition}/${between}`))
        faults.push(`skipped: ${consumer} got ${partition}/${offset} after ${before}, and not ${between}`);
  }
  return faults;
};

const CHECKS = [lost, moved, duplicated, inconsistent, aborted, strange, disordered, skippedOrRepeated];

/** Every fault in what the clients wrote down, a sentence each; it begins with the fault's name. */
export function checkLogs(logs: ClientLogs): string[] {
  const seen = seenIn(logs.polls);
  return CHECKS.flatMap((check) => check(logs, seen));
}
