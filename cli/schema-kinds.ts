/**
 * A topic that carries several kinds of events has one schema, the union of their columns: what tells people so.
 */
import type { EventSchema } from '../schemas/event-schema.ts';

/** The column that tells the kinds of events apart. */
const KIND = 'event_type';

/** What to know of a schema for several kinds of events; undefined: it is for one kind. */
export function kindsText({ columns }: EventSchema): string | undefined {
  const kind = columns.find(({ name }) => name === KIND);
  if (kind === undefined) return undefined;
  const rule = kind.required
    ? 'what only some kinds have is optional'
    : `make ${KIND} required, or events without it belong to no kind`;
  return `several kinds of events in one table, told apart by ${KIND}; ${rule}`;
}
