/**
 * Runs once before the tests of the real suite: names by NODE_PATH where the package `kerberos` will be. Node reads that
 * at its start, so it has to stand in the environment before the processes of the tests begin.
 */
import { KERBEROS_NODE_PATH } from './bed/node-package.ts';

export function setup(): void {
  process.env['NODE_PATH'] = KERBEROS_NODE_PATH;
}
