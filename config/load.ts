/**
 * Makes the effective settings of the layers defaults < file < environment < command line, and remembers which layer each
 * value came from. Pure: the file's text and the environment are passed in. Every problem of every layer is collected and
 * reported at once, with its origin and the nearest known name; nothing unknown is passed over.
 */
import { parseDocument } from 'yaml';
import {
  acceptedText,
  ENVIRONMENT_PREFIX,
  entriesOf,
  environmentName,
  findSetting,
  nearestName,
  type SchemaNode,
  SETTINGS,
  settingsTree,
  valueOfText,
} from './setting-paths.ts';
import { type Settings, settingsSchema } from './settings.ts';

/** A setting given by hand: its dotted path, its text, and what to call the place it was written in (`--set`, `--port`). */
export interface SettingText {
  path: string;
  text: string;
  from: string;
}

/** The layers above the defaults, lowest first. */
export interface SettingLayers {
  file?: { name: string; text: string } | undefined;
  environment: Readonly<Record<string, string | undefined>>;
  set: readonly SettingText[];
}

/** Settings with the origin of every path that is not a default: `file a.yaml`, `environment MILLRACE_…`, `--set`. */
export interface LoadedSettings {
  settings: Settings;
  origins: ReadonlyMap<string, string>;
}

/** Settings that can't be used: each problem is one line saying what, where and what to do. Exit status 78. */
export class SettingsError extends Error {
  override name = 'SettingsError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

interface Assignment {
  keys: readonly string[];
  value: unknown;
  origin: string;
}

/** Kubernetes puts such variables into every container for a service that happens to be called millrace (or millrace-…). */
function isServiceLink(name: string, value: string): boolean {
  return (
    /_SERVICE_(HOST|PORT)(_|$)|_PORT_\d+_(TCP|UDP|SCTP)(_|$)/.test(name) || /^(tcp|udp|sctp):/.test(value)
  );
}

function isGroup(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unknownSetting(path: string, origin: string, candidates: Iterable<string>): string {
  const nearest = nearestName(path, candidates);
  const remedy = nearest ? `did you mean ${nearest}?` : '"millrace config show" lists every setting';
  return `unknown setting ${path}, from ${origin}; ${remedy}`;
}

/** Groups of the first level whose names are the user's: no variable can be derived for what is in them, so one holds all. */
const NAMED_GROUPS = Object.entries(settingsTree.properties ?? {})
  .filter(([, node]) => entriesOf(node))
  .map(([key]) => key);

/** Collects the assignments of one layer and the problems found on the way. */
class Layers {
  readonly assignments: Assignment[] = [];
  readonly problems: string[] = [];

  /** A tree of values, as a file holds it. */
  addTree(node: SchemaNode, value: unknown, keys: readonly string[], origin: string): void {
    const entries = entriesOf(node);
    if (!node.properties && !entries) {
      this.assignments.push({ keys, value, origin });
    } else if (!isGroup(value)) {
      const name = keys.length === 0 ? 'the whole' : keys.join('.');
      this.problems.push(`${name} is no group of settings, from ${origin}; write "name: value" lines in it`);
    } else {
      for (const [key, child] of Object.entries(value)) {
        const childNode = node.properties?.[key] ?? entries;
        const path = [...keys, key];
        if (childNode) this.addTree(childNode, child, path, origin);
        else
          this.problems.push(
            unknownSetting(
              path.join('.'),
              origin,
              SETTINGS.map((s) => s.path),
            ),
          );
      }
    }
  }

  /** One value as text. */
  addText(path: string, text: string, origin: string): void {
    const setting = findSetting(path);
    if (setting) {
      this.assignments.push({ keys: setting.keys, value: valueOfText(setting.node, text), origin });
      return;
    }
    const stars = SETTINGS.map((s) => s.path.replace('*', path.split('.').slice(1, -1).join('.') || 'NAME'));
    this.problems.push(unknownSetting(path, origin, stars));
  }

  /** A group whose names are the user's, as JSON: `{"access":{"schema":"web_request"}}`. Empty text: nothing. */
  addJson(group: string, text: string, origin: string): void {
    if (text === '') return;
    try {
      this.addTree(settingsTree.properties![group]!, JSON.parse(text), [group], origin);
    } catch {
      this.problems.push(`${group} is no JSON, from ${origin}; write {"NAME":{"setting":"value"}}`);
    }
  }

  addFile({ name, text }: { name: string; text: string }): void {
    const document = parseDocument(text);
    const [error] = document.errors;
    if (error) {
      const line = error.linePos ? `, line ${error.linePos[0].line}` : '';
      const what = error.message.split('\n')[0]!.replace(/ at line .*$/, '');
      this.problems.push(`no readable YAML or JSON: ${what}, in file ${name}${line}; mend the file`);
      return;
    }
    this.addTree(settingsTree, document.toJS() ?? {}, [], `file ${name}`);
  }

  addEnvironment(environment: SettingLayers['environment']): void {
    const known = new Map(SETTINGS.filter((s) => s.environment).map((s) => [s.environment, s]));
    for (const [name, text] of Object.entries(environment)) {
      if (!name.startsWith(ENVIRONMENT_PREFIX) || text === undefined || isServiceLink(name, text)) continue;
      const setting = known.get(name);
      const group = NAMED_GROUPS.find((key) => environmentName([key]) === name);
      if (group) this.addJson(group, text, `environment ${name}`);
      else if (setting) this.addText(setting.path, text, `environment ${name}`);
      else this.problems.push(unknownSetting(name, 'the environment', known.keys()));
    }
  }
}

/** Later assignments win. Containers have no prototype, so that no key can reach one. */
function assemble(assignments: readonly Assignment[]): Record<string, unknown> {
  const root = Object.create(null) as Record<string, unknown>;
  for (const { keys, value } of assignments) {
    let group = root;
    for (const key of keys.slice(0, -1)) {
      group[key] ??= Object.create(null);
      group = group[key] as Record<string, unknown>;
    }
    group[keys.at(-1)!] = value;
  }
  return root;
}

/** A URL may hold a password where none belongs: it is refused, and not shown. */
const withoutUser = (text: string | undefined) => text?.replaceAll(/:\/\/[^@/]*@/g, '://…@');

/** Effective settings of all layers. Throws SettingsError with every problem there is. */
export function loadSettings({ file, environment, set }: SettingLayers): LoadedSettings {
  const layers = new Layers();
  if (file) layers.addFile(file);
  layers.addEnvironment(environment);
  for (const { path, text, from } of set) layers.addText(path, text, from);

  const origins = new Map(layers.assignments.map(({ keys, origin }) => [keys.join('.'), origin]));
  const parsed = settingsSchema.safeParse(assemble(layers.assignments));
  for (const issue of parsed.error?.issues ?? []) {
    const path = issue.path.join('.');
    const value = layers.assignments.findLast(({ keys }) => keys.join('.') === path)?.value;
    const setting = findSetting(path);
    const must = setting ? `must be ${acceptedText(setting.node)}` : issue.message;
    layers.problems.push(
      `setting ${path} is ${withoutUser(JSON.stringify(value))}, from ${origins.get(path) ?? 'default'}; it ${must}`,
    );
  }
  if (!parsed.success || layers.problems.length > 0) throw new SettingsError(layers.problems);
  return { settings: parsed.data, origins };
}
