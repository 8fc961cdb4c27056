/**
 * Versions and APIs that the broker does not serve are answered with the protocol's error, never with a closed socket: a
 * client that finds that cannot tell why (KIP-511).
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Broker } from '../../broker/broker.ts';
import type { Handler } from '../../broker/handlers/handler.ts';
import { HANDLERS } from '../../broker/handlers/handlers.ts';
import { apiVersions } from '../../broker/protocol/apis/api-versions.ts';
import { ERRORS } from '../../broker/protocol/errors.ts';
import { decodeResponse } from '../../broker/protocol/frame.ts';
import { RawClient } from '../support/raw-client.ts';
import { startBroker } from '../support/start-broker.ts';
import { TempDir } from '../support/temp-dir.ts';

const UNSUPPORTED = ERRORS.UNSUPPORTED_VERSION[0];
/** Answers whose form has no place for the error of a whole request: they are empty. */
const WITHOUT_PLACE = new Set(['Fetch 4', 'OffsetFetch 1', 'OffsetFetch 8', 'FindCoordinator 4']);
const dir = new TempDir('versions');
let broker: Broker;
let client: RawClient;
beforeAll(async () => {
  broker = await startBroker(dir.path);
  client = await RawClient.connect(broker);
});
afterAll(async () => {
  client[Symbol.dispose]();
  await broker.stop();
  dir[Symbol.dispose]();
});

/** The versions beside a range, and absurd ones. */
function versionsBeside({ api }: Handler): [asked: number, answeredIn: number][] {
  const [min, max] = api.versions;
  const below = [-(2 ** 15), -1, min - 1].filter((version) => version < min);
  const above = [max + 1, max + 100, 2 ** 15 - 1];
  return [...below.map((v): [number, number] => [v, min]), ...above.map((v): [number, number] => [v, max])];
}

describe('what is not served is answered on a connection that stays open', () => {
  test.each(HANDLERS.map((handler) => ({ name: handler.api.name, handler })))(
    '$name',
    async ({ handler }) => {
      const { api } = handler;
      for (const [asked, answeredIn] of versionsBeside(handler)) {
        const frame = await client.sendHeader(api.key, asked);
        const form = api.key === apiVersions.key ? 0 : answeredIn;
        const body = decodeResponse(api, form, frame) as { errorCode?: number };
        if (WITHOUT_PLACE.has(`${api.name} ${form}`)) expect(body.errorCode ?? 0).toBe(0);
        else if ('errorCode' in body) expect(body.errorCode).toBe(UNSUPPORTED);
      }
      expect((await client.request(apiVersions, 0, {})).errorCode).toBe(0);
    },
  );

  test('every other API', async () => {
    const served = new Set(HANDLERS.map(({ api }) => api.key));
    for (let key = -2; key <= 100; key++) {
      if (served.has(key)) continue;
      for (const version of [0, 1, 2 ** 15 - 1])
        expect((await client.sendHeader(key, version)).readInt16BE(4)).toBe(UNSUPPORTED);
    }
  });
});
