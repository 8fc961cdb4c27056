/**
 * What a commit record says of one file's rows: how many, between which offsets and event times (microseconds since
 * 1970), and their digest. Gathered while the rows pass by, so that no file is read twice.
 */
import { RowDigest } from './row-digest.ts';

export class FileFacts {
  rows = 0;
  minOffset = 0;
  maxOffset = 0;
  minTime = 0;
  maxTime = 0;
  readonly #digest: RowDigest;

  constructor(partition: number) {
    this.#digest = new RowDigest(partition);
  }

  /** Takes one row; rows come in the order of their offsets, of their times in any. */
  add(offset: number, timeUs: number): void {
    if (this.rows++ === 0) {
      this.minOffset = offset;
      this.minTime = timeUs;
      this.maxTime = timeUs;
    }
    this.maxOffset = offset;
    if (timeUs < this.minTime) this.minTime = timeUs;
    else if (timeUs > this.maxTime) this.maxTime = timeUs;
    this.#digest.add(offset);
  }

  /** 16 hex digits; see row-digest.ts. */
  get digest(): string {
    return this.#digest.toString();
  }
}
