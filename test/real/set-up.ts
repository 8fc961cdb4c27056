/**
 * Runs once before the tests of the real suite. Fetches all they need, so that files that run side by side find it there;
 * and names by NODE_PATH where the package `kerberos` is: Node reads that at its start, so it has to stand in the
 * environment before the processes of the tests begin.
 */
import { fetchJars, JAR_SET_NAMES } from './bed/jars.ts';
import { fetchKerberosPackage, KERBEROS_NODE_PATH } from './bed/node-package.ts';

export async function setup(): Promise<void> {
  process.env['NODE_PATH'] = KERBEROS_NODE_PATH;
  for (const name of JAR_SET_NAMES) await fetchJars(name);
  await fetchKerberosPackage();
}
