/**
 * Reads lines of web access logs: Common Log Format, combined, and combined with further fields. A line becomes one
 * event of the schema `web_request`, as JSON. The definitions are those of the oracle that the tests compare with:
 * bytes are taken as latin-1, nothing is unescaped or percent-decoded, the time is turned to UTC by its own offset, and
 * days beyond the end of a month run on into the next, as they do there.
 *
 * Beyond them: `-` is null (ident, auth_user, bytes, referrer, user_agent); fields after the user agent stand whole in
 * the member `tail`, which the schema doesn't know and the loader therefore keeps in `_extra`.
 */
import type { ColumnType } from '../../schemas/column-types.ts';

/** One event. `json`: the record's value; `host`: its key; `timeMs`: its event time, ms since 1970. */
export interface AccessLogEvent {
  json: string;
  host: string;
  timeMs: number;
}

/** The columns that lines are turned into. A topic that takes access logs has a schema with all of them. */
export const ACCESS_LOG_COLUMNS = {
  event_time: 'timestamp',
  host: 'string',
  ident: 'string',
  auth_user: 'string',
  method: 'string',
  target: 'string',
  path: 'string',
  query: 'string',
  protocol: 'string',
  status: 'int32',
  bytes: 'int64',
  referrer: 'string',
  user_agent: 'string',
} as const satisfies Record<string, ColumnType>;

/** The parts of a line as they stand in it; undefined: the form doesn't have them. */
interface LineFields {
  host: string;
  ident: string;
  user: string;
  timeMs: number;
  request: string;
  status: string;
  bytes: string;
  referrer: string | undefined;
  userAgent: string | undefined;
  tail: string | undefined;
}

const CARRIAGE_RETURN = 0x0d;

/** Parses one line, without its LF; one CR at its end is dropped. Undefined: it matches no form. */
export function parseAccessLogLine(line: Buffer): AccessLogEvent | undefined {
  const end = line.length - (line.at(-1) === CARRIAGE_RETURN ? 1 : 0);
  const text = line.toString('latin1', 0, end);
  const plain = PLAIN_LINE.test(text) ? plainFields(text) : undefined;
  const fields = plain ?? matchFields(text);
  if (fields === undefined || Number.isNaN(fields.timeMs)) return undefined;
  return { json: eventJson(fields, plain ? quoted : jsonString), host: fields.host, timeMs: fields.timeMs };
}

/** Makes a JSON string of a text. */
type Quote = (text: string) => string;

function eventJson(fields: LineFields, quote: Quote): string {
  const { bytes, tail } = fields;
  return (
    `{"event_time":"${utcText(fields.timeMs)}","host":${quote(fields.host)}` +
    member('ident', fields.ident, quote) +
    member('auth_user', fields.user, quote) +
    requestMembers(fields.request, quote) +
    `,"status":${Number(fields.status)}` +
    (bytes === '-' ? '' : `,"bytes":${withoutLeadingZeros(bytes)}`) +
    member('referrer', fields.referrer, quote) +
    member('user_agent', fields.userAgent, quote) +
    (tail === undefined ? '}' : `,"tail":${jsonString(tail)}}`)
  );
}

/** Python's `\S` for latin-1 text, by which the oracle splits fields: JavaScript's knows neither 0x1c-0x1f nor 0x85. */
const FIELD = '[^\\t-\\r\\x1c-\\x20\\x85\\xa0]';
const TIME = '(\\d\\d/[A-Z][a-z][a-z]/\\d{4}:\\d\\d):(\\d\\d:\\d\\d) ([+-]\\d{4})';
const QUOTED = '"([^"\\\\]*(?:\\\\.[^"\\\\]*)*)"';
const LINE = new RegExp(
  `^(${FIELD}+) (${FIELD}+) (.*?) \\[${TIME}\\] ${QUOTED} (\\d{3}) (\\d+|-)(?: ${QUOTED} ${QUOTED}(?: (.*))?)?$`,
  's',
);

