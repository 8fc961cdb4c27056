/**
 * The exact word on one value of any type, compiled from its description: nested ones are judged to the last leaf by the
 * rules of `judge.ts`. A nested value is handed on in one canonical form, every field of a struct there and in order, so
 * that DuckDB's strict reader finds nothing to decide.
 */
import type { Column, Item, ValueType } from './column.ts';
import { elementsOf, hasLoneSurrogate, membersOf } from './json-members.ts';
import type { Reason } from './reasons.ts';
import { decimalCheck, PLAIN_CHECKS, type ScalarCheck } from './scalar-checks.ts';

/**
 * `json`: what DuckDB is to read. `hasUnknown`: a struct inside has members that the schema doesn't know. `field`: the
 * place of a fault, as `a.b`, with `[]` for an element of a list and `{}` for a value of a map.
 */
export type CheckedValue = { json: string; hasUnknown?: boolean } | { reason: Reason; field: string };

/** Checks the raw JSON text of one value that is not null. */
export type ValueCheck = (raw: string) => CheckedValue;

/** Compiles the check of a value that stands at `path`. */
export function valueCheck(value: ValueType, path: string): ValueCheck {
  switch (value.type) {
    case 'struct':
      return structCheck(value.fields, path);
    case 'list':
      return listCheck(value.items, path);
    case 'map':
      return mapCheck(value.values, path);
    case 'decimal':
      return placed(decimalCheck(value), path);
    default:
      return placed(PLAIN_CHECKS[value.type], path);
  }
}

function placed(check: ScalarCheck, field: string): ValueCheck {
  return (raw) => {
    const checked = check(raw);
    return 'reason' in checked ? { reason: checked.reason, field } : checked;
  };
}

function structCheck(fields: readonly Column[], path: string): ValueCheck {
  const checks = fields.map((field) => ({
    name: field.name,
    required: field.required,
    path: `${path}.${field.name}`,
    check: valueCheck(field, `${path}.${field.name}`),
  }));
  const known = new Set(fields.map(({ name }) => name));
  return (raw) => {
    if (raw[0] !== '{') return { reason: 'type', field: path };
    const sorted = knownMembers(raw, known, path);
    if ('reason' in sorted) return sorted;
    let { hasUnknown } = sorted;
    const json: string[] = [];
    for (const { name, required, path: field, check } of checks) {
      const member = sorted.members.get(name);
      if (member === undefined || member === 'null') {
        if (required) return { reason: 'missing', field };
        json.push(`"${name}":null`);
        continue;
      }
      const checked = check(member);
      if ('reason' in checked) return checked;
      hasUnknown ||= checked.hasUnknown ?? false;
      json.push(`"${name}":${checked.json}`);
    }
    return { json: `{${json.join()}}`, hasUnknown };
  };
}

function knownMembers(
  raw: string,
  known: ReadonlySet<string>,
  path: string,
): { members: Map<string, string>; hasUnknown: boolean } | { reason: Reason; field: string } {
  const members = new Map<string, string>();
  let hasUnknown = false;
  for (const { name, rawName, raw: value } of membersOf(raw)) {
    if (!known.has(name)) {
      if (hasLoneSurrogate(rawName) || hasLoneSurrogate(value))
        return { reason: 'lone surrogate', field: `${path}.${name.toWellFormed()}` };
      hasUnknown = true;
    } else if (members.has(name)) return { reason: 'repeated', field: `${path}.${name}` };
    else members.set(name, value);
  }
  return { members, hasUnknown };
}

function listCheck(items: Item, path: string): ValueCheck {
  const check = itemCheck(items, `${path}[]`);
  return (raw) => {
    if (raw[0] !== '[') return { reason: 'type', field: path };
    return all(elementsOf(raw), check, (parts) => `[${parts.join()}]`);
  };
}

function mapCheck(values: Item, path: string): ValueCheck {
  const field = `${path}{}`;
  const check = itemCheck(values, field);
  return (raw) => {
    if (raw[0] !== '{') return { reason: 'type', field: path };
    const members = membersOf(raw);
    const names = new Set<string>();
    for (const { name, rawName } of members) {
      if (hasLoneSurrogate(rawName)) return { reason: 'lone surrogate', field };
      if (names.has(name)) return { reason: 'repeated', field };
      names.add(name);
    }
    return all(
      members.map((member) => member.raw),
      check,
      (parts) => `{${parts.map((part, i) => `${members[i]!.rawName}:${part}`).join()}}`,
    );
  };
}

function itemCheck(item: Item, path: string): ValueCheck {
  const check = valueCheck(item, path);
  const ofNull: CheckedValue = item.required ? { reason: 'null', field: path } : { json: 'null' };
  return (raw) => (raw === 'null' ? ofNull : check(raw));
}

function all(raws: readonly string[], check: ValueCheck, join: (parts: string[]) => string): CheckedValue {
  const parts: string[] = [];
  let hasUnknown = false;
  for (const raw of raws) {
    const checked = check(raw);
    if ('reason' in checked) return checked;
    hasUnknown ||= checked.hasUnknown ?? false;
    parts.push(checked.json);
  }
  return { json: join(parts), hasUnknown };
}
