/**
 * npm packages that millrace can use and does not ask for: fetched once into the cache, where they are no part of what
 * `npm install` brings. Node finds them by `NODE_PATH`, as it would a user's own.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PACKAGES_DIRECTORY } from './cache.ts';
import { runCommand } from './command.ts';
import { fetchOnce } from './fetched.ts';

const INSTALL_LIMIT_MS = 10 * 60_000;

/** Builds itself where nothing built for the machine is to be had: a compiler, Python and `libkrb5-dev` (Debian). */
export const KERBEROS = { name: 'kerberos', version: '7.0.0' };

/** For `NODE_PATH`; it need not be there yet when a process starts. */
export const KERBEROS_NODE_PATH = join(
  PACKAGES_DIRECTORY,
  `${KERBEROS.name}-${KERBEROS.version}`,
  'node_modules',
);

/** Installs the package `kerberos` if it isn't there yet, which takes half a minute. */
export async function fetchKerberosPackage(): Promise<void> {
  const { name, version } = KERBEROS;
  const about = `installing the npm package ${name} ${version}`;
  await fetchOnce(join(PACKAGES_DIRECTORY, `${name}-${version}`), about, async (cwd) => {
    await writeFile(join(cwd, 'package.json'), '{ "private": true }\n');
    const args = ['install', '--no-audit', '--no-fund', '--foreground-scripts', `${name}@${version}`];
    await runCommand('npm', args, { cwd, limitMs: INSTALL_LIMIT_MS });
  });
}
