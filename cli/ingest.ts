/**
 * `millrace ingest`: the events of a file or of stdin into a topic, through the Kafka protocol like any other producer.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { type Command, Option } from 'commander';
import type { KafkaClient } from '../broker/client/client.ts';
import type { IngestCounts, IngestFormat, Reject } from '../jobs/activity-in/ingest.ts';
import { type Act, addExamples } from './command.ts';
import { type CommandContext, EXIT } from './context.ts';
import { bytesText, counted, groupDigits, secondsText } from './output.ts';
import { startProgress } from './progress.ts';
import { connect, withProducer } from './resources.ts';
import { UsageError } from './usage-error.ts';

/** Bytes read from a file at once. */
const READ_BYTES = 256 * 1024;

interface Options {
  topic: string;
  format: IngestFormat;
  key?: string;
  rejects?: string;
  strict?: boolean;
}

/** What to ingest, and where its rejected lines go. */
export interface IngestWork {
  topic: string;
  format: IngestFormat;
  key?: string | undefined;
  onReject?: (reject: Reject) => Promise<void> | void;
}

/** Sends all of `input`; the counts and how long it took. */
export async function runIngest(
  context: CommandContext,
  client: KafkaClient,
  input: Readable,
  work: IngestWork,
): Promise<IngestCounts & { seconds: number }> {
  const { settings, signal, now, progress } = context;
  const { ingest } = await import('../jobs/activity-in/ingest.ts');
  const { findSchema } = await import('../schemas/event-schema.ts');
  const schema = await findSchema(work.topic, settings);
  using bar = startProgress('ingest', 0, progress);
  const started = now();
  const options = {
    ...work,
    schema,
    maxMessageBytes: settings.broker.log.maxMessageBytes,
    now,
    signal,
    onProgress: ({ lines }: IngestCounts) => bar.update(lines),
  };
  const sending = { topic: work.topic, by: 'ingest' } as const;
  const counts = await withProducer(context, client, sending, (sink) => ingest(input, options, sink));
  return { ...counts, seconds: (now() - started) / 1000 };
}

/** A file as a stream. Opened first, so that a wrong path fails with one clear line before anything is sent. */
export async function openInput(path: string): Promise<Readable> {
  const handle = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`cannot read ${path} (${error.code}); check the path`);
  });
  const isDirectory = (await handle.stat()).isDirectory();
  if (!isDirectory) return createReadStream('', { fd: handle, highWaterMark: READ_BYTES });
  await handle.close();
  throw new Error(`${path} is a directory; name a file, or "-" for stdin`);
}

/** Rejected lines as NDJSON in a file. It is made anew at once: a path that is wrong must not be noticed after half the lines were sent. */
class RejectFile implements AsyncDisposable {
  readonly #stream: Writable;

  private constructor(stream: Writable) {
    this.#stream = stream;
  }

  /** `input`: the path that is read, which must be another file. */
  static async open(path: string, input: string): Promise<RejectFile> {
    const [there, read] = await Promise.all([path, input].map((each) => stat(each).catch(() => undefined)));
    if (there && read && there.ino === read.ino && there.dev === read.dev)
      throw new UsageError(`--rejects ${path} is the file that is read; name another`);
    const handle = await open(path, 'w').catch((error: NodeJS.ErrnoException) => {
      throw new Error(`cannot write rejected lines to ${path} (${error.code}); check --rejects`);
    });
    return new RejectFile(createWriteStream('', { fd: handle }));
  }

  async write(reject: Reject): Promise<void> {
    await new Promise<void>((resolve, refuse) =>
      this.#stream.write(`${JSON.stringify(reject)}\n`, (error) => (error ? refuse(error) : resolve())),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await finished(this.#stream.end());
  }
}

async function ingestCommand(context: CommandContext, options: Options, file: string): Promise<number> {
  const { out, stdin } = context;
  const input = file === '-' ? stdin : await openInput(file);
  await using client = await connect(context, 'finish');
  await using rejects = options.rejects ? await RejectFile.open(options.rejects, file) : undefined;
  const { topic, format, key } = options;
  const work: IngestWork = { topic, format, key, ...(rejects && { onReject: (r) => rejects.write(r) }) };
  const counts = await runIngest(context, client, input, work);
  out.object({ topic, ...counts });
  out.line(
    `${topic}: ${counted(counts.sent, 'event')} of ${counted(counts.lines, 'line')} (${bytesText(counts.bytes)}) ` +
      `sent in ${secondsText(counts.seconds)}`,
  );
  if (counts.rejected > 0)
    out.line(
      `rejected: ${groupDigits(counts.rejected)}; ${options.rejects ? `kept in ${options.rejects}` : '--rejects FILE keeps them'}`,
    );
  if (counts.keyless > 0) out.line(`${counted(counts.keyless, 'event')} without ${key}: sent without a key`);
  return options.strict && counts.rejected > 0 ? EXIT.incomplete : EXIT.done;
}

export function define(command: Command, act: Act): void {
  command
    .argument('<file>', 'a file, plain or gzip, or "-" for stdin')
    .requiredOption('--topic <name>', 'the topic')
    .addOption(
      new Option(
        '--format <format>',
        'combined: access log (common or combined); ndjson: a JSON object per line',
      )
        .choices(['combined', 'ndjson'])
        .makeOptionMandatory(),
    )
    .option('--key <field>', 'member of an NDJSON event that becomes the key; access logs: host')
    .option('--rejects <file>', 'keeps rejected lines, with number and reason, as NDJSON')
    .option('--strict', 'exit status 3 if a line was rejected')
    .action(act<Options, [string]>(ingestCommand));
  addExamples(command, [
    [
      'ingest access.log.gz --topic access --format combined --set topics.access.schema=web_request',
      'an access log, keyed by host',
    ],
    ['ingest - --topic clicks --format ndjson --key user_id < clicks.ndjson', 'NDJSON from stdin'],
  ]);
}
