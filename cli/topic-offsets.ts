/**
 * Where the loads of a topic stand: for each partition the log's bounds, the head of its commit chain and the distance
 * between them. Read from the brokers and from the warehouse; partitions may be known to one of the two only.
 */
import type { KafkaClient } from '../broker/client/client.ts';
import type { Chain } from '../loader/commit-chain.ts';
import { boundsProblem } from '../loader/same-log.ts';
import type { Store } from '../loader/store/store.ts';
import { readTopicState } from '../loader/table-state.ts';

/** Offsets of one partition. Null: not known to the brokers, or never loaded. `lag`: offsets still to be loaded. */
export interface PartitionOffsets {
  partition: number;
  /** Why a load would stop here, as far as ids and bounds tell; null: nothing is known against it. */
  problem: string | null;
  logStart: number | null;
  logEnd: number | null;
  committed: number | null;
  lag: number | null;
  chain: Chain | undefined;
}

async function logBounds(client: KafkaClient, topic: string, partitions: readonly number[]) {
  const parts = partitions.map((partition) => ({ topic, partition }));
  if (parts.length === 0) return new Map<number, { logStart: number; logEnd: number }>();
  const [starts, ends] = await Promise.all([
    client.listOffsets(parts, 'earliest'),
    client.listOffsets(parts, 'latest'),
  ]);
  const endOf = new Map(ends.map(({ partition, offset }) => [partition, offset]));
  return new Map(
    starts.map(({ partition, offset }) => [
      partition,
      { logStart: offset, logEnd: endOf.get(partition) ?? offset },
    ]),
  );
}

/** The offsets of all partitions that the brokers or the warehouse know, ascending. */
export async function topicOffsets(
  client: KafkaClient,
  store: Store,
  topic: string,
): Promise<PartitionOffsets[]> {
  const { topics } = await client.metadata([topic], { autoCreate: false });
  const found = topics.find(({ name, error }) => name === topic && !error);
  const served = found?.partitions ?? [];
  const bounds = await logBounds(
    client,
    topic,
    served.map(({ partition }) => partition),
  );
  const { chains } = await readTopicState(store, topic);
  const known = new Set([...bounds.keys(), ...chains.keys()]);
  return [...known]
    .sort((a, b) => a - b)
    .map((partition) => {
      const chain = chains.get(partition);
      const { logStart = null, logEnd = null } = bounds.get(partition) ?? {};
      const committed = chain?.head ?? null;
      const from = committed ?? logStart;
      const lag = logEnd === null || from === null ? null : Math.max(0, logEnd - from);
      const view = logStart === null || logEnd === null ? undefined : { logStart, highWatermark: logEnd };
      const problem =
        chain && found && view
          ? boundsProblem(chain, { ...view, topicId: found.topicId })?.message
          : undefined;
      return { partition, problem: problem ?? null, logStart, logEnd, committed, lag, chain };
    });
}

/** The topics that have a table in the warehouse, sorted. Names that begin with `_` are the warehouse's own. */
export async function topicsInWarehouse(store: Store): Promise<string[]> {
  const entries = await store.list('');
  return entries
    .filter(({ name, kind }) => kind === 'directory' && !/^[_.]/.test(name))
    .map(({ name }) => name);
}
