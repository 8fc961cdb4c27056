/**
 * The settings schema seen as a list of dotted paths: what each setting accepts, its default, its environment name. All
 * of it is derived by walking the JSON Schema that zod makes of `settings.ts`, so that no name is written twice.
 */
import { z } from 'zod';
import { settingsSchema } from './settings.ts';

/** The part of JSON Schema that zod emits for our settings. */
export interface SchemaNode {
  type?: string;
  properties?: Record<string, SchemaNode>;
  additionalProperties?: SchemaNode | boolean;
  anyOf?: SchemaNode[];
  const?: unknown;
  enum?: unknown[];
  minimum?: number;
  maximum?: number;
  format?: string;
  pattern?: string;
  default?: unknown;
  description?: string;
}

/** One setting. A `*` in path stands for a name of the user's: `topics.*.schema`. */
export interface Setting {
  path: string;
  keys: readonly string[];
  /** `MILLRACE_BROKER_LOG_SEGMENT_BYTES`; empty under a `*`, where no name can be derived. */
  environment: string;
  node: SchemaNode;
}

export const ENVIRONMENT_PREFIX = 'MILLRACE_';

/** The schema's root, a group of groups. */
export const settingsTree = z.toJSONSchema(settingsSchema, { io: 'input' }) as SchemaNode;

/** The schema of a group's named entries where the names are the user's (`topics`), else undefined. */
export function entriesOf(node: SchemaNode): SchemaNode | undefined {
  return typeof node.additionalProperties === 'object' ? node.additionalProperties : undefined;
}

function* walk(node: SchemaNode, keys: readonly string[]): Generator<Setting> {
  const entries = entriesOf(node);
  if (node.properties) {
    for (const [key, child] of Object.entries(node.properties)) yield* walk(child, [...keys, key]);
  } else if (entries) {
    yield* walk(entries, [...keys, '*']);
  } else {
    const environment = keys.includes('*') ? '' : environmentName(keys);
    yield { path: keys.join('.'), keys, environment, node };
  }
}

/** `broker.log.segmentBytes` → `MILLRACE_BROKER_LOG_SEGMENT_BYTES`. */
export function environmentName(keys: readonly string[]): string {
  const words = keys.flatMap((key) => key.split(/(?=[A-Z])/));
  return ENVIRONMENT_PREFIX + words.join('_').toUpperCase();
}

/** Every setting, in the schema's order. */
export const SETTINGS: readonly Setting[] = [...walk(settingsTree, [])];

/**
 * The setting that a written path names, with the `*` filled in. The user's names may hold dots themselves
 * (`topics.web.eu.schema`): the known last key decides where the name ends.
 */
export function findSetting(path: string): Setting | undefined {
  for (const setting of SETTINGS) {
    if (setting.path === path && !path.includes('*')) return setting;
    const [head = '', tail] = setting.path.split('*');
    if (tail === undefined || !path.startsWith(head) || !path.endsWith(tail)) continue;
    const name = path.slice(head.length, path.length - tail.length);
    if (name === '' || head.length + tail.length >= path.length) continue;
    return { ...setting, path, keys: setting.keys.map((key) => (key === '*' ? name : key)) };
  }
  return undefined;
}

/** What a setting takes, as the end of the sentence "it must be …". */
export function acceptedText(node: SchemaNode): string {
  if (node.anyOf) return node.anyOf.map(acceptedText).join(' or ');
  if (node.const !== undefined) return String(node.const);
  if (node.enum) return `one of ${node.enum.join(', ')}`;
  if (node.type === 'boolean') return 'true or false';
  if (node.format === 'date-time') return 'a time like 1990-01-01T00:00:00Z';
  if (node.pattern) return `${node.description}`;
  if (node.type === 'string') return 'a text that is not empty';
  return `a whole number from ${node.minimum} to ${node.maximum}`;
}

/** A value as written on a command line or in the environment, made what the setting expects where that is possible. */
export function valueOfText(node: SchemaNode, text: string): unknown {
  const types = (node.anyOf ?? [node]).map((n) => n.type ?? typeof n.const);
  if (types.some((t) => t === 'integer' || t === 'number') && /^-?\d+(\.\d+)?$/.test(text))
    return Number(text);
  if (types.includes('boolean') && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}

/** Letters to insert, delete or replace between two words (Levenshtein), for words of at most some dozens of letters. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

/** The candidate that a misspelt name most likely means, by the whole name or by its last part; undefined if none is near. */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = name.toLowerCase();
  let best: string | undefined;
  let least = Math.max(2, Math.floor(name.length / 4)) + 1;
  for (const candidate of candidates) {
    const known = candidate.toLowerCase();
    const lastPart = known.slice(known.lastIndexOf('.') + 1);
    const distance = Math.min(editDistance(wanted, known), editDistance(wanted, lastPart) + 1);
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}
