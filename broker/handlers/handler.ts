/**
 * What a request handler is: a function from the request of one API to its response, and what it is given besides. A
 * handler throws KafkaError; `orCode` turns one of a single topic or partition into its code, dispatch one of the whole
 * request.
 */
import type { Logger } from 'pino';
import type { Settings } from '../../config/settings.ts';
import type { Groups } from '../groups/groups.ts';
import type { LogDirectory } from '../log/log-directory.ts';
import { type ErrorName, KafkaError } from '../protocol/errors.ts';
import type { Api, ReadOf, Shape, WriteOf } from '../protocol/schema.ts';
import { isInternalTopic } from '../topic-partition.ts';
import type { TransactionCoordinator } from '../transactions/coordinator.ts';
import type { FetchSessions } from './fetch-sessions.ts';

/** The parts of the broker that handlers work on. */
export interface BrokerContext {
  settings: Settings['broker'];
  directory: LogDirectory;
  groups: Groups;
  transactions: TransactionCoordinator;
  fetchSessions: FetchSessions;
  now: () => number;
  logger: Logger;
  /** The port listened on, known once it is open. */
  port: () => number;
}

/** One request's surroundings. */
export interface RequestContext extends BrokerContext {
  version: number;
  /** What the client calls itself; empty if it does not. */
  clientId: string;
  /** The address the client came from. */
  remoteAddress: string;
  /** The address of ours that the client reached. */
  localAddress: string;
  /** Aborted when the connection closes or the broker stops: nobody waits for the answer any more. */
  closed: AbortSignal;
  /** Runs `release` when the answer has left or never will. */
  afterSent(release: () => void): void;
  /** Closes the connection: the only way to tell a client that wants no answer of an error. */
  disconnect(reason: string): void;
}

/** A response, or undefined for none at all. */
type Result<Res extends Shape> = WriteOf<Res> | undefined;

/** An API as served. */
export interface Handler<Req extends Shape = Shape, Res extends Shape = Shape> {
  api: Api<Req, Res>;
  /** Whether ApiVersions names it. */
  isAdvertised: boolean;
  handle(request: ReadOf<Req>, context: RequestContext): Result<Res> | Promise<Result<Res>>;
}

/** Makes a handler; its types come from the API's table. */
export function handler<Req extends Shape, Res extends Shape>(
  api: Api<Req, Res>,
  handle: Handler<Req, Res>['handle'],
  { isAdvertised = true } = {},
): Handler {
  // In a list of handlers each takes its own request only; dispatch gives it what its own codec decoded.
  return { api, isAdvertised, handle } as unknown as Handler;
}

/**
 * Runs the work for one topic or partition; an error becomes what `refused` makes of its code. Anything but a KafkaError
 * is a bug: it is logged with its stack and answered as `unexpected`.
 */
export async function orCode<T, R>(
  { logger }: Pick<BrokerContext, 'logger'>,
  work: () => T | Promise<T>,
  refused: (errorCode: number, message: string, error: KafkaError) => R,
  unexpected: ErrorName = 'UNKNOWN_SERVER_ERROR',
): Promise<T | R> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof KafkaError) return refused(error.code, error.message, error);
    logger.error({ error }, `a request failed unexpectedly: ${(error as Error).message}`);
    const known = new KafkaError(unexpected);
    return refused(known.code, known.message, known);
  }
}

/** Throws FENCED_LEADER_EPOCH or UNKNOWN_LEADER_EPOCH unless a client knows the current epoch or none (KIP-320). */
export function checkLeaderEpoch(log: { name: string; leaderEpoch: number }, clientEpoch: number): void {
  if (clientEpoch < 0 || clientEpoch === log.leaderEpoch) return;
  const isOld = clientEpoch < log.leaderEpoch;
  throw new KafkaError(
    isOld ? 'FENCED_LEADER_EPOCH' : 'UNKNOWN_LEADER_EPOCH',
    `${log.name} has leader epoch ${log.leaderEpoch}, the request ${clientEpoch}`,
  );
}

/** Throws INVALID_TOPIC_EXCEPTION for the broker's own topics, which clients may read but not change. */
export function refuseInternal(topic: string): void {
  if (isInternalTopic(topic)) {
    throw new KafkaError('INVALID_TOPIC_EXCEPTION', `${topic} is the broker's own`);
  }
}

/** The host that clients are told: as set, or the address they reached where the broker listens on all of them. */
export function advertisedHost({ settings, localAddress }: RequestContext): string {
  if (settings.advertisedHost !== '') return settings.advertisedHost;
  const isAny = settings.host === '0.0.0.0' || settings.host === '::';
  return isAny ? localAddress.replace(/^::ffff:/, '') : settings.host;
}
