/**
 * Which leader epoch began at which offset, oldest first. The epoch rises after every unclean start, so that a client
 * which read records of a lost, unsynced tail learns it from OffsetForLeaderEpoch, although new records now bear the same
 * offsets (KIP-101, KIP-279, KIP-320). File: Kafka's `leader-epoch-checkpoint` text: version 0, count, `epoch offset` lines.
 */
import assert from 'node:assert/strict';
import type { Offset } from '../topic-partition.ts';

const FILE_VERSION = '0';

export interface LeaderEpochStart {
  epoch: number;
  startOffset: Offset;
}

/** An answer to OffsetForLeaderEpoch: the greatest known epoch at or below the asked one, and where it ends. */
export interface EpochEnd {
  leaderEpoch: number;
  endOffset: Offset;
}

export class LeaderEpochs {
  #starts: LeaderEpochStart[];

  constructor(starts: readonly LeaderEpochStart[] = []) {
    this.#starts = [...starts];
  }

  /** The epoch that batches are stamped with now; -1 before the first. */
  get current(): number {
    return this.#starts.at(-1)?.epoch ?? -1;
  }

  get starts(): readonly LeaderEpochStart[] {
    return this.#starts;
  }

  /** Begins an epoch at the log's end. Epochs in which nothing was written vanish. */
  begin(epoch: number, startOffset: Offset): void {
    assert(epoch > this.current, `leader epoch ${epoch} after ${this.current}`);
    this.truncate(startOffset);
    this.#starts.push({ epoch, startOffset });
  }

  /** Notes the epoch of a batch found in the log, for rebuilding a lost file. */
  observe(epoch: number, startOffset: Offset): void {
    if (epoch > this.current) this.#starts.push({ epoch, startOffset });
  }

  /** Forgets the epochs that begin at or after an offset. */
  truncate(endOffset: Offset): void {
    this.#starts = this.#starts.filter(({ startOffset }) => startOffset < endOffset);
  }

  /** Where an epoch ends, by Kafka's LeaderEpochFileCache.endOffsetFor; undefined if nothing is known of it. */
  endOf(epoch: number, logEndOffset: Offset): EpochEnd | undefined {
    if (epoch < 0 || epoch > this.current) return undefined;
    if (epoch === this.current) return { leaderEpoch: epoch, endOffset: logEndOffset };
    const next = this.#starts.findIndex((start) => start.epoch > epoch);
    const following = this.#starts[next];
    assert(following, 'an epoch below the current one has a successor');
    return { leaderEpoch: this.#starts[next - 1]?.epoch ?? epoch, endOffset: following.startOffset };
  }

  encode(): string {
    const lines = this.#starts.map(({ epoch, startOffset }) => `${epoch} ${startOffset}`);
    return [FILE_VERSION, lines.length, ...lines, ''].join('\n');
  }

  /** Reads the file's text; undefined if it isn't whole, so that the epochs have to be read from the log. */
  static decode(text: string): LeaderEpochs | undefined {
    const [version, count, ...lines] = text.trimEnd().split('\n');
    if (version !== FILE_VERSION || Number(count) !== lines.length) return undefined;
    const starts: LeaderEpochStart[] = [];
    for (const line of lines) {
      const match = /^(\d+) (\d+)$/.exec(line);
      const start = { epoch: Number(match?.[1] ?? -1), startOffset: Number(match?.[2] ?? -1) };
      const last = starts.at(-1);
      if (match === null || (last && (start.epoch <= last.epoch || start.startOffset < last.startOffset))) {
        return undefined;
      }
      starts.push(start);
    }
    return new LeaderEpochs(starts);
  }
}
