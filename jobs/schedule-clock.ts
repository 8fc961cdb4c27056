/** The clock that the schedule runs by, passed in so that a test can let days go by in a moment. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Resolves after so many milliseconds of this clock; rejects when the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}
