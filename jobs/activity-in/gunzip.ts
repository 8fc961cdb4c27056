/**
 * Unpacks input that is gzip, and passes on what isn't: told by the first two bytes, not by a file's name. Several gzip
 * members one after the other are one stream, as gzip itself has it (RFC 1952, section 2.2).
 */
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

/** Input that claims to be gzip and is cut short, damaged, or goes on as something else. */
export class DamagedGzipError extends Error {
  override name = 'DamagedGzipError';
}

const MAGIC = [0x1f, 0x8b];

/** The chunks of `input`, unpacked if they are gzip. Throws DamagedGzipError after the last chunk that could be read. */
export async function* gunzipped(input: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const chunks = input[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < MAGIC.length) {
    const { value, done } = await chunks.next();
    if (done) break;
    head = Buffer.concat([head, value]);
  }
  const rest = withHead(head, chunks);
  if (head[0] === MAGIC[0] && head[1] === MAGIC[1]) yield* unpack(rest);
  else yield* rest;
}

async function* withHead(head: Buffer, chunks: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  if (head.length > 0) yield head;
  try {
    for (;;) {
      const { value, done } = await chunks.next();
      if (done) return;
      yield value;
    }
  } finally {
    await chunks.return?.();
  }
}

async function* unpack(packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: 256 * 1024 });
  let packedBytes = 0;
  async function* counted(): AsyncGenerator<Buffer> {
    for await (const chunk of packed) {
      packedBytes += chunk.length;
      yield chunk;
    }
  }
  // Its outcome is that of the loop below, which reads the last stream of the pipeline.
  pipeline(counted, gunzip, () => {});
  try {
    yield* gunzip as AsyncIterable<Buffer>;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!code?.startsWith('Z_')) throw error;
    throw new DamagedGzipError(`the gzip input is damaged or cut short (${message}); make it anew`, {
      cause: error,
    });
  }
  // zlib complains of what isn't a gzip member, unless it begins with a zero byte: there it ends in silence.
  if (gunzip.bytesWritten < packedBytes) {
    throw new DamagedGzipError(
      `the gzip input ends at byte ${gunzip.bytesWritten} and something else follows; cut it off or pack it too`,
    );
  }
}

/** The chunks of a stream as Buffers. */
export async function* buffersOf(input: Readable): AsyncGenerator<Buffer> {
  for await (const chunk of input) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
}
