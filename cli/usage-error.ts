/**
 * A command line that can't be carried out as it was written: an unknown option, a missing topic, two options that
 * exclude each other. One line, exit status 2. Whatever goes wrong later is an operational failure (1) or a setting (78).
 */
export class UsageError extends Error {
  override name = 'UsageError';
}
