/**
 * What a command says. Results go to stdout, once: as text for people, or with `--json` as one JSON object (one per line
 * for streams). Nothing else ever writes to stdout. No colours: the same bytes in a pipe as on a terminal.
 */
import type { Writable } from 'node:stream';

/** A cell of a printed table; undefined and null print as `-`. */
export type Cell = string | number | null | undefined;

export class Output {
  readonly json: boolean;
  readonly #stream: Writable;

  constructor(stream: Writable, json: boolean) {
    this.#stream = stream;
    this.json = json;
  }

  /** A line for people; with `--json` nothing. */
  line(text = ''): void {
    if (!this.json) this.#stream.write(`${text}\n`);
  }

  /** The JSON object of the result; without `--json` nothing. */
  object(value: unknown): void {
    if (this.json) this.#stream.write(`${JSON.stringify(value)}\n`);
  }

  /** A text as it is, whatever the form asked for. Resolves when the stream takes more. */
  async raw(text: string): Promise<void> {
    if (this.#stream.write(text) || this.#stream.destroyed) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        this.#stream.off('drain', done);
        this.#stream.off('close', done);
        resolve();
      };
      this.#stream.on('drain', done);
      this.#stream.on('close', done);
    });
  }
}

/** A number with thin groups of three digits: `1,234,567`. */
export function groupDigits(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: value < 100 ? 1 : 0 });
}

/** A number and what it counts: `1 hour`, `1,234 hours`. */
export function counted(value: number, noun: string): string {
  return `${groupDigits(value)} ${noun}${value === 1 ? '' : 's'}`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Bytes for people: `12.3 MiB`. */
export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024;
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** A span for people: `850 ms`, `12.3 s`, `2 min 5 s`. */
export function secondsText(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}
