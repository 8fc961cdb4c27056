/**
 * `millrace schema infer`: proposes a schema file from the last records of a topic.
 */
import type { Command } from 'commander';
import { SchemaGuess } from '../schemas/infer.ts';
import { type Act, addExamples } from './command.ts';
import type { CommandContext } from './context.ts';
import { wholeNumber } from './options.ts';
import { connect } from './resources.ts';
import { recordsUntil } from './tail.ts';
import { findTopic } from './topics.ts';

interface Options {
  topic: string;
  count: number;
  eventTime?: string;
}

const DEFAULT_COUNT = 1_000;
const MAX_COUNT = 1_000_000;

async function infer(context: CommandContext, { topic, count, eventTime }: Options): Promise<void> {
  const { out, log, signal } = context;
  await using client = await connect(context);
  const { partitions } = await findTopic(client, topic);
  const parts = partitions.map(({ partition }) => ({ topic, partition }));
  const starts = await client.listOffsets(parts, 'earliest');
  const ends = await client.listOffsets(parts, 'latest', 'read_committed');
  const each = Math.ceil(count / parts.length);
  const guess = new SchemaGuess();
  for (const part of parts) {
    const offset = (all: typeof ends) =>
      all.find(({ partition }) => partition === part.partition)?.offset ?? 0;
    const range = { from: Math.max(offset(starts), offset(ends) - each), until: offset(ends) };
    if (range.from >= range.until) continue;
    for await (const { value } of recordsUntil(client, part, range)) guess.add(value);
    signal.throwIfAborted();
  }
  if (guess.events + guess.others === 0)
    throw new Error(`topic ${topic} has no records to look at; send some and ask again`);
  const { schema, notes } = guess.propose(eventTime);
  if (out.json) out.object({ topic, events: guess.events, schema, notes });
  else await out.raw(`${JSON.stringify(schema, null, 2)}\n`);
  for (const note of notes) log.warn(`${topic}: ${note}`);
}

export function defineInfer(command: Command, act: Act): void {
  const made = command
    .command('infer')
    .description(
      'Proposes a schema file from the last records of a topic; what it leaves out goes to stderr.',
    )
    .requiredOption('--topic <name>', 'the topic')
    .option('-n, --count <n>', 'records to look at', wholeNumber(1, MAX_COUNT), DEFAULT_COUNT)
    .option('--event-time <member>', 'the member that tells the time; default: the likeliest')
    .action(act<Options>(infer));
  addExamples(made, [
    [
      'schema infer --topic shop > schemas/shop.json',
      'a first draft; look it through, then set schemas.dir=schemas',
    ],
    ['schema infer --topic shop -n 100000 --event-time placed_at', 'more records, and the time by name'],
  ]);
}
