/**
 * Cuts a byte stream into lines. A line ends at LF only; a last line without one counts. Of a line longer than the
 * limit only its beginning is kept, so that input without line ends can't fill the memory.
 */

/** One line without its LF. `bytes`: its full length; more than `text.length` if it was longer than the limit. */
export interface Line {
  text: Buffer;
  bytes: number;
}

const LF = 0x0a;

/** Feed it chunks; it hands back the lines that they complete. */
export class LineSplitter {
  readonly #maxBytes: number;
  /** The beginning of the line under way, in pieces that share memory with the chunks they came from. */
  #pieces: Buffer[] = [];
  #keptBytes = 0;
  #lineBytes = 0;

  /** `maxBytes`: of a longer line, only this much is kept. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The lines that end in this chunk. Their bytes share memory with it. */
  *feed(chunk: Buffer): Generator<Line> {
    let from = 0;
    for (let lf = chunk.indexOf(LF); lf >= 0; lf = chunk.indexOf(LF, from)) {
      yield this.#lineBytes === 0 && lf - from <= this.#maxBytes
        ? { text: chunk.subarray(from, lf), bytes: lf - from }
        : this.#finish(chunk.subarray(from, lf));
      from = lf + 1;
    }
    if (from < chunk.length) this.#keep(chunk.subarray(from));
  }

  /** The last line, if the input didn't end with LF. */
  end(): Line | undefined {
    return this.#lineBytes === 0 ? undefined : this.#finish(Buffer.alloc(0));
  }

  #keep(piece: Buffer): void {
    this.#lineBytes += piece.length;
    const room = this.#maxBytes - this.#keptBytes;
    if (room <= 0) return;
    const kept = piece.subarray(0, room);
    this.#pieces.push(kept);
    this.#keptBytes += kept.length;
  }

  #finish(piece: Buffer): Line {
    this.#keep(piece);
    const line = { text: Buffer.concat(this.#pieces), bytes: this.#lineBytes };
    this.#pieces = [];
    this.#keptBytes = 0;
    this.#lineBytes = 0;
    return line;
  }
}
