/**
 * Free loopback ports for daemons that want their numbers in a configuration file before they start. They are taken below
 * the range from which systems give ports to outgoing connections (32768 on Linux, 49152 elsewhere): a port from that
 * range could be gone when a killed daemon comes back to it. For the same reason test files that run side by side take
 * odd and even ones.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';

export const LOOPBACK = '127.0.0.1';

const LOWEST = 20_000;
const HIGHEST = 32_000;
const ATTEMPTS = 1000;
/** Of the numbers of vitest's two workers. */
const PARITY = Number(process.env['VITEST_POOL_ID'] ?? 0) % 2;

/** Ports given out by this process: a daemon that is to use one may not have bound it yet. */
const given = new Set<number>();

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  server.listen({ port, host: LOOPBACK, exclusive: true });
  try {
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

/** A port of 127.0.0.1 that nobody listens on now, and that this function has not given out before. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = LOWEST + 2 * Math.floor((Math.random() * (HIGHEST - LOWEST)) / 2) + PARITY;
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`no free port from ${LOWEST} to ${HIGHEST} on ${LOOPBACK} in ${ATTEMPTS} attempts`);
}

/** One free port for each name. */
export async function freePorts<Name extends string>(...names: Name[]): Promise<Record<Name, number>> {
  const ports: Partial<Record<Name, number>> = {};
  for (const name of names) ports[name] = await freePort();
  return ports as Record<Name, number>;
}
