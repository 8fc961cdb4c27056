/**
 * `millrace topics`: list, create, describe, alter, delete, through the Kafka protocol like any other client.
 */
import type { Command } from 'commander';
import { alterTopicConfigs, growTopic, topicOverrides } from '../broker/client/admin.ts';
import type { KafkaClient } from '../broker/client/client.ts';
import { type Act, addExamples } from './command.ts';
import type { CommandContext } from './context.ts';
import { collect, collectPairs, wholeNumber } from './options.ts';
import { counted } from './output.ts';
import { connect } from './resources.ts';
import { tableText } from './table.ts';
import { UsageError } from './usage-error.ts';

interface CreateOptions {
  partitions: number;
  replication: number;
  config?: [string, string][];
}

async function list(context: CommandContext): Promise<void> {
  await using client = await connect(context);
  const { topics } = await client.metadata(null);
  const rows = topics
    .map(({ name, topicId, partitions, internal }) => ({
      name,
      partitions: partitions.length,
      internal,
      topicId,
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  context.out.object({ topics: rows });
  if (rows.length === 0)
    context.out.line('no topics; create one: millrace topics create NAME --partitions 4');
  else
    context.out.line(
      tableText(
        ['topic', 'partitions', 'id'],
        rows.map((r) => [r.name, r.partitions, r.topicId]),
      ),
    );
}

/** A refusal in the broker's words, where it gave any, without the error's own text around them. */
function inBrokersWords(what: string, error: Error & { error?: string }): Error {
  const words = /^topic .*? \((.+)\): [^:]*$/s.exec(error.message)?.[1];
  return words === undefined ? error : new Error(`${what}: ${words}`, { cause: error });
}

function creationError(name: string, error: Error & { error?: string }): Error {
  if (error.error === 'TOPIC_ALREADY_EXISTS')
    return new Error(`topic ${name} is there already; "millrace topics describe ${name}" shows it`, {
      cause: error,
    });
  return inBrokersWords(`topic ${name} not created`, error);
}

async function create(context: CommandContext, options: CreateOptions, name: string): Promise<void> {
  await using client = await connect(context);
  const { partitions, replication } = options;
  const configs = Object.fromEntries(options.config ?? []);
  await client.createTopic(name, { partitions, replication, configs }).catch((error: unknown) => {
    throw creationError(name, error as Error & { error?: string });
  });
  context.out.object({ topic: name, partitions, replication });
  context.out.line(`created topic ${name} with ${counted(partitions, 'partition')}`);
}

/** A topic's description, or an error that names the topic. */
export async function findTopic(client: KafkaClient, name: string) {
  const { topics } = await client.metadata([name], { autoCreate: false });
  const topic = topics.find((t) => t.name === name);
  if (topic && !topic.error) return topic;
  const why = topic?.error && topic.error !== 'UNKNOWN_TOPIC_OR_PARTITION' ? ` (${topic.error})` : '';
  throw new Error(`no topic ${name} on the broker${why}; "millrace topics list" shows those there are`);
}

async function describe(context: CommandContext, _options: object, name: string): Promise<void> {
  await using client = await connect(context);
  const topic = await findTopic(client, name);
  const parts = topic.partitions.map(({ partition }) => ({ topic: name, partition }));
  const [starts, ends] = await Promise.all([
    client.listOffsets(parts, 'earliest'),
    client.listOffsets(parts, 'latest'),
  ]);
  const offset = (all: typeof starts, p: number) => all.find((o) => o.partition === p)?.offset ?? -1;
  const partitions = topic.partitions
    .map((p) => ({
      partition: p.partition,
      leader: p.leader,
      leaderEpoch: p.leaderEpoch,
      replicas: p.replicas,
      isr: p.isr,
      logStart: offset(starts, p.partition),
      logEnd: offset(ends, p.partition),
    }))
    .sort((a, b) => a.partition - b.partition);
  const configs = await topicOverrides(client, name);
  context.out.object({ topic: name, topicId: topic.topicId, configs, partitions });
  context.out.line(`topic ${name}, id ${topic.topicId}`);
  context.out.line(overridesText(name, configs));
  const rows = partitions.map((p) => [
    p.partition,
    p.leader,
    p.replicas.join(' '),
    p.isr.join(' '),
    p.logStart,
    p.logEnd,
  ]);
  context.out.line(tableText(['partition', 'leader', 'replicas', 'in sync', 'log start', 'log end'], rows));
}

interface AlterOptions {
  partitions?: number;
  config?: [string, string][];
  unset?: string[];
}

async function alter(context: CommandContext, options: AlterOptions, name: string): Promise<void> {
  const { partitions, config = [], unset = [] } = options;
  const set = Object.fromEntries(config);
  const both = unset.find((key) => Object.hasOwn(set, key));
  if (both !== undefined) throw new UsageError(`${both} is given to --config and to --unset; choose one`);
  const hasConfigs = config.length + unset.length > 0;
  if (!hasConfigs && partitions === undefined) {
    throw new UsageError('nothing to alter; give --partitions N, --config NAME=VALUE or --unset NAME');
  }
  await using client = await connect(context);
  await findTopic(client, name);
  try {
    // Asked first, so that a setting that is refused leaves the number of partitions alone.
    if (hasConfigs) await alterTopicConfigs(client, name, { set, unset }, { validateOnly: true });
    if (partitions !== undefined) await growTopic(client, name, partitions);
    if (hasConfigs) await alterTopicConfigs(client, name, { set, unset });
  } catch (error) {
    throw inBrokersWords(`topic ${name} not altered`, error as Error & { error?: string });
  }
  const configs = await topicOverrides(client, name);
  context.out.object({ topic: name, ...(partitions !== undefined && { partitions }), configs });
  if (partitions !== undefined) context.out.line(`topic ${name} has ${counted(partitions, 'partition')} now`);
  context.out.line(overridesText(name, configs));
}

function overridesText(name: string, configs: Record<string, string>): string {
  const pairs = Object.entries(configs).map((pair) => pair.join('='));
  return pairs.length === 0 ? `topic ${name} has no settings of its own` : `settings: ${pairs.join(' ')}`;
}

async function remove(context: CommandContext, _options: object, name: string): Promise<void> {
  await using client = await connect(context);
  await findTopic(client, name);
  await client.deleteTopic(name);
  context.out.object({ topic: name, deleted: true });
  context.out.line(`deleted topic ${name}`);
}

export function define(command: Command, act: Act): void {
  const listCommand = command
    .command('list')
    .description('The topics of the cluster.')
    .action(act<object>(list));
  addExamples(listCommand, [['topics list --broker broker-1:9092', 'with the number of their partitions']]);
  const createCommand = command
    .command('create <name>')
    .description(
      'A new topic. (A settings file is given before the command: millrace --config FILE topics create …)',
    )
    .option('--partitions <n>', 'partitions', wholeNumber(1, 10_000), 4)
    .option('--replication <r>', 'replicas of each partition', wholeNumber(1, 100), 1)
    .option('--config <name=value>', "a topic setting by Kafka's name; may be repeated", collectPairs)
    .action(act<CreateOptions, [string]>(create));
  addExamples(createCommand, [
    ['topics create access --partitions 8 --config retention.ms=604800000', 'kept for a week'],
  ]);
  const describeCommand = command
    .command('describe <name>')
    .description('Partitions, leaders, replicas, offsets and settings of a topic.')
    .action(act<object, [string]>(describe));
  addExamples(describeCommand, [['topics describe access --json', 'where its logs begin and end, as JSON']]);
  const deleteCommand = command
    .command('delete <name>')
    .description('Deletes a topic with all its records.')
    .action(act<object, [string]>(remove));
  addExamples(deleteCommand, [['topics delete access', 'what was loaded of it stays in the warehouse']]);
  const alterCommand = command
    .command('alter <name>')
    .description('More partitions, and other settings, of a topic; records stay where they are.')
    .option('--partitions <n>', 'how many there shall be, more than now', wholeNumber(1, 10_000))
    .option('--config <name=value>', "a topic setting by Kafka's name; may be repeated", collectPairs)
    .option('--unset <name>', "back to the broker's value; may be repeated", collect)
    .action(act<AlterOptions, [string]>(alter));
  addExamples(alterCommand, [
    ['topics alter access --config retention.ms=2592000000', 'kept for 30 days'],
    ['topics alter access --unset retention.ms', "kept as long as the broker's setting says"],
    ['topics alter access --partitions 16', 'from then on a key may lie in two partitions'],
  ]);
  addExamples(command, [
    ['topics create access --partitions 8', 'a topic of 8 partitions'],
    ['topics describe access', 'its partitions and offsets'],
  ]);
}
