import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../jobs/activity-in/seeded-random.ts';
import { parseSchema } from '../../../schemas/event-schema.ts';
import { SchemaGuess } from '../../../schemas/infer.ts';
import { compileJudge } from '../../../schemas/judge.ts';
import { PROBE_BOUNDS, rowText } from '../../support/event-rows.ts';
import { NESTED_SCHEMA, nestedRow } from '../../support/nested-rows.ts';

const AT = '2026-03-01T05:00:00Z';

function proposalOf(events: readonly unknown[], eventTime?: string) {
  const guess = new SchemaGuess();
  for (const event of events)
    guess.add(Buffer.from(typeof event === 'string' ? event : JSON.stringify(event)));
  return guess.propose(eventTime);
}

describe('a proposed schema', () => {
  it('has the type that holds everything seen of a member, the event time first and alone required', () => {
    const { schema, notes } = proposalOf([
      { a: 'x', id: '6f9619ff-8b86-d011-b42d-00c04fc964ff', n: 1, f: 1, when: AT, ok: true, event_time: AT },
      {
        a: AT,
        n: 2,
        f: 1.5,
        ok: null,
        event_time: AT,
        tags: ['a', null],
        place: { lat: 1.5 },
        by: { '7': 1, b: 2 },
      },
    ]);
    expect(schema).toMatchObject({ 'x-event-time': 'event_time', required: ['event_time'] });
    expect(Object.keys(schema['properties'] as object)[0]).toBe('event_time');
    expect(schema['properties']).toEqual({
      event_time: { type: 'string', format: 'date-time' },
      a: { type: 'string' },
      id: { type: 'string', format: 'uuid' },
      n: { type: 'integer' },
      f: { type: 'number' },
      when: { type: 'string', format: 'date-time' },
      ok: { type: 'boolean' },
      tags: { type: 'array', items: { type: ['string', 'null'] } },
      place: { type: 'object', properties: { lat: { type: 'number' } } },
      by: { type: 'object', additionalProperties: { type: 'integer' } },
    });
    expect(notes).toEqual([]);
  });

  it('leaves out, and says so, what has no one type or no name for a column', () => {
    const { schema, notes } = proposalOf([
      { at: AT, a: 1, b: null, c: [], d: {}, _x: 1, 'e-f': 1, hour: 1, s: 'x', S: 'y' },
      { at: AT, a: 'x' },
      'no json',
      '[]',
    ]);
    expect(Object.keys(schema['properties'] as object)).toEqual(['at', 's']);
    expect(notes).toEqual([
      '2 of 4 values are no JSON object',
      'a: left out, of several types: integer, string',
      'b: left out, nothing but null was seen',
      'c[]: left out, nothing but null was seen',
      'c: left out, no type for its elements',
      'd: left out, no members with a type',
      '_x: left out, no name for a column',
      'e-f: left out, no name for a column',
      'hour: left out, no name for a column',
      'S: left out, another differs only in case',
    ]);
  });

  it('takes the event time that was named, and no member that is not a time in every event', () => {
    const events = [
      { at: AT, placed: AT, maybe: AT },
      { at: AT, placed: AT },
    ];
    expect(proposalOf(events).schema['x-event-time']).toBe('at');
    expect(proposalOf(events, 'placed').schema['x-event-time']).toBe('placed');
    expect(() => proposalOf(events, 'maybe')).toThrow(/maybe is not an RFC 3339 .*; these are: at, placed/);
    expect(() => proposalOf([{ at: 1_700_000_000 }])).toThrow(/no member is an RFC 3339 date-time/);
  });

  it('is a schema file by which the events it was made from are accepted', () => {
    const random = new SeededRandom(11);
    const events = Array.from({ length: 300 }, () => rowText(random, nestedRow(random).members));
    const { schema } = proposalOf(events);
    const parsed = parseSchema('proposed', JSON.stringify(schema));
    const names = new Set(parsed.columns.map(({ name }) => name));
    expect(NESTED_SCHEMA.columns.every(({ name }) => names.has(name))).toBe(true);
    const judge = compileJudge(parsed, PROBE_BOUNDS);
    for (const event of events) expect(judge(Buffer.from(event))).toMatchObject({ ok: true });
  });
});
