/**
 * What a mutant is: operations of the store that are done wrong, by the store or by its caller, and fsyncs left out.
 */
export type Operation = (this: StoreMethods, ...args: unknown[]) => Promise<unknown>;
/** A store by the names of its methods. */
export type StoreMethods = Record<string, Operation>;

/** Operations that change something. */
export const CHANGES: ReadonlySet<string> = new Set([
  'makeDirectory',
  'upload',
  'create',
  'publish',
  'move',
  'overwrite',
  'sync',
  'remove',
]);
export const STORE_OPERATIONS = [...CHANGES, 'read', 'readRange', 'stat', 'list'] as const;

export type StoreOperation = (typeof STORE_OPERATIONS)[number];

/** `original` takes other arguments, or else those there are; `root` is the warehouse's directory. */
export type Mutate = (
  store: StoreMethods,
  args: readonly unknown[],
  original: (...changed: unknown[]) => Promise<unknown>,
  root: string,
) => Promise<unknown>;

export interface Mutant {
  /** The store does it wrong. */
  store?: Partial<Record<StoreOperation, Mutate>>;
  /** Its caller does: this comes before failpoints, and sees their errors. */
  caller?: Partial<Record<StoreOperation, Mutate>>;
  /** Paths whose fsync is left out. */
  unsynced?: RegExp;
}
