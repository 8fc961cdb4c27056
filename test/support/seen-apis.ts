/**
 * What clients ask of a broker of the test's own: its log of every request, by who asked. Held against the table of
 * docs/protocol.md, so that no foreign client of the tests uses what the table does not tell.
 */
import pino, { type Logger } from 'pino';
import { expect } from 'vitest';
import { API_USERS, type ApiUser } from './api-users.ts';

/** API → versions, ascending. */
type Versions = Record<string, number[]>;

export class SeenApis {
  /** For the broker. */
  readonly log: Logger;
  readonly #requests = new Set<string>();

  constructor() {
    const write = (line: string) => {
      const { msg, clientId } = JSON.parse(line) as { msg: string; clientId?: string | null };
      if (msg.startsWith('request ')) this.#requests.add(`${msg} ${clientId ?? ''}`);
    };
    this.log = pino({ level: 'trace' }, { write });
  }

  #by(clientId: RegExp): Versions {
    const found: Record<string, Set<number>> = {};
    for (const request of this.#requests) {
      const [, api, version, ...client] = request.split(' ');
      if (clientId.test(client.join(' '))) (found[api!] ??= new Set()).add(Number(version));
    }
    const sorted = Object.entries(found).map(([api, versions]) => [api, [...versions].sort((a, b) => a - b)]);
    return Object.fromEntries(sorted) as Versions;
  }

  /** Expects that what those with such a client id asked stands in the table under this name. */
  expectTold(user: ApiUser, clientId: RegExp): void {
    const seen = this.#by(clientId);
    expect(Object.keys(seen).length, `requests of ${user}`).toBeGreaterThan(0);
    const told: Versions = API_USERS[user];
    const untold = Object.entries(seen).flatMap(([api, versions]) =>
      versions.filter((version) => !told[api]?.includes(version)).map((version) => `${api} ${version}`),
    );
    expect(untold, `of ${user}, in test/support/api-users.ts; seen: ${JSON.stringify(seen)}`).toEqual([]);
  }
}