/** The definition of a line. */
function matchFields(text: string): LineFields | undefined {
  const match = LINE.exec(text);
  if (match === null) return undefined;
  const [, host = '', ident = '', user = '', hour = '', minutes = '', zone = ''] = match;
  const [request = '', status = '', bytes = '', referrer, userAgent, tail] = match.slice(7);
  const timeMs = timeOf(hour, minutes, zone);
  return { host, ident, user, timeMs, request, status, bytes, referrer, userAgent, tail };
}

/** Printable ASCII without backslash: in such a line a quoted field ends at the next quote, and only a space parts fields. */
const PLAIN_LINE = /^[ -[\]-~]*$/;
const STAMP_LENGTH = '[20/Feb/2016:00:00:45 -0500]'.length;

/**
 * The same for the usual plain combined line, several times as fast; undefined: not usual, ask the definition. Fields
 * are found from left to right at the first place where they can end, as the lazy match of the definition does.
 */
function plainFields(text: string): LineFields | undefined {
  const hostEnd = text.indexOf(' ');
  const identEnd = text.indexOf(' ', hostEnd + 1);
  const userEnd = text.indexOf(' [', identEnd + 1);
  const start = userEnd + 1;
  const quote = start + STAMP_LENGTH + 1;
  // The first quote of the line is that of the request: none of the fields before it holds one.
  if (hostEnd < 1 || identEnd === hostEnd + 1 || userEnd < 0 || text.indexOf('"') !== quote) return undefined;
  if (!text.startsWith('] "', quote - 2)) return undefined;
  const hour = text.slice(start + 1, start + 15);
  const minutes = text.slice(start + 16, start + 21);
  const zone = text.slice(start + 22, start + 27);
  if (text[start + 15] !== ':' || text[start + 21] !== ' ' || !isStamp(hour, minutes, zone)) return undefined;
  const requestEnd = text.indexOf('"', quote + 1);
  const bytesEnd = text.indexOf(' "', requestEnd + 6);
  const referrerEnd = text.indexOf('"', bytesEnd + 2);
  const agentEnd = text.indexOf('"', referrerEnd + 3);
  if (requestEnd < 0 || bytesEnd < 0 || referrerEnd < 0 || agentEnd < 0) return undefined;
  if (!text.startsWith('" "', referrerEnd)) return undefined;
  const sizes = text.slice(requestEnd + 1, bytesEnd);
  if (!/^ \d{3} (?:\d+|-)$/.test(sizes)) return undefined;
  const hasTail = agentEnd + 1 < text.length;
  if (hasTail && text[agentEnd + 1] !== ' ') return undefined;
  return {
    host: text.slice(0, hostEnd),
    ident: text.slice(hostEnd + 1, identEnd),
    user: text.slice(identEnd + 1, userEnd),
    timeMs: timeOf(hour, minutes, zone),
    request: text.slice(quote + 1, requestEnd),
    status: sizes.slice(1, 4),
    bytes: sizes.slice(5),
    referrer: text.slice(bytesEnd + 2, referrerEnd),
    userAgent: text.slice(referrerEnd + 3, agentEnd),
    tail: hasTail ? text.slice(agentEnd + 2) : undefined,
  };
}

function isStamp(hour: string, minutes: string, zone: string): boolean {
  const isHour = hour === lastHour || /^\d\d\/[A-Z][a-z][a-z]\/\d{4}:\d\d$/.test(hour);
  return isHour && /^\d\d:\d\d$/.test(minutes) && (zone === lastZone || /^[+-]\d{4}$/.test(zone));
}

/** `,"name":"value"`, or nothing for null: absent or `-`. */
function member(name: string, value: string | undefined, quote: Quote): string {
  return value === undefined || value === '-' ? '' : `,"${name}":${quote(value)}`;
}

const METHOD = /^[A-Z]+ /;
const PROTOCOL = /^ HTTP\/\d\.\d$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: Python counts them as white space
const BLANK = /^[\t-\r\x1c-\x20\x85\xa0]/;

