/**
 * From a request's frame to its reply: the only place that knows which handler serves what, and that turns the error of
 * a whole request into a code. A version that isn't served gets an error in the nearest version's form, never a closed
 * connection: a client that finds the socket closed cannot tell why.
 */
import { advertisedApis } from '../handlers/api-versions.ts';
import type { BrokerContext, Handler, RequestContext } from '../handlers/handler.ts';
import { HANDLERS } from '../handlers/handlers.ts';
import { apiVersions } from '../protocol/apis/api-versions.ts';
import { KafkaError } from '../protocol/errors.ts';
import { encodeResponse, type RequestHeader, readRequest, readRequestHeader } from '../protocol/frame.ts';
import { Reader } from '../protocol/wire.ts';

const BY_KEY = new Map(HANDLERS.map((handler) => [handler.api.key, handler]));
const UNKNOWN_API_REPLY_BYTES = 4 + 4 + 2;

/** A response ready for the wire; `release` when it has left or never will. */
export interface Reply {
  chunks: Buffer[];
  release(): void;
}

/** What dispatch needs of a connection. */
export interface Caller {
  localAddress: string;
  remoteAddress: string;
  closed: AbortSignal;
  disconnect(reason: string): void;
}

/** The API key of a frame that has one. */
export function apiKeyOf(frame: Buffer): number {
  return frame.length >= 2 ? frame.readInt16BE(0) : -1;
}

/** Serves one request. Undefined: it wants no reply. Throws WireError if the frame is no request. */
export async function dispatch(
  frame: Buffer,
  broker: BrokerContext,
  caller: Caller,
): Promise<Reply | undefined> {
  const reader = new Reader(frame);
  const header = readRequestHeader(reader);
  const handler = BY_KEY.get(header.apiKey);
  broker.logger.trace(
    { clientId: header.clientId, from: caller.remoteAddress },
    `request ${handler?.api.name ?? header.apiKey} ${header.apiVersion}`,
  );
  if (handler === undefined) return plainReply(refuseUnknownApi(header));
  const [min, max] = handler.api.versions;
  if (header.apiVersion < min || header.apiVersion > max) return plainReply(refuseVersion(handler, header));
  const request = readRequest(handler.api, header.apiVersion, reader);
  const releases: Array<() => void> = [];
  const release = () => {
    for (const each of releases.splice(0)) each();
  };
  const context: RequestContext = {
    ...broker,
    ...caller,
    version: header.apiVersion,
    clientId: header.clientId ?? '',
    afterSent: (each) => releases.push(each),
  };
  try {
    const response = await handler.handle(request, context);
    if (response === undefined) return undefined;
    const chunks = encodeResponse(handler.api, header.apiVersion, header.correlationId, response);
    return { chunks, release };
  } catch (error) {
    release();
    return plainReply(refuse(handler, header, header.apiVersion, knownError(error, handler, broker)));
  }
}

function plainReply(chunks: Buffer[]): Reply {
  return { chunks, release: () => {} };
}

function knownError(error: unknown, { api }: Handler, { logger }: BrokerContext): KafkaError {
  if (error instanceof KafkaError) return error;
  logger.error({ error }, `${api.name} failed unexpectedly: ${(error as Error).message}`);
  return new KafkaError('UNKNOWN_SERVER_ERROR');
}

/** An empty response with the error where the API has a place for one. */
function refuse({ api }: Handler, { correlationId }: RequestHeader, version: number, error: KafkaError) {
  const body = { ...api.responseCodec(version).zero(), errorCode: error.code };
  // Any one of the APIs: its own codec made the body.
  return encodeResponse(api, version, correlationId, body as never);
}

function refuseVersion(handler: Handler, header: RequestHeader): Buffer[] {
  const error = new KafkaError('UNSUPPORTED_VERSION', `${handler.api.name} ${header.apiVersion}`);
  if (handler.api.key === apiVersions.key) {
    // Version 0 is what every client can read, and the list in it tells which version to use (KIP-511).
    const body = { errorCode: error.code, apiKeys: advertisedApis(HANDLERS) };
    return encodeResponse(apiVersions, 0, header.correlationId, body);
  }
  const [min, max] = handler.api.versions;
  return refuse(handler, header, header.apiVersion < min ? min : max, error);
}

/** Of an unknown API nothing is known but the header: the error alone. */
function refuseUnknownApi({ correlationId }: RequestHeader): Buffer[] {
  const reply = Buffer.alloc(UNKNOWN_API_REPLY_BYTES);
  reply.writeInt32BE(UNKNOWN_API_REPLY_BYTES - 4, 0);
  reply.writeInt32BE(correlationId, 4);
  reply.writeInt16BE(new KafkaError('UNSUPPORTED_VERSION').code, 8);
  return [reply];
}
