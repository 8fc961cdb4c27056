/**
 * A topic whose schema grew: events for the old version and for the new one, and what a query over the files of both has
 * to find. The new version has further columns at the end, and a further field at the end of a struct.
 */
const money = { type: 'number', 'x-decimal': { precision: 12, scale: 2 } };

const OLD = {
  type: 'object',
  required: ['event_time', 'event_type'],
  properties: {
    event_time: { type: 'string', format: 'date-time' },
    event_type: { type: 'string' },
    place: {
      type: 'object',
      required: ['lat'],
      properties: { lat: { type: 'number' }, name: { type: 'string' } },
    },
    tags: { type: 'array', items: { type: ['string', 'null'] } },
    price: money,
  },
};

/** Texts of the schema files. */
export const OLD_TEXT = JSON.stringify(OLD);
export const NEW_TEXT = JSON.stringify({
  ...OLD,
  properties: {
    ...OLD.properties,
    place: {
      ...OLD.properties.place,
      properties: { ...OLD.properties.place.properties, since: { type: 'string', format: 'date-time' } },
    },
    order_id: { type: 'string', format: 'uuid' },
    attrs: { type: 'object', additionalProperties: { type: 'integer' } },
    total: { type: 'string', 'x-decimal': { precision: 38, scale: 3 } },
    lines: {
      type: 'array',
      items: {
        type: 'object',
        required: ['sku'],
        properties: { sku: { type: 'string' }, gift: { type: 'boolean' } },
      },
    },
  },
});

const base = { event_time: '2026-03-01T05:00:00Z', event_type: 'view' };

/** Values of records, for the old version and for the new one. */
export const OLD_EVENTS = [
  { ...base, place: { lat: 1.5, name: 'Nice' }, tags: ['a', null, 'ä'], price: 12.5 },
  { ...base },
].map((event) => JSON.stringify(event));
export const NEW_EVENTS = [
  {
    ...base,
    event_type: 'order',
    place: { lat: -2, since: '2026-03-01T00:00:00.000001Z' },
    tags: [],
    price: 0.07,
    order_id: '6F9619FF-8B86-D011-B42D-00C04FC964FF',
    attrs: { a: 1, b: -9007199254740991 },
    total: '12345678901234567890123456789012345.678',
    lines: [{ sku: 'x', gift: true }, { sku: 'y' }],
  },
  { ...base, event_type: 'order', lines: [], attrs: {} },
].map((event) => JSON.stringify(event));

/** A query in the dialect of a reader; times come as microseconds, decimals as text. `microseconds` makes the former, `price` may
 * be left out. */
export const versionsQuery = (
  table: string,
  {
    microseconds,
    first,
    price = 'price',
  }: { microseconds: (value: string) => string; first: 0 | 1; price?: 'price' | 'NULL' },
): string => `SELECT CAST(_offset AS INT) AS o, event_type, place.lat AS lat, place.name AS name,
  CAST(${microseconds('place.since')} AS VARCHAR(20)) AS since, tags[${first + 1}] AS second_tag, tags[${first + 2}] AS third_tag,
  CAST(${price} AS VARCHAR(50)) AS price, order_id, CAST(attrs['b'] AS VARCHAR(20)) AS b, CAST(total AS VARCHAR(50)) AS total,
  lines[${first}].sku AS sku, lines[${first + 1}].gift AS gift, lines IS NULL AS no_lines, hour
  FROM ${table} ORDER BY o`;

const NOTHING = {
  ...{ lat: null, name: null, since: null, second_tag: null, third_tag: null, price: null, order_id: null },
  ...{ b: null, total: null, sku: null, gift: null, no_lines: true, hour: '05' },
};

/** What it finds. */
export const VERSIONS_ROWS = [
  { ...NOTHING, o: 0, event_type: 'view', lat: 1.5, name: 'Nice', third_tag: 'ä', price: '12.50' },
  { ...NOTHING, o: 1, event_type: 'view' },
  {
    ...NOTHING,
    ...{ o: 2, event_type: 'order', lat: -2, since: '1772323200000001', price: '0.07' },
    order_id: '6f9619ff-8b86-d011-b42d-00c04fc964ff',
    ...{ b: '-9007199254740991', total: '12345678901234567890123456789012345.678' },
    ...{ sku: 'x', no_lines: false },
  },
  { ...NOTHING, o: 3, event_type: 'order', no_lines: false },
];
