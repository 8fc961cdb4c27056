/**
 * The commands by name, in the order of `millrace --help`. A command's module is imported only when its name stands on the
 * command line, so that starting costs nothing that isn't used.
 */
import type { CommandModule } from './command.ts';

interface CommandEntry {
  name: string;
  summary: string;
  load: () => Promise<CommandModule>;
}

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'demo',
    summary: 'the whole pipeline once: broker, activity in, parallel load, aggregates, result',
    load: () => import('./demo.ts'),
  },
  {
    name: 'up',
    summary: 'broker and hourly schedule together until stopped',
    load: () => import('./up.ts'),
  },
  { name: 'broker', summary: 'a broker until stopped', load: () => import('./broker.ts') },
  {
    name: 'topics',
    summary: 'list, create, describe, alter and delete topics',
    load: () => import('./topics.ts'),
  },
  { name: 'ingest', summary: 'events of a file or stdin into a topic', load: () => import('./ingest.ts') },
  {
    name: 'generate',
    summary: 'seeded, realistic activity into a topic',
    load: () => import('./generate.ts'),
  },
  { name: 'tail', summary: 'prints the records of a topic', load: () => import('./tail.ts') },
  { name: 'load', summary: 'one parallel load of topics into the table', load: () => import('./load.ts') },
  {
    name: 'schedule',
    summary: 'loads and aggregates every hour until stopped; catches up what it missed',
    load: () => import('./schedule.ts'),
  },
  {
    name: 'offsets',
    summary: 'the stored offsets of a topic, and its lag',
    load: () => import('./offsets.ts'),
  },
  {
    name: 'compact',
    summary: 'merges the small files of complete hours',
    load: () => import('./compact.ts'),
  },
  {
    name: 'replay',
    summary: 'reads loaded offsets again and replaces their rows',
    load: () => import('./replay.ts'),
  },
  { name: 'undo', summary: 'takes a replay or a compaction back', load: () => import('./undo.ts') },
  {
    name: 'audit',
    summary: 'counts per hour: broker against loader against files',
    load: () => import('./audit.ts'),
  },
  {
    name: 'doctor',
    summary: 'every inconsistency of the warehouse, and what to do',
    load: () => import('./doctor.ts'),
  },
  {
    name: 'expire',
    summary: 'removes old hours, trash and history by the retention settings',
    load: () => import('./expire.ts'),
  },
  {
    name: 'aggregate',
    summary: 'aggregates of complete hours, by the SQL in jobs/queries',
    load: () => import('./aggregate.ts'),
  },
  { name: 'runs', summary: 'what ran, and how it ended', load: () => import('./runs.ts') },
  {
    name: 'status',
    summary: 'brokers, topics, lag and complete hours at a glance',
    load: () => import('./status.ts'),
  },
  { name: 'schema', summary: 'the event schemas', load: () => import('./schema.ts') },
  {
    name: 'token',
    summary: 'delegation tokens of a secure HDFS: get, renew, cancel',
    load: () => import('./token.ts'),
  },
  { name: 'config', summary: 'the effective settings', load: () => import('./config.ts') },
];
