/**
 * The one schema of settings, put together from its branches: path, type, range, default and sentence of help of each.
 * Everything else (the layers of `load.ts`, `config show`, the table in docs/operations.md, environment names) is derived
 * by walking it. Names are Kafka's own in camelCase where Kafka has one; units stand last.
 */
import { z } from 'zod';
import { aggregates } from './aggregates-settings.ts';
import { broker } from './broker-settings.ts';
import { client, producer } from './client-settings.ts';
import { loader } from './loader-settings.ts';
import { schedule } from './schedule-settings.ts';
import { webhdfs } from './webhdfs-settings.ts';

const topic = z.strictObject({
  schema: z
    .string()
    .min(1)
    .optional()
    .describe('name of the event schema; default: the schema named like the topic, else raw'),
  tombstones: z
    .enum(['quarantine', 'skip'])
    .optional()
    .describe('what becomes of records without a value; default: skip where the topic is compacted'),
});

/** All settings. `z.infer` of it is the type every part takes its own branch of. */
export const settingsSchema = z.strictObject({
  broker: broker.prefault({}),
  client: client.prefault({}),
  producer: producer.prefault({}),
  loader: loader.prefault({}),
  webhdfs: webhdfs.prefault({}),
  schedule: schedule.prefault({}),
  topics: z.record(z.string(), topic).default({}).describe('settings of single topics, by name'),
  schemas: z
    .strictObject({
      dir: z
        .string()
        .default('')
        .describe('directory of further event schemas, NAME.json; they win over the built-in ones'),
      registryUrl: z
        .string()
        .regex(/^(https?:\/\/[^@\s/?#]+(\/[^@\s?#]*)?)?$/)
        .default('')
        .describe(
          'URL of the schema registry, http(s) without user and password, for values with schema numbers; empty: none',
        ),
      registryCredentialsFile: z
        .string()
        .default('')
        .describe(
          'file with user:password, or with a token alone, for the registry; empty: it asks for none',
        ),
    })
    .prefault({}),
  aggregates: aggregates.prefault({}),
  logLevel: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
    .default('warn')
    .describe('least level of the log lines on stderr'),
});

/** The effective settings, every default filled in. */
export type Settings = z.infer<typeof settingsSchema>;