/** `METHOD target HTTP/d.d`: the target begins with a non-blank, isn't empty, and may hold spaces. */
function requestMembers(request: string, quote: Quote): string {
  const methodEnd = request.indexOf(' ');
  const target = request.slice(methodEnd + 1, -9);
  if (!METHOD.test(request) || !PROTOCOL.test(request.slice(-9)) || target === '' || BLANK.test(target)) {
    return `,"target":${quote(request)}`;
  }
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const query = mark < 0 ? '' : `,"query":${quote(target.slice(mark + 1))}`;
  const method = request.slice(0, methodEnd);
  const protocol = request.slice(-8);
  return `,"method":"${method}","target":${quote(target)},"path":${quote(path)}${query},"protocol":"${protocol}"`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones that JSON escapes
const NEEDS_ESCAPE = /[\u0000-\u001f"\\]/;

/** For text that holds nothing to escape. */
function quoted(text: string): string {
  return `"${text}"`;
}

/** The same as JSON.stringify for text without surrogates, several times as fast for text without escapes. */
function jsonString(text: string): string {
  return NEEDS_ESCAPE.test(text) ? JSON.stringify(text) : `"${text}"`;
}

/** JSON allows no leading zeros; the digits are not turned into a number, which might round them. */
function withoutLeadingZeros(digits: string): string {
  return digits[0] === '0' ? digits.replace(/^0+(?=\d)/, '') : digits;
}

/** The last hour (its beginning in ms, as if it were UTC) and offset (in ms) parsed: neighbouring lines share them. */
let lastHour = '';
let lastHourMs = Number.NaN;
let lastZone = '';
let lastZoneMs = Number.NaN;

/** Epoch ms of `dd/Mon/yyyy:HH`, `MM:SS` and `±HHMM`; NaN if they are no time. Second 60 is the next minute's first. */
function timeOf(hour: string, minutes: string, zone: string): number {
  if (hour !== lastHour) {
    lastHourMs = hourOf(hour);
    lastHour = hour;
  }
  const minute = Number(minutes.slice(0, 2));
  const second = Number(minutes.slice(3));
  if (minute > 59 || second > 60) return Number.NaN;
  if (zone !== lastZone) {
    const offsetMs = (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3))) * 60_000;
    lastZoneMs = zone[0] === '-' ? -offsetMs : offsetMs;
    lastZone = zone;
  }
  const timeMs = lastHourMs + minute * 60_000 + second * 1_000 - lastZoneMs;
  // RFC 3339 has four digits for a year: what the offset moves out of them is no time of ours.
  return timeMs >= YEAR_1_MS && timeMs < YEAR_10000_MS ? timeMs : Number.NaN;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const YEAR_1_MS = Date.parse('0001-01-01T00:00:00Z');
const YEAR_10000_MS = Date.parse('+010000-01-01T00:00:00Z');

function hourOf(text: string): number {
  const day = Number(text.slice(0, 2));
  const month = MONTHS.indexOf(text.slice(3, 6));
  const hour = Number(text.slice(12, 14));
  if (month < 0 || day < 1 || day > 31 || hour > 23) return Number.NaN;
  const date = new Date(0);
  date.setUTCFullYear(Number(text.slice(7, 11)), month, day);
  return date.getTime() + hour * 3_600_000;
}

/** The last hour written and the beginning of its text: neighbouring lines share it. */
let writtenHour = Number.NaN;
let writtenPrefix = '';
const MINUTE_SECONDS = Array.from({ length: 3_600 }, (_, s) =>
  new Date(s * 1_000).toISOString().slice(14, 19),
);

function utcText(timeMs: number): string {
  const hour = Math.floor(timeMs / 3_600_000);
  if (hour !== writtenHour) {
    writtenHour = hour;
    writtenPrefix = new Date(timeMs).toISOString().slice(0, 14);
  }
  return `${writtenPrefix}${MINUTE_SECONDS[timeMs / 1_000 - hour * 3_600]}Z`;
}
