/**
 * The verdict on one hour, from counts that were made independently. Pure.
 */
import type { Hour } from '../loader/hour.ts';

/**
 * `OK`: all agree, and the hour is complete. `SHORT`: rows are missing. `OVER`: there are more than there should be.
 * `PENDING`: nothing is wrong, but the hour is not complete, or the log has records for it that are not loaded yet.
 */
export type AuditVerdict = 'OK' | 'SHORT' | 'OVER' | 'PENDING';

/** What was counted for an hour: accepted and refused records alike. */
export interface HourCounts {
  /** In the log, among the offsets that were loaded; null where the log no longer has them all. */
  broker: number | null;
  /** In the log above them. */
  ahead: number;
  /** As the records of chains and rewrites say. */
  loader: number;
  /** In the files themselves. */
  files: number;
  /** Whether the files hold the very offsets that the records say, by their digests. */
  isSame: boolean;
  /** Whether the hour bears a marker. */
  complete: boolean;
  /** Events that producers say they sent, against what came; left out where none said anything. */
  fromProducers?: { missing: number; surplus: number; isSettled: boolean } | undefined;
}

/** One hour of an audit. */
export interface AuditedHour extends Omit<HourCounts, 'ahead' | 'isSame' | 'fromProducers'> {
  hour: Hour;
  /** Events that producers say they sent; left out where none said anything of the hour. */
  produced?: number;
  /** Rows that came after the hour was first marked: in its files, and in `_late/`. As a load counts them. */
  late: number;
  quarantined: number;
  verdict: AuditVerdict;
  /** What is wrong, one line each. */
  problems: string[];
}

/** Missing rows weigh more than surplus ones: if both are true, the hour is short. */
export function verdictOf(counts: HourCounts): AuditVerdict {
  const { broker, ahead, loader, files, isSame, complete, fromProducers } = counts;
  const truth = broker ?? loader;
  if (files < truth || loader < truth) return 'SHORT';
  if (files > truth || loader > truth) return 'OVER';
  if (!isSame) return 'SHORT';
  return fromLog(complete && ahead === 0, fromProducers);
}

/** The table is what the log is: what remains is whether the log is what producers say, once the hour is over. */
function fromLog(isDone: boolean, fromProducers: HourCounts['fromProducers']): AuditVerdict {
  const { missing, surplus, isSettled } = fromProducers ?? { missing: 0, surplus: 0, isSettled: true };
  if (missing > 0) return isSettled ? 'SHORT' : 'PENDING';
  if (surplus > 0) return isSettled ? 'OVER' : 'PENDING';
  return isDone ? 'OK' : 'PENDING';
}
