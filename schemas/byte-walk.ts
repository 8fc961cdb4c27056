/**
 * Takes JSON tokens off a message's bytes, one after the other, each with the strictness the guard needs. Every `take…`
 * answers whether the token is there and proven; after a false the walk is over. See guard.ts for what "proven" means.
 */

/** Bytes that stand for themselves in a JSON string and need no UTF-8 check: 0x20 to 0x7f without `"` and `\`. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, c) =>
  Number(c >= 0x20 && c < 0x80 && c !== 0x22 && c !== 0x5c),
);
/** Bytes after a backslash that are a whole escape: " \ / b f n r t */
const ESCAPES = Uint8Array.from({ length: 256 }, (_, c) =>
  Number('"\\/bfnrt'.includes(String.fromCharCode(c))),
);
const HEX = Uint8Array.from({ length: 256 }, (_, c) => Number(/[0-9a-fA-F]/.test(String.fromCharCode(c))));
const DAYS_OF_MONTH = Uint8Array.of(0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31);
const DAY_US = 86_400_000_000;
/** A fraction's digits → the factor that makes microseconds of it. */
const FRACTION_UNITS = Float64Array.of(0, 100_000, 10_000, 1_000, 100, 10, 1);
/** Doubles of at most this many digits are left to DuckDB's own reader; longer ones to the judge. */
const MAX_NUMBER_DIGITS = 20;

/** A position in one message and what the last token was. One instance serves many messages, one at a time. */
export class ByteWalk {
  bytes: Uint8Array = new Uint8Array(0);
  /** The same bytes, to be read four at a time. */
  view: DataView = new DataView(new ArrayBuffer(0));
  at = 0;
  end = 0;
  /** Whether a byte above 0x7f was seen: only then is UTF-8 worth checking. */
  sawHighByte = false;
  /** Whether the last string taken has an escape in it. */
  sawEscape = false;
  /** The value of the last integer taken (exact up to 2^53), or the microseconds of the last time. */
  number = 0;
  /** The last date taken, as yyyymmdd, and its days since 1970: most messages bear the date of the one before. */
  #date = 19700101;
  #dateDays = 0;

  begin(bytes: Uint8Array, start: number, end: number): void {
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    this.at = start;
    this.end = end;
    this.sawHighByte = false;
  }

  /** Skips white space and takes one byte if it is `code`. */
  take(code: number): boolean {
    if (this.bytes[this.at] === code) {
      this.at++;
      return true;
    }
    this.space();
    if (this.bytes[this.at] !== code) return false;
    this.at++;
    return true;
  }

