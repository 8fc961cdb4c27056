/**
 * Goes over a quarantine file line by line: a line is one refused record and may be as large as a whole batch, so it is
 * split on line feeds alone (readline also splits on U+2028, which JSON leaves inside strings) and never joined to others.
 */
import { createReadStream } from 'node:fs';

const LINE_FEED = 0x0a;

/** The lines of a local file, each with its line feed. */
export async function* linesOf(path: string): AsyncGenerator<Buffer, void, void> {
  let pieces: Buffer[] = [];
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end: number; (end = chunk.indexOf(LINE_FEED, start)) >= 0; start = end + 1) {
      yield Buffer.concat([...pieces, chunk.subarray(start, end + 1)]);
      pieces = [];
    }
    if (start < chunk.length) pieces.push(chunk.subarray(start));
  }
  if (pieces.length > 0) yield Buffer.concat(pieces);
}

/** Where the record of a line came from, and its time in microseconds as commit records hold it. */
export function lineOrigin(line: Buffer): { partition: number; offset: number; timeUs: number } {
  const { partition, offset, timestamp } = JSON.parse(line.toString('utf8')) as {
    partition: number;
    offset: number;
    timestamp: string | null;
  };
  return { partition, offset, timeUs: timestamp === null ? 0 : Date.parse(timestamp) * 1_000 };
}
