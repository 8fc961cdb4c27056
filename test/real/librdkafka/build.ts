/**
 * librdkafka's own test suite, built from the sources that lie in the npm package `@confluentinc/kafka-javascript`. The
 * package is fetched for them alone and becomes no dependency. Needs a C and a C++ compiler, make, Python 3 and the Debian
 * packages libssl-dev, zlib1g-dev and libzstd-dev.
 */
import { join } from 'node:path';
import { LIBRDKAFKA_DIRECTORY } from '../bed/cache.ts';
import { runCommand } from '../bed/command.ts';
import { fetchOnce } from '../bed/fetched.ts';

const PACKAGE = '@confluentinc/kafka-javascript';
const PACKAGE_VERSION = '1.10.1';
/** What that package holds. */
export const LIBRDKAFKA_VERSION = '2.15.1';
const MAKE_LIMIT_MS = 40 * 60_000;

/** Beside the sources' directories: see the C source of that name. */
export const ONE_REPLICA = 'one-replica.so';

/** No library of the system that a test of ours has no use for; no optimizing, which takes most of the time. */
const CONFIGURE = [
  '--disable-gssapi',
  '--disable-curl',
  '--disable-lz4-ext',
  '--enable-zstd',
  '--disable-optimization',
  '--disable-debug-symbols',
];

/** The directory of the sources, with `tests/test-runner` in it. Built if it isn't there yet, which takes minutes. */
export async function buildLibrdkafka(): Promise<string> {
  const about = `building librdkafka ${LIBRDKAFKA_VERSION} and its test suite`;
  const directory = join(LIBRDKAFKA_DIRECTORY, PACKAGE_VERSION);
  await fetchOnce(directory, about, async (unfinished) => {
    const run = (command: string, args: string[], cwd = unfinished) =>
      runCommand(command, args, { cwd, limitMs: MAKE_LIMIT_MS });
    const packed = await run('npm', ['pack', '--silent', `${PACKAGE}@${PACKAGE_VERSION}`]);
    await run('tar', ['xzf', packed.trim()]);
    const sources = sourcesIn(unfinished);
    await run('./configure', CONFIGURE, sources);
    await run('make', ['-j2', 'libs'], sources);
    await run('make', ['-j2', '-C', 'tests', 'build'], sources);
    const oneReplica = join(import.meta.dirname, 'one-replica.c');
    await run('cc', ['-shared', '-fPIC', '-o', ONE_REPLICA, oneReplica, '-ldl'], sources);
  });
  return sourcesIn(directory);
}

/** Has the suite's programs in Java compiled; tests do it themselves, but several at once would be in each other's way. */
export async function buildJava(sources: string, kafkaPath: string): Promise<void> {
  await runCommand('make', ['-s', 'java'], {
    cwd: join(sources, 'tests'),
    env: { KAFKA_PATH: kafkaPath },
    limitMs: MAKE_LIMIT_MS,
  });
}

const sourcesIn = (directory: string) => join(directory, 'package', 'deps', 'librdkafka');