  /** Skips JSON's white space. */
  space(): void {
    const { bytes, end } = this;
    let at = this.at;
    for (let c = bytes[at]!; at < end && c <= 0x20; c = bytes[++at]!) {
      if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) break;
    }
    this.at = at;
  }

  /** Whether nothing but white space is left. */
  isDone(): boolean {
    this.space();
    return this.at === this.end;
  }

  takeNull(): boolean {
    const { bytes, at } = this;
    this.at = at + 4;
    return bytes[at] === 0x6e && bytes[at + 1] === 0x75 && bytes[at + 2] === 0x6c && bytes[at + 3] === 0x6c;
  }

  takeBoolean(): boolean {
    const { bytes, at } = this;
    if (bytes[at] === 0x74) {
      this.at = at + 4;
      return bytes[at + 1] === 0x72 && bytes[at + 2] === 0x75 && bytes[at + 3] === 0x65;
    }
    this.at = at + 5;
    return (
      bytes[at] === 0x66 &&
      bytes[at + 1] === 0x61 &&
      bytes[at + 2] === 0x6c &&
      bytes[at + 3] === 0x73 &&
      bytes[at + 4] === 0x65
    );
  }

  takeString(): boolean {
    const { bytes, end } = this;
    if (bytes[this.at] !== 0x22) return false;
    this.sawEscape = false;
    for (let at = this.#plainEnd(this.at + 1); at < end; at = this.#plainEnd(at + 1)) {
      const c = bytes[at]!;
      if (c === 0x22) {
        this.at = at + 1;
        return true;
      }
      if (c >= 0x80) {
        this.sawHighByte = true;
      } else {
        this.sawEscape = true;
        at = this.#escapeEnd(at);
        if (at < 0) return false;
      }
    }
    return false;
  }

  /**
   * Moves behind the object or array that begins here, by its brackets and strings alone: not a proof, whoever takes the
   * bytes must still read them as JSON. False if it has no end.
   */
  skipNested(): boolean {
    const { bytes, end } = this;
    let depth = 0;
    for (let at = this.at; at < end; at++) {
      const c = bytes[at]!;
      if (c === 0x22) {
        at = this.#quoteEnd(at);
      } else if (c === 0x7b || c === 0x5b) depth++;
      else if ((c === 0x7d || c === 0x5d) && --depth === 0) {
        this.at = at + 1;
        return true;
      } else if (depth === 0) return false;
    }
    return false;
  }

  /** The closing quote of the string that begins at `start`, or the end. */
  #quoteEnd(start: number): number {
    const { bytes, end } = this;
    let at = start + 1;
    for (; at < end && bytes[at] !== 0x22; at++) {
      if (bytes[at] === 0x5c) at++;
      else if (bytes[at]! >= 0x80) this.sawHighByte = true;
    }
    return at;
  }

  /** The first byte from `from` on that is not plain. Four at a time, as one number: the innermost loop of all. */
  #plainEnd(from: number): number {
    const { bytes, view, end } = this;
    let at = from;
    for (const last = end - 4; at <= last; at += 4) {
      const four = view.getInt32(at, true);
      const quotes = four ^ 0x22222222;
      const backslashes = four ^ 0x5c5c5c5c;
      // The top bit of a byte is set here if its subtraction borrowed (below 0x20, a quote, a backslash), or if it is
      // above 0x7f. A borrow may also spill into the next byte; then the loop below looks at bytes that are plain.
      const odd = (four - 0x20202020) | (quotes - 0x01010101) | (backslashes - 0x01010101);
      if ((odd & 0x80808080) !== 0) break;
    }
    while (at < end && PLAIN[bytes[at]!] === 1) at++;
    return at;
  }

  /** The last byte of the escape at `at`; -1: a control character, no escape, or part of a surrogate pair. */
  #escapeEnd(at: number): number {
    const { bytes } = this;
    if (bytes[at] !== 0x5c || at + 1 >= this.end) return -1;
    const c = bytes[at + 1]!;
    if (ESCAPES[c] === 1) return at + 1;
    if (c !== 0x75 || at + 5 >= this.end) return -1;
    const d = bytes[at + 2]!;
    if (d === 0x64 || d === 0x44) return -1;
    const isHex = HEX[d]! & HEX[bytes[at + 3]!]! & HEX[bytes[at + 4]!]! & HEX[bytes[at + 5]!]!;
    return isHex === 1 ? at + 5 : -1;
  }

  /** Takes an integer of at most `maxDigits` digits, without fraction or exponent. */
  takeInteger(maxDigits: number): boolean {
    const { bytes, end } = this;
    const isNegative = bytes[this.at] === 0x2d;
    const first = this.at + (isNegative ? 1 : 0);
    let at = first;
    let value = 0;
    for (; at < end; at++) {
      const digit = bytes[at]! - 48;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    const digits = at - first;
    if (digits === 0 || digits > maxDigits || (digits > 1 && bytes[first] === 0x30)) return false;
    this.at = at;
    this.number = isNegative ? -value : value;
    return true;
  }

  /** Takes a decimal number without exponent, of few enough digits; not the integer -0, which DuckDB takes for 0. */
  takeNumber(): boolean {
    const { bytes } = this;
    const start = this.at;
    if (!this.takeInteger(15)) return false;
    if (bytes[this.at] !== 0x2e) return !(this.number === 0 && bytes[start] === 0x2d);
    const first = this.at + 1;
    let at = first;
    while (at < this.end && bytes[at]! >= 48 && bytes[at]! <= 57) at++;
    this.at = at;
    return at > first && at - start <= MAX_NUMBER_DIGITS;
  }

  /** Takes a date-time `"YYYY-MM-DDTHH:MM:SS[.f]Z"` or with `±HH:MM`; its microseconds since 1970 are in `number`. */
  takeTime(): boolean {
    const { bytes, at } = this;
    if (bytes[at] !== 0x22 || at + 21 >= this.end) return false;
    const year = this.#twoDigits(at + 1) * 100 + this.#twoDigits(at + 3);
    const days = this.#daysOf(year, this.#twoDigits(at + 6), this.#twoDigits(at + 9));
    const hour = this.#twoDigits(at + 12);
    const minute = this.#twoDigits(at + 15);
    const second = this.#twoDigits(at + 18);
    const isPunctuated =
      bytes[at + 5] === 0x2d &&
      bytes[at + 8] === 0x2d &&
      bytes[at + 11] === 0x54 &&
      bytes[at + 14] === 0x3a &&
      bytes[at + 17] === 0x3a;
    // Two characters that are no digits make NaN, for which none of these holds.
    if (!(isPunctuated && hour <= 23 && minute <= 59 && second <= 59)) return false;
    this.at = at + 20;
    const us = days * DAY_US + (hour * 3_600 + minute * 60 + second) * 1_000_000 + this.#fraction();
    this.number = us - this.#offsetSeconds() * 1_000_000;
    return !Number.isNaN(this.number) && this.bytes[this.at++] === 0x22;
  }

  #twoDigits(at: number): number {
    const tens = this.bytes[at]! - 48;
    const ones = this.bytes[at + 1]! - 48;
    return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
  }

  /** Days since 1970 of a date of the calendar, else NaN. */
  #daysOf(year: number, month: number, day: number): number {
    const date = year * 10_000 + month * 100 + day;
    if (date === this.#date) return this.#dateDays;
    if (!(year >= 0 && month >= 1 && month <= 12 && day >= 1)) return Number.NaN;
    const isLeapYear = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
    const last = month === 2 && isLeapYear ? 29 : DAYS_OF_MONTH[month]!;
    if (day > last) return Number.NaN;
    // Counted from 1 March 0000, so that the leap day is the last of its year.
    const marchYear = month > 2 ? year : year - 1;
    const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
    const leapDays = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400);
    this.#date = date;
    this.#dateDays = marchYear * 365 + leapDays + dayOfYear - 719_468;
    return this.#dateDays;
  }

  /** Takes a fraction of a second if there is one; its microseconds, NaN unless it has 1 to 6 digits. */
  #fraction(): number {
    const { bytes, end } = this;
    if (bytes[this.at] !== 0x2e) return 0;
    const first = this.at + 1;
    let at = first;
    let value = 0;
    for (; at < end; at++) {
      const digit = bytes[at]! - 48;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    this.at = at;
    const digits = at - first;
    return digits >= 1 && digits <= 6 ? value * FRACTION_UNITS[digits]! : Number.NaN;
  }

  /** Takes `Z` or `±HH:MM`; its seconds, NaN if it is neither. */
  #offsetSeconds(): number {
    const { bytes, at } = this;
    const sign = bytes[at];
    if (sign === 0x5a) {
      this.at = at + 1;
      return 0;
    }
    if ((sign !== 0x2b && sign !== 0x2d) || bytes[at + 3] !== 0x3a) return Number.NaN;
    const hours = this.#twoDigits(at + 1);
    const minutes = this.#twoDigits(at + 4);
    if (!(hours <= 23 && minutes <= 59)) return Number.NaN;
    this.at = at + 6;
    const seconds = hours * 3_600 + minutes * 60;
    return sign === 0x2d ? -seconds : seconds;
  }
}
