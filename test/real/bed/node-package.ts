/**
 * npm packages that millrace can use and does not ask for: fetched once into the cache, where they are no part of what
 * `npm install` brings. Node finds them by `NODE_PATH`, as it would a user's own.
 */
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PACKAGES_DIRECTORY } from './cache.ts';
import { runCommand } from './command.ts';

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
  const directory = join(PACKAGES_DIRECTORY, `${name}-${version}`);
  if ((await stat(directory).catch(() => undefined)) !== undefined) return;
  const unfinished = `${directory}.${process.pid}`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  await writeFile(join(unfinished, 'package.json'), '{ "private": true }\n');
  process.stderr.write(`installing the npm package ${name} ${version}, once…\n`);
  const args = ['install', '--no-audit', '--no-fund', '--foreground-scripts', `${name}@${version}`];
  try {
    await runCommand('npm', args, { cwd: unfinished, limitMs: INSTALL_LIMIT_MS });
    await rename(unfinished, directory).catch((error: NodeJS.ErrnoException) => {
      // Another run was faster.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}
