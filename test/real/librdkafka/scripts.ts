/**
 * The shell scripts of a Kafka distribution that librdkafka's tests start: they run the tools of the same names from the
 * jars of the bed.
 */
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fetchJars, KAFKA_VERSION } from '../bed/jars.ts';
import { javaArguments, javaCommand } from '../bed/java.ts';

/** Its script → the class that it runs. */
const TOOLS = {
  'kafka-topics.sh': 'org.apache.kafka.tools.TopicCommand',
  // Programs of the suite's own: the class is the first argument.
  'kafka-run-class.sh': undefined,
};

/** A topic's segments are deleted at once; a test that asks for a delay does not look at it. */
const AS_SERVED = `for word; do
  case $word in file.delete.delay.ms=*) word=file.delete.delay.ms=0 ;; esac
  set -- "$@" "$word"
  shift
done
`;

const quoted = (word: string) => `'${word.replaceAll("'", `'\\''`)}'`;

/** Makes a directory that is enough of a Kafka distribution for the suite, which calls it KAFKA_PATH. `sources`: its own. */
export async function writeScripts(directory: string, sources: string): Promise<void> {
  const bin = join(directory, 'bin');
  await mkdir(bin, { recursive: true });
  const jars = join(await fetchJars('kafka'), 'lib');
  await symlink(jars, join(directory, 'libs'));
  // The client's own jar first: looking through all of them would take as long as the tool's work.
  const client = join(jars, `kafka-clients-${KAFKA_VERSION}.jar`);
  const classPath = [join(sources, 'tests', 'java'), client, join(jars, '*')];
  for (const [name, main] of Object.entries(TOOLS)) {
    const args = javaArguments({ classPath, main: main ?? '' }).filter((word) => word !== '');
    const command = [javaCommand(), ...args].map(quoted).join(' ');
    await writeFile(join(bin, name), `#!/bin/sh\n${AS_SERVED}exec ${command} "$@"\n`, { mode: 0o755 });
  }
}
