/**
 * Why a record is refused: stable short codes that stand in quarantine lines and counts, each with its meaning. Codes may
 * be added, never changed: people search for them.
 */
export const REASONS = {
  tombstone: 'the record has no value',
  'no time': 'a raw record without a timestamp',
  timestamp: 'the timestamp of the record itself lies outside the years 1970 to 2254',
  'corrupt batch':
    'the rest of the batch can not be read although its checksum is right; the value is the whole batch',
  headers: 'the headers of the record can not be read',
  avro: 'the value is not what the schema whose number it bears says',
  'not utf-8': 'the value is not UTF-8',
  'not json': 'JSON.parse refuses the value',
  'not an object': 'the value is JSON, but no object',
  repeated: 'a member that the schema knows stands there twice',
  'lone surrogate': 'a \\u escape of half a character',
  missing: 'a required member is absent or null',
  type: 'the member has another JSON type than the schema says',
  'not an integer': 'a number with a fraction where the schema says integer',
  range: 'the number does not fit its type',
  time: 'no RFC 3339 date-time with offset, at most 6 fraction digits and a real calendar date',
  uuid: 'no UUID of 8-4-4-4-12 hexadecimal digits',
  decimal: 'the text is no decimal number of digits and a point',
  scale: 'the decimal number has more digits after the point than its type',
  null: 'null in a list or a map whose schema does not allow it',
  'time out of bounds': 'the event time lies before or after what the settings allow',
} as const;

/** The code of a reason. */
export type Reason = keyof typeof REASONS;
